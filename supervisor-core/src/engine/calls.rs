//! The calls to a running supervisor about its children, through a handle.
//!
//! | call | starting | running | restarting | stopping | stopped |
//! |---|---|---|---|---|---|
//! | terminate | abort, ok when gone | stop, ok when gone | cancel, ok now | join it, ok when gone | ok |
//! | terminate within a limit | the same | the same, and abort at the limit | the same | the same, and abort at the limit | ok |
//! | restart | `Running` | `Running` | `Restarting` | `Stopping` | start, ok when ready |
//! | delete | `Running` | `Running` | `Restarting` | `Stopping` | ok |
//! | kill | abort | abort | `NotRunning` | abort now | `NotRunning` |
//! | reload | abort, then start | stop, then start | join, without its backoff | join; `Stopping` if it stays down | start |
//!
//! An effect answers every call, at once or when what it waits for has happened. R57, D1: no call blocks the
//! supervisor; `callers` has the calls that wait. R30, R63: no call charges a restart, triggers an auto-shutdown, or
//! touches a sibling; except that a reload (`reload.rs`) restarts the siblings that the strategy names.

use std::time::{Duration, Instant};

use super::{
    Caller, Effect, Engine, Refusal, Spec, State, Work,
    slot::{AbortedBy, AfterStop, Attempt, StopPhase},
};
use crate::{
    error::StartFailure,
    incarnation::{ChildId, ChildKey},
    observe::{ChildState, EventKind},
    shutdown::ShutdownOrder,
};

/// An event that a caller waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Awaited {
    /// The child is ready, or is not going to be.
    Ready,
    /// The child's process is gone.
    Gone,
    /// The child and its group were restarted, and are ready; or one of them is not going to be.
    Reloaded,
}

impl<C: Spec> Engine<C> {
    /// Adds a child after the others, and starts it: at once, or with its group if that is being restarted (N5).
    ///
    /// R58: its siblings are not affected. Without a caller it is a `spawn`, which waits for nothing.
    pub(crate) fn handle_start_child(&mut self, id: ChildId, child: C, caller: Option<Caller>, now: Instant) {
        self.newest = id;
        let refusal = if self.is_stopping() {
            // N1, N5: before all other reasons, because it will not change.
            Some(Refusal::ShuttingDown)
        } else if let Some(slot) = self.children.namesake(&child) {
            // R59, D2: only if names have to be unique.
            let runs = matches!(slot.public_state(), ChildState::Starting | ChildState::Running);
            Some(Refusal::NameTaken { by: slot.id, runs })
        } else if let Some(max) = self.full() {
            Some(Refusal::AtCapacity(max))
        } else if caller.is_some_and(|caller| caller.is_in_circle || self.is_held_up_by(caller, id)) {
            Some(Refusal::WouldDeadlock)
        } else {
            None
        };
        // R62: nothing has changed. The child is returned with the effect, because the driver has to dispose of it.
        if let Some(refusal) = refusal {
            self.effects.push_back(Effect::Refuse { child, caller, refusal });
            return;
        }
        let key = self.children.add(id, child, Attempt::Adding);
        self.start_in_turn(key, caller, now);
    }

    /// Promises room for one child, which is then kept for it.
    pub(crate) fn promise_room(&mut self) -> Result<(), Refusal> {
        if self.is_stopping() {
            return Err(Refusal::ShuttingDown);
        }
        if let Some(max) = self.full() {
            return Err(Refusal::AtCapacity(max));
        }
        self.promised += 1;
        Ok(())
    }

    /// Takes a promise of room back: its child comes now, or not at all.
    pub(crate) fn take_back_room(&mut self) {
        self.promised -= 1;
    }

    /// Returns the maximum, if there is no room for one more child.
    fn full(&self) -> Option<usize> {
        // A8: all children count, including those that wait for a restart or are stopped.
        self.settings.max_children.filter(|max| self.children.len() + self.promised >= *max)
    }

    /// Starts a stopped child. R64: nothing else happens; its failure goes to the caller and is not counted.
    pub(crate) fn handle_restart_child(&mut self, id: ChildId, caller: Caller, now: Instant) {
        let Some(key) = self.stopped(id, caller) else { return };
        if self.is_stopping() {
            self.refuse(key, caller, Refusal::ShuttingDown);
        } else if caller.is_in_circle || self.is_held_up_by(caller, key.id) {
            self.refuse(key, caller, Refusal::WouldDeadlock);
        } else {
            self.children.set(key, State::PendingStart);
            // So a failed start leaves it stopped, and does not count as the supervisor's own attempt.
            self.children.edit(key, |slot| slot.attempt = Attempt::ByHand);
            self.start_in_turn(key, Some(caller), now);
        }
    }

