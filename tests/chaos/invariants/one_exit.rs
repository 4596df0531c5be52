use std::collections::BTreeMap;

use supervisor_core::EventKind;

use super::{Invariant, Seen};
use crate::chaos::diary::Diary;

/// Each process that is started has exactly one exit, told after its user code is gone. One that is abandoned has none.
#[derive(Default)]
pub(super) struct OneExit {
    /// Those whose exit is to come, with their dotted names.
    started: BTreeMap<u64, String>,
    /// Those whose user code is there.
    inside: BTreeMap<u64, String>,
    /// Dotted names of supervisors that went without a word: nobody is left to tell of what was below.
    broken: Vec<String>,
}

impl Invariant for OneExit {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let event = match seen {
            Seen::Event(event) => event,
            &Seen::Begun { process, path } => {
                let before = self.inside.insert(process, path.to_owned());
                return before.map_or(Ok(()), |_| Err(format!("{path} has begun twice in one process")));
            }
            Seen::Ended { process, path } => {
                return self.inside.remove(process).map(drop).ok_or_else(|| format!("{path} has ended twice"));
            }
            Seen::Called { .. } | Seen::AskedToStop => return Ok(()),
        };
        let Some(process) = event.process.map(|process| process.as_u64()) else { return Ok(()) };
        match &event.kind {
            EventKind::Started => {
                self.started.insert(process, event.path.clone());
            }
            EventKind::Exited(exit) => {
                if !exit.is_normal() && !matches!(exit, supervisor_core::Exit::Shutdown(_)) {
                    self.broken.push(event.path.clone());
                }
                return self.exit(process, &event.path);
            }
            EventKind::StartFailed(_) | EventKind::Ignored => return self.exit(process, &event.path),
            EventKind::Abandoned => {
                self.started.remove(&process);
                self.broken.push(event.path.clone());
            }
            _ => {}
        }
        Ok(())
    }

    fn finish(&self, _: &Diary) -> Result<(), String> {
        let is_below =
            |path: &str, broken: &String| path.strip_prefix(broken.as_str()).is_some_and(|rest| rest.starts_with('.'));
        let missing = self.started.values().find(|path| !self.broken.iter().any(|broken| is_below(path, broken)));
        missing.map_or(Ok(()), |path| Err(format!("the exit of {path} was lost")))
    }
}

impl OneExit {
    fn exit(&mut self, process: u64, path: &str) -> Result<(), String> {
        if self.inside.contains_key(&process) {
            return Err(format!("{path} is told to have ended, and its destructors have not run"));
        }
        // The root's own start is told to nobody.
        self.started.remove(&process).map(drop).ok_or_else(|| format!("{path} is told to have ended twice"))
    }
}
