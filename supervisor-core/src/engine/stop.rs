//! Stops children: one alone, and several in order.
//!
//! A child stops alone (`stop_child`, `abort`), or as part of a stop sequence, which counts the children that it waits
//! for. A child that has begun to stop alone can become part of a sequence later, and keeps its limit.

use std::time::{Duration, Instant};

use super::{
    Cause, Effect, Engine, Refusal, Spec, State, UncleanKind, Work,
    calls::Awaited,
    slot::{AbortedBy, AfterStop, Attempt, Slot, StateClass, StopPhase, Stopping},
};
use crate::{
    error::StartFailure,
    incarnation::{ChildId, ChildKey},
    observe::{ChildState, EventKind},
    shutdown::{ShutdownOrder, ShutdownStrategy},
    strategy::ChildKind,
};

/// The next step of a child that has to stop because its supervisor does.
const STOPS: AfterStop = AfterStop::SupervisorStops(AbortedBy::Stop);

/// A stop of all children that run, from `from` on, in reverse order or at once.
#[derive(Clone, Copy, Debug)]
pub(super) struct StopSequence {
    /// A stopping child stores the number of the sequence that counts it, so the end of a child that an earlier
    /// sequence counted is not counted here.
    number: u32,
    from: ChildId,
    /// The last child that it came to; all children after it are done.
    reached: Option<ChildId>,
    /// With an order: the child that has to be gone before the next one is asked (R39).
    awaited: Option<ChildKey>,
    /// How many children it waits for. Counted, so that an exit costs the same beside any number of siblings.
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

    /// Counts a child out. Runs when it has gone, or is not waited for any longer.
    pub(super) fn left(&mut self, key: ChildKey, stopping: &Stopping) {
        // A child that stops alone is not counted, and neither is one of a sequence that another has replaced.
        if stopping.stop_sequence == Some(self.number) {
            self.outstanding -= 1;
            self.pass(key);
        }
    }

    /// Lets the next child be asked, though this one may still be there. It is still counted, so the sequence is not
    /// done.
    fn pass(&mut self, key: ChildKey) {
        if self.awaited == Some(key) {
            self.awaited = None;
        }
    }
}

impl<C: Spec> Engine<C> {
    /// Begins a stop sequence that replaces the one before. Runs when the supervisor starts, stops, or restarts a
    /// group.
    ///
    /// Invariant: a new sequence has a number of its own and counts no child, whatever the one before had still to wait
    /// for. It counts those that `stop_child` or `wait_for_what_stops` makes part of it, each once.
    pub(super) fn begin_stop_sequence(&mut self, from: ChildId) {
        // Never 0, which is the number of `NONE`.
        let number = self.stop_sequence.number.wrapping_add(1).max(1);
        self.stop_sequence = StopSequence { number, from, ..StopSequence::NONE };
    }

    /// Begins the stop of the supervisor: it was asked to, is out of restarts, shuts itself down, or has failed to
    /// start.
    ///
    /// R47, R55: the one way into a stop, so the stop is the same for each cause. N1, N4: it replaces a start or a
    /// group restart, so nothing is started after it.
    pub(super) fn begin_stop(&mut self, cause: Cause<C>, now: Instant) {
        // The first cause is the one that is reported. R44: later failures are part of the stop.
        if self.is_stopping() {
            return;
        }
        if let Cause::GaveUp = cause {
            self.effects.push_back(Effect::GaveUp);
        }
        self.set_work(Work::Stop(cause));
        // A4: for each stop of the supervisor, but not for a group restart.
        self.stop_by = self.settings.shutdown_budget.and_then(|budget| now.checked_add(budget));
        // N1: no child that a caller waits for is going to start. Nothing later answers these callers: the end of an
        // aborted start answers none.
        self.turn_away_starts();
        self.begin_stop_sequence(ChildId::FIRST);
        // In the usual case all children run, and this costs nothing.
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
        // R29, N1: a starting child is stopped at once; a running one waits for its turn (R39). A child that is
        // stopping already becomes part of this stop. A stuck one is abandoned now, because its grace is over (D3).
        let moving: Vec<_> = self.keys_of(|state| !matches!(state, State::Stopped | State::Running { .. }));
        for key in moving.into_iter().rev() {
            if self.children.get(key).is_some_and(|slot| slot.state.is_live()) {
                self.stop_child(key, STOPS, Some(self.stop_sequence.number), now);
            } else {
                // B1: shutdown does not wait for a backoff.
                self.emit_cancelled(key);
                self.children.set(key, State::Stopped);
            }
        }
    }