    /// Removes a stopped child (R65).
    pub(crate) fn handle_delete_child(&mut self, id: ChildId, caller: Caller) {
        let Some(key) = self.stopped(id, caller) else { return };
        // The answer first, because it names the child: afterwards the engine no longer has it.
        self.reply(key, caller, Ok(()));
        self.forget(key);
    }

    /// Stops a child, or cancels its restart. R63: it stays stopped; a temporary one is removed. R69: its id names it,
    /// also in a dynamic supervisor. With a `limit` it has no more time than that, whatever its strategy says.
    pub(crate) fn handle_terminate_child(
        &mut self,
        id: ChildId,
        limit: Option<Duration>,
        caller: Caller,
        now: Instant,
    ) {
        let Some(key) = self.found(id, caller) else { return };
        // N2: it is left out of the restart under way and of its retries, in every state: a stopped one would be
        // started with the group.
        if let Work::Sequence(_) = &self.work {
            let group = self.group;
            self.children.edit(key, |slot| slot.leave_out_of(group));
        }
        // R28: if a group restart waits for this child, it is cancelled below, and the siblings stay down. Checked
        // before anything changes, because the answer depends on the state that the call finds.
        let siblings_stay_down = self.leads_group(key);
        let Some(slot) = self.children.get(key) else { return };
        match &slot.state {
            State::Stopped => {
                self.reply(key, caller, Ok(()));
                return;
            }
            State::PendingStart | State::Delayed { .. } => {
                // Taken now for the answer, because `stop_or_remove` may remove it.
                let child = Some(slot.child.clone());
                if siblings_stay_down {
                    self.cancel_group(key, now);
                }
                // B1: a restart that was announced and does not come is reported. Before the state changes, because the
                // state shows whether it was announced.
                self.emit_cancelled(key);
                self.answer_start(key, Err(StartFailure::Aborted));
                self.stop_or_remove(key);
                self.effects.push_back(Effect::Answer { caller, child, answer: Ok(()) });
                return;
            }
            State::Stopping(stopping) if stopping.phase == StopPhase::Stuck => {
                // D3: its grace is over, and it is not known when it will yield. So the caller does not wait for that.
                self.refuse(key, caller, Refusal::Stuck);
                // But it is not restarted when it yields. N2: and if its group waits for it, neither are its siblings.
                if !self.is_stopping() {
                    self.stop_child(key, AfterStop::StayDown, None, now);
                }
                if siblings_stay_down {
                    self.cancel_group(key, now);
                }
                return;
            }
            // R39: it stops in its turn, and a call does not change the order.
            _ if self.is_stopping() => {}
            // A child that is already stopping is not asked again; what was to follow is replaced, so it stays stopped.
            State::Starting { .. } | State::Running { .. } | State::Stopping(_) => {
                self.stop_child(key, AfterStop::StayDown, None, now);
            }
        }
        if let Some(limit) = limit {
            self.stop_within(key, limit, now);
        }
        if siblings_stay_down {
            self.cancel_group(key, now);
        }
        if caller.within == Some(key.id) || caller.is_in_circle || self.stops_after(key, caller) {
            // N6: the caller would wait for itself. The call is carried out all the same, so the answer is no error.
            self.reply(key, caller, Ok(()));
        } else {
            self.wait(key, Awaited::Gone, caller);
        }
    }

    /// Returns whether the supervisor is stopping, and stops this child only after the one in which the call is made.
    /// Checked when the child is terminated (N6): the caller would delay the very turn that it waits for.
    fn stops_after(&self, key: ChildKey, caller: Caller) -> bool {
        let comes_before =
            |within: ChildId| within > key.id && self.children.find(within).is_some_and(|within| self.is_live(within));
        self.is_stopping()
            && self.settings.shutdown_order == ShutdownOrder::Reverse
            && self.stopping(key).is_none()
            && caller.within.is_some_and(comes_before)
    }

