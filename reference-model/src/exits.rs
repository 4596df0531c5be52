//! Decides what happens to a child whose process has ended.

use std::time::Duration;

use crate::{
    Act, AutoShutdown, Bad, Cause, Exit, Id, Reply, Restart, Shutdown, Strategy, Supervisor, Time,
    child::{Await, Cut, State, Then, Wanted},
};

impl Supervisor {
    /// Handles a process that has ended before it was ready.
    pub(crate) fn failed_to_start(&mut self, id: Id, exit: &Exit, now: Time) {
        if *exit == Exit::Ignored {
            // R5, R21, R61: nothing to run is no failure.
            self.answer_all(id, Await::Ready, Reply::Ok);
            self.answer_all(id, Await::Reloaded, Reply::Ok);
            let child = self.child_mut(id);
            (child.has_been_ready, child.wanted) = (true, Wanted::BySupervisor);
            // R18: a pending group starts it, as it would if its turn to stop had come first.
            if self.is_pending(id) {
                self.down_with_group(id);
            } else {
                self.put_down(id);
            }
            return;
        }
        let child = self.child(id);
        if child.wanted != Wanted::BySupervisor {
            // R60, R64: only the caller is told.
            self.answer_all(id, Await::Ready, Reply::FailedToStart);
            self.answer_all(id, Await::Reloaded, Reply::FailedToStart);
            self.put_down(id);
        } else if self.is_pending(id) {
            self.down_with_group(id);
        } else if !self.is_up && !child.has_been_ready {
            // R3
            self.fail_reloads(id, Reply::FailedToStart);
            self.child_mut(id).state = State::Stopped;
            self.begin_stop(Cause::FailedToStart(id), now);
        } else if child.is_temporary() || *exit == Exit::Final {
            // Only a reload starts a temporary child again, and only once.
            self.fail_reloads(id, Reply::FailedToStart);
            self.end_for_good(id, now);
        } else {
            self.fail_reloads(id, Reply::FailedToStart);
            self.restart(id, None, now);
        }
    }

    /// Handles a process that was ready and has ended by itself.
    pub(crate) fn ended(&mut self, id: Id, exit: &Exit, since: Time, now: Time) {
        let child = self.child(id);
        let is_restarted = match child.spec.restart {
            // B6
            _ if *exit == Exit::Final => false,
            Restart::Permanent => true,
            Restart::Transient => !exit.is_normal(),
            Restart::Temporary => false,
        };
        if self.is_stopping() {
            // R44
            self.child_mut(id).state = State::Stopped;
        } else if self.is_pending(id) {
            self.down_with_group(id);
        } else if is_restarted {
            self.restart(id, Some(since), now);
        } else {
            self.end_for_good(id, now);
        }
    }

    /// Puts down a child that has ended by itself and is not restarted.
    fn end_for_good(&mut self, id: Id, now: Time) {
        let is_significant = self.child(id).spec.is_significant;
        self.put_down(id);
        if is_significant {
            self.significant_ended(id, now);
        }
    }

    /// Handles a process that was being stopped and has ended.
    pub(crate) fn has_stopped(&mut self, id: Id, then: Then, was_starting: bool, exit: &Exit, now: Time) {
        if exit.has_abandoned_any() {
            self.answer_all(id, Await::Gone, Reply::Stuck);
            if then == Then::Again || self.is_pending(id) {
                self.fail_reloads(id, Reply::Stuck);
            }
        }
        match then {
            Then::Fail { since } => self.ended(id, exit, since, now),
            Then::FailStart => self.failed_to_start(id, exit, now),
            Then::Again => self.down_with_group(id),
            Then::Succeed => self.child_mut(id).state = State::PendingStart,
            Then::Stay => {
                self.answer_all(id, Await::Ready, Reply::FailedToStart);
                self.answer_all(id, Await::Reloaded, Reply::FailedToStart);
                self.put_down(id);
            }
            Then::End => {
                self.look_how_it_stopped(id, was_starting, exit);
                self.child_mut(id).state = State::Stopped;
            }
        }
    }

