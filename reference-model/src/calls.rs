//! The calls of users about a supervisor's children (section 4 of the semantics).

use crate::{
    Act, Call, Caller, ChildState, Id, Reply, Spec, Supervisor, Time,
    child::{Await, Child, Cut, State, Then, Wanted},
};

impl Supervisor {
    /// Adds a child. Without a call, no caller waits.
    pub fn start_child(&mut self, id: Id, spec: Spec, caller: Option<Caller>, now: Time) {
        let is_namesake = |child: &&Child| self.settings.has_unique_names && child.spec.name == spec.name;
        let refusal = if self.is_stopping() {
            Some(Reply::ShuttingDown)
        } else if let Some(child) = self.children.iter().find(is_namesake) {
            let is_running = matches!(child.public_state(), ChildState::Starting | ChildState::Running);
            Some(Reply::NameTaken { is_running })
        } else if self.settings.max_children.is_some_and(|max| self.children.len() >= max) {
            Some(Reply::AtCapacity)
        } else if caller.is_some_and(|caller| self.would_deadlock(id, caller)) {
            Some(Reply::WouldDeadlock)
        } else {
            None
        };
        match (refusal, caller) {
            (Some(refusal), Some(caller)) => self.act(Act::Answer(caller.call, refusal)),
            (Some(refusal), None) => self.act(Act::Refuse(id, refusal)),
            (None, caller) => {
                self.children.push(Child::new(id, spec, Wanted::ToBeAdded));
                self.start_in_turn(id, caller, now);
            }
        }
    }

    /// Starts a stopped child.
    pub fn restart_child(&mut self, id: Id, caller: Caller, now: Time) {
        if !self.is_stopped(id, caller.call) {
            return;
        }
        if self.is_stopping() {
            self.act(Act::Answer(caller.call, Reply::ShuttingDown));
        } else if self.would_deadlock(id, caller) {
            self.act(Act::Answer(caller.call, Reply::WouldDeadlock));
        } else {
            let child = self.child_mut(id);
            (child.state, child.wanted) = (State::PendingStart, Wanted::ByCall);
            self.start_in_turn(id, Some(caller), now);
        }
    }

    /// Removes a stopped child.
    pub fn delete_child(&mut self, id: Id, call: Call) {
        if self.is_stopped(id, call) {
            self.act(Act::Answer(call, Reply::Ok));
            self.forget(id);
        }
    }

    /// Stops a child, or cancels its restart.
    pub fn terminate_child(&mut self, id: Id, caller: Caller, now: Time) {
        let call = caller.call;
        let Some(child) = self.find(id) else { return self.act(Act::Answer(call, Reply::NotFound)) };
        let (state, is_stuck, leads) = (child.state, child.is_stuck(), self.leads(id));
        if self.is_starting() {
            self.child_mut(id).is_left_out = true;
        }
        if is_stuck {
            self.act(Act::Answer(call, Reply::Stuck));
            self.stop(id, Then::Stay, now);
            if leads {
                self.cancel_group(id, now);
            }
            return;
        }
        match state {
            State::Stopped => self.act(Act::Answer(call, Reply::Ok)),
            State::PendingStart | State::Delayed { .. } => {
                self.answer_all(id, Await::Ready, Reply::FailedToStart);
                self.answer_all(id, Await::Reloaded, Reply::FailedToStart);
                self.put_down(id);
                self.act(Act::Answer(call, Reply::Ok));
            }
            State::Starting { .. } | State::Running { .. } | State::Stopping { .. } => {
                let waits_for_itself = caller.within == Some(id) || caller.is_in_circle || self.stops_after(id, caller);
                if !waits_for_itself {
                    self.child_mut(id).waiting.push((Await::Gone, caller));
                }
                // If the supervisor stops, the child stops in its turn.
                if !self.is_stopping() {
                    self.stop(id, Then::Stay, now);
                }
                if waits_for_itself {
                    self.act(Act::Answer(call, Reply::Ok));
                }
            }
        }
        if leads {
            self.cancel_group(id, now);
        }
    }

