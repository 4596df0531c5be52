//! The stops of processes.

use crate::{
    Act, Bad, Cause, Id, Reply, Shutdown, Supervisor, Time,
    child::{Await, Child, Cut, How, State, Then},
    order::Work,
};

impl Child {
    pub(crate) fn acknowledge(&mut self) {
        self.has_acknowledged = true;
        if let State::Stopping { how: How::Asked { answer_by: by, .. } | How::Aborted { yield_by: by }, .. } =
            &mut self.state
        {
            *by = None;
        }
    }
}

impl Supervisor {
    /// Begins the end, R47 and N1. Starting children are stopped at once; running ones wait for their turn.
    pub(crate) fn begin_stop(&mut self, cause: Cause, now: Time) {
        if self.is_stopping() {
            return;
        }
        if cause == Cause::GaveUp {
            self.act(Act::GaveUp);
        }
        self.work = Work::Stop { cause, by: self.settings.budget.and_then(|budget| now.checked_add(budget)) };
        for id in self.those(|_| true) {
            self.answer_all(id, Await::Ready, Reply::ShuttingDown);
            self.answer_all(id, Await::Reloaded, Reply::ShuttingDown);
        }
        for id in self.those(|child| !matches!(child.state, State::Running { .. })).into_iter().rev() {
            if self.is_live(id) {
                self.stop(id, Then::End, now);
            } else {
                self.child_mut(id).state = State::Stopped;
            }
        }
    }

    /// Stops, R39, the last child that still runs, if all after it are gone. A stuck one does not delay the others.
    /// Returns whether there was one to stop.
    pub(crate) fn stop_next(&mut self, from: Id, then: Then, now: Time) -> bool {
        let is_left = |child: &Child| child.id >= from && child.is_live() && !child.is_stuck();
        let mut left = self.those(is_left);
        if self.settings.is_concurrent {
            left.retain(|id| !self.child(*id).is_stopping());
        }
        match left.last() {
            Some(last) if !self.child(*last).is_stopping() => {
                self.stop(*last, then, now);
                true
            }
            _ => false,
        }
    }

    /// Stops a process, or changes the next step of its child.
    pub(crate) fn stop(&mut self, id: Id, then: Then, now: Time) {
        let (is_killed, is_stopping, until) = (self.is_killed, self.is_stopping(), now + self.settings.grace);
        let child = self.child_mut(id);
        let was_starting = match &mut child.state {
            State::Stopping { how, then: before, .. } => {
                *before = then;
                if *how == How::Stuck && is_stopping {
                    self.abandon(id);
                }
                return;
            }
            State::Starting { .. } => true,
            _ => false,
        };
        // A supervisor rolls back the children that it has started, so it is asked even then.
        let is_brutal = child.spec.shutdown == Shutdown::Brutal || (was_starting && !child.is_supervisor());
        let how = if is_killed || is_brutal {
            How::Aborted { yield_by: Some(until) }
        } else {
            let has_to_answer = child.is_supervisor() && !child.has_acknowledged;
            How::Asked { at: now, answer_by: has_to_answer.then_some(until) }
        };
        let is_early = !is_stopping && !matches!(how, How::Asked { .. });
        child.cut = if is_early { Cut::BeforeTheEnd } else { Cut::AtItsLimit };
        child.state = State::Stopping { how, then, was_starting, has_had_more: false };
        self.act(if let How::Asked { .. } = how { Act::Ask(id) } else { Act::Abort(id) });
    }

    /// Aborts a process, whatever was requested before.
    pub(crate) fn abort(&mut self, id: Id, then: Then, now: Time) {
        let then = match then {
            // It was going to be stopped anyway, so this is no failure.
            Then::Fail { .. } | Then::FailStart if self.is_stopping() => Then::End,
            Then::Fail { .. } | Then::FailStart if self.is_pending(id) => Then::Again,
            then => then,
        };
        let (until, is_stopping) = (now + self.settings.grace, self.is_stopping());
        let child = self.child_mut(id);
        child.cut = if is_stopping { Cut::AtItsLimit } else { Cut::BeforeTheEnd };
        let was_starting = match child.state {
            State::Stopping { was_starting, .. } => was_starting,
            state => !matches!(state, State::Running { .. }),
        };
        let how = How::Aborted { yield_by: Some(until) };
        child.state = State::Stopping { how, then, was_starting, has_had_more: false };
        self.act(Act::Abort(id));
    }

    /// Aborts everything that is left at once, A4 and N8.
    pub(crate) fn abort_all(&mut self, now: Time) {
        for id in self.those(Child::is_live) {
            self.stop(id, Then::End, now);
            if let State::Stopping { how: How::Asked { .. }, .. } = self.child(id).state {
                self.abort(id, Then::End, now);
            }
        }
    }

    /// Handles, R41, D3, N8, a process that has not stopped, or not answered, in time.
    pub(crate) fn time_is_up(&mut self, id: Id, now: Time) {
        let grace = self.settings.grace;
        let child = self.child_mut(id);
        let spec = child.spec.clone();
        let State::Stopping { how, then, was_starting, has_had_more } = &mut child.state else { return };
        let (then, was_starting) = (*then, *was_starting);
        if let How::Asked { at, .. } = *how {
            if spec.stop_by(at).is_some_and(|by| by <= now) {
                self.abort(id, then, now);
                return;
            }
        }
        if let How::Asked { answer_by: Some(by), .. } | How::Aborted { yield_by: Some(by) } = how {
            // The cause that delayed the supervisor may have delayed the process, too.
            if *by < now && !*has_had_more {
                (*by, *has_had_more) = (now + (now - *by).min(grace), true);
                return;
            }
        }
        if let How::Asked { .. } = how {
            // A supervisor that has not even answered. If it ever does, it has to be quick.
            self.act(Act::Abort(id));
        }
        if self.is_stopping() {
            self.abandon(id);
            return;
        }
        self.act(Act::Stuck(id));
        self.child_mut(id).state = State::Stopping { how: How::Stuck, then, was_starting, has_had_more: true };
        self.answer_all(id, Await::Gone, Reply::Stuck);
        if then == Then::Again || self.is_pending(id) {
            self.fail_reloads(id, Reply::Stuck);
        }
        if then == Then::FailStart {
            self.answer_all(id, Await::Ready, Reply::FailedToStart);
            self.answer_all(id, Await::Reloaded, Reply::FailedToStart);
            if !self.is_up && !self.child(id).has_been_ready && !self.child(id).is_wanted() {
                self.begin_stop(Cause::FailedToStart(id), now);
            }
        }
    }

    /// Abandons a child: the supervisor ends without it.
    fn abandon(&mut self, id: Id) {
        self.act(Act::Abandoned(id));
        self.blame(id, Bad::Abandoned);
        self.child_mut(id).state = State::Stopped;
        self.answer_all(id, Await::Gone, Reply::Stuck);
    }
}
