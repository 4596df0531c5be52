//! Restarts children by hand: a child, and what its supervisor's strategy says depends on it.
//!
//! B5: a reload is a group restart without a failure. So it charges nothing and waits for no backoff, and it begins, joins and
//! is replaced as a group restart is (N2). Under one-for-one the child stops and starts alone. What a failed start means is
//! decided by policy (`on_start_failed`).
//!
//! The caller is answered by a process that began after the call, because an earlier one may have read settings that have
//! changed since. So a set-up under way is aborted and begun again.

use std::time::Instant;

use super::{
    Caller, Effect, Engine, Refusal, Spec, State, Work,
    calls::Awaited,
    slot::{AfterStop, Attempt, Slot, StopPhase, Stopping},
};
use crate::{
    incarnation::{ChildId, ChildKey},
    strategy::{RestartMode, RestartType},
};

impl<C: Spec> Engine<C> {
    /// Stops a child and starts it again, with its group. R30: nothing is charged.
    pub(crate) fn handle_reload_child(&mut self, id: ChildId, caller: Caller, now: Instant) {
        let Some(key) = self.found(id, caller) else { return };
        let Some(slot) = self.children.get(key) else { return };
        let refusal = match &slot.state {
            // N1: nothing is started after it.
            _ if self.is_stopping() => Some(Refusal::ShuttingDown),
            // Before anything is stopped: there is nothing to run a second time.
            _ if slot.settings().runs_once => Some(Refusal::RunsOnce),
            // R64: nothing runs that depends on it, so it starts alone, and a failure is not counted.
            State::Stopped => return self.handle_restart_child(id, caller, now),
            // D3: it is not known when it will yield.
            State::Stopping(stopping) if stopping.phase == StopPhase::Stuck => Some(Refusal::Stuck),
            State::Stopping(stopping) if slot.stops_for_good(stopping) => Some(Refusal::Stopping),
            _ => None,
        };
        if let Some(refusal) = refusal {
            self.refuse(key, caller, refusal);
            return;
        }
        if slot.settings().restart() == RestartType::Temporary {
            // R17: otherwise the end of the process, or its group, would remove it.
            self.children.edit(key, |slot| slot.set_kept(true));
            if let Some(child) = self.child(key).cloned() {
                self.effects.push_back(Effect::Keep { child });
            }
        }
        if self.restarts_alone() {
            self.reload_alone(key, now);
        } else {
            self.reload_group(key, now);
        }
        if caller.is_in_circle || caller.within == Some(key.id) || self.is_reload_held_up_by(caller, key) {
            // N6: the caller would wait for itself. The call is carried out all the same, so the answer is no error.
            self.reply(key, caller, Ok(()));
        } else if let Some(stuck) = self.stuck_in_group() {
            // A7, D3: it is not known when the group can start.
            self.refuse(stuck, caller, Refusal::Stuck);
        } else {
            self.wait(key, Awaited::Reloaded, caller);
        }
    }

    /// Returns a child that does not yield, and for which the group restart under way waits.
    fn stuck_in_group(&self) -> Option<ChildKey> {
        let Work::Sequence(sequence) = &self.work else { return None };
        let is_stuck = |slot: &Slot<C>| matches!(&slot.state, State::Stopping(stop) if stop.phase == StopPhase::Stuck);
        let mut members = self.children.between(sequence.from, None).filter(|(key, _)| sequence.joins(*key));
        members.find(|(_, slot)| is_stuck(slot)).map(|(key, _)| key)
    }

    /// Restarts a child whose siblings do not depend on it.
    fn reload_alone(&mut self, key: ChildKey, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        match &slot.state {
            // Its restart comes at once: the settings that made it fail may be the ones that have changed.
            State::Delayed { .. } => {
                self.children.set(key, State::PendingStart);
                self.restarts.push_back(key);
            }
            State::Starting { .. } | State::Running { .. } => self.stop_child(key, AfterStop::Restart, None, now),
            // N2: as for a child whose group restarts anyway, its end costs nothing.
            State::Stopping(stopping)
                if matches!(stopping.then, AfterStop::ApplyPolicy { .. } | AfterStop::FailStart { .. }) =>
            {
                let stopping = Stopping { then: AfterStop::Restart, ..**stopping };
                self.children.set_stopping(key, stopping);
            }
            // It is going to be started.
            State::Stopping(_) | State::PendingStart | State::Stopped => {}
        }
    }