    /// Aborts a child, which is its failure.
    pub fn kill_child(&mut self, id: Id, call: Call, now: Time) {
        let Some(child) = self.find(id) else { return self.act(Act::Answer(call, Reply::NotFound)) };
        let reply = match child.state {
            State::Stopped | State::PendingStart | State::Delayed { .. } => Reply::NotRunning,
            State::Stopping { then: Then::Succeed, .. } => Reply::NotRunning,
            State::Starting { .. } | State::Running { .. } => {
                let then = match child.state {
                    State::Running { since } => Then::Fail { since },
                    _ => Then::FailStart,
                };
                self.kill(id, then, now);
                Reply::Ok
            }
            State::Stopping { then, .. } => {
                if child.is_only_asked() {
                    self.kill(id, then, now);
                }
                Reply::Ok
            }
        };
        self.act(Act::Answer(call, reply));
    }

    fn kill(&mut self, id: Id, then: Then, now: Time) {
        self.abort(id, then, now);
        if self.is_stopping() {
            self.child_mut(id).cut = Cut::ByCall;
        }
    }

    /// Returns whether the child exists and is stopped. Otherwise refuses the call.
    fn is_stopped(&mut self, id: Id, call: Call) -> bool {
        let refusal = match self.find(id).map(Child::public_state) {
            _ if self.settings.is_dynamic => Reply::Dynamic,
            None => Reply::NotFound,
            Some(ChildState::Stopped) => return true,
            Some(ChildState::Starting | ChildState::Running) => Reply::Running,
            Some(ChildState::Restarting) => Reply::Restarting,
            Some(ChildState::Stopping) => Reply::Stopping,
        };
        self.act(Act::Answer(call, refusal));
        false
    }

    /// Starts a child, N5: with its group, if that is being restarted, or at once.
    fn start_in_turn(&mut self, id: Id, caller: Option<Caller>, now: Time) {
        self.child_mut(id).waiting.extend(caller.map(|caller| (Await::Ready, caller)));
        if !self.is_in_turn(id) {
            self.start(id, now);
        }
    }

    /// Returns, N6, whether the supervisor stops, and comes to the child only when the caller is gone.
    fn stops_after(&self, id: Id, caller: Caller) -> bool {
        let is_before = |within: Id| within > id && self.is_live(within);
        self.is_stopping()
            && !self.settings.is_concurrent
            && !self.child(id).is_stopping()
            && caller.within.is_some_and(is_before)
    }

    /// Returns, N6, whether the start of a child would wait for its own caller.
    fn would_deadlock(&self, id: Id, caller: Caller) -> bool {
        caller.is_in_circle || self.waits_for(id, caller)
    }

    /// Returns whether a group restart is going to start the child, but has to wait for the caller first: until it is
    /// gone, or ready.
    pub(crate) fn waits_for(&self, id: Id, caller: Caller) -> bool {
        let Some(within) = caller.within.and_then(|within| self.find(within)) else { return false };
        let is_first = if self.is_pending(id) {
            self.is_pending(within.id) && within.is_live()
        } else {
            matches!(within.state, State::Starting { .. })
        };
        self.is_in_turn(id) && is_first
    }

    /// Answers callers that would wait for themselves, N6: a group restart begins, a caller waits for a start in it,
    /// and has to be gone before.
    pub(crate) fn turn_away_circles(&mut self, now: Time) {
        let mut circles = Vec::new();
        for child in &self.children {
            let starts = child.waiting.iter().filter(|(what, _)| *what == Await::Ready);
            circles
                .extend(starts.filter(|(_, caller)| self.waits_for(child.id, *caller)).map(|(_, by)| (child.id, *by)));
        }
        self.let_reloads_go();
        for (id, caller) in circles {
            self.act(Act::Answer(caller.call, Reply::WouldDeadlock));
            let Some(child) = self.children.iter_mut().find(|child| child.id == id) else { continue };
            child.waiting.retain(|(_, other)| *other != caller);
            if child.wanted != Wanted::ToBeAdded {
                // It comes back with its group, and no caller waits for it.
                child.wanted = Wanted::BySupervisor;
            } else if child.is_live() {
                child.is_left_out = true;
                self.stop(id, Then::Stay, now);
            } else {
                self.put_down(id);
            }
        }
    }
}
