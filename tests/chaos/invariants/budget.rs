use supervisor_core::EventKind;

use super::{Invariant, Seen};

/// A rule: a supervisor that gives up reports one restart more than it may make.
pub(super) struct Budget;

impl Invariant for Budget {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let Seen::Event(event) = seen else { return Ok(()) };
        let EventKind::GaveUp(gave_up) = &event.kind else { return Ok(()) };
        // The history keeps the last sixteen.
        let expected = (gave_up.intensity + 1).min(16);
        if gave_up.restarts.len() != expected {
            let told = gave_up.restarts.len();
            return Err(format!("{} gave up after {told} restarts instead of {expected}", event.path));
        }
        Ok(())
    }
}
