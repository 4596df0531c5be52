//! Children that promise a sign of life.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    Effect, Engine, Spec, State,
    slot::{Stopping, Then},
};
use crate::{
    observe::EventKind,
    process::{Exit, Place, Ticket},
};

/// When which process is looked at next. One that is gone by then is just not looked at.
#[derive(Debug, Default)]
pub(super) struct Watch(BTreeSet<(Instant, Place, u32)>);

impl Watch {
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.0.first().map(|(at, ..)| *at)
    }

    /// Nobody is looked at while the supervisor stops.
    pub(super) fn end(&mut self) {
        self.0.clear();
    }

    fn take_due(&mut self, now: Instant) -> Option<(Place, u32)> {
        let &(at, place, incarnation) = self.0.first()?;
        if at > now {
            return None;
        }
        self.0.pop_first();
        Some((place, incarnation))
    }
}

impl<C: Spec> Engine<C> {
    /// Whether a process has given a sign of life since it was last asked for.
    pub(crate) fn heard(&mut self, ticket: Ticket, sign_of_life: bool, now: Instant) {
        let Some(slot) = self.children.about(ticket).filter(|_| !self.is_stopping()) else { return };
        let (Some(within), &State::Running { since }) = (slot.settings().watchdog(), &slot.state) else { return };
        if sign_of_life {
            self.watch_over(ticket.place(), now);
        } else {
            self.tell(ticket.place(), || EventKind::Unresponsive { within });
            self.abort(ticket.place(), Then::Judge { since, unresponsive: true }, now);
        }
    }

    /// From now on a child has to give signs of life, if it promises them.
    pub(super) fn watch_over(&mut self, child: Place, now: Instant) {
        let Some(slot) = self.children.get(child).filter(|_| !self.is_stopping()) else { return };
        if let Some(next) = slot.settings().watchdog().and_then(|within| now.checked_add(within)) {
            self.watch.0.insert((next, child, slot.incarnation));
        }
    }

    /// Has those looked at whose time has come.
    pub(super) fn look_for_signs(&mut self, now: Instant) {
        while let Some((child, incarnation)) = self.watch.take_due(now) {
            let is_running = |state: &State| matches!(state, State::Running { .. });
            let slot =
                self.children.get(child).filter(|slot| slot.incarnation == incarnation && is_running(&slot.state));
            if slot.is_some() {
                self.effects.push_back(Effect::Listen { child, incarnation });
            }
        }
    }

    /// How a process that was being stopped has really ended.
    pub(super) fn exit_of(&self, child: Place, stopping: &Stopping, exit: Exit) -> Exit {
        let within = || self.children.get(child)?.settings().watchdog();
        match (stopping.then, exit) {
            (Then::Judge { unresponsive: true, .. }, Exit::Aborted) => {
                Exit::Unresponsive { within: within().unwrap_or(Duration::ZERO) }
            }
            (_, exit) => exit,
        }
    }
}
