//! The look-up of a supervisor by its dotted name. Like any reading of a tree it needs no answer from a supervisor (B4).

use std::sync::Arc;

use futures_lite::future::yield_now;

use super::{Child, Shared, locked_engine::Cursor};
use crate::error::SupervisorError;

impl Shared {
    /// Finds the supervisor of this dotted name in the tree that this one runs in.
    pub(crate) async fn supervisor(&self, path: &str) -> Result<Arc<Self>, SupervisorError> {
        // N7: a supervisor that does not run is in no tree.
        let root = self.root().ok_or_else(|| self.not_running())?;
        let mut last = root.path();
        let mut segments = path.split('.');
        if segments.next() != Some(&last) {
            return Err(SupervisorError::NotFound { path: last });
        }
        let Some(segment) = segments.next() else { return Ok(root) };
        let mut found = root.supervisors_named(segment).await;
        for segment in segments {
            if found.is_empty() {
                break;
            }
            last = format!("{last}.{}", found[0].name());
            // D2: names need not be unique, so the path may lead through any of them.
            let mut below = Vec::new();
            for child in &found {
                below.extend(supervisors_below(&**child, segment).await);
            }
            found = below;
        }
        let first = found.first().and_then(|child| child.shared()).cloned();
        first.ok_or(SupervisorError::NotFound { path: last })
    }

    /// Returns the children that are supervisors of this name, in start order. After the end, those of the last run.
    async fn supervisors_named(&self, name: &str) -> Vec<Arc<dyn Child>> {
        let (mut found, mut cursor) = (Vec::new(), Cursor::default());
        let Some((locked, _)) = self.look() else { return found };
        if locked.lock().counts().supervisors == 0 {
            return found;
        }
        loop {
            found.extend(locked.read(&mut cursor, |_, slot| is_it(&*slot.child, name).then(|| slot.child.clone())));
            if cursor.is_at_end() {
                return found;
            }
            // B4: the thread may be the only one.
            yield_now().await;
        }
    }
}

async fn supervisors_below(child: &dyn Child, name: &str) -> Vec<Arc<dyn Child>> {
    let Some(shared) = child.shared() else { return Vec::new() };
    if shared.look().is_some() {
        return shared.supervisors_named(name).await;
    }
    // It has never run, and may be about to start. The children that it will start with are known.
    let children = child.blueprint().map(|blueprint| blueprint.children);
    children.iter().flat_map(|children| children.iter()).filter(|child| is_it(&***child, name)).cloned().collect()
}

fn is_it(child: &dyn Child, name: &str) -> bool {
    child.shared().is_some() && child.name() == name
}
