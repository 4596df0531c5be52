//! What users ask a supervisor to do about its children (section 4 of the semantics).

use crate::{
    Act, Call, ChildState, Id, Reply, Spec, Supervisor, Time,
    child::{Await, Child, State, Then, Wanted},
};

impl Supervisor {
    /// Adds a child. Without a call, nobody waits.
    pub fn start_child(&mut self, id: Id, spec: Spec, call: Option<Call>, now: Time) {
        let is_namesake = |child: &&Child| self.settings.has_unique_names && child.spec.name == spec.name;
        let refusal = if self.is_stopping() {
            Some(Reply::ShuttingDown)
        } else if let Some(child) = self.children.iter().find(is_namesake) {
            let is_running = matches!(child.public_state(), ChildState::Starting | ChildState::Running);
            Some(Reply::NameTaken { is_running })
        } else if self.settings.max_children.is_some_and(|max| self.children.len() >= max) {
            Some(Reply::AtCapacity)
        } else {
            None
        };
        match (refusal, call) {
            (Some(refusal), Some(call)) => self.act(Act::Answer(call, refusal)),
            (Some(refusal), None) => self.act(Act::Refuse(id, refusal)),
            (None, call) => {
                self.children.push(Child::new(id, spec, Wanted::ToBeAdded));
                self.start_in_turn(id, call, now);
            }
        }
    }

    /// Starts a stopped child.
    pub fn restart_child(&mut self, id: Id, call: Call, now: Time) {
        if !self.is_stopped(id, call) {
            return;
        }
        if self.is_stopping() {
            self.act(Act::Answer(call, Reply::ShuttingDown));
            return;
        }
        let child = self.child_mut(id);
        (child.state, child.wanted) = (State::Owed, Wanted::ByCall);
        self.start_in_turn(id, Some(call), now);
    }

    /// Removes a stopped child.
    pub fn delete_child(&mut self, id: Id, call: Call) {
        if self.is_stopped(id, call) {
            self.act(Act::Answer(call, Reply::Ok));
            self.forget(id);
        }
    }

    /// Stops a child, or keeps it from being restarted.
    pub fn terminate_child(&mut self, id: Id, call: Call, now: Time) {
        let Some(child) = self.find(id) else { return self.act(Act::Answer(call, Reply::NotFound)) };
        let (state, is_stuck, leads) = (child.state, child.is_stuck(), self.leads(id));
        if self.is_starting() {
            self.child_mut(id).is_left_out = true;
        }
        if is_stuck {
            self.act(Act::Answer(call, Reply::Stuck));
            self.stop(id, Then::Stay, now);
            return;
        }
        match state {
            State::Stopped => self.act(Act::Answer(call, Reply::Ok)),
            State::Owed | State::Delayed { .. } => {
                self.answer_all(id, Await::Ready, Reply::FailedToStart);
                self.put_down(id);
                self.act(Act::Answer(call, Reply::Ok));
            }
            State::Starting { .. } | State::Running { .. } | State::Stopping { .. } => {
                self.child_mut(id).waiting.push((Await::Gone, call));
                // Where the supervisor stops, its turn comes.
                if !self.is_stopping() {
                    self.stop(id, Then::Stay, now);
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
            State::Stopped | State::Owed | State::Delayed { .. } => Reply::NotRunning,
            State::Starting { .. } | State::Running { .. } => {
                let then = match child.state {
                    State::Running { since } => Then::Fail { since },
                    _ => Then::FailStart,
                };
                self.abort(id, then, now);
                Reply::Ok
            }
            State::Stopping { then, .. } => {
                if child.is_only_asked() {
                    self.abort(id, then, now);
                }
                Reply::Ok
            }
        };
        self.act(Act::Answer(call, reply));
    }

    /// Whether the child is there and stopped. Otherwise the call is refused.
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

    /// N5: with its group, if that is being restarted, or at once.
    fn start_in_turn(&mut self, id: Id, call: Option<Call>, now: Time) {
        self.child_mut(id).waiting.extend(call.map(|call| (Await::Ready, call)));
        if !self.is_in_turn(id) {
            self.start(id, now);
        }
    }
}
