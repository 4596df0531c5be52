//! Decides what happens to a child whose process has ended.
//!
//! The order of the questions is the same everywhere: does the supervisor stop, is the child's group going to be
//! restarted anyway, and only then what the child's own restart type, or the caller of its start, requires.

use std::time::{Duration, Instant};

use super::{
    Cause, Charge, Engine, Refusal, Spec, State, UncleanKind, Work,
    calls::Awaited,
    slot::{AbortedBy, AfterStop, Attempt, Slot, Stopping},
};
use crate::{
    error::{StartFailure, UncleanProcess, UncleanStop},
    incarnation::{ChildKey, Exit},
    observe::{EventKind, RestartCause},
    shutdown::ShutdownStrategy,
    strategy::{RestartMode, RestartType},
};

impl<C: Spec> Engine<C> {
    /// Handles a process that ended before it was ready. `limit` is set if it was not ready within that time.
    pub(super) fn on_start_failed(&mut self, key: ChildKey, exit: Exit, limit: Option<Duration>, now: Instant) {
        // R5, R21, R61: nothing to run is no failure, at any attempt: nothing is charged, a caller gets `Ok`, and a
        // group goes on with the next one. R52: it triggers no auto-shutdown either.
        if let Exit::Ignored = exit {
            self.emit(key, || EventKind::Ignored);
            self.children.edit(key, |slot| slot.remember(RestartCause::Exit(Exit::Ignored), now));
            self.answer_start(key, Ok(()));
            self.answer(key, Awaited::Reloaded, Ok(()));
            // R61: an added child is kept, so it is not `Adding` any more: only one that failed is removed again (R60).
            // R72, R76: a dynamic supervisor drops it all the same.
            self.children.edit(key, |slot| (slot.has_started, slot.attempt) = (true, Attempt::Own));
            // R18: a pending group starts it, as it would if its turn to stop had come first.
            if self.joins_group(key) {
                self.down_with_group(key);
            } else {
                self.stop_or_remove(key);
            }
            return;
        }
        // A2: its process only reports that it was aborted; only the engine knows that it was late. R4: every other end
        // is the same failure. B6: a final one is told even then, because it is why there is no other attempt.
        let failure = match limit {
            Some(limit) if !exit.is_final() => StartFailure::TimedOut(limit),
            _ => StartFailure::from_exit(exit.clone()),
        };
        self.emit(key, || EventKind::StartFailed(failure.clone()));
        self.children.edit(key, |slot| slot.remember(RestartCause::Start(failure.clone()), now));
        let Some(slot) = self.children.get(key) else { return };
        if self.is_stopping() {
            // N1: nothing is started after that, so there is nothing to retry, and no start has failed.
            self.children.set(key, State::Stopped);
        } else if slot.attempt != Attempt::Own {
            // S5: without a caller, the owner of a scope hears of it by its own end.
            let is_unheard = self.settings.is_scope && !self.callers.contains_key(&key);
            // R60, R64: only the caller is told. Nothing is charged, and no first start ends by it (N5).
            self.answer_start(key, Err(failure));
            if is_unheard {
                self.end_for_good(key, &exit, now);
            } else {
                self.stop_or_remove(key);
            }
        } else if self.joins_group(key) {
            // N2: also in a first start, where it would otherwise be fatal.
            self.down_with_group(key);
        } else if self.is_up || slot.has_started {
            // R10: a temporary child is never restarted; only a reload has started it again. B6: nor is one after a failure
            // that no restart helps against.
            let is_retried = slot.settings().restart() != RestartType::Temporary && !exit.is_final();
            // B5: the callers of a reload learn the first failure.
            self.fail_reloads(key, || Refusal::FailedToStart(Box::new(failure.clone())));
            if is_retried {
                // R22, R38, A3: a failed attempt to restart is charged and retried, for a worker and for a supervisor
                // that was rolled back. R74: also for an instance. A child that was ready once does not end the first
                // start either.
                self.schedule_restart(key, Some(&failure), &exit, None, now);
            } else {
                // A group goes on with the next child.
                self.end_for_good(key, &exit, now);
            }
        } else {
            // R3: not retried, whatever the restart type: the children that have started are rolled back, and the
            // supervisor's own start fails.
            let child = slot.child.clone();
            self.fail_reloads(key, || Refusal::FailedToStart(Box::new(failure.clone())));
            self.children.set(key, State::Stopped);
            self.begin_stop(Cause::FailedToStart { child, failure }, now);
        }
    }

