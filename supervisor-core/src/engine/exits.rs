//! What becomes of a child whose process has ended.

use std::time::{Duration, Instant};

use super::{
    Cause, Charge, Engine, Refusal, Spec, State, UncleanKind, Work,
    calls::Awaited,
    slot::{AfterStop, Attempt, Slot, Stopping},
};
use crate::{
    error::{Failure, StartFailure, UncleanProcess, UncleanStop},
    incarnation::{ChildKey, Exit},
    observe::{EventKind, RestartCause},
    shutdown::ShutdownStrategy,
    strategy::{RestartMode, RestartType},
};

impl<C: Spec> Engine<C> {
    /// A process ended before it was ready. `limit`: because it was not ready within that time.
    pub(super) fn on_start_failed(&mut self, key: ChildKey, exit: Exit, limit: Option<Duration>, now: Instant) {
        if let Exit::Ignored = exit {
            self.emit(key, || EventKind::Ignored);
            self.children.edit(key, |slot| slot.remember(RestartCause::Exit(Exit::Ignored), now));
            self.answer_start(key, Ok(()));
            self.children.edit(key, |slot| (slot.has_started, slot.attempt) = (true, Attempt::Own));
            self.stop_or_remove(key);
            return;
        }
        let failure = match limit {
            Some(limit) => StartFailure::TimedOut(limit),
            None => StartFailure::from_exit(exit),
        };
        self.emit(key, || EventKind::StartFailed(failure.clone()));
        self.children.edit(key, |slot| slot.remember(RestartCause::Start(failure.clone()), now));
        let Some(slot) = self.children.get(key) else { return };
        if self.is_stopping() {
            self.children.set(key, State::Stopped);
        } else if slot.attempt != Attempt::Own {
            self.answer_start(key, Err(failure));
            self.stop_or_remove(key);
        } else if self.joins_group(key) {
            self.down_with_group(key);
        } else if self.is_up || slot.has_started {
            self.schedule_restart(key, RestartCause::Start(failure), None, now);
        } else {
            let child = slot.child.clone();
            self.children.set(key, State::Stopped);
            self.begin_stop(Cause::FailedToStart { child, failure }, now);
        }
    }

    /// A child that was ready ended by itself: its restart type decides.
    pub(super) fn apply_policy(&mut self, key: ChildKey, exit: Exit, since: Option<Instant>, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        let settings = slot.settings();
        if self.is_stopping() {
            self.children.set(key, State::Stopped);
        } else if self.joins_group(key) {
            self.down_with_group(key);
        } else if settings.restart().restarts_after(&exit) {
            self.schedule_restart(key, RestartCause::Exit(exit), since, now);
        } else {
            let significant = settings.significant.then(|| slot.child.clone());
            self.stop_or_remove(key);
            if let Some(child) = significant {
                self.significant_ended(child, exit, now);
            }
        }
    }

    /// Whether the child's group is going to be stopped and started again anyway, so that a failure costs nothing and
    /// an end means nothing: it is as if it had been stopped a moment earlier.
    pub(super) fn joins_group(&self, key: ChildKey) -> bool {
        matches!(&self.work, Work::Sequence(sequence) if sequence.joins(key))
    }

    fn down_with_group(&mut self, key: ChildKey) {
        if self.is_temporary(key) {
            self.forget(key);
        } else {
            self.children.set(key, State::PendingStart);
        }
    }

    /// A process ended that was being stopped.
    pub(super) fn on_stopped(&mut self, key: ChildKey, stopping: Stopping, exit: Exit, now: Instant) {
        self.stop_sequence.left(key, &stopping);
        let exit = self.exit_of(key, &stopping, exit);
        if exit.abandoned_any() {
            // It has ended, but not all that was below it.
            self.answer(key, Awaited::Gone, Err(Refusal::Stuck));
        }
        let is_left_behind = self.children.get(key).is_some_and(Slot::is_left_behind);
        if !is_left_behind && !matches!(stopping.then, AfterStop::FailStart { .. }) {
            let took = now.saturating_duration_since(stopping.since);
            self.emit_timed(key, Some(took), || EventKind::Exited(exit.clone()));
            self.children.edit(key, |slot| slot.remember_stop(exit.clone(), now));
        }
        match stopping.then {
            AfterStop::ApplyPolicy { since, .. } => self.apply_policy(key, exit, Some(since), now),
            AfterStop::FailStart { limit } => self.on_start_failed(key, exit, limit, now),
            AfterStop::Restart => self.down_with_group(key),
            AfterStop::Start => self.children.set(key, State::PendingStart),
            AfterStop::StayDown => {
                self.answer_start(key, Err(StartFailure::Aborted));
                self.stop_or_remove(key);
            }
            AfterStop::SupervisorStops => {
                self.tally(key, &stopping, exit);
                self.children.set(key, State::Stopped);
            }
        }
    }

