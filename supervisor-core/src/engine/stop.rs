//! Stopping: one child, and several in order.

use std::time::Instant;

use super::{
    Cause, Effect, Engine, Refusal, Spec, State, UncleanKind, Work,
    calls::Awaited,
    slot::{AfterStop, Attempt, Slot, StateClass, StopPhase, Stopping},
};
use crate::{
    error::StartFailure,
    incarnation::{ChildId, ChildKey},
    observe::{ChildState, EventKind},
    shutdown::{ShutdownOrder, ShutdownStrategy},
    strategy::ChildKind,
};

/// Stops all that runs from `from` on, in reverse order or at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct StopSequence {
    number: u32,
    from: ChildId,
    /// The last child it came to; all behind it is dealt with.
    reached: Option<ChildId>,
    /// In order: the child that has to be gone before the next one is asked.
    awaited: Option<ChildKey>,
    /// How many it waits for in all.
    outstanding: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Progress {
    Moved,
    Waiting,
    Done,
}

impl StopSequence {
    /// No child is ever part of this one.
    pub(super) const NONE: Self =
        Self { number: 0, from: ChildId::FIRST, reached: None, awaited: None, outstanding: 0 };

    pub(super) fn from(from: ChildId, before: &Self) -> Self {
        Self { number: before.number.wrapping_add(1).max(1), from, ..Self::NONE }
    }

    #[cfg(test)]
    pub(super) fn numbered(number: u32) -> Self {
        Self { number, ..Self::NONE }
    }

    /// A child has gone, or is not waited for any longer.
    pub(super) fn left(&mut self, key: ChildKey, stopping: &Stopping) {
        if stopping.stop_sequence == Some(self.number) {
            self.outstanding -= 1;
            self.pass(key);
        }
    }

    /// The next child may be asked, though this one is still there.
    fn pass(&mut self, key: ChildKey) {
        if self.awaited == Some(key) {
            self.awaited = None;
        }
    }
}

impl<C: Spec> Engine<C> {
    pub(super) fn begin_stop(&mut self, cause: Cause<C>, now: Instant) {
        if self.is_stopping() {
            return;
        }
        if let Cause::GaveUp = cause {
            self.effects.push_back(Effect::GaveUp);
        }
        self.work = Work::Stop(cause);
        self.stop_by = self.settings.shutdown_budget.and_then(|budget| now.checked_add(budget));
        self.turn_away_starts();
        self.stop_sequence = StopSequence::from(ChildId::FIRST, &self.stop_sequence);
        let moving = [
            StateClass::PendingStart,
            StateClass::Delayed,
            StateClass::Starting,
            StateClass::Stopping,
            StateClass::Draining,
            StateClass::Stuck,
        ];
        if self.children.count_of(&moving) == 0 {
            return;
        }
        // What is on its way up turns round at once; what runs waits for its turn.
        let moving: Vec<_> = self.places_of(|state| !matches!(state, State::Stopped | State::Running { .. }));
        for key in moving.into_iter().rev() {
            if self.children.get(key).is_some_and(|slot| slot.state.is_live()) {
                self.stop_child(key, AfterStop::SupervisorStops, Some(self.stop_sequence.number), now);
            } else {
                self.emit_cancelled(key);
                self.children.set(key, State::Stopped);
            }
        }
    }

    /// A child that was going to be started again is not.
    pub(super) fn emit_cancelled(&mut self, key: ChildKey) {
        if self.children.get(key).is_some_and(|slot| slot.public_state() == ChildState::Restarting) {
            self.emit(key, || EventKind::RestartCancelled);
        }
    }

    pub(super) fn advance_stop(&mut self, now: Instant) -> bool {
        match self.advance_stop_sequence(now) {
            Progress::Moved => true,
            Progress::Waiting => false,
            Progress::Done => {
                if let Work::Stop(cause) = std::mem::replace(&mut self.work, Work::None) {
                    self.work = Work::Finished(cause);
                }
                self.stop_by = None;
                self.effects.push_back(Effect::Finish);
                true
            }
        }
    }

    /// What is stopping already is waited for, and nothing else is stopped.
    pub(super) fn wait_for_what_stops(&mut self) {
        for key in self.places_of(|state| matches!(state, State::Stopping(_))) {
            let Some(stopping) = self.stopping(key) else { continue };
            self.children
                .set(key, State::stopping(Stopping { stop_sequence: Some(self.stop_sequence.number), ..stopping }));
            self.stop_sequence.outstanding += 1;
        }
        self.stop_sequence.reached = Some(self.stop_sequence.from);
    }

