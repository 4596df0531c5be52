//! What is asked of a running supervisor about its children, by whoever holds a handle.
//!
//! | call | starting | running | restarting | stopping | stopped |
//! |---|---|---|---|---|---|
//! | terminate | abort, ok when gone | stop, ok when gone | cancel, ok now | join it, ok when gone | ok |
//! | restart | `Running` | `Running` | `Restarting` | `Stopping` | start, ok when ready |
//! | delete | `Running` | `Running` | `Restarting` | `Stopping` | ok |
//! | kill | abort | abort | `NotRunning` | abort now | `NotRunning` |
//!
//! Every call is answered by an effect, now or when what it waits for has happened. None charges a restart, triggers an
//! auto-shutdown, or touches a sibling.

use std::time::Instant;

use super::{
    Caller, Effect, Engine, Refusal, Spec, State, Work,
    slot::{AfterStop, Attempt, Slot, StopPhase},
};
use crate::{
    error::StartFailure,
    incarnation::{ChildId, ChildKey},
    observe::{ChildState, EventKind},
    shutdown::ShutdownOrder,
};

/// What a caller waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// The child is ready, or is not going to be.
    Ready,
    /// The child's process is gone.
    Gone,
}

impl<C: Spec> Engine<C> {
    /// Adds a child behind the others, and starts it: at once, or with its group if that is being restarted.
    pub(crate) fn handle_start_child(&mut self, id: ChildId, child: C, caller: Option<Caller>, now: Instant) {
        let refusal = if self.is_stopping() {
            Some(Refusal::ShuttingDown)
        } else if let Some(slot) = self.children.namesake(&child) {
            let runs = matches!(slot.public_state(), ChildState::Starting | ChildState::Running);
            Some(Refusal::NameTaken { by: slot.id, runs })
        } else if let Some(max) = self.settings.max_children.filter(|max| self.children.len() >= *max) {
            Some(Refusal::AtCapacity(max))
        } else if caller.is_some_and(|caller| caller.is_in_circle || self.is_held_up_by(caller, id)) {
            Some(Refusal::WouldDeadlock)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            self.effects.push_back(Effect::Refuse { child, caller, refusal });
            return;
        }
        let key = self.children.add(id, child, Attempt::Adding);
        self.start_in_turn(key, caller, now);
    }

    /// Starts a stopped child.
    pub(crate) fn handle_restart_child(&mut self, id: ChildId, caller: Caller, now: Instant) {
        let Some(key) = self.stopped(id, caller) else { return };
        if self.is_stopping() {
            self.refuse(key, caller, Refusal::ShuttingDown);
        } else if caller.is_in_circle || self.is_held_up_by(caller, key.id) {
            self.refuse(key, caller, Refusal::WouldDeadlock);
        } else {
            self.children.set(key, State::PendingStart);
            self.children.edit(key, |slot| slot.attempt = Attempt::ByHand);
            self.start_in_turn(key, Some(caller), now);
        }
    }

    /// Removes a stopped child.
    pub(crate) fn handle_delete_child(&mut self, id: ChildId, caller: Caller) {
        let Some(key) = self.stopped(id, caller) else { return };
        self.reply(key, caller, Ok(()));
        self.forget(key);
    }

    /// Stops a child, or keeps it from being restarted. It stays stopped; a temporary one is removed.
    pub(crate) fn handle_terminate_child(&mut self, id: ChildId, caller: Caller, now: Instant) {
        let Some(key) = self.found(id, caller) else { return };
        if let Work::Sequence(_) = &self.work {
            let group = self.group;
            self.children.edit(key, |slot| slot.leave_out_of(group));
        }
        let siblings_stay_down = self.leads_group(key);
        let Some(slot) = self.children.get(key) else { return };
        match &slot.state {
            State::Stopped => {
                self.reply(key, caller, Ok(()));
                return;
            }
            State::PendingStart | State::Delayed { .. } => {
                let child = Some(slot.child.clone());
                if siblings_stay_down {
                    self.cancel_group(key, now);
                }
                self.emit_cancelled(key);
                self.answer_start(key, Err(StartFailure::Aborted));
                self.stop_or_remove(key);
                self.effects.push_back(Effect::Answer { caller, child, answer: Ok(()) });
                return;
            }
            State::Stopping(stopping) if stopping.phase == StopPhase::Stuck => {
                self.refuse(key, caller, Refusal::Stuck);
                if !self.is_stopping() {
                    self.stop_child(key, AfterStop::StayDown, None, now);
                }
                return;
            }
            // Its turn comes.
            _ if self.is_stopping() => {}
            State::Starting { .. } | State::Running { .. } | State::Stopping(_) => {
                self.stop_child(key, AfterStop::StayDown, None, now);
            }
        }
        if siblings_stay_down {
            self.cancel_group(key, now);
        }
        if caller.within == Some(key.id) || caller.is_in_circle || self.stops_after(key, caller) {
            // It would wait for itself.
            self.reply(key, caller, Ok(()));
        } else {
            self.wait(key, Awaited::Gone, caller);
        }
    }

