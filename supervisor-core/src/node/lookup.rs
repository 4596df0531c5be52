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
            let Some(first) = found.first() else { break };
            last = format!("{last}.{}", first.child.name());
            // D2: names need not be unique, so the path may lead through any of them.
            let mut below = Vec::new();
            for found in &found {
                below.extend(supervisors_below(found, segment).await);
            }
            found = below;
        }
        let first = found.into_iter().next().map(|found| found.shared);
        first.ok_or(SupervisorError::NotFound { path: last })
    }

    /// Returns the children of this name that are supervisors, or have a scope (S3), in start order. After the end, those of the
    /// last run.
    async fn supervisors_named(&self, name: &str) -> Vec<Found> {
        let (mut found, mut cursor) = (Vec::new(), Cursor::default());
        let Some((locked, _)) = self.look() else { return found };
        if locked.lock().counts().supervisors == 0 && self.scopes().is_empty() {
            return found;
        }
        loop {
            let named = locked.read(&mut cursor, |_, slot| (slot.child.name() == name).then(|| slot.child.clone()));
            // Without the lock: a scope that ends meanwhile may be dropped here.
            found.extend(named.into_iter().filter_map(|child| Some(Found { shared: self.below(&*child)?, child })));
            if cursor.is_at_end() {
                return found;
            }
            // B4: the thread may be the only one.
            yield_now().await;
        }
    }
}

/// A child that is a supervisor, or has a scope, and what handles share with that supervisor.
struct Found {
    child: Arc<dyn Child>,
    shared: Arc<Shared>,
}

async fn supervisors_below(above: &Found, name: &str) -> Vec<Found> {
    if above.shared.look().is_some() {
        return above.shared.supervisors_named(name).await;
    }
    // It has never run, and may be about to start. The children that it will start with are known.
    let children = above.child.blueprint().map(|blueprint| blueprint.children);
    let named = children.iter().flat_map(|children| children.iter()).filter(|child| child.name() == name);
    named.filter_map(|child| Some(Found { shared: child.shared()?.clone(), child: child.clone() })).collect()
}
