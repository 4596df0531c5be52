use std::collections::{BTreeMap, BTreeSet};

use supervisor_core::{EventKind, Exit};

use super::{End, Invariant, Seen};

/// Each process that is started has exactly one end: it is told to have exited, to have failed to start, or to have nothing to
/// run, after its user code is gone; or it is told to be abandoned. That holds below a supervisor that was lost, too. A later
/// run of its supervisor adopts what was abandoned, and tells once more what becomes of it; one that is lost does so, too.
#[derive(Default)]
pub(super) struct OneExit {
    /// Those whose exit is to come, with their dotted names.
    started: BTreeMap<u64, String>,
    /// Those that were told to have started.
    ever: BTreeSet<u64>,
    /// Those whose supervisor was lost before they ended. They tell of their end themselves.
    orphans: BTreeSet<u64>,
    /// Those that were abandoned, with their dotted names, and whether they may be told of once more.
    abandoned: BTreeMap<u64, (String, bool)>,
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
        let Some(process) = event.process.map(|process| process.as_u64()) else { return Ok(()) };
        match &event.kind {
            EventKind::Started => {
                self.ever.insert(process);
                self.started.insert(process, event.path.clone());
                self.may_tell_below(&event.path, false);
            }
            EventKind::Exited(exit) => {
                if matches!(exit, Exit::Lost) {
                    self.may_tell_below(&event.path, true);
                }
                return self.exit(process, &event.path);
            }
            EventKind::StartFailed(_) | EventKind::Ignored => {
                return self.exit(process, &event.path);
            }
            EventKind::Abandoned => {
                self.leave(process, &event.path)?;
                self.abandoned.insert(process, (event.path.clone(), false));
            }
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
    /// This supervisor runs again, or is lost: whom it has abandoned may be told of once more.
    fn may_tell_below(&mut self, supervisor: &str, is_lost: bool) {
        let is_below = |path: &str| path.rsplit_once('.').is_some_and(|(above, _)| above == supervisor);
        if is_lost {
            let left = self.started.iter().filter(|(_, path)| is_below(path)).map(|(process, _)| *process);
            self.orphans.extend(left);
        }
        for (path, may_be_told) in self.abandoned.values_mut() {
            *may_be_told |= is_below(path);
        }
    }

    fn exit(&mut self, process: u64, path: &str) -> Result<(), String> {
        if self.inside.contains_key(&process) {
            return Err(format!("{path} is told to have ended, and its destructors have not run"));
        }
        self.leave(process, path)
    }

    /// Nobody waits for this process any longer.
    fn leave(&mut self, process: u64, path: &str) -> Result<(), String> {
        // What a supervisor that was lost has refused to start is disposed of by a process that was never told to start.
        if !self.ever.contains(&process) {
            return Ok(());
        }
        match (self.started.remove(&process), self.abandoned.remove(&process)) {
            (Some(_), _) | (None, Some((_, true))) => Ok(()),
            (None, Some(_)) if self.orphans.remove(&process) => Ok(()),
            (None, _) => Err(format!("{path} is told to have ended twice")),
        }
    }
}