    /// Reports that a restart is cancelled. Runs when a child that waits for a start is not going to have it. B1: a
    /// restart that was announced and does not come is reported.
    pub(super) fn emit_cancelled(&mut self, key: ChildKey) {
        if self.children.get(key).is_some_and(|slot| slot.public_state() == ChildState::Restarting) {
            self.emit(key, || EventKind::RestartCancelled);
        }
    }

    /// Takes one step of the supervisor's own stop. Runs when all inputs are served. Returns whether there was a step.
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

    /// Returns how many children are stopping.
    pub(crate) fn count_stopping(&self) -> usize {
        self.children.count_of(&[StateClass::Stopping, StateClass::Draining, StateClass::Stuck])
    }

    /// Returns the child that has to be gone before the next one is asked, in a stop that has an order.
    pub(crate) fn awaited(&self) -> Option<ChildId> {
        self.stop_sequence.awaited.map(|key| key.id)
    }

    /// Returns what is left of the time for the whole stop (A4), if that has a limit.
    pub(crate) fn stop_budget_left(&self, now: Instant) -> Option<Duration> {
        self.stop_by.map(|by| by.saturating_duration_since(now))
    }

    /// Waits for children that are stopping. Runs when a supervisor starts beside processes of an earlier run. P2:
    /// these are waited for. Nothing else is stopped: a caller may have started a child beside the first start (N5),
    /// and that goes on.
    pub(super) fn wait_for_what_stops(&mut self) {
        for key in self.keys_of(|state| matches!(state, State::Stopping(_))) {
            self.count_in(key);
        }
        // As if it had come to all of them, so `advance_stop_sequence` asks no child.
        self.stop_sequence.reached = Some(self.stop_sequence.from);
    }

    /// Counts the processes of an earlier run before `from`. Runs when a group restart begins (P2); later ones are part
    /// of the group.
    pub(super) fn wait_for_what_was_left(&mut self, from: ChildId) {
        // Checked first, because it is the usual case: once the supervisor is up, no such process is left.
        if self.is_up {
            return;
        }
        for key in self.keys_of(|state| matches!(state, State::Stopping(_))) {
            if key.id < from && self.children.get(key).is_some_and(Slot::is_left_behind) {
                self.count_in(key);
            }
        }
    }

    /// Adds a stopping child to the stop sequence under way, if that does not count it yet.
    fn count_in(&mut self, key: ChildKey) {
        let Some(stopping) = self.stopping(key) else { return };
        let stop_sequence = Some(self.stop_sequence.number);
        self.children.set_stopping(key, Stopping { stop_sequence, ..stopping });
        self.stop_sequence.outstanding += 1;
    }

    /// Takes one step of the stop sequence under way: asks the next child. Runs for a group restart and for the
    /// supervisor's own stop.
    pub(super) fn advance_stop_sequence(&mut self, now: Instant) -> Progress {
        // R39: it has to be gone before the next one is asked.
        if self.stop_sequence.awaited.is_some() {
            return Progress::Waiting;
        }
        let live = |(key, slot): (ChildKey, &Slot<C>)| slot.state.is_live().then_some(key);
        let Some(key) = self.children.backwards(self.stop_sequence.from, self.stop_sequence.reached).find_map(live)
        else {
            // So the next look, at each exit, does not go through the children again.
            self.stop_sequence.reached = Some(self.stop_sequence.from);
            // Not done while a child is there that was asked together with others, or that is stuck and was passed
            // (D3).
            return if self.stop_sequence.outstanding == 0 { Progress::Done } else { Progress::Waiting };
        };
        self.stop_sequence.reached = Some(key.id);
        // R46, D8: without an order all are asked at once, as in a dynamic supervisor. In reverse order, all the same.
        if self.settings.shutdown_order == ShutdownOrder::Reverse {
            self.stop_sequence.awaited = Some(key);
        }
        let then = if self.is_stopping() { STOPS } else { AfterStop::Restart };
        self.stop_child(key, then, Some(self.stop_sequence.number), now);
        Progress::Moved
    }