    /// Returns the children that have to be gone before a child can be started: its group has to stop them first.
    ///
    /// N6: the order of a stop, or of a group restart, is a link of a chain of waits, as a call is. The driver adds
    /// these links to the table of waits, and so finds circles that lead through more than one supervisor.
    pub(crate) fn comes_after_start(&self, id: ChildId) -> Vec<ChildId> {
        self.group_from(id).map(|from| self.live_from(from, id)).unwrap_or_default()
    }

    /// Returns the children that have to be gone before a child that is terminated: those that stop before it with their
    /// supervisor. In a group restart it does not wait for its turn.
    pub(crate) fn comes_after_end(&self, id: ChildId) -> Vec<ChildId> {
        let is_asked = || self.children.find(id).is_some_and(|key| self.stopping(key).is_some());
        // D8: or all stop at once, so none waits for another.
        let is_ordered = self.is_stopping() && self.settings.shutdown_order == ShutdownOrder::Reverse;
        if is_ordered && !is_asked() { self.live_from(id, id) } else { Vec::new() }
    }

    /// Returns the children from there on that have a process, without that of the call itself.
    pub(super) fn live_from(&self, from: ChildId, id: ChildId) -> Vec<ChildId> {
        let live = self.children.between(from, None).filter(|(_, slot)| slot.id != id && slot.state.is_live());
        live.map(|(key, _)| key.id).collect()
    }

    /// Returns whether a child has a process.
    fn is_live(&self, key: ChildKey) -> bool {
        self.children.get(key).is_some_and(|slot| slot.state.is_live())
    }

    /// Aborts a child from outside. R12: that counts as its failure.
    pub(crate) fn handle_kill_child(&mut self, id: ChildId, caller: Caller, now: Instant) {
        let Some(key) = self.found(id, caller) else { return };
        let Some(slot) = self.children.get(key) else { return };
        let then = match &slot.state {
            State::Stopped | State::PendingStart | State::Delayed { .. } => {
                self.refuse(key, caller, Refusal::NotRunning);
                return;
            }
            // A child that is killed before it was ready has failed to start. `on_start_failed` decides what follows.
            State::Starting { .. } => Some(AfterStop::FailStart { limit: None }),
            &State::Running { since } => Some(AfterStop::ApplyPolicy { since, unresponsive: false }),
            // P2: the process belongs to an earlier run, and is aborted already. The child has no process in this run
            // yet.
            State::Stopping(stopping) if stopping.then == AfterStop::Start => {
                self.refuse(key, caller, Refusal::NotRunning);
                return;
            }
            // An aborted child keeps its grace, and gets no new one.
            State::Stopping(stopping) if stopping.is_aborted() => None,
            // Its time to stop ends here. A5: not because that was too short, as the outcome says.
            State::Stopping(stopping) => Some(match stopping.then {
                AfterStop::SupervisorStops(_) => AfterStop::SupervisorStops(AbortedBy::Caller),
                then => then,
            }),
        };
        if let Some(then) = then {
            self.abort(key, then, now);
        }
        // At once, and not when it is gone: so a kill waits for nothing, and can be made from anywhere (N6).
        self.reply(key, caller, Ok(()));
    }

    /// Returns the child that a call is about, if it exists. Otherwise refuses the call.
    pub(super) fn found(&mut self, id: ChildId, caller: Caller) -> Option<ChildKey> {
        let found = self.children.find(id);
        if found.is_none() {
            self.effects.push_back(Effect::Answer { caller, child: None, answer: Err(Refusal::NotFound) });
        }
        found
    }

    /// Returns the child that a call is about, if it exists and is stopped. Otherwise refuses the call with the child's
    /// state.
    fn stopped(&mut self, id: ChildId, caller: Caller) -> Option<ChildKey> {
        // R69: a dynamic supervisor keeps no stopped children, so there is never one to restart or to delete.
        if self.settings.dynamic {
            self.effects.push_back(Effect::Answer { caller, child: None, answer: Err(Refusal::Dynamic) });
            return None;
        }
        let key = self.found(id, caller)?;
        // The state as users see it, so that the refusal agrees with what they read.
        let refusal = match self.children.get(key)?.public_state() {
            ChildState::Stopped => return Some(key),
            ChildState::Starting | ChildState::Running => Refusal::Running,
            ChildState::Restarting => Refusal::Restarting,
            ChildState::Stopping => Refusal::Stopping,
        };
        self.refuse(key, caller, refusal);
        None
    }

