use std::collections::BTreeSet;

use supervisor_core::EventKind;

use super::{Invariant, Seen, is_supervisor};

/// A rule: what a worker has in its scope is gone when the end of the worker is told, and so before a successor begins (S1).
///
/// The dotted name of a child begins with that of its owner.
#[derive(Default)]
pub(super) struct Owned {
    /// The dotted names of those whose user code is there.
    inside: BTreeSet<String>,
    /// The workers that have ended, and not begun again.
    ended: BTreeSet<String>,
}

impl Owned {
    fn find_below(&self, path: &str) -> Option<&String> {
        let below = format!("{path}.");
        self.inside.range(below.clone()..).next().filter(|inside| inside.starts_with(&below))
    }
}

impl Invariant for Owned {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match *seen {
            Seen::Begun { path, process } => {
                if let Some(left) = self.find_below(path) {
                    return Err(format!("{path} begins as {process}, and {left} is there"));
                }
                self.ended.remove(path);
                self.inside.insert(path.to_owned());
                let mut above = path.match_indices('.').map(|(end, _)| &path[..end]);
                match above.find(|above| self.ended.contains(*above)) {
                    Some(owner) => Err(format!("{path} begins in the scope of {owner}, which has ended")),
                    None => Ok(()),
                }
            }
            Seen::Ended { path, .. } => {
                self.inside.remove(path);
                Ok(())
            }
            Seen::Event(event) if !is_supervisor(&event.path) => {
                let (EventKind::Exited(_) | EventKind::StartFailed(_) | EventKind::Ignored) = event.kind else {
                    return Ok(());
                };
                self.ended.insert(event.path.clone());
                match self.find_below(&event.path) {
                    Some(left) => {
                        Err(format!("{} is told to have ended, and {left} in its scope is there", event.path))
                    }
                    None => Ok(()),
                }
            }
            Seen::Event(_) | Seen::Called { .. } | Seen::AskedToStop => Ok(()),
        }
    }
}