    /// Records, A5 and D9, what the outcome names.
    fn look_how_it_stopped(&mut self, id: Id, was_starting: bool, exit: &Exit) {
        let (is_brutal, cut) = (self.child(id).spec.shutdown == Shutdown::Brutal, self.child(id).cut);
        // R44: what was cut before the end could as well have been gone by then.
        let is_absorbed = cut == Cut::BeforeTheEnd;
        match exit {
            Exit::Ended { below, .. } => {
                for bad in below {
                    match bad {
                        Bad::Aborted | Bad::Killed if is_brutal || is_absorbed => {}
                        Bad::Aborted if cut == Cut::ByCall => self.blame(id, Bad::Killed),
                        bad => self.blame(id, *bad),
                    }
                }
            }
            _ if was_starting => {}
            Exit::Failed | Exit::Final => self.blame(id, Bad::Failed),
            Exit::Aborted if is_brutal || is_absorbed => {}
            Exit::Aborted if cut == Cut::ByCall => self.blame(id, Bad::Killed),
            Exit::Aborted => self.blame(id, Bad::Aborted),
            Exit::Normal | Exit::Ignored => {}
        }
    }

    /// Charges a restart, R22 and R30, and schedules it.
    fn restart(&mut self, id: Id, since: Option<Time>, now: Time) {
        let period = self.settings.period;
        self.restarts.retain(|then| now - *then <= period);
        self.restarts.push(now);
        if self.restarts.len() > self.settings.intensity {
            self.child_mut(id).state = State::Stopped;
            self.begin_stop(Cause::GaveUp, now);
            return;
        }
        // B1
        let backoff = self.child(id).spec.backoff.or(self.settings.backoff);
        let reset_after = backoff.map_or(period, |backoff| backoff.reset_after);
        let child = self.child_mut(id);
        if since.is_some_and(|since| now - since >= reset_after) {
            child.failures = 0;
        }
        let delay = backoff.map_or(Duration::ZERO, |backoff| backoff.wait(child.failures));
        child.failures += 1;
        let attempt = child.failures;
        self.act(Act::Restarting { child: id, attempt, delay });
        let until = (!delay.is_zero()).then(|| now + delay);
        if self.settings.strategy != Strategy::OneForOne {
            self.child_mut(id).state = State::PendingStart;
            self.begin_group(id, until, now);
        } else if let Some(until) = until {
            self.child_mut(id).state = State::Delayed { until };
        } else {
            self.child_mut(id).state = State::PendingStart;
            self.queue.push(id);
        }
    }

    /// Puts down a child without a process that is not restarted: it is kept, unless it is temporary (R10), its
    /// supervisor keeps none (R73), or it was to be added and never started (R60).
    pub(crate) fn put_down(&mut self, id: Id) {
        let child = self.child(id);
        if self.settings.is_dynamic || child.is_temporary() || child.wanted == Wanted::ToBeAdded {
            self.forget(id);
        } else {
            let child = self.child_mut(id);
            (child.state, child.wanted) = (State::Stopped, Wanted::BySupervisor);
        }
    }

    /// Handles, R17, a child that stopped for a group restart: a temporary one does not come back.
    fn down_with_group(&mut self, id: Id) {
        let child = self.child_mut(id);
        if child.is_temporary() && !child.is_reloaded {
            self.forget(id);
            return;
        }
        child.state = State::PendingStart;
        if !self.has_groups() {
            self.queue.push(id);
        }
    }

    pub(crate) fn forget(&mut self, id: Id) {
        // It was ready again before it ended.
        self.answer_all(id, Await::Reloaded, Reply::Ok);
        self.answer_all(id, Await::Ready, Reply::FailedToStart);
        self.answer_all(id, Await::Gone, Reply::Ok);
        self.children.retain(|child| child.id != id);
        self.act(Act::Forget(id));
    }

    /// Handles the end of a significant child, R49 to R53.
    pub(crate) fn significant_ended(&mut self, id: Id, now: Time) {
        if !self.is_up {
            self.significant_end = Some(id);
            return;
        }
        let is_left = self.children.iter().any(|child| child.spec.is_significant && child.state != State::Stopped);
        let ends = match self.settings.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::Any => true,
            AutoShutdown::All => !is_left,
        };
        if ends {
            self.begin_stop(Cause::AutoShutdown(id), now);
        }
    }
}