    /// Restarts a child and its group, or joins the restart that is going to start it.
    fn reload_group(&mut self, key: ChildKey, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        let is_coming = match &slot.state {
            State::PendingStart => true,
            State::Stopping(stopping) if stopping.then == AfterStop::Start => true,
            // N2: only until the group starts. After that its process may have read what has changed.
            _ => self.joins_group(key),
        };
        self.hurry();
        if !is_coming {
            self.begin_group(key, None, now);
            if let Work::Sequence(sequence) = &mut self.work {
                sequence.is_reload = true;
            }
        }
    }

    /// Returns whether a reload would wait for the process that asks for it (N6): its group has to stop that process, or
    /// waits for it to be ready; or the child has its turn in a first start only after that. Checked at the call, and again
    /// when a group restart begins later.
    pub(super) fn is_reload_held_up_by(&self, caller: Caller, key: ChildKey) -> bool {
        let Work::Sequence(sequence) = &self.work else { return false };
        let within = caller.within.and_then(|within| self.children.get(self.children.find(within)?));
        let waits_for_turn = |slot: &Slot<C>| slot.state == State::PendingStart && !slot.has_started;
        let is_ordered = !self.restarts_alone() || self.children.get(key).is_some_and(waits_for_turn);
        is_ordered && within.is_some_and(|within| sequence.waits_for(within))
    }

    /// Returns the children that have to be gone before a reload can complete: its group has to stop them first. For the
    /// table of waits, as `comes_after_start` (N6).
    pub(crate) fn comes_after_reload(&self, id: ChildId) -> Vec<ChildId> {
        let from = match (self.settings.strategy.mode(), &self.work) {
            (RestartMode::OneForOne, _) => return Vec::new(),
            (RestartMode::OneForAll, _) => ChildId::FIRST,
            (RestartMode::RestForOne, Work::Sequence(sequence)) => sequence.from.min(id),
            (RestartMode::RestForOne, _) => id,
        };
        self.live_from(from, id)
    }

    /// Answers the callers of all reloads under way. Runs when a group restart is done, or is cancelled.
    pub(super) fn answer_reloads(&mut self, answer: &Result<(), Refusal>) {
        // Under one-for-one each child has a restart of its own, which is answered when that child is ready.
        if self.restarts_alone() || self.callers.is_empty() {
            return;
        }
        let children: Vec<_> = self.callers.keys().copied().collect();
        for key in children {
            self.answer(key, Awaited::Reloaded, answer.clone());
        }
    }

    /// Refuses the callers of the reloads that this child is part of: it has failed to start, or does not yield. The answer
    /// names this child.
    ///
    /// The supervisor goes on by policy. The callers do not wait for that: it may take long, and a caller that knows at once
    /// can put the old settings back before the next attempt.
    pub(super) fn fail_reloads(&mut self, key: ChildKey, refusal: impl FnOnce() -> Refusal) {
        if self.callers.is_empty() {
            return;
        }
        let refusal = refusal();
        let children: Vec<_> = match self.restarts_alone() {
            true => vec![key],
            false => self.callers.keys().copied().collect(),
        };
        for child in children {
            for caller in self.take_callers(child, Awaited::Reloaded) {
                self.refuse(key, caller, refusal.clone());
            }
        }
    }

    /// Returns whether a child is restarted without its siblings.
    pub(super) fn restarts_alone(&self) -> bool {
        self.settings.strategy.mode() == RestartMode::OneForOne
    }
}

impl<C: Spec> Slot<C> {
    /// Returns whether it is not started again when it has stopped.
    fn stops_for_good(&self, stopping: &Stopping) -> bool {
        let is_temporary = self.settings().restart() == RestartType::Temporary;
        match stopping.then {
            AfterStop::StayDown | AfterStop::SupervisorStops(_) => true,
            // R60, R64: its caller is told, and that is all.
            AfterStop::FailStart { .. } => is_temporary || self.attempt != Attempt::Own,
            // R10, R17.
            AfterStop::ApplyPolicy { .. } | AfterStop::Restart => is_temporary && !self.is_kept(),
            AfterStop::Start => false,
        }
    }
}