    /// One step of the stop under way.
    pub(super) fn advance_stop_sequence(&mut self, now: Instant) -> Progress {
        if self.stop_sequence.awaited.is_some() {
            return Progress::Waiting;
        }
        let live = |(key, slot): (ChildKey, &Slot<C>)| slot.state.is_live().then_some(key);
        let Some(key) = self.children.between(self.stop_sequence.from, self.stop_sequence.reached).rev().find_map(live)
        else {
            self.stop_sequence.reached = Some(self.stop_sequence.from);
            return if self.stop_sequence.outstanding == 0 { Progress::Done } else { Progress::Waiting };
        };
        self.stop_sequence.reached = Some(key.id);
        if self.settings.shutdown_order == ShutdownOrder::Reverse {
            self.stop_sequence.awaited = Some(key);
        }
        let then = if self.is_stopping() { AfterStop::SupervisorStops } else { AfterStop::Restart };
        self.stop_child(key, then, Some(self.stop_sequence.number), now);
        Progress::Moved
    }

    /// Stops a child, or goes along with its stop if that has begun: as part of a sweep, or for itself.
    pub(super) fn stop_child(&mut self, key: ChildKey, then: AfterStop, stop_sequence: Option<u32>, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        let (settings, no_successor) = (slot.settings(), self.is_final());
        let (kind, shutdown) = (settings.kind, settings.shutdown());
        let phase = match &slot.state {
            State::Stopping(stopping) => {
                // Who comes back with its group was decided when that began.
                let then = if then == AfterStop::Restart { stopping.then } else { then };
                if stop_sequence.is_some() && stopping.stop_sequence != stop_sequence {
                    self.stop_sequence.outstanding += 1;
                }
                let stopping = Stopping { then, stop_sequence: stop_sequence.or(stopping.stop_sequence), ..**stopping };
                self.join(key, stopping);
                return;
            }
            State::Stopped | State::PendingStart | State::Delayed { .. } => return,
            State::Starting { .. } | State::Running { .. } if self.is_killed => None,
            // A supervisor rolls back what it has started, so it is asked even then.
            State::Starting { .. } if kind == ChildKind::Worker => None,
            State::Starting { .. } | State::Running { .. } => match shutdown {
                ShutdownStrategy::Brutal => None,
                ShutdownStrategy::Graceful(time) => Some(time),
            },
        };
        let unready = matches!(slot.state, State::Starting { .. });
        let answers = kind == ChildKind::Supervisor && !slot.has_acknowledged;
        if stop_sequence.is_some() {
            self.stop_sequence.outstanding += 1;
        }
        self.emit(key, || EventKind::Stopping);
        let phase = match phase {
            None => self.abort_phase(key, now),
            Some(time) => {
                self.ask(key, no_successor);
                let until = now.checked_add(time);
                let ack_by = if answers { now.checked_add(self.settings.abort_grace) } else { None };
                StopPhase::Asked { until, ack_by }
            }
        };
        self.children.set(
            key,
            State::stopping(Stopping {
                phase,
                then,
                since: now,
                stop_sequence,
                no_successor,
                unready,
                has_had_more: false,
            }),
        );
    }

    /// A stop goes along with one that has begun before.
    fn join(&mut self, key: ChildKey, stopping: Stopping) {
        let is_final = self.is_final();
        if is_final && !stopping.no_successor {
            self.ask(key, true);
        }
        if stopping.phase == StopPhase::Stuck {
            if self.is_stopping() {
                self.abandon(key, stopping);
                return;
            }
            self.stop_sequence.pass(key);
        }
        self.children
            .set(key, State::stopping(Stopping { no_successor: stopping.no_successor || is_final, ..stopping }));
    }

    /// Aborts a child that is not part of a sweep, or is and had time until now. One whose turn to stop comes anyway has not
    /// failed, as if its turn had come a moment earlier.
    pub(super) fn abort(&mut self, key: ChildKey, then: AfterStop, now: Instant) {
        let then = match then {
            AfterStop::ApplyPolicy { .. } | AfterStop::FailStart { .. } if self.is_stopping() => {
                AfterStop::SupervisorStops
            }
            AfterStop::ApplyPolicy { .. } | AfterStop::FailStart { .. } if self.joins_group(key) => AfterStop::Restart,
            then => then,
        };
        let Some(slot) = self.children.get(key) else { return };
        let (stop_sequence, unready, since) = match &slot.state {
            State::Stopping(stopping) => (stopping.stop_sequence, stopping.unready, stopping.since),
            state => (None, matches!(state, State::Starting { .. }), now),
        };
        self.emit(key, || EventKind::Aborted);
        let (phase, no_successor) = (self.abort_phase(key, now), self.is_final());
        self.children.set(
            key,
            State::stopping(Stopping { phase, then, since, stop_sequence, no_successor, unready, has_had_more: false }),
        );
    }