    /// Handles a child that was ready and has ended by itself, or was killed: its restart type decides.
    ///
    /// R35, R37, R56: this holds for a supervisor as for any child. Its exit says that it gave up, or shut itself down.
    pub(super) fn apply_policy(&mut self, key: ChildKey, exit: &Exit, since: Option<Instant>, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        let settings = slot.settings();
        if self.is_stopping() {
            // R44: it died before its turn to stop. It is absorbed: no restart, no charge, and the outcome does not
            // name it.
            self.children.set(key, State::Stopped);
        } else if self.joins_group(key) {
            // N2: checked before the restart type is, so even an end that would not restart it joins.
            self.down_with_group(key);
        } else if settings.restart().restarts_after(exit) {
            // R9: its restart type requires a restart after this exit. R54: checked before significance is, so a
            // significant child that failed is an ordinary restart.
            self.schedule_restart(key, None, exit, since, now);
        } else {
            self.end_for_good(key, exit, now);
        }
    }

    /// Puts down a child that has ended by itself and is not restarted.
    fn end_for_good(&mut self, key: ChildKey, exit: &Exit, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        // R19: nothing happens to its siblings, whatever the strategy. R30: and nothing is charged.
        let significant = slot.settings().significant.then(|| slot.child.clone());
        self.stop_or_remove(key);
        // After it: R50 counts the significant children that are left, and this one must not be among them.
        if let Some(child) = significant {
            self.significant_ended(child, exit.clone(), now);
        }
    }

    /// Returns whether the child's group is going to be stopped and started again anyway, so that a failure costs
    /// nothing and an end has no effect: as if it had been stopped a moment earlier (N2).
    pub(super) fn joins_group(&self, key: ChildKey) -> bool {
        matches!(&self.work, Work::Sequence(sequence) if sequence.joins(key))
    }

    /// Handles a child that its group restart, or a reload, has stopped, or that ended before its turn to stop.
    fn down_with_group(&mut self, key: ChildKey) {
        // R17: a group restart drops a temporary child that it stops. R52: for a significant one that triggers nothing.
        // B5: but not one that a call reloads.
        if self.is_temporary(key) && !self.children.get(key).is_some_and(Slot::is_kept) {
            self.forget(key);
            return;
        }
        self.children.set(key, State::PendingStart);
        if self.restarts_alone() {
            self.restarts.push_back(key);
        }
    }

    /// Handles a process that was being stopped and has ended. What follows was decided when the stop began, or changed
    /// during it.
    pub(super) fn on_stopped(&mut self, key: ChildKey, stopping: Stopping, exit: Exit, now: Instant) {
        // R39: from now on the next child may be asked.
        self.stop_sequence.left(key, &stopping);
        let exit = self.exit_of(key, &stopping, exit);
        if exit.abandoned_any() {
            // N8: it has ended, but something below it has not. Answered now, before `handle_exit` answers all waiting
            // callers that it is gone.
            self.answer(key, Awaited::Gone, Err(Refusal::Stuck));
            // Its next run starts nothing before that is gone (P2), so it is not known when it is ready.
            if stopping.then == AfterStop::Restart || self.joins_group(key) {
                self.fail_reloads(key, || Refusal::Stuck);
            }
        }
        // An exit is reported once (P1): a process of an earlier run reports its own, and `on_start_failed` reports a
        // failed start.
        let is_reported = self.children.edit(key, |slot| {
            let is_reported = !slot.is_left_behind() && !matches!(stopping.then, AfterStop::FailStart { .. });
            if is_reported {
                slot.remember_stop(&exit, now);
            }
            is_reported
        });
        if is_reported == Some(true) {
            let took = self.is_heard.then(|| now.saturating_duration_since(stopping.since));
            self.emit_timed(key, took, || EventKind::Exited(exit.clone()));
        }
        match stopping.then {
            // R12: killed from outside, it has failed; its restart type decides.
            AfterStop::ApplyPolicy { since, .. } => self.apply_policy(key, &exit, Some(since), now),
            AfterStop::FailStart { limit } => self.on_start_failed(key, exit, limit, now),
            // B5: nor is it charged: it was asked to. R43: how it ended changes nothing, here and in the arms below. R52: so
            // a significant child triggers nothing. B6: so also a final failure is restarted.
            AfterStop::Restart => self.down_with_group(key),
            // P2: the restart type does not matter. The process belonged to an earlier run, so even a temporary child
            // starts now.
            AfterStop::Start => self.children.set(key, State::PendingStart),
            AfterStop::StayDown => {
                // It may have been terminated before it was ready. A caller that wants it started learns that it will
                // not be.
                self.answer_start(key, Err(StartFailure::Aborted));
                self.stop_or_remove(key);
            }
            AfterStop::SupervisorStops(aborted_by) => {
                self.record_unclean(key, &stopping, aborted_by, exit);
                // Not removed, even a temporary one: the last state shows the children that the supervisor has stopped
                // (B4).
                self.children.set(key, State::Stopped);
            }
        }
    }

