use supervisor_core::{EventKind, Exit};

use super::{Invariant, Seen};

/// Nothing panics but what is to.
pub(super) struct Scripted;

impl Invariant for Scripted {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Event(event) = seen else { return Ok(()) };
        let text = match &event.kind {
            EventKind::Exited(Exit::Panicked(panic)) => panic.to_string(),
            EventKind::StartFailed(failure) if failure.to_string().contains("panicked") => format!("{failure:#}"),
            _ => return Ok(()),
        };
        match text.contains("a scripted panic") || text.contains("a simulated panic") {
            true => Ok(()),
            false => Err(format!("{} has panicked: {text}", event.path)),
        }
    }
}