    /// Starts a child for a call that is not refused.
    fn start_in_turn(&mut self, key: ChildKey, caller: Option<Caller>, now: Instant) {
        // N5: beside a first start, and in its turn in a group restart, where it is the last one if it was added. A
        // group that has passed its place does not come back to it.
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

    /// Answers the callers that would now wait for themselves. Runs when a group restart has begun, or reaches further.
    /// N6: a caller in a child that has to stop for the group waits for a start in it. At the call there was no such
    /// restart yet.
    pub(super) fn turn_away_circles(&mut self, now: Instant) {
        // First collected and then answered, because the consequences of an answer change `callers`.
        let mut held_up = Vec::new();
        for (key, waiting) in &self.callers {
            let starts = waiting.iter().filter(|(what, _)| *what == Awaited::Ready).map(|(_, caller)| *caller);
            held_up.extend(starts.filter(|caller| self.is_held_up_by(*caller, key.id)).map(|caller| (*key, caller)));
        }
        let mut reloads = Vec::new();
        for (key, waiting) in &self.callers {
            let these = waiting.iter().filter(|(what, _)| *what == Awaited::Reloaded).map(|(_, caller)| *caller);
            reloads
                .extend(these.filter(|caller| self.is_reload_held_up_by(*caller, *key)).map(|caller| (*key, caller)));
        }
        for (key, caller) in reloads {
            if let Some(waiting) = self.callers.get_mut(&key) {
                waiting.retain(|(_, other)| *other != caller);
            }
            // It goes on, so the answer is no error, as at the call.
            self.reply(key, caller, Ok(()));
        }
        for (key, caller) in held_up {
            if let Some(waiting) = self.callers.get_mut(&key) {
                waiting.retain(|(_, other)| *other != caller);
            }
            self.refuse(key, caller, Refusal::WouldDeadlock);
            let Some(slot) = self.children.get(key) else { continue };
            let (is_added, is_live, group) = (slot.attempt == Attempt::Adding, slot.state.is_live(), self.group);
            if !is_added {
                // The call was refused, so the child starts with its group, as an attempt of the supervisor's own.
                self.children.edit(key, |slot| slot.attempt = Attempt::Own);
            } else if is_live {
                // The call was refused, so the child is not added: it is removed once it is gone. Until then its group
                // must not revive it.
                self.children.edit(key, |slot| slot.leave_out_of(group));
                self.stop_child(key, AfterStop::StayDown, None, now);
            } else {
                self.stop_or_remove(key);
            }
        }
        self.callers.retain(|_, waiting| !waiting.is_empty());
    }

    /// Remembers a caller. Runs when a call cannot be answered yet (D1).
    pub(super) fn wait(&mut self, key: ChildKey, awaited: Awaited, caller: Caller) {
        self.callers.entry(key).or_default().push((awaited, caller));
    }

    /// Answers the callers that wait for a child to be ready. Runs when its start has succeeded or failed.
    pub(super) fn answer_start(&mut self, key: ChildKey, result: Result<(), StartFailure>) {
        // Checked first, because most starts have no caller, and need no box for their failure.
        if self.callers.contains_key(&key) {
            let answer = result.map_err(|failure| Refusal::FailedToStart(Box::new(failure)));
            // A reload with a group is done when all of the group is ready.
            if answer.is_err() || self.restarts_alone() {
                self.answer(key, Awaited::Reloaded, answer.clone());
            }
            self.answer(key, Awaited::Ready, answer);
        }
    }

    /// Answers the callers that wait for this event. Runs when it has happened, or cannot happen any more.
    #[inline(always)]
    pub(super) fn answer(&mut self, key: ChildKey, awaited: Awaited, answer: Result<(), Refusal>) {
        // Inlined up to here: an end has up to four answers, and usually no caller for any.
        if !self.callers.is_empty() {
            self.answer_those(key, awaited, &answer);
        }
    }

    fn answer_those(&mut self, key: ChildKey, awaited: Awaited, answer: &Result<(), Refusal>) {
        for caller in self.take_callers(key, awaited) {
            self.reply(key, caller, answer.clone());
        }
    }

    /// Takes out the callers that wait for this event.
    pub(super) fn take_callers(&mut self, key: ChildKey, awaited: Awaited) -> Vec<Caller> {
        let Some(callers) = self.callers.get_mut(&key) else { return Vec::new() };
        let taken = callers.iter().filter(|(what, _)| *what == awaited).map(|(_, caller)| *caller).collect();
        callers.retain(|(what, _)| *what != awaited);
        if callers.is_empty() {
            self.callers.remove(&key);
        }
        taken
    }

    /// Refuses the callers that wait for a start. Runs when the supervisor begins to stop. N1: nothing is started any
    /// more. A caller that waits for an end goes on waiting, because that end comes.
    pub(super) fn turn_away_starts(&mut self) {
        let children: Vec<_> = self.callers.keys().copied().collect();
        for key in children {
            self.answer(key, Awaited::Ready, Err(Refusal::ShuttingDown));
            self.answer(key, Awaited::Reloaded, Err(Refusal::ShuttingDown));
        }
    }

    /// Removes a child for good. Runs when it was deleted (R65), or ended and is not kept (R10, R73).
    pub(super) fn forget(&mut self, key: ChildKey) {
        // It was ready again and has ended since, while its group was still starting: otherwise they are answered by now.
        self.answer(key, Awaited::Reloaded, Ok(()));
        // A7: the callers that still wait are answered now, because no later input is about this child.
        self.answer_start(key, Err(StartFailure::Aborted));
        self.answer(key, Awaited::Gone, Ok(()));
        // R78: the effect takes the engine's last reference to it.
        if let Some(slot) = self.children.remove(key) {
            self.effects.push_back(Effect::Forget { id: key.id, child: slot.child });
        }
    }

    /// Refuses a call for a reason that only the driver knows. As an effect like all answers, because the driver feeds
    /// the engine under a lock, and may answer only without it.
    pub(crate) fn handle_refused_call(&mut self, child: C, caller: Caller, refusal: Refusal) {
        self.effects.push_back(Effect::Answer { caller, child: Some(child), answer: Err(refusal) });
    }

    /// Forgets callers that no longer wait. Their calls are still carried out.
    pub(crate) fn handle_callers_gone(&mut self, are_gone: impl Fn(Caller) -> bool) {
        self.callers.retain(|_, waiting| {
            waiting.retain(|(_, caller)| !are_gone(*caller));
            waiting.shrink_to_fit();
            !waiting.is_empty()
        });
    }

    /// Refuses a call about a child: it is not carried out, or cannot be waited for.
    pub(super) fn refuse(&mut self, key: ChildKey, caller: Caller, refusal: Refusal) {
        self.reply(key, caller, Err(refusal));
    }

    /// Answers one call. The child goes with the answer, so that the driver can make an error that names the child.
    pub(super) fn reply(&mut self, key: ChildKey, caller: Caller, answer: Result<(), Refusal>) {
        let child = self.child(key).cloned();
        self.effects.push_back(Effect::Answer { caller, child, answer });
    }

    /// Cancels a group restart, because the child that it waits for is terminated. R28: children that are down because
    /// of it stay down. Children that a caller wants started are started now.
    fn cancel_group(&mut self, leader: ChildKey, now: Instant) {
        let Work::Sequence(sequence) = &self.work else { return };
        let from = sequence.from;
        self.set_work(Work::None);
        let (mut down, mut wanted) = (Vec::new(), Vec::new());
        for (key, slot) in self.children.between(from, None).filter(|(key, _)| *key != leader) {
            match &slot.state {
                // A call wants it started (N5). Nothing else starts it, now that the group does not come to it.
                State::PendingStart if slot.attempt != Attempt::Own => wanted.push(key),
                State::PendingStart => down.push(key),
                State::Stopping(stopping) if stopping.then == AfterStop::Restart => down.push(key),
                // A running or starting child goes on. For a killed one, its restart type decides.
                _ => {}
            }
        }
        // A reload that has joined the restart is over with it.
        self.answer_reloads(&Err(Refusal::FailedToStart(Box::new(StartFailure::Aborted))));
        // No caller has asked for these to stay down, so an event names them.
        if !down.is_empty() {
            let name = |key: &ChildKey| self.child(*key).map(|child| child.name().to_owned());
            let siblings = down.iter().filter_map(name).collect();
            self.emit(leader, || EventKind::LeftDown { siblings });
        }
        for key in down {
            match self.stopping(key) {
                // Its stop goes on, but it does not come back afterwards.
                Some(_) => self.stop_child(key, AfterStop::StayDown, None, now),
                None => {
                    self.emit_cancelled(key);
                    self.stop_or_remove(key);
                }
            }
        }
        for key in wanted {
            self.begin_start(key, now);
        }
    }
}