    /// Puts down a child without a process that is not restarted. It is kept, unless it is temporary, its supervisor
    /// keeps none, or it was to be added and never started.
    pub(super) fn stop_or_remove(&mut self, key: ChildKey) {
        let Some(slot) = self.children.get(key) else { return };
        // R10: the specification of a temporary child goes with its process. R73, R76, D7: in a dynamic supervisor this
        // holds for any child. R60, R72: of an added one that never started, nothing is left.
        if self.settings.dynamic || self.is_temporary(key) || slot.attempt == Attempt::Adding {
            self.forget(key);
        } else {
            // R11, R63: listed as stopped. Its next start, with its group, is the supervisor's own again (R18).
            self.children.edit(key, |slot| slot.attempt = Attempt::Own);
            self.children.set(key, State::Stopped);
        }
    }

    /// Gives a child of a scope up, for which no restart is left. S4: the scope goes on without it. S5: unless its owner needs
    /// it, however it ended.
    fn give_child_up(&mut self, key: ChildKey, exit: &Exit, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        let significant = slot.settings().significant.then(|| slot.child.clone());
        let (intensity, period) = (self.settings.strategy.intensity(), self.settings.strategy.period());
        self.emit(key, || EventKind::NotRestarted { intensity, period });
        self.stop_or_remove(key);
        if let Some(child) = significant {
            self.begin_stop(Cause::AutoShutdown { child, exit: exit.clone() }, now);
        }
    }

    /// Charges a restart; then the child waits for its start, or the supervisor gives up. Runs when a child has to be
    /// restarted. `exit` is the end of its process, and `failure` that of its start, if it was not ready before.
    fn schedule_restart(
        &mut self,
        key: ChildKey,
        failure: Option<&StartFailure>,
        exit: &Exit,
        since: Option<Instant>,
        now: Instant,
    ) {
        let Some(slot) = self.children.get(key) else { return };
        // Made only for those who keep it: the history, and listeners.
        let cause = || failure.cloned().map_or_else(|| RestartCause::Exit(exit.clone()), RestartCause::Start);
        let charge = || Charge { child: slot.child.clone(), at: now, cause: cause() };
        // R30: the one place that charges, once for each attempt: a group restart costs one in all. B1: the failure is
        // charged now, and not when its backoff is over. R33: the check comes first, so on the fatal exit nothing is
        // restarted. A1: the fatal failure is in the history, too.
        if !self.intensity.charge(now, charge) {
            if self.settings.is_scope {
                self.give_child_up(key, exit, now);
                return;
            }
            self.children.set(key, State::Stopped);
            self.begin_stop(Cause::GaveUp, now);
            return;
        }
        let (attempt, delay) = self.next_attempt(key, since, now);
        self.emit(key, || EventKind::Restarting { attempt, delay, cause: cause() });
        let until = (!delay.is_zero()).then(|| now.checked_add(delay));
        if self.settings.strategy.mode() != RestartMode::OneForOne {
            // The whole group waits for the delay, so the child itself has no deadline of its own.
            self.children.set(key, State::PendingStart);
            self.begin_group(key, until, now);
        } else if let Some(until) = until {
            // A8: it keeps its slot meanwhile, so no other child can take its place.
            self.children.set(key, State::Delayed { until: Box::new(until) });
        } else {
            // R14, R71: it alone. In its turn, and not here: inputs that have come by then are served first (R26).
            self.children.set(key, State::PendingStart);
            self.restarts.push_back(key);
        }
    }