    /// Stops a child, or joins its stop if that has begun. Runs when its turn in a stop sequence has come
    /// (`stop_sequence` is the number of that), or when it alone is to stop.
    pub(super) fn stop_child(&mut self, key: ChildKey, then: AfterStop, stop_sequence: Option<u32>, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        let (settings, no_successor) = (slot.settings(), self.is_final());
        let (kind, shutdown) = (settings.kind, settings.shutdown());
        let phase = match &slot.state {
            State::Stopping(stopping) => {
                let then = match (then, stopping.then) {
                    // R18: which children come back with their group was decided when that restart began. Decided at its
                    // turn, it would depend on which of two is gone first.
                    (AfterStop::Restart, before) => before,
                    // A5: who aborts it was decided before.
                    (AfterStop::SupervisorStops(_), before @ AfterStop::SupervisorStops(_)) => before,
                    (AfterStop::SupervisorStops(_), _) if stopping.is_aborted() => {
                        AfterStop::SupervisorStops(AbortedBy::Earlier)
                    }
                    // Any other reason replaces what was to follow: R63 a restart, N1 everything.
                    (then, _) => then,
                };
                // Counted once: it may be part of this sequence already.
                if stop_sequence.is_some() && stopping.stop_sequence != stop_sequence {
                    self.stop_sequence.outstanding += 1;
                }
                let stopping = Stopping { then, stop_sequence: stop_sequence.or(stopping.stop_sequence), ..**stopping };
                self.join(key, stopping);
                return;
            }
            State::Stopped | State::PendingStart | State::Delayed { .. } => return,
            // N8: killing a supervisor aborts all below it.
            State::Starting { .. } | State::Running { .. } if self.is_killed => None,
            // N1: a set-up under way is aborted at once. A supervisor rolls back the children that it has started, in
            // order, so it is asked even then.
            State::Starting { .. } if kind == ChildKind::Worker => None,
            State::Starting { .. } | State::Running { .. } => match shutdown {
                // R40: killed without being asked.
                ShutdownStrategy::Brutal => None,
                // R41: asked, and aborted when its time is up. N8: for a supervisor that is the budget for all below it.
                ShutdownStrategy::Graceful(time) => Some(time),
            },
        };
        let unready = matches!(slot.state, State::Starting { .. });
        let child = slot.child.clone();
        // N8: a supervisor that stops by itself has acknowledged before, and does not do so again.
        let answers = kind == ChildKind::Supervisor && !slot.has_acknowledged;
        if stop_sequence.is_some() {
            self.stop_sequence.outstanding += 1;
        }
        self.emit(key, || EventKind::Stopping);
        let phase = match phase {
            None => {
                self.effects.push_back(Effect::Abort { child, no_successor });
                StopPhase::Aborted { until: now.checked_add(self.settings.abort_grace) }
            }
            Some(time) => {
                self.effects.push_back(Effect::Ask { child, no_successor });
                // R42: a time beyond the range of the clock is no limit.
                let until = now.checked_add(time);
                let ack_by = if answers { now.checked_add(self.settings.abort_grace) } else { None };
                StopPhase::Asked { until, ack_by }
            }
        };
        let since = now;
        self.children.set_stopping(
            key,
            Stopping { phase, then, since, stop_sequence, no_successor, unready, has_had_more: false },
        );
    }

    /// Joins the stop of a child that is stopping already, or tells it that nothing comes after it. Its limit is not
    /// set anew, so asking again cannot delay its end.
    fn join(&mut self, key: ChildKey, stopping: Stopping) {
        let is_final = self.is_final();
        // R78: it was asked before that was known, and would keep its specification. That holds for a stuck one, too.
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
        let no_successor = stopping.no_successor || is_final;
        self.children.set_stopping(key, Stopping { no_successor, ..stopping });
    }

