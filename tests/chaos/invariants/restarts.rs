use std::collections::BTreeMap;

use supervisor_core::EventKind;

use super::{End, Invariant, Seen};

/// A restart that is told comes, or is told to be cancelled, before another is told. (One that was not told can be cancelled, too: of
/// a sibling that waited for its turn in the restart of its group.)
#[derive(Default)]
pub(super) struct Restarts {
    /// The children whose restart is to come, with their dotted names.
    owed: BTreeMap<u64, String>,
}

impl Invariant for Restarts {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Event(event) = seen else { return Ok(()) };
        let Some(id) = event.id.map(|id| id.as_u64()) else { return Ok(()) };
        match event.kind {
            EventKind::Restarting { .. } => {
                let before = self.owed.insert(id, event.path.clone());
                return before.map_or(Ok(()), |path| Err(format!("{path} is told to restart before it has")));
            }
            EventKind::RestartCancelled | EventKind::Started => drop(self.owed.remove(&id)),
            _ => {}
        }
        Ok(())
    }

    fn finish(&self, _: &End<'_>) -> Result<(), String> {
        let missing = self.owed.values().next();
        missing.map_or(Ok(()), |path| Err(format!("the restart of {path} neither came nor was cancelled")))
    }
}
