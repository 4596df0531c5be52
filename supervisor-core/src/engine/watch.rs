//! Children that promise a sign of life (B2).

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
    /// Whether a process has given a sign of life since it was last asked for. The answer to `Effect::SampleHeartbeat`.
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
            // B2: it has failed, and the policy is applied when its process is gone: P2 lets no successor run beside it.
            self.emit(process_key.child_key(), || EventKind::Unresponsive { within });
            self.abort(process_key.child_key(), AfterStop::ApplyPolicy { since, unresponsive: true }, now);
        }
    }

    /// From now on a child has to give signs of life, if it promises them. Runs when it is ready, and after each sign.
    pub(super) fn watch_over(&mut self, key: ChildKey, now: Instant) {
        let Some(slot) = self.children.get(key).filter(|_| !self.is_stopping()) else { return };
        if let Some(due) = slot.settings().watchdog().and_then(|within| now.checked_add(within)) {
            self.children.set_look(key, Some(Look { due, is_repeated: false, has_begun: false }));
        }
    }

    /// Asks whether a child has given a sign. Runs when the time of its look has come.
    pub(super) fn look_for_signs(&mut self, key: ChildKey) {
        let Some(slot) = self.children.get(key) else { return };
        let (incarnation, look) = (slot.incarnation, slot.look());
        // B2: no child is looked at while the supervisor stops. A child that gives no sign then has its turn to stop anyway.
        let look = look.filter(|_| !self.is_stopping()).map(|look| Look { has_begun: true, ..look });
        self.children.set_look(key, look);
        if look.is_some() {
            self.effects.push_back(Effect::SampleHeartbeat { key, incarnation });
        }
    }

    /// How a process has really ended. Runs when one ends that was being stopped.
    pub(super) fn exit_of(&self, key: ChildKey, stopping: &Stopping, exit: Exit) -> Exit {
        let within = || self.children.get(key)?.settings().watchdog();
        match (stopping.then, exit) {
            // The process knows only that it was aborted. Why, the error and the restart have to say (B2).
            (AfterStop::ApplyPolicy { unresponsive: true, .. }, Exit::Aborted) => {
                Exit::Unresponsive { within: within().unwrap_or(Duration::ZERO) }
            }
            // P8: one that ended well in the moment of its abort has ended well.
            (_, exit) => exit,
        }
    }
}

impl Look {
    /// Runs when a look has found no sign. A look that has come late is no proof: what kept the supervisor from looking (the
    /// program was stopped, the machine slept, a poll blocked the thread) may have kept the process from giving a sign. So it
    /// is repeated, once: after as long as it was late, which is what the process may have lost. After a whole time `within`
    /// and more nothing is known at all, and the process has as much again.
    fn again(self, within: Duration, now: Instant) -> Option<Self> {
        let late = now.saturating_duration_since(self.due);
        let due = if late > within {
            now.checked_add(within)?
        } else if late.is_zero() || self.is_repeated {
            return None;
        } else {
            // So a miss is found within two times `within` all the same.
            now.checked_add(late)?.min(self.due.checked_add(within)?)
        };
        Some(Self { due, is_repeated: true, has_begun: false })
    }
}