    /// Gives a child that is terminated no more time than that. One that has less keeps it.
    pub(super) fn stop_within(&mut self, key: ChildKey, limit: Duration, now: Instant) {
        // The supervisor itself stops, and the turn of this child has not come. A limit holds in whatever order others stop.
        if self.is_stopping() {
            self.stop_child(key, STOPS, Some(self.stop_sequence.number), now);
        }
        let Some(stopping) = self.stopping(key) else { return };
        let StopPhase::Asked { until, ack_by } = stopping.phase else { return };
        if limit.is_zero() {
            self.abort(key, stopping.then, now);
            return;
        }
        // A limit beyond the range of the clock is none.
        let until = [until, now.checked_add(limit)].into_iter().flatten().min();
        let phase = StopPhase::Asked { until, ack_by };
        self.children.set_stopping(key, Stopping { phase, ..stopping });
    }

    /// Aborts a child. Runs when it is killed, misses its heartbeat, or its time is up: to be ready, or to stop. A
    /// child whose turn to stop comes anyway has not failed, as if its turn had come a moment earlier.
    pub(super) fn abort(&mut self, key: ChildKey, then: AfterStop, now: Instant) {
        // Decided now, and not when it is gone: its turn to stop may come before or after that, and both must give the
        // same result.
        let is_unresponsive = matches!(then, AfterStop::ApplyPolicy { unresponsive: true, .. });
        let then = match then {
            // A5: so that the outcome names it. No heartbeat and no start is checked any more, so a caller has killed it.
            AfterStop::ApplyPolicy { .. } | AfterStop::FailStart { .. } if self.is_stopping() => {
                AfterStop::SupervisorStops(AbortedBy::Caller)
            }
            // N2: it joins, and costs nothing.
            AfterStop::ApplyPolicy { .. } | AfterStop::FailStart { .. } if self.joins_group(key) => AfterStop::Restart,
            then => then,
        };
        let Some(slot) = self.children.get(key) else { return };
        // A sequence that counts it has to see it go. A child that was stopping has been since it was asked, so that
        // gives how long it took.
        let (stop_sequence, unready, since) = match &slot.state {
            State::Stopping(stopping) => (stopping.stop_sequence, stopping.unready, stopping.since),
            state => (None, matches!(state, State::Starting { .. }), now),
        };
        // Another event has the reason for some aborts: `Unresponsive` for a missed heartbeat, `StartFailed` for a start that
        // took too long. These have no `took`.
        let has_own_event = is_unresponsive || matches!(then, AfterStop::FailStart { limit: Some(_) });
        let took = (!has_own_event).then(|| now.saturating_duration_since(since));
        self.emit_timed(key, took, || EventKind::Aborted);
        // D3: a grace of its own, and maybe more time again, whatever time it had before the abort.
        let (phase, no_successor) = (self.abort_phase(key, now), self.is_final());
        self.children.set_stopping(
            key,
            Stopping { phase, then, since, stop_sequence, no_successor, unready, has_had_more: false },
        );
    }

    /// Aborts everything that is left. Runs when the stop has used up its budget, or the supervisor is killed. A4: all
    /// are aborted at once, and share one grace.
    pub(super) fn abort_all(&mut self, by: AbortedBy, now: Instant) {
        let then = AfterStop::SupervisorStops(by);
        for key in self.keys_of(State::is_live) {
            // Makes it part of the stop, if it is not yet: otherwise the stop would be done before this one is gone.
            self.stop_child(key, then, Some(self.stop_sequence.number), now);
            // A child that is aborted already has a grace that has begun, and gets no other.
            if self.stopping(key).is_some_and(|stopping| !stopping.is_aborted()) {
                self.abort(key, then, now);
            }
        }
        // The order is over: no child waits for its turn any more.
        self.stop_sequence.awaited = None;
    }

    /// Tells stopping children that nothing comes after the supervisor. R78: children that are stopping already have to
    /// know it, because they drop their specifications then.
    pub(super) fn pass_on_no_successor(&mut self) {
        for key in self.keys_of(|state| matches!(state, State::Stopping(_))) {
            if let Some(stopping) = self.stopping(key) {
                self.join(key, stopping);
            }
        }
    }

    /// Returns the stop of a child, if it is stopping.
    pub(super) fn stopping(&self, key: ChildKey) -> Option<Stopping> {
        match &self.children.get(key)?.state {
            State::Stopping(stopping) => Some(**stopping),
            _ => None,
        }
    }

