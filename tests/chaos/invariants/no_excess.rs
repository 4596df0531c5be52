use std::collections::BTreeSet;

use supervisor_core::EventKind;

use super::{Invariant, Seen};

/// There are never more processes than children.
#[derive(Default)]
pub(super) struct NoExcess {
    declared: BTreeSet<String>,
    live: usize,
}

impl Invariant for NoExcess {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match seen {
            Seen::Event(event) if matches!(event.kind, EventKind::Started) => {
                self.declared.insert(event.path.clone());
            }
            Seen::Begun { path, .. } => {
                // On several threads a process may begin before it is told to have started.
                self.declared.insert((*path).to_owned());
                self.live += 1;
            }
            Seen::Ended { .. } => self.live -= 1,
            Seen::Event(_) | Seen::Called { .. } | Seen::AskedToStop => {}
        }
        if self.live > self.declared.len() {
            return Err(format!("{} processes of {} children", self.live, self.declared.len()));
        }
        Ok(())
    }
}
