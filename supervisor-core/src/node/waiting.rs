//! For whom a tree that stops waits.

use std::{fmt, sync::Arc};

use super::{Child, Shared, locked_engine::Cursor};
use crate::observe::ChildState;

/// The dotted names of processes that are stopping, in start order: a supervisor is named only where nothing below it is. One
/// whose turn to stop has not come holds up nothing, and is not named.
pub(crate) struct StoppingNames {
    names: Vec<String>,
    has_more: bool,
}

impl StoppingNames {
    /// So many are named. A line of a log has an end.
    const MOST: usize = 16;

    /// Those below a supervisor, read as a handle reads them: no two engines are locked at once. As a loop, so that no depth is
    /// too much for a stack.
    pub(crate) fn below(supervisor: &Shared) -> Self {
        let mut names = Vec::new();
        let mut to_look = stopping_children(supervisor, &supervisor.path());
        while let Some((path, child)) = to_look.pop() {
            let below = child.shared().map(|shared| stopping_children(shared, &path)).unwrap_or_default();
            if !below.is_empty() {
                to_look.extend(below);
            } else if names.len() < Self::MOST {
                names.push(path);
            } else {
                return Self { names, has_more: true };
            }
        }
        Self { names, has_more: false }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// The first of the children that are stopping, the very first one last.
fn stopping_children(supervisor: &Shared, path: &str) -> Vec<(String, Arc<dyn Child>)> {
    let (mut found, mut cursor) = (Vec::new(), Cursor::default());
    let Some((locked, Some(_))) = supervisor.look() else { return found };
    // Each of them is a name, or has one below it: more than this are not named.
    while !cursor.is_at_end() && found.len() <= StoppingNames::MOST {
        let stopping = locked
            .read(&mut cursor, |_, slot| (slot.public_state() == ChildState::Stopping).then(|| slot.child.clone()));
        found.extend(stopping.into_iter().map(|child| (format!("{path}.{}", child.name()), child)));
    }
    found.reverse();
    found
}

impl fmt::Display for StoppingNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.names.join(", "))?;
        if self.has_more { f.write_str(", and more") } else { Ok(()) }
    }
}