    /// Returns the keys of the children in such a state, in start order. A list, because the caller changes the
    /// children.
    fn keys_of(&self, state: impl Fn(&State) -> bool) -> Vec<ChildKey> {
        self.children.iter().filter(|(_, slot)| state(&slot.state)).map(|(key, _)| key).collect()
    }

    /// Handles the end of a grace: an aborted process has not yielded, or a supervisor has not answered (D3, N8).
    pub(super) fn stuck(&mut self, key: ChildKey, stopping: Stopping, now: Instant) {
        if let StopPhase::Asked { .. } = stopping.phase {
            // N8: a supervisor has not even seen the request. Once it does, it aborts all below it: it is abandoned by
            // then, or a restart waits for it.
            self.have_aborted(key);
        }
        if self.is_stopping() {
            self.abandon(key, stopping);
            return;
        }
        // D3: while the supervisor goes on, nothing may run beside it (P2). Work that needs its end goes on waiting,
        // and everything else proceeds: the next one of its group that has to stop, and the callers.
        self.emit(key, || EventKind::Stuck);
        self.children.set_stopping(key, Stopping { phase: StopPhase::Stuck, ..stopping });
        self.stop_sequence.pass(key);
        self.answer(key, Awaited::Gone, Err(Refusal::Stuck));
        // A7: a reload that needs its end would wait for as long.
        if stopping.then == AfterStop::Restart || self.joins_group(key) {
            self.fail_reloads(key, || Refusal::Stuck);
        }
        // A2: a start timeout bounds how long others wait for the start, so its failure is reported without its exit.
        let AfterStop::FailStart { limit } = stopping.then else { return };
        let failure = limit.map_or(StartFailure::Aborted, StartFailure::TimedOut);
        self.answer_start(key, Err(failure.clone()));
        let Some(slot) = self.children.get(key) else { return };
        // R3: fatal in a first start, as in `on_start_failed`. Any other failed start is charged there, when it is
        // gone.
        if !self.is_up && !slot.has_started && slot.attempt == Attempt::Own {
            let child = slot.child.clone();
            self.begin_stop(Cause::FailedToStart { child, failure }, now);
        }
    }

    /// Returns whether a child that stops now is not started again, by this supervisor or a later one. R78: so it drops
    /// its specification.
    fn is_final(&self) -> bool {
        self.has_no_successor && self.is_stopping()
    }

    /// Abandons a child: a supervisor that stops has a child that has not yielded, and ends without it. P2: no
    /// successor overlaps it all the same, because a later run of this supervisor adopts it (`handle_left_behind`).
    fn abandon(&mut self, key: ChildKey, stopping: Stopping) {
        // Otherwise the stop would wait for it for ever.
        self.stop_sequence.left(key, &stopping);
        // P1, B4: also if there is no listener, because this marks the process: its own end is not reported then, and a
        // snapshot shows it.
        self.push_event(key, None, EventKind::Abandoned);
        // D3, A5: the outcome names it.
        if let Some(slot) = self.children.get(key) {
            self.unclean.push((slot.child.clone(), UncleanKind::Abandoned));
        }
        // No process, so its late exit is stale.
        self.children.set(key, State::Stopped);
        self.answer(key, Awaited::Gone, Err(Refusal::Stuck));
    }

    /// Asks a child to stop. Runs when it begins to stop, or has to know that nothing comes after it.
    fn ask(&mut self, key: ChildKey, no_successor: bool) {
        if let Some(child) = self.child(key).cloned() {
            self.effects.push_back(Effect::Ask { child, no_successor });
        }
    }

    /// Aborts a child. Its own process does that, at its next poll.
    fn have_aborted(&mut self, key: ChildKey) {
        let no_successor = self.is_final();
        if let Some(child) = self.child(key).cloned() {
            self.effects.push_back(Effect::Abort { child, no_successor });
        }
    }

    /// Aborts a child, and begins the grace that it has to yield (D3).
    pub(super) fn abort_phase(&mut self, key: ChildKey, now: Instant) -> StopPhase {
        self.have_aborted(key);
        StopPhase::Aborted { until: now.checked_add(self.settings.abort_grace) }
    }
}
