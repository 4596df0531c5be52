//! What becomes of a child whose process has ended.
//!
//! The order of the questions is the same everywhere: does the supervisor stop, is the child's group going to be restarted
//! anyway, and only then what the child's own restart type, or the caller of its start, makes of its end.

use std::time::{Duration, Instant};

use super::{
    Cause, Charge, Engine, Refusal, Spec, State, UncleanKind, Work,
    calls::Awaited,
    slot::{AfterStop, Attempt, Slot, Stopping},
};
use crate::{
    error::{StartFailure, UncleanProcess, UncleanStop},
    incarnation::{ChildKey, Exit},
    observe::{EventKind, RestartCause},
    shutdown::ShutdownStrategy,
    strategy::{RestartMode, RestartType},
};

impl<C: Spec> Engine<C> {
    /// Runs when a process ends before it was ready. `limit`: because it was not ready within that time.
    pub(super) fn on_start_failed(&mut self, key: ChildKey, exit: Exit, limit: Option<Duration>, now: Instant) {
        // R5, R21, R61: to have nothing to run is no failure, at any attempt: nothing is charged, a caller is told `Ok`, and a
        // group goes on with the next one. R52: it triggers no auto-shutdown either.
        if let Exit::Ignored = exit {
            self.emit(key, || EventKind::Ignored);
            self.children.edit(key, |slot| slot.remember(RestartCause::Exit(Exit::Ignored), now));
            self.answer_start(key, Ok(()));
            // R61: an added child is kept, so it is not `Adding` any more: only one that failed is removed again (R60). R72,
            // R76: a dynamic supervisor drops it all the same.
            self.children.edit(key, |slot| (slot.has_started, slot.attempt) = (true, Attempt::Own));
            // R18: a pending group starts it, as it would if its turn to stop had come first.
            if self.joins_group(key) {
                self.down_with_group(key);
            } else {
                self.stop_or_remove(key);
            }
            return;
        }
        // A2: its process says only that it was aborted; that it was late is known here alone. R4: all else is the same
        // failure.
        let failure = match limit {
            Some(limit) => StartFailure::TimedOut(limit),
            None => StartFailure::from_exit(exit),
        };
        self.emit(key, || EventKind::StartFailed(failure.clone()));
        self.children.edit(key, |slot| slot.remember(RestartCause::Start(failure.clone()), now));
        let Some(slot) = self.children.get(key) else { return };
        if self.is_stopping() {
            // N1: nothing is started after that, so there is nothing to try again, and no start to blame.
            self.children.set(key, State::Stopped);
        } else if slot.attempt != Attempt::Own {
            // R60, R64: the caller hears of it, and only the caller. No charge, and no first start ends by it (N5).
            self.answer_start(key, Err(failure));
            self.stop_or_remove(key);
        } else if self.joins_group(key) {
            // N2: also in a first start, where it would otherwise be fatal.
            self.down_with_group(key);
        } else if self.is_up || slot.has_started {
            // R22, R38, A3: a failed attempt to restart, tried again and charged, be it a worker or a supervisor that was
            // rolled back. R74: for an instance, too. A child that was ready once takes no more of the tree down in a first
            // start either.
            self.schedule_restart(key, RestartCause::Start(failure), None, now);
        } else {
            // R3: not tried again, whatever the restart type: what has started is rolled back, and the supervisor's own start
            // fails.
            let child = slot.child.clone();
            self.children.set(key, State::Stopped);
            self.begin_stop(Cause::FailedToStart { child, failure }, now);
        }
    }

    /// Runs when a child that was ready has ended by itself, or was killed: its restart type decides.
    ///
    /// R35, R37, R56: it decides about a supervisor as about any child. That it gave up, or shut itself down, is in its exit.
    pub(super) fn apply_policy(&mut self, key: ChildKey, exit: Exit, since: Option<Instant>, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        let settings = slot.settings();
        if self.is_stopping() {
            // R44: it has died before its turn to stop came. It is absorbed: no restart, no charge, and the outcome does not
            // name it.
            self.children.set(key, State::Stopped);
        } else if self.joins_group(key) {
            // N2: asked before the restart type is, so even an end that would not restart it joins.
            self.down_with_group(key);
        } else if settings.restart().restarts_after(&exit) {
            // R9: its restart type says that it is restarted after this exit. R54: asked before significance is, so a significant
            // child that failed is an ordinary restart.
            self.schedule_restart(key, RestartCause::Exit(exit), since, now);
        } else {
            // R19: nothing happens to its siblings, whatever the strategy. R30: and nothing is charged.
            let significant = settings.significant.then(|| slot.child.clone());
            self.stop_or_remove(key);
            // After it: R50 counts the significant children that are left, and this one must not be among them.
            if let Some(child) = significant {
                self.significant_ended(child, exit, now);
            }
        }
    }