    /// A child without a process that is not restarted: it is kept, unless it is temporary, its supervisor keeps none, or it
    /// was to be added and never came to be.
    pub(super) fn stop_or_remove(&mut self, key: ChildKey) {
        let Some(slot) = self.children.get(key) else { return };
        if self.settings.dynamic || self.is_temporary(key) || slot.attempt == Attempt::Adding {
            self.forget(key);
        } else {
            self.children.edit(key, |slot| slot.attempt = Attempt::Own);
            self.children.set(key, State::Stopped);
        }
    }

    /// A child has to be restarted, if there is a restart left.
    fn schedule_restart(&mut self, key: ChildKey, cause: RestartCause, since: Option<Instant>, now: Instant) {
        let Some(slot) = self.children.get(key) else { return };
        let child = slot.child.clone();
        if !self.intensity.charge(Charge { child, at: now, cause: cause.clone() }) {
            self.children.set(key, State::Stopped);
            self.begin_stop(Cause::GaveUp, now);
            return;
        }
        let (attempt, delay) = self.next_attempt(key, since, now);
        self.emit(key, || EventKind::Restarting { attempt, delay, cause });
        let until = (!delay.is_zero()).then(|| now.checked_add(delay));
        if self.settings.strategy.mode() != RestartMode::OneForOne {
            self.children.set(key, State::PendingStart);
            self.begin_group(key, until, now);
        } else if let Some(until) = until {
            self.children.set(key, State::Delayed { until: Box::new(until) });
        } else {
            self.children.set(key, State::PendingStart);
            self.restarts.push_back(key);
        }
    }

    /// The how manieth restart in a row this is, and how long it has to wait.
    fn next_attempt(&mut self, key: ChildKey, since: Option<Instant>, now: Instant) -> (u32, Duration) {
        let (common, period) = (self.settings.backoff, self.settings.strategy.period());
        let attempt = self.children.edit(key, |slot| {
            let backoff = slot.settings().backoff().or(common);
            let reset_after = backoff.map_or(period, |backoff| backoff.reset_after());
            let is_stable = since.is_some_and(|since| now.saturating_duration_since(since) >= reset_after);
            let failures = if is_stable { 0 } else { slot.failures() };
            slot.set_failures(failures.saturating_add(1));
            (slot.failures(), backoff.map_or(Duration::ZERO, |backoff| backoff.delay(failures, &mut self.rng)))
        });
        attempt.unwrap_or((1, Duration::ZERO))
    }

    /// Remembers who did not stop well.
    fn tally(&mut self, key: ChildKey, stopping: &Stopping, exit: Exit) {
        let Some(slot) = self.children.get(key) else { return };
        let is_brutal = slot.settings().shutdown() == ShutdownStrategy::Brutal;
        let unclean = match exit {
            Exit::Shutdown(termination) => {
                // What a brutal stop aborts is what was asked for.
                let counts = |unclean: &&UncleanProcess| !(is_brutal && matches!(unclean.stop, UncleanStop::Aborted));
                let below: Vec<_> = termination.unclean.iter().filter(counts).cloned().collect();
                (!below.is_empty()).then_some(UncleanKind::Below(below))
            }
            // A set-up that was cut short had nothing to end well.
            _ if stopping.unready => None,
            Exit::Normal | Exit::Ignored => None,
            Exit::Aborted | Exit::Unresponsive { .. } => (!is_brutal).then_some(UncleanKind::Aborted),
            Exit::Failed(failure) => Some(UncleanKind::Failed(failure)),
            Exit::Panicked(panic) => Some(UncleanKind::Failed(Failure::new(format!("panicked: {panic:#}")))),
            Exit::Lost => Some(UncleanKind::Failed(Failure::new(Exit::Lost.to_string()))),
        };
        if let Some(unclean) = unclean {
            self.unclean.push((slot.child.clone(), unclean));
        }
    }

    fn is_temporary(&self, key: ChildKey) -> bool {
        self.children.get(key).is_some_and(|slot| slot.settings().restart() == RestartType::Temporary)
    }
}
