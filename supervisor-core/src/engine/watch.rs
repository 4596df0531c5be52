//! Children that promise a sign of life.

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
    /// Whether a process has given a sign of life since it was last asked for.
    pub(crate) fn handle_heartbeat(&mut self, process_key: ProcessKey, sign_of_life: bool, now: Instant) {
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
            self.emit(process_key.child_key(), || EventKind::Unresponsive { within });
            self.abort(process_key.child_key(), AfterStop::ApplyPolicy { since, unresponsive: true }, now);
        }
    }

    /// From now on a child has to give signs of life, if it promises them.
    pub(super) fn watch_over(&mut self, key: ChildKey, now: Instant) {
        let Some(slot) = self.children.get(key).filter(|_| !self.is_stopping()) else { return };
        if let Some(due) = slot.settings().watchdog().and_then(|within| now.checked_add(within)) {
            self.children.set_look(key, Some(Look { due, is_repeated: false, has_begun: false }));
        }
    }

    /// Has one looked at whose time has come.
    pub(super) fn look_for_signs(&mut self, key: ChildKey) {
        let Some(slot) = self.children.get(key) else { return };
        let (incarnation, look) = (slot.incarnation, slot.look());
        // Nobody is looked at while the supervisor stops.
        let look = look.filter(|_| !self.is_stopping()).map(|look| Look { has_begun: true, ..look });
        self.children.set_look(key, look);
        if look.is_some() {
            self.effects.push_back(Effect::SampleHeartbeat { key, incarnation });
        }
    }

    /// How a process that was being stopped has really ended.
    pub(super) fn exit_of(&self, key: ChildKey, stopping: &Stopping, exit: Exit) -> Exit {
        let within = || self.children.get(key)?.settings().watchdog();
        match (stopping.then, exit) {
            (AfterStop::ApplyPolicy { unresponsive: true, .. }, Exit::Aborted) => {
                Exit::Unresponsive { within: within().unwrap_or(Duration::ZERO) }
            }
            (_, exit) => exit,
        }
    }
}

impl Look {
    /// A look that has come late is no proof: what kept the supervisor from looking (the program was stopped, the machine slept,
    /// somebody blocked the thread) may have kept the process from giving a sign. So it is repeated, once: after as long as it
    /// was late, which is what the process may have lost. After a whole time `within` and more nothing is known at all, and the
    /// process has as much again.
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
