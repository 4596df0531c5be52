//! Reloads: restarts that a call asks for (B5).

use crate::{
    Act, Call, Caller, Id, Reply, Strategy, Supervisor, Time,
    child::{Await, Child, State, Then},
};

impl Supervisor {
    /// Stops a child and starts it again, with all that depends on it.
    pub fn reload_child(&mut self, id: Id, caller: Caller, now: Time) {
        let refusal = match self.find(id) {
            None => Some(Reply::NotFound),
            Some(_) if self.is_stopping() => Some(Reply::ShuttingDown),
            Some(child) if child.spec.runs_once => Some(Reply::RunsOnce),
            Some(child) if child.is_stuck() => Some(Reply::Stuck),
            Some(child) if child.is_leaving() => Some(Reply::Stopping),
            Some(child) if child.state == State::Stopped => return self.restart_child(id, caller, now),
            Some(_) => None,
        };
        if let Some(refusal) = refusal {
            return self.act(Act::Answer(caller.call, refusal));
        }
        self.child_mut(id).is_reloaded = true;
        if self.has_groups() {
            // A process of it that begins later is on its way.
            let is_coming = match self.child(id).state {
                State::PendingStart | State::Stopping { then: Then::Succeed, .. } => true,
                _ => self.is_pending(id),
            };
            self.hurry();
            if !is_coming {
                self.restart_group(id, None, true, now);
            }
        } else {
            self.reload_alone(id, now);
        }
        if caller.is_in_circle || caller.within == Some(id) || self.reload_waits_for(id, caller) {
            self.act(Act::Answer(caller.call, Reply::Ok));
        } else if self.children.iter().any(|child| child.is_stuck() && self.is_pending(child.id)) {
            self.act(Act::Answer(caller.call, Reply::Stuck));
        } else {
            self.child_mut(id).waiting.push((Await::Reloaded, caller));
        }
    }

    fn reload_alone(&mut self, id: Id, now: Time) {
        match &mut self.child_mut(id).state {
            state @ State::Delayed { .. } => {
                *state = State::PendingStart;
                self.queue.push(id);
            }
            State::Starting { .. } | State::Running { .. } => self.stop(id, Then::Again, now),
            State::Stopping { then: then @ (Then::Fail { .. } | Then::FailStart), .. } => *then = Then::Again,
            _ => {}
        }
    }

    /// Returns, N6, whether a reload of the child would wait for its own caller.
    fn reload_waits_for(&self, id: Id, caller: Caller) -> bool {
        let child = self.child(id);
        let waits_for_turn = child.state == State::PendingStart && !child.has_been_ready;
        let within = caller.within.filter(|within| self.find(*within).is_some());
        (self.has_groups() || waits_for_turn) && within.is_some_and(|within| self.is_kept_waiting_by(within))
    }

    /// Answers the callers of reloads that would now wait for themselves: a group restart begins.
    pub(crate) fn let_reloads_go(&mut self) {
        for id in self.those(|_| true) {
            let waiting = self.child(id).waiting.clone();
            let is_circle =
                |(what, caller): &(Await, Caller)| *what == Await::Reloaded && self.reload_waits_for(id, *caller);
            let (circles, others): (Vec<_>, Vec<_>) = waiting.into_iter().partition(is_circle);
            self.child_mut(id).waiting = others;
            for (_, caller) in circles {
                self.act(Act::Answer(caller.call, Reply::Ok));
            }
        }
    }

    /// Answers the callers of all reloads.
    pub(crate) fn answer_reloads(&mut self, reply: Reply) {
        let take = |child: &mut Child| child.take_waiting(Await::Reloaded);
        let calls: Vec<Call> = self.children.iter_mut().flat_map(take).collect();
        for call in calls {
            self.act(Act::Answer(call, reply));
        }
    }

    /// Answers the callers of the reloads that this child is part of, and fails.
    pub(crate) fn fail_reloads(&mut self, id: Id, reply: Reply) {
        if self.has_groups() {
            self.answer_reloads(reply);
        } else {
            self.answer_all(id, Await::Reloaded, reply);
        }
    }

    /// Returns whether children are restarted together.
    pub(crate) fn has_groups(&self) -> bool {
        self.settings.strategy != Strategy::OneForOne
    }
}

impl Child {
    /// Returns whether it is being stopped, and does not come back.
    fn is_leaving(&self) -> bool {
        match self.state {
            State::Stopping { then: Then::Stay | Then::End, .. } => true,
            State::Stopping { then: Then::FailStart, .. } => self.is_temporary() || self.is_wanted(),
            State::Stopping { then: Then::Fail { .. } | Then::Again, .. } => self.is_temporary() && !self.is_reloaded,
            _ => false,
        }
    }
}