    /// Returns the number of consecutive restarts, including this one, and how long this one has to wait (B1). Runs
    /// when a restart is charged. `since` is when the child became ready; a start that failed never was, so it is not
    /// stable.
    fn next_attempt(&mut self, key: ChildKey, since: Option<Instant>, now: Instant) -> (u32, Duration) {
        let settings = &self.settings;
        let attempt = self.children.edit(key, |slot| {
            let reset_after = settings.reset_after(slot.settings());
            let is_stable = since.and_then(|since| since.checked_add(reset_after)).is_some_and(|stable| stable <= now);
            let failures = if is_stable { 0 } else { slot.failures() };
            slot.count_failure(failures == 0, now);
            let backoff = slot.settings().backoff().or(settings.backoff);
            (slot.failures(), backoff.map_or(Duration::ZERO, |backoff| backoff.delay(failures, &mut self.rng)))
        });
        attempt.unwrap_or((1, Duration::ZERO))
    }

    /// Remembers a child that did not stop well, for the outcome (A5). Runs when a child has stopped because its
    /// supervisor stops.
    fn record_unclean(&mut self, key: ChildKey, stopping: &Stopping, aborted_by: AbortedBy, exit: Exit) {
        let Some(slot) = self.children.get(key) else { return };
        let is_brutal = || slot.settings().shutdown() == ShutdownStrategy::Brutal;
        let unclean = match exit {
            Exit::Shutdown(termination) => {
                self.record_unclean_below(key, aborted_by, &termination.unclean);
                return;
            }
            // N1: a set-up that was aborted is not unclean.
            _ if stopping.unready => None,
            // P8: its exit says that it ended well, even if it was aborted at that moment. So it is clean.
            Exit::Normal | Exit::Ignored => None,
            Exit::Aborted | Exit::Unresponsive { .. } if is_brutal() => None,
            Exit::Aborted | Exit::Unresponsive { .. } => match aborted_by {
                AbortedBy::Stop => Some(UncleanKind::Aborted),
                AbortedBy::Caller => Some(UncleanKind::Killed),
                AbortedBy::Earlier => None,
            },
            // D9: a last flush that failed is no success, though R43 lets it change no policy. P4: with a panic's message.
            failed @ (Exit::Failed(_) | Exit::Panicked(_) | Exit::Lost) => Some(UncleanKind::Failed(failed)),
        };
        if let Some(unclean) = unclean {
            self.unclean.push((slot.child.clone(), unclean));
        }
    }

    /// Remembers the processes below a child that did not stop well (A5): below a supervisor, or in the scope of a worker.
    pub(super) fn record_unclean_below(&mut self, key: ChildKey, aborted_by: AbortedBy, unclean: &[UncleanProcess]) {
        let Some(slot) = self.children.get(key) else { return };
        let is_brutal = slot.settings().shutdown() == ShutdownStrategy::Brutal;
        // R40: the abort of a brutal stop is its contract. R44: an earlier abort is absorbed. An abandonment is not.
        let is_absorbed = is_brutal || aborted_by == AbortedBy::Earlier;
        let counts = |unclean: &UncleanProcess| {
            !(is_absorbed && matches!(unclean.stop, UncleanStop::Aborted | UncleanStop::Killed))
        };
        let mut below: Vec<_> = unclean.iter().filter(|unclean| counts(unclean)).cloned().collect();
        if aborted_by == AbortedBy::Caller {
            // Only the supervisor above it knows that this was not because their time was up.
            let aborted = below.iter_mut().filter(|unclean| unclean.stop == UncleanStop::Aborted);
            aborted.for_each(|unclean| unclean.stop = UncleanStop::Killed);
        }
        if !below.is_empty() {
            self.unclean.push((slot.child.clone(), UncleanKind::Below(below)));
        }
    }

    /// Returns whether it is never restarted, and removed with its process.
    fn is_temporary(&self, key: ChildKey) -> bool {
        self.children.get(key).is_some_and(|slot| slot.settings().restart() == RestartType::Temporary)
    }
}
