//! The heartbeats of children with a watchdog (B2).

use std::time::{Duration, Instant};

use super::{
    Effect, Engine, Spec, State,
    slot::{AfterStop, Look, Stopping},
};
use crate::{
    incarnation::{ChildKey, Exit, ProcessKey},
    observe::EventKind,
};

impl<C: Spec> Engine<C> {
    /// Handles whether a process has sent a heartbeat since the last check. The answer to `Effect::SampleHeartbeat`.
    pub(crate) fn handle_heartbeat(&mut self, process_key: ProcessKey, sign_of_life: bool, now: Instant) {
        // Between the effect and its answer the process may have ended, or the supervisor may have begun to stop.
        let Some(slot) = self.children.about(process_key).filter(|_| !self.is_stopping()) else { return };
        let (Some(within), Some(look), &State::Running { since }) =
            (slot.settings().watchdog(), slot.look(), &slot.state)
        else {
            return;
        };
        if sign_of_life {
            self.watch_over(process_key.child_key(), now);
        } else if let Some(next) = look.again(within, now) {
            self.children.set_look(process_key.child_key(), Some(next));
        } else {
            // B2: it has failed, and the policy is applied when its process is gone: P2 allows no successor beside it.
            self.emit(process_key.child_key(), || EventKind::Unresponsive { within });
            self.abort(process_key.child_key(), AfterStop::ApplyPolicy { since, unresponsive: true }, now);
        }
    }

    /// Sets when the next heartbeat of a child is due, if it has a watchdog. Runs when it is ready, and after each
    /// heartbeat.
    pub(super) fn watch_over(&mut self, key: ChildKey, now: Instant) {
        let Some(slot) = self.children.get(key).filter(|_| !self.is_stopping()) else { return };
        if let Some(due) = slot.settings().watchdog().and_then(|within| now.checked_add(within)) {
            self.children.set_look(key, Some(Look { due, is_repeated: false, has_begun: false }));
        }
    }

    /// Checks whether a child has sent a heartbeat. Runs when the time of its check has come.
    pub(super) fn look_for_signs(&mut self, key: ChildKey) {
        let Some(slot) = self.children.get(key) else { return };
        let (incarnation, look) = (slot.incarnation, slot.look());
        // B2: no child is checked while the supervisor stops. A child without a heartbeat then has its turn to stop
        // anyway.
        let look = look.filter(|_| !self.is_stopping()).map(|look| Look { has_begun: true, ..look });
        self.children.set_look(key, look);
        if look.is_some() {
            self.effects.push_back(Effect::SampleHeartbeat { key, incarnation });
        }
    }

    /// Returns how a process has really ended. Runs when one ends that was being stopped.
    pub(super) fn exit_of(&self, key: ChildKey, stopping: &Stopping, exit: Exit) -> Exit {
        let within = || self.children.get(key)?.settings().watchdog();
        match stopping.then {
            // The process only knows that it was aborted. The error and the restart have to give the reason (B2).
            AfterStop::ApplyPolicy { unresponsive: true, .. } if exit == Exit::Aborted => {
                Exit::Unresponsive { within: within().unwrap_or(Duration::ZERO) }
            }
            // P8: a process that ended well at the moment of its abort has ended well.
            _ => exit,
        }
    }
}

impl Look {
    /// Repeats a check that found no heartbeat, if it was late. A late check is no proof: the cause of the delay (the
    /// program was stopped, the machine slept, a poll blocked the thread) may have kept the process from its heartbeat,
    /// too. So it is repeated, once: after as long as it was late, which is what the process may have lost. After a
    /// delay of `within` or more nothing is known at all, and the process has that time again.
    fn again(self, within: Duration, now: Instant) -> Option<Self> {
        let late = now.saturating_duration_since(self.due);
        let due = if late > within {
            now.checked_add(within)?
        } else if late.is_zero() || self.is_repeated {
            return None;
        } else {
            // So a miss is still found within two times `within`.
            now.checked_add(late)?.min(self.due.checked_add(within)?)
        };
        Some(Self { due, is_repeated: true, has_begun: false })
    }
}