    /// Everything that is left is aborted at once, and shares one grace.
    pub(super) fn abort_all(&mut self, now: Instant) {
        for key in self.places_of(State::is_live) {
            // Makes it part of the stop, if it is not yet.
            self.stop_child(key, AfterStop::SupervisorStops, Some(self.stop_sequence.number), now);
            if self.stopping(key).is_some_and(|stopping| !stopping.is_aborted()) {
                self.abort(key, AfterStop::SupervisorStops, now);
            }
        }
        self.stop_sequence.awaited = None;
    }

    /// From now on nothing comes after this supervisor, which those that are on their way out have to know.
    pub(super) fn pass_on_no_successor(&mut self) {
        for key in self.places_of(|state| matches!(state, State::Stopping(_))) {
            if let Some(stopping) = self.stopping(key) {
                self.join(key, stopping);
            }
        }
    }

    pub(super) fn stopping(&self, key: ChildKey) -> Option<Stopping> {
        match &self.children.get(key)?.state {
            State::Stopping(stopping) => Some(**stopping),
            _ => None,
        }
    }

    fn places_of(&self, state: impl Fn(&State) -> bool) -> Vec<ChildKey> {
        self.children.iter().filter(|(_, slot)| state(&slot.state)).map(|(key, _)| key).collect()
    }

    /// An aborted process does not let go, or a supervisor does not answer.
    pub(super) fn stuck(&mut self, key: ChildKey, stopping: Stopping, now: Instant) {
        if let StopPhase::Asked { .. } = stopping.phase {
            // A supervisor that has not even seen that it was asked. If it ever does, it shall be quick.
            self.have_aborted(key);
        }
        if self.is_stopping() {
            self.abandon(key, stopping);
            return;
        }
        self.emit(key, || EventKind::Stuck);
        self.children.set(key, State::stopping(Stopping { phase: StopPhase::Stuck, ..stopping }));
        self.stop_sequence.pass(key);
        self.answer(key, Awaited::Gone, Err(Refusal::Stuck));
        let AfterStop::FailStart { limit } = stopping.then else { return };
        let failure = limit.map_or(StartFailure::Aborted, StartFailure::TimedOut);
        self.answer_start(key, Err(failure.clone()));
        let Some(slot) = self.children.get(key) else { return };
        if !self.is_up && !slot.has_started && slot.attempt == Attempt::Own {
            let child = slot.child.clone();
            self.begin_stop(Cause::FailedToStart { child, failure }, now);
        }
    }

    /// What stops now is not started again, by this supervisor or a later one. So it drops its specification.
    fn is_final(&self) -> bool {
        self.has_no_successor && self.is_stopping()
    }

    /// The supervisor ends without it. Nothing comes to run beside it all the same: a later run of this supervisor adopts it.
    fn abandon(&mut self, key: ChildKey, stopping: Stopping) {
        self.stop_sequence.left(key, &stopping);
        self.emit(key, || EventKind::Abandoned);
        if let Some(slot) = self.children.get(key) {
            self.unclean.push((slot.child.clone(), UncleanKind::Abandoned));
        }
        // No process, so its late exit is stale.
        self.children.set(key, State::Stopped);
        self.answer(key, Awaited::Gone, Err(Refusal::Stuck));
    }

    fn ask(&mut self, key: ChildKey, no_successor: bool) {
        if let Some(child) = self.child(key).cloned() {
            self.effects.push_back(Effect::Ask { child, no_successor });
        }
    }

    fn have_aborted(&mut self, key: ChildKey) {
        let no_successor = self.is_final();
        if let Some(child) = self.child(key).cloned() {
            self.effects.push_back(Effect::Abort { child, no_successor });
        }
    }

    pub(super) fn abort_phase(&mut self, key: ChildKey, now: Instant) -> StopPhase {
        self.have_aborted(key);
        StopPhase::Aborted { until: now.checked_add(self.settings.abort_grace) }
    }
}
