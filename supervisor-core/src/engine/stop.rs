//! Stopping: one child, and several in order.
//!
//! A child stops alone (`stop_child`, `abort`), or as part of a stop sequence, which counts those that it waits for. What has
//! begun to stop alone can become part of a sequence later, and keeps its limit.

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
    /// A child that stops says by it which sequence counts it, so the end of one that an earlier sequence counted is not taken
    /// for one of this.
    number: u32,
    from: ChildId,
    /// The last child it came to; all behind it is dealt with.
    reached: Option<ChildId>,
    /// In order: the child that has to be gone before the next one is asked (R39).
    awaited: Option<ChildKey>,
    /// How many it waits for in all. Counted, so that an exit costs the same beside any number of siblings.
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

    #[cfg(test)]
    pub(super) fn numbered(number: u32) -> Self {
        Self { number, ..Self::NONE }
    }

    /// Runs when a child has gone, or is not waited for any longer.
    pub(super) fn left(&mut self, key: ChildKey, stopping: &Stopping) {
        // One that stops alone is not counted, and neither is one of a sequence that another has replaced.
        if stopping.stop_sequence == Some(self.number) {
            self.outstanding -= 1;
            self.pass(key);
        }
    }

    /// The next child may be asked, though this one may still be there. It is still counted, so the sequence is not done.
    fn pass(&mut self, key: ChildKey) {
        if self.awaited == Some(key) {
            self.awaited = None;
        }
    }
}

impl<C: Spec> Engine<C> {
    /// Begins a stop sequence in place of the one before. Runs when the supervisor starts, stops, or restarts a group.
    ///
    /// What must stay true: a new one has a number of its own and counts no child, whatever the one before had still to wait
    /// for. It counts those that `stop_child` or `wait_for_what_stops` makes part of it, each once.
    pub(super) fn begin_stop_sequence(&mut self, from: ChildId) {
        // Never 0, which is the number of `NONE`.
        let number = self.stop_sequence.number.wrapping_add(1).max(1);
        self.stop_sequence = StopSequence { number, from, ..StopSequence::NONE };
    }

    /// Runs when the supervisor has to stop: it was asked to, is out of restarts, shuts itself down, or has failed to start.
    ///
    /// R47, R55: the one way into a stop, so the stop is the same whatever the cause is. N1, N4: it takes the place of a start
    /// or a group restart, so nothing is started after it.
    pub(super) fn begin_stop(&mut self, cause: Cause<C>, now: Instant) {
        // The first cause is the one that is told. R44: what fails later is part of the stop.
        if self.is_stopping() {
            return;
        }
        if let Cause::GaveUp = cause {
            self.effects.push_back(Effect::GaveUp);
        }
        self.set_work(Work::Stop(cause));
        // A4: for each stop of the supervisor, but for none of a group restart.
        self.stop_by = self.settings.shutdown_budget.and_then(|budget| now.checked_add(budget));
        // N1: what callers wait for is not going to start. Nothing later tells them: the end of an aborted start answers no
        // caller.
        self.turn_away_starts();
        self.begin_stop_sequence(ChildId::FIRST);
        // Where all children run, which is usual, it costs nothing to find that none is on its way.
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
        // R29, N1: a child that is starting is stopped at once; one that runs waits for its turn (R39). A child that is stopping
        // already becomes part of this stop. One that is stuck is abandoned now, because its grace is over (D3).
        let moving: Vec<_> = self.keys_of(|state| !matches!(state, State::Stopped | State::Running { .. }));
        for key in moving.into_iter().rev() {
            if self.children.get(key).is_some_and(|slot| slot.state.is_live()) {
                self.stop_child(key, AfterStop::SupervisorStops, Some(self.stop_sequence.number), now);
            } else {
                // B1: shutdown does not wait for a backoff.
                self.emit_cancelled(key);
                self.children.set(key, State::Stopped);
            }
        }
    }

    /// Runs when a child that waits for a start is not going to have it. B1: a restart that was announced and does not come is
    /// told.
    pub(super) fn emit_cancelled(&mut self, key: ChildKey) {
        if self.children.get(key).is_some_and(|slot| slot.public_state() == ChildState::Restarting) {
            self.emit(key, || EventKind::RestartCancelled);
        }
    }