    /// Whether a child that is going to be stopped with its supervisor has its turn after the one from within which the call is
    /// made.
    fn stops_after(&self, key: ChildKey, caller: Caller) -> bool {
        let comes_before =
            |within: ChildId| within > key.id && self.children.find(within).is_some_and(|within| self.is_live(within));
        self.is_stopping()
            && self.settings.shutdown_order == ShutdownOrder::Reverse
            && self.stopping(key).is_none()
            && caller.within.is_some_and(comes_before)
    }

    /// The children that have to be gone, or ready, before what a call wants of a child can happen: those that stop before it with
    /// their supervisor, or, for one that is to be started, those that its group has to stop first.
    pub(crate) fn comes_after(&self, id: ChildId) -> Vec<ChildId> {
        let is_waited_for = |slot: &Slot<C>| slot.id != id && slot.state.is_live();
        let live = |from: ChildId| {
            let live = self.children.between(from, None).filter(move |(_, slot)| is_waited_for(slot));
            live.map(|(key, _)| key.id).collect()
        };
        let is_asked = || self.children.find(id).is_some_and(|key| self.stopping(key).is_some());
        match self.group_from(id) {
            Some(from) => live(from),
            None if !self.is_stopping() || is_asked() => Vec::new(),
            None if self.settings.shutdown_order == ShutdownOrder::Reverse => live(id),
            None => Vec::new(),
        }
    }

    fn is_live(&self, key: ChildKey) -> bool {
        self.children.get(key).is_some_and(|slot| slot.state.is_live())
    }

    /// Aborts a child from outside, which counts as its failure.
    pub(crate) fn handle_kill_child(&mut self, id: ChildId, caller: Caller, now: Instant) {
        let Some(key) = self.found(id, caller) else { return };
        let Some(slot) = self.children.get(key) else { return };
        let then = match &slot.state {
            State::Stopped | State::PendingStart | State::Delayed { .. } => {
                self.refuse(key, caller, Refusal::NotRunning);
                return;
            }
            State::Starting { .. } => Some(AfterStop::FailStart { limit: None }),
            &State::Running { since } => Some(AfterStop::ApplyPolicy { since, unresponsive: false }),
            State::Stopping(stopping) if stopping.then == AfterStop::Start => {
                self.refuse(key, caller, Refusal::NotRunning);
                return;
            }
            State::Stopping(stopping) => (!stopping.is_aborted()).then_some(stopping.then),
        };
        if let Some(then) = then {
            self.abort(key, then, now);
        }
        self.reply(key, caller, Ok(()));
    }

    /// The child, if it is there. Otherwise the call is refused.
    fn found(&mut self, id: ChildId, caller: Caller) -> Option<ChildKey> {
        let found = self.children.find(id);
        if found.is_none() {
            self.effects.push_back(Effect::Answer { caller, child: None, answer: Err(Refusal::NotFound) });
        }
        found
    }

    /// The child, if it is there and stopped. Otherwise the call is refused.
    fn stopped(&mut self, id: ChildId, caller: Caller) -> Option<ChildKey> {
        if self.settings.dynamic {
            self.effects.push_back(Effect::Answer { caller, child: None, answer: Err(Refusal::Dynamic) });
            return None;
        }
        let id = self.found(id, caller)?;
        let refusal = match self.children.get(id)?.public_state() {
            ChildState::Stopped => return Some(id),
            ChildState::Starting | ChildState::Running => Refusal::Running,
            ChildState::Restarting => Refusal::Restarting,
            ChildState::Stopping => Refusal::Stopping,
        };
        self.refuse(id, caller, refusal);
        None
    }

    fn start_in_turn(&mut self, key: ChildKey, caller: Option<Caller>, now: Instant) {
        if !self.group_comes_to(key.id) {
            self.begin_start(key, now);
        }
        let Some(caller) = caller else { return };
        // Most children are ready as soon as they are spawned: nothing has to be remembered for them.
        if self.children.get(key).is_some_and(|slot| matches!(slot.state, State::Running { .. })) {
            self.reply(key, caller, Ok(()));
        } else {
            self.wait(key, Awaited::Ready, caller);
        }
    }