    /// Whether the child's group is going to be stopped and started again anyway, so that a failure costs nothing and
    /// an end means nothing: it is as if it had been stopped a moment earlier (N2).
    pub(super) fn joins_group(&self, key: ChildKey) -> bool {
        matches!(&self.work, Work::Sequence(sequence) if sequence.joins(key))
    }

    /// Runs when a child is gone that its group restart has stopped, or that has ended before its turn to stop came.
    fn down_with_group(&mut self, key: ChildKey) {
        // R17: a group restart drops a temporary child that it stops. R52: for a significant one that triggers nothing.
        if self.is_temporary(key) {
            self.forget(key);
        } else {
            self.children.set(key, State::PendingStart);
        }
    }

    /// Runs when a process ends that was being stopped. What follows was decided when the stop began, or changed while it
    /// lasted.
    pub(super) fn on_stopped(&mut self, key: ChildKey, stopping: Stopping, exit: Exit, now: Instant) {
        // R39: from now on the next child may be asked.
        self.stop_sequence.left(key, &stopping);
        let exit = self.exit_of(key, &stopping, exit);
        if exit.abandoned_any() {
            // N8: it has ended, but not all that was below it. Told now, before `handle_exit` tells all who wait that it is
            // gone.
            self.answer(key, Awaited::Gone, Err(Refusal::Stuck));
        }
        // An exit is told once (P1): what an earlier run has left behind tells its own, and `on_start_failed` tells of a failed
        // start.
        let is_left_behind = self.children.get(key).is_some_and(Slot::is_left_behind);
        if !is_left_behind && !matches!(stopping.then, AfterStop::FailStart { .. }) {
            let took = now.saturating_duration_since(stopping.since);
            self.emit_timed(key, Some(took), || EventKind::Exited(exit.clone()));
            self.children.edit(key, |slot| slot.remember_stop(exit.clone(), now));
        }
        match stopping.then {
            // R12: killed from outside, it has failed; its restart type decides.
            AfterStop::ApplyPolicy { since, .. } => self.apply_policy(key, exit, Some(since), now),
            AfterStop::FailStart { limit } => self.on_start_failed(key, exit, limit, now),
            // R43: how it ended changes nothing, here and in the arms below. R52: so a significant child triggers nothing.
            AfterStop::Restart => self.down_with_group(key),
            // P2: of the restart type nothing is asked. The process was an earlier run's, so even a temporary child starts now.
            AfterStop::Start => self.children.set(key, State::PendingStart),
            AfterStop::StayDown => {
                // It may have been terminated before it was ready. Who wants it started hears that it is not going to be.
                self.answer_start(key, Err(StartFailure::Aborted));
                self.stop_or_remove(key);
            }
            AfterStop::SupervisorStops => {
                self.record_unclean(key, &stopping, exit);
                // Not removed, even a temporary one: the last state shows what the supervisor has stopped (B4).
                self.children.set(key, State::Stopped);
            }
        }
    }

    /// Runs when a child without a process is not restarted. It is kept, unless it is temporary, its supervisor keeps none, or
    /// it was to be added and never came to be.
    pub(super) fn stop_or_remove(&mut self, key: ChildKey) {
        let Some(slot) = self.children.get(key) else { return };
        // R10: the specification of a temporary child goes with its process. R73, R76, D7: in a dynamic supervisor that of any
        // child does. R60, R72: of an added one that never started, nothing is left.
        if self.settings.dynamic || self.is_temporary(key) || slot.attempt == Attempt::Adding {
            self.forget(key);
        } else {
            // R11, R63: listed as stopped. Its next start, with its group, is the supervisor's own again (R18).
            self.children.edit(key, |slot| slot.attempt = Attempt::Own);
            self.children.set(key, State::Stopped);
        }
    }