    /// One step of the supervisor's own stop. Runs when all that has come in is served. Whether there was a step.
    pub(super) fn advance_stop(&mut self, now: Instant) -> bool {
        match self.advance_stop_sequence(now) {
            Progress::Moved => true,
            Progress::Waiting => false,
            // R45: the children first, then the supervisor itself.
            Progress::Done => {
                if let Work::Stop(cause) = self.set_work(Work::None) {
                    self.set_work(Work::Finished(cause));
                }
                // Nothing is left to abort, and the driver would wait for that time in vain.
                self.stop_by = None;
                self.effects.push_back(Effect::Finish);
                true
            }
        }
    }

    /// Runs when a supervisor starts beside what an earlier run has left behind. P2: what is stopping already is waited for.
    /// Nothing else is stopped: a caller may have started a child beside the first start (N5), and that goes on.
    pub(super) fn wait_for_what_stops(&mut self) {
        for key in self.keys_of(|state| matches!(state, State::Stopping(_))) {
            self.count_in(key);
        }
        // As if it had come to all of them, so `advance_stop_sequence` asks no child.
        self.stop_sequence.reached = Some(self.stop_sequence.from);
    }

    /// Runs when a group restart begins. P2: what an earlier run has left behind before `from` is counted, too; what is behind
    /// that is part of the group.
    pub(super) fn wait_for_what_was_left(&mut self, from: ChildId) {
        // Asked first, because it is so in most cases: once it is up, nothing is left behind.
        if self.is_up {
            return;
        }
        for key in self.keys_of(|state| matches!(state, State::Stopping(_))) {
            if key.id < from && self.children.get(key).is_some_and(Slot::is_left_behind) {
                self.count_in(key);
            }
        }
    }

    /// Makes a child that stops part of the stop sequence under way, which does not count it yet.
    fn count_in(&mut self, key: ChildKey) {
        let Some(stopping) = self.stopping(key) else { return };
        let stop_sequence = Some(self.stop_sequence.number);
        self.children.set(key, State::stopping(Stopping { stop_sequence, ..stopping }));
        self.stop_sequence.outstanding += 1;
    }

    /// One step of the stop sequence under way: asks the next child. Runs for a group restart and for the supervisor's own
    /// stop.
    pub(super) fn advance_stop_sequence(&mut self, now: Instant) -> Progress {
        // R39: gone before the next one is asked.
        if self.stop_sequence.awaited.is_some() {
            return Progress::Waiting;
        }
        let live = |(key, slot): (ChildKey, &Slot<C>)| slot.state.is_live().then_some(key);
        let Some(key) = self.children.between(self.stop_sequence.from, self.stop_sequence.reached).rev().find_map(live)
        else {
            // So the next look, at each exit, does not go through the children again.
            self.stop_sequence.reached = Some(self.stop_sequence.from);
            // Not done while a child is there that was asked together with others, or that is stuck and was passed (D3).
            return if self.stop_sequence.outstanding == 0 { Progress::Done } else { Progress::Waiting };
        };
        self.stop_sequence.reached = Some(key.id);
        // R46, D8: otherwise all are asked at once, as in a dynamic supervisor. In reverse order, all the same.
        if self.settings.shutdown_order == ShutdownOrder::Reverse {
            self.stop_sequence.awaited = Some(key);
        }
        let then = if self.is_stopping() { AfterStop::SupervisorStops } else { AfterStop::Restart };
        self.stop_child(key, then, Some(self.stop_sequence.number), now);
        Progress::Moved
    }

