use std::collections::BTreeMap;

use super::{Invariant, Seen};

/// No two processes of a child are there at once.
#[derive(Default)]
pub(super) struct NoOverlap(BTreeMap<String, u64>);

impl Invariant for NoOverlap {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        match *seen {
            Seen::Begun { process, path } => match self.0.insert(path.to_owned(), process) {
                None => Ok(()),
                Some(before) => Err(format!("{path} runs twice, as {before} and as {process}")),
            },
            Seen::Ended { path, .. } => {
                self.0.remove(path);
                Ok(())
            }
            Seen::Event(_) | Seen::Called { .. } | Seen::AskedToStop => Ok(()),
        }
    }
}