    /// Runs when a child has to be restarted. Charges a restart; then the child waits for its start, or the supervisor gives up.
    fn schedule_restart(&mut self, key: ChildKey, cause: RestartCause, since: Option<Instant>, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        let child = slot.child.clone();
        // R30: the one place that charges, once for each attempt: a group restart costs one in all. B1: the failure is charged
        // now, and not when its backoff is over. R33: the check comes first, so on the fatal exit nothing is restarted. A1: the
        // fatal failure is in the history, too.
        if !self.intensity.charge(Charge { child, at: now, cause: cause.clone() }) {
            self.children.set(key, State::Stopped);
            self.begin_stop(Cause::GaveUp, now);
            return;
        }
        let (attempt, delay) = self.next_attempt(key, since, now);
        self.emit(key, || EventKind::Restarting { attempt, delay, cause });
        let until = (!delay.is_zero()).then(|| now.checked_add(delay));
        if self.settings.strategy.mode() != RestartMode::OneForOne {
            // The whole group waits for the delay, so the child itself has no deadline of its own.
            self.children.set(key, State::PendingStart);
            self.begin_group(key, until, now);
        } else if let Some(until) = until {
            // A8: it keeps its slot meanwhile, so no other child can take its place.
            self.children.set(key, State::Delayed { until: Box::new(until) });
        } else {
            // R14, R71: it alone. In its turn, and not here: what has come in by then is served first (R26).
            self.children.set(key, State::PendingStart);
            self.restarts.push_back(key);
        }
    }

    /// The number of consecutive restarts, including this one, and how long this one has to wait (B1). Runs when a restart is
    /// charged. `since`: when the child became ready; a start that failed never was, so it is not stable.
    fn next_attempt(&mut self, key: ChildKey, since: Option<Instant>, now: Instant) -> (u32, Duration) {
        let (common, period) = (self.settings.backoff, self.settings.strategy.period());
        let attempt = self.children.edit(key, |slot| {
            let backoff = slot.settings().backoff().or(common);
            // Without a backoff only the number that events tell depends on it.
            let reset_after = backoff.map_or(period, |backoff| backoff.reset_after());
            let is_stable = since.is_some_and(|since| now.saturating_duration_since(since) >= reset_after);
            let failures = if is_stable { 0 } else { slot.failures() };
            slot.set_failures(failures.saturating_add(1));
            (slot.failures(), backoff.map_or(Duration::ZERO, |backoff| backoff.delay(failures, &mut self.rng)))
        });
        attempt.unwrap_or((1, Duration::ZERO))
    }

    /// Remembers who did not stop well, for the outcome (A5). Runs when a child has stopped because its supervisor stops.
    fn record_unclean(&mut self, key: ChildKey, stopping: &Stopping, exit: Exit) {
        let Some(slot) = self.children.get(key) else { return };
        let is_brutal = slot.settings().shutdown() == ShutdownStrategy::Brutal;
        let unclean = match exit {
            Exit::Shutdown(termination) => {
                // R40: what a brutal stop aborts is what was asked for. What it abandons was not.
                let counts = |unclean: &&UncleanProcess| !(is_brutal && matches!(unclean.stop, UncleanStop::Aborted));
                let below: Vec<_> = termination.unclean.iter().filter(counts).cloned().collect();
                (!below.is_empty()).then_some(UncleanKind::Below(below))
            }
            // N1: a set-up that was cut short is not unclean.
            _ if stopping.unready => None,
            // P8: its exit says that it has ended well, even if it was aborted in that moment. So it is clean.
            Exit::Normal | Exit::Ignored => None,
            Exit::Aborted | Exit::Unresponsive { .. } => (!is_brutal).then_some(UncleanKind::Aborted),
            // D9: a last flush that failed is no success, though R43 lets it change no policy. P4: with a panic's message.
            failed @ (Exit::Failed(_) | Exit::Panicked(_) | Exit::Lost) => Some(UncleanKind::Failed(failed)),
        };
        if let Some(unclean) = unclean {
            self.unclean.push((slot.child.clone(), unclean));
        }
    }

    /// Never restarted, and removed with its process.
    fn is_temporary(&self, key: ChildKey) -> bool {
        self.children.get(key).is_some_and(|slot| slot.settings().restart() == RestartType::Temporary)
    }
}