    /// A group restart has begun, or reaches further. Who waits for a start in it, in a child that has to stop for it first,
    /// would wait for itself.
    pub(super) fn turn_away_circles(&mut self, now: Instant) {
        let mut held_up = Vec::new();
        for (key, waiting) in &self.callers {
            let starts = waiting.iter().filter(|(what, _)| *what == Awaited::Ready).map(|(_, caller)| *caller);
            held_up.extend(starts.filter(|caller| self.is_held_up_by(*caller, key.id)).map(|caller| (*key, caller)));
        }
        for (key, caller) in held_up {
            if let Some(waiting) = self.callers.get_mut(&key) {
                waiting.retain(|(_, other)| *other != caller);
            }
            self.refuse(key, caller, Refusal::WouldDeadlock);
            let Some(slot) = self.children.get(key) else { continue };
            let (is_added, is_live, group) = (slot.attempt == Attempt::Adding, slot.state.is_live(), self.group);
            if !is_added {
                // It is started with its group, for nobody in particular.
                self.children.edit(key, |slot| slot.attempt = Attempt::Own);
            } else if is_live {
                // It is not added: gone, it is removed.
                self.children.edit(key, |slot| slot.leave_out_of(group));
                self.stop_child(key, AfterStop::StayDown, None, now);
            } else {
                self.stop_or_remove(key);
            }
        }
        self.callers.retain(|_, waiting| !waiting.is_empty());
    }

    fn wait(&mut self, key: ChildKey, awaited: Awaited, caller: Caller) {
        self.callers.entry(key).or_default().push((awaited, caller));
    }

    /// What a child's start has come to, if somebody waits for that.
    pub(super) fn answer_start(&mut self, key: ChildKey, result: Result<(), StartFailure>) {
        if self.callers.contains_key(&key) {
            let answer = result.map_err(|failure| Refusal::FailedToStart(Box::new(failure)));
            self.answer(key, Awaited::Ready, answer);
        }
    }

    /// What these callers have waited for has happened.
    pub(super) fn answer(&mut self, key: ChildKey, awaited: Awaited, answer: Result<(), Refusal>) {
        let Some(callers) = self.callers.get_mut(&key) else { return };
        let answered: Vec<_> = callers.iter().filter(|(what, _)| *what == awaited).map(|(_, caller)| *caller).collect();
        callers.retain(|(what, _)| *what != awaited);
        if callers.is_empty() {
            self.callers.remove(&key);
        }
        for caller in answered {
            self.reply(key, caller, answer.clone());
        }
    }

    /// Nothing is started any more.
    pub(super) fn turn_away_starts(&mut self) {
        let children: Vec<_> = self.callers.keys().copied().collect();
        for key in children {
            self.answer(key, Awaited::Ready, Err(Refusal::ShuttingDown));
        }
    }

    /// A child is removed for good.
    pub(super) fn forget(&mut self, key: ChildKey) {
        self.answer_start(key, Err(StartFailure::Aborted));
        self.answer(key, Awaited::Gone, Ok(()));
        if let Some(slot) = self.children.remove(key) {
            self.effects.push_back(Effect::Forget { id: key.id, child: slot.child });
        }
    }

    /// A call is refused for a reason that is not known in here.
    pub(crate) fn handle_refused_call(&mut self, child: C, caller: Caller, refusal: Refusal) {
        self.effects.push_back(Effect::Answer { caller, child: Some(child), answer: Err(refusal) });
    }

    /// These callers do not wait any longer.
    pub(crate) fn handle_callers_gone(&mut self, are_gone: impl Fn(Caller) -> bool) {
        self.callers.retain(|_, waiting| {
            waiting.retain(|(_, caller)| !are_gone(*caller));
            waiting.shrink_to_fit();
            !waiting.is_empty()
        });
    }

    fn refuse(&mut self, key: ChildKey, caller: Caller, refusal: Refusal) {
        self.reply(key, caller, Err(refusal));
    }

    fn reply(&mut self, key: ChildKey, caller: Caller, answer: Result<(), Refusal>) {
        let child = self.child(key).cloned();
        self.effects.push_back(Effect::Answer { caller, child, answer });
    }

    /// The child whose restart a group waits for was terminated: the restart is cancelled. What is down because of it stays
    /// down, as in OTP; what somebody else wants started is started now.
    fn cancel_group(&mut self, leader: ChildKey, now: Instant) {
        let Work::Sequence(sequence) = &self.work else { return };
        let from = sequence.from;
        self.work = Work::None;
        let (mut down, mut wanted) = (Vec::new(), Vec::new());
        for (key, slot) in self.children.between(from, None).filter(|(key, _)| *key != leader) {
            match &slot.state {
                State::PendingStart if slot.attempt != Attempt::Own => wanted.push(key),
                State::PendingStart => down.push(key),
                State::Stopping(stopping) if stopping.then == AfterStop::Restart => down.push(key),
                _ => {}
            }
        }
        if !down.is_empty() {
            let name = |key: &ChildKey| self.child(*key).map(|child| child.name().to_owned());
            let siblings = down.iter().filter_map(name).collect();
            self.emit(leader, || EventKind::LeftDown { siblings });
        }
        for key in down {
            match self.stopping(key) {
                Some(_) => self.stop_child(key, AfterStop::StayDown, None, now),
                None => self.children.set(key, State::Stopped),
            }
        }
        for key in wanted {
            self.begin_start(key, now);
        }
    }
}