    /// Stops a child, or joins its stop if that has begun. Runs when its turn in a stop sequence has come (`stop_sequence` is
    /// the number of that), or when it alone is to stop.
    pub(super) fn stop_child(&mut self, key: ChildKey, then: AfterStop, stop_sequence: Option<u32>, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        let (settings, no_successor) = (slot.settings(), self.is_final());
        let (kind, shutdown) = (settings.kind, settings.shutdown());
        let phase = match &slot.state {
            State::Stopping(stopping) => {
                // R18: which children come back with their group was decided when that restart began. Decided at its turn, it
                // would depend on which of two is gone first. Any other reason overrules what was to follow: R63 a restart, N1
                // everything.
                let then = if then == AfterStop::Restart { stopping.then } else { then };
                // Counted once: it may be part of this sequence already.
                if stop_sequence.is_some() && stopping.stop_sequence != stop_sequence {
                    self.stop_sequence.outstanding += 1;
                }
                let stopping = Stopping { then, stop_sequence: stop_sequence.or(stopping.stop_sequence), ..**stopping };
                self.join(key, stopping);
                return;
            }
            State::Stopped | State::PendingStart | State::Delayed { .. } => return,
            // N8: to kill a supervisor aborts all below it.
            State::Starting { .. } | State::Running { .. } if self.is_killed => None,
            // N1: a set-up under way is aborted at once. A supervisor rolls back what it has started, in order, so it is asked
            // even then.
            State::Starting { .. } if kind == ChildKind::Worker => None,
            State::Starting { .. } | State::Running { .. } => match shutdown {
                // R40: killed without being asked.
                ShutdownStrategy::Brutal => None,
                // R41: asked, and aborted when its time is up. N8: for a supervisor that is the budget for all below it.
                ShutdownStrategy::Graceful(time) => Some(time),
            },
        };
        let unready = matches!(slot.state, State::Starting { .. });
        // N8: one that stops by itself has acknowledged before, and does not do so again.
        let answers = kind == ChildKind::Supervisor && !slot.has_acknowledged;
        if stop_sequence.is_some() {
            self.stop_sequence.outstanding += 1;
        }
        self.emit(key, || EventKind::Stopping);
        let phase = match phase {
            None => self.abort_phase(key, now),
            Some(time) => {
                self.ask(key, no_successor);
                // R42: a time that no clock can tell is no limit.
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

    /// Runs when a child is to stop that is stopping already, or that has to hear that nothing comes after it. Its limit is not
    /// set anew, so asking again cannot put off its end.
    fn join(&mut self, key: ChildKey, stopping: Stopping) {
        let is_final = self.is_final();
        // R78: it was asked before that was known, and would keep its specification. That holds for one that is stuck, too.
        if is_final && !stopping.no_successor {
            self.ask(key, true);
        }
        if stopping.phase == StopPhase::Stuck {
            // D3: its grace is over. A supervisor that stops does not wait for it.
            if self.is_stopping() {
                self.abandon(key, stopping);
                return;
            }
            // D3: the group restart waits for it at its end, but the stop of the others goes on.
            self.stop_sequence.pass(key);
        }
        self.children
            .set(key, State::stopping(Stopping { no_successor: stopping.no_successor || is_final, ..stopping }));
    }

    /// Runs when a child is killed, gives no sign of life, or its time is up: to be ready, or to stop. Aborts it. One whose
    /// turn to stop comes anyway has not failed, as if its turn had come a moment earlier.
    pub(super) fn abort(&mut self, key: ChildKey, then: AfterStop, now: Instant) {
        // Decided now, and not when it is gone: its turn to stop may come before or after that, and both must give the same result.
        let is_unresponsive = matches!(then, AfterStop::ApplyPolicy { unresponsive: true, .. });
        let then = match then {
            // A5: so that it is named in the outcome.
            AfterStop::ApplyPolicy { .. } | AfterStop::FailStart { .. } if self.is_stopping() => {
                AfterStop::SupervisorStops
            }
            // N2: it joins, and costs nothing.
            AfterStop::ApplyPolicy { .. } | AfterStop::FailStart { .. } if self.joins_group(key) => AfterStop::Restart,
            then => then,
        };
        let Some(slot) = self.children.get(key) else { return };
        // A sequence that counts it has to see it go. One that was stopping has been since it was asked, so that tells how long
        // it took.
        let (stop_sequence, unready, since) = match &slot.state {
            State::Stopping(stopping) => (stopping.stop_sequence, stopping.unready, stopping.since),
            state => (None, matches!(state, State::Starting { .. }), now),
        };
        // Told where nothing else says why: an event of its own tells of the sign of life that did not come, and the failed
        // start tells its limit.
        let is_told = is_unresponsive || matches!(then, AfterStop::FailStart { limit: Some(_) });
        let took = (!is_told).then(|| now.saturating_duration_since(since));
        self.emit_timed(key, took, || EventKind::Aborted);
        // D3: a grace of its own, and maybe more time again, whatever time it had before the abort.
        let (phase, no_successor) = (self.abort_phase(key, now), self.is_final());
        self.children.set(
            key,
            State::stopping(Stopping { phase, then, since, stop_sequence, no_successor, unready, has_had_more: false }),
        );
    }

    /// Runs when the stop has used up its budget, or the supervisor is killed. A4: everything that is left is aborted at once,
    /// and shares one grace.
    pub(super) fn abort_all(&mut self, now: Instant) {
        for key in self.keys_of(State::is_live) {
            // Makes it part of the stop, if it is not yet: otherwise the stop would be done before this one is gone.
            self.stop_child(key, AfterStop::SupervisorStops, Some(self.stop_sequence.number), now);
            // One that is aborted already has a grace that has begun, and gets no other.
            if self.stopping(key).is_some_and(|stopping| !stopping.is_aborted()) {
                self.abort(key, AfterStop::SupervisorStops, now);
            }
        }
        // The order is over: no child waits for its turn any more.
        self.stop_sequence.awaited = None;
    }

    /// Runs when a supervisor that stops hears that nothing comes after it. R78: children that are stopping already have to know
    /// it, because they drop their specifications then.
    pub(super) fn pass_on_no_successor(&mut self) {
        for key in self.keys_of(|state| matches!(state, State::Stopping(_))) {
            if let Some(stopping) = self.stopping(key) {
                self.join(key, stopping);
            }
        }
    }

    /// How a child stops, if it does.
    pub(super) fn stopping(&self, key: ChildKey) -> Option<Stopping> {
        match &self.children.get(key)?.state {
            State::Stopping(stopping) => Some(**stopping),
            _ => None,
        }
    }

    /// The keys of the children in such a state, in start order. A list, because what is done with them changes the children.
    fn keys_of(&self, state: impl Fn(&State) -> bool) -> Vec<ChildKey> {
        self.children.iter().filter(|(_, slot)| state(&slot.state)).map(|(key, _)| key).collect()
    }

    /// Runs when the grace is over: an aborted process does not let go, or a supervisor does not answer (D3, N8).
    pub(super) fn stuck(&mut self, key: ChildKey, stopping: Stopping, now: Instant) {
        if let StopPhase::Asked { .. } = stopping.phase {
            // N8: a supervisor has not even seen that it was asked. Once it does, it aborts all below it: it is abandoned by
            // then, or a restart waits for it.
            self.have_aborted(key);
        }
        if self.is_stopping() {
            self.abandon(key, stopping);
            return;
        }
        // D3: while the supervisor goes on, nothing may run beside it (P2). What waits for its end waits on, and all else is
        // told and let go on: the next one of its group that has to stop, and those who call.
        self.emit(key, || EventKind::Stuck);
        self.children.set(key, State::stopping(Stopping { phase: StopPhase::Stuck, ..stopping }));
        self.stop_sequence.pass(key);
        self.answer(key, Awaited::Gone, Err(Refusal::Stuck));
        // A2: a start timeout bounds how long others wait for the start, so its failure is told without its exit.
        let AfterStop::FailStart { limit } = stopping.then else { return };
        let failure = limit.map_or(StartFailure::Aborted, StartFailure::TimedOut);
        self.answer_start(key, Err(failure.clone()));
        let Some(slot) = self.children.get(key) else { return };
        // R3: fatal in a first start, as in `on_start_failed`. Any other failed start is charged there, when it is gone.
        if !self.is_up && !slot.has_started && slot.attempt == Attempt::Own {
            let child = slot.child.clone();
            self.begin_stop(Cause::FailedToStart { child, failure }, now);
        }
    }

    /// Whether what stops now is not started again, by this supervisor or a later one. R78: so it drops its specification.
    fn is_final(&self) -> bool {
        self.has_no_successor && self.is_stopping()
    }

    /// Runs when a supervisor that stops has a child that does not let go: the supervisor ends without it. P2: nothing comes to
    /// run beside it all the same, because a later run of this supervisor adopts it (`handle_left_behind`).
    fn abandon(&mut self, key: ChildKey, stopping: Stopping) {
        // Otherwise the stop would wait for it for ever.
        self.stop_sequence.left(key, &stopping);
        self.emit(key, || EventKind::Abandoned);
        // D3, A5: it is named in the outcome.
        if let Some(slot) = self.children.get(key) {
            self.unclean.push((slot.child.clone(), UncleanKind::Abandoned));
        }
        // No process, so its late exit is stale.
        self.children.set(key, State::Stopped);
        self.answer(key, Awaited::Gone, Err(Refusal::Stuck));
    }

    /// Runs when a child begins to stop, or has to hear that nothing comes after it.
    fn ask(&mut self, key: ChildKey, no_successor: bool) {
        if let Some(child) = self.child(key).cloned() {
            self.effects.push_back(Effect::Ask { child, no_successor });
        }
    }

    /// Runs when a child is aborted. Its own process does that, at its next poll.
    fn have_aborted(&mut self, key: ChildKey) {
        let no_successor = self.is_final();
        if let Some(child) = self.child(key).cloned() {
            self.effects.push_back(Effect::Abort { child, no_successor });
        }
    }

    /// Aborts a child, and begins the grace that it has to let go (D3).
    pub(super) fn abort_phase(&mut self, key: ChildKey, now: Instant) -> StopPhase {
        self.have_aborted(key);
        StopPhase::Aborted { until: now.checked_add(self.settings.abort_grace) }
    }
}
