use std::collections::BTreeMap;

use supervisor_core::EventKind;

use super::{End, Invariant, Seen};

/// Each process that is started has exactly one end: it is told to have exited, to have failed to start, or to have nothing to
/// run, after its user code is gone; or it is told to be abandoned. That holds below a supervisor that was lost, too.
#[derive(Default)]
pub(super) struct OneExit {
    /// Those whose exit is to come, with their dotted names.
    started: BTreeMap<u64, String>,
    /// Those whose user code is there.
    inside: BTreeMap<u64, String>,
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
        let (process, is_refused) = (event.process, matches!(event.kind, EventKind::Refused(_)));
        if is_refused == process.is_some() || event.id.is_none() != (event.path == "root") {
            return Err(format!("{event} has process {process:?} and child {:?}", event.id));
        }
        let Some(process) = process.map(|process| process.as_u64()) else { return Ok(()) };
        match &event.kind {
            EventKind::Started => drop(self.started.insert(process, event.path.clone())),
            EventKind::Exited(_) | EventKind::StartFailed(_) | EventKind::Ignored => {
                if self.inside.contains_key(&process) {
                    return Err(format!("{} is told to have ended, and its destructors have not run", event.path));
                }
                return self.leave(process, &event.path);
            }
            EventKind::Abandoned => return self.leave(process, &event.path),
            _ => {}
        }
        Ok(())
    }

    fn finish(&self, _: &End<'_>) -> Result<(), String> {
        let missing = self.started.values().next();
        missing.map_or(Ok(()), |path| Err(format!("the exit of {path} was lost")))
    }
}

impl OneExit {
    /// Notes that no supervisor waits for this process any longer.
    fn leave(&mut self, process: u64, path: &str) -> Result<(), String> {
        // The root is told to have ended by a loss, and was not told to have started.
        if path == "root" {
            return Ok(());
        }
        let known = self.started.remove(&process);
        known.map(drop).ok_or_else(|| format!("{path} is told to have ended twice, or without having started"))
    }
}
