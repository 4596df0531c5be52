//! The restart algorithm: what a supervisor does, and nothing about how.
//!
//! The engine is pure. Time comes in with each call, and [`Effect`]s come out. Nothing in here waits (D1): a child that
//! starts, drains or backs off is in a state, and `slot.rs` has the drawing of the states.
//!
//! # Families of functions
//!
//! - **Inputs**, `handle_*`, say what has happened: [`handle_left_behind`](Engine::handle_left_behind) before the start,
//!   [`handle_start`](Engine::handle_start) once, then in any order what a process reports
//!   ([`handle_ready`](Engine::handle_ready), [`handle_acknowledged`](Engine::handle_acknowledged),
//!   [`handle_exit`](Engine::handle_exit), [`handle_heartbeat`](Engine::handle_heartbeat)), what the supervisor is asked
//!   ([`handle_shutdown`](Engine::handle_shutdown), and the calls of `calls.rs`), and
//!   [`handle_deadline`](Engine::handle_deadline) when [`next_deadline`](Engine::next_deadline) has come.
//! - **Outputs**, `poll_*`, take out what is to be done: [`poll_effects`](Engine::poll_effects) after one or several inputs,
//!   and [`poll_outcome`](Engine::poll_outcome) after `Effect::Finish`. [`advance`](Engine::advance) belongs to them: it takes
//!   ordered work (a start, a group restart, a stop) one step further. Inputs that come between two steps take effect first.
//! - **Getters** read, and change nothing.
//! - **Internals** are all the others. The doc comment of each says when it runs.
//!
//! # Which file hands over to which
//!
//! ```text
//!   calls ------------(1)-----------> sequence -----(4)-----> watch
//!   |   |                             ^      |                  |
//!   |   '----------(2)----------.     |      |                  |
//!  (3)                          |     |     (5)                (6)
//!   |   .----------(7)----------+-----'      |                  |
//!   v   |                       v            v                  |
//!   exits ---------(8)--------> stop <-------+------------------'
//!   ^                             :
//!   '. . . . . . . (9) . . . . . .'
//! ```
//!
//! 1. `begin_start`: a caller wants a child started, and no group restart is going to start it.
//! 2. `stop_child`, `abort`: a caller has a child terminated, or killed.
//! 3. `stop_or_remove`: a caller has a child terminated that has no process.
//! 4. `watch_over`: a child is ready.
//! 5. `advance_stop_sequence`: what runs in a group stops before the group starts; `begin_stop`: a significant child has ended.
//! 6. `abort`: a child missed its heartbeat.
//! 7. `schedule_restart` calls `begin_group`, or puts the child into `restarts`, which `advance_restarts` takes up;
//! 6. `abort`: a child missed its heartbeat.
//! 8. `begin_stop`: no restart is left, or the first start has failed.
//! 9. Not a call: `stop` sends `Effect::Ask` or `Effect::Abort`, the process ends, and `handle_exit` calls `on_stopped`.
//!
//! Not drawn: `reload` is a call that calls `begin_group` and `stop_child`, and `calls`, `exits` and `stop` tell its callers.
//! `exits`, `sequence` and `stop` answer who waits, through `calls` (`answer`, `answer_start`, `turn_away_starts`,
//! `turn_away_circles`, `forget`). The inputs in this file enter the drawing where they belong: `handle_exit` at `exits`,
//! `handle_ready` and `handle_start` at `sequence`, `handle_shutdown` at `stop`, `handle_deadline` at these and at `watch`.
//!
//! The files make a circle because the life of a child is one: it starts, runs, ends, stops with its group, and starts again.
//! The functions make none: no function of the engine calls itself, through any chain of others. What goes on later is left in
//! a state (`PendingStart`, `Stopping`) and in `work`, where `advance` takes it up, one step for each call. Each step ends: a
//! stop sequence only goes down to earlier children, a start sequence only up to later ones. Each way round the whole circle
//! leads through the process of a child (9), and begins with an exit that costs a restart, so the intensity ends it (R31). Once
//! `begin_stop` has run, no way leads to `sequence` any more (N1).

mod calls;
mod children;
mod effect;
mod exits;
mod intensity;
mod reload;
mod start_order;
mod sequence;
mod slot;
mod stop;
mod watch;

use std::{
    collections::{BTreeMap, VecDeque},
    mem,
    time::{Duration, Instant},
};

use fastrand::Rng;

use self::{
    calls::Awaited,
    children::Children,
    intensity::Intensity,
    sequence::StartSequence,
    slot::{AbortedBy, AfterStop, StateClass, StopPhase, Stopping},
    stop::StopSequence,
};
pub(crate) use self::{
    effect::{Caller, Cause, Effect, Refusal, UncleanKind},
    intensity::Charge,
    slot::{End, Slot, Spec, State, StopLeft},
};
use crate::{
    error::UncleanProcess,
    incarnation::{ChildId, ChildKey, Exit, ProcessKey},
    observe::{ChildCounts, ChildState, EventKind, RestartCause},
    strategy::{RestartMode, SupervisorSettings},
};

#[derive(Debug)]
pub(crate) struct Engine<C> {
    settings: SupervisorSettings,
    children: Children<C>,
    /// How many children have room here that has been promised and not used yet (A8).
    promised: usize,
    /// The latest child that was added, or refused. One with a later id is still on its way here.
    newest: ChildId,
    intensity: Intensity<C>,
    /// Changed by `set_work`, and within a start sequence by `set_phase`.
    work: Work<C>,
    /// The stop that is under way in `work`, or was the last one. `begin_stop_sequence` begins it; only `stop.rs`
    /// counts in it.
    stop_sequence: StopSequence,
    /// Children to restart alone, not as part of a group. R26: they wait here, so that inputs which have come by then
    /// are served first.
    restarts: VecDeque<ChildKey>,
    /// The number of the latest group restart; the first start is one, too. N2: a sibling that is terminated meanwhile
    /// is left out of the restart of this number, including its retries.
    group: u32,
    /// Callers that wait for an event of a child. Sorted, so that callers which are answered together
    /// (`turn_away_starts`) get their answers in the same order in each run.
    callers: BTreeMap<ChildKey, Vec<(Awaited, Caller)>>,
    /// Whether the first start is done.
    is_up: bool,
    /// Whether nothing will be started here after this supervisor. R78: its children drop their specifications then.
    has_no_successor: bool,
    /// Whether it was told to stop at once.
    is_killed: bool,
    /// When the stop has used up its budget (A4); `None` without a budget, or while it does not stop.
    stop_by: Option<Instant>,
    /// The end of a significant child during the first start, which is handled when that is done (N3).
    significant_end: Option<(C, Exit)>,
    unclean: Vec<(C, UncleanKind)>,
    effects: VecDeque<Effect<C>>,
    /// Whether there is a listener. B3: without subscribers no event is made.
    pub(crate) is_heard: bool,
    /// Whether no supervisor is above this one.
    pub(crate) is_root: bool,
    rng: Rng,
}

/// The ordered work of a supervisor. D1: only this has an order; everything else is served meanwhile.
#[derive(Debug)]
enum Work<C> {
    None,
    /// The first start, or a group restart.
    Sequence(StartSequence),
    Stop(Cause<C>),
    /// All children have stopped.
    Finished(Cause<C>),
}

/// A request to a supervisor to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StopRequest {
    /// Whether nothing will be started after it.
    pub(crate) no_successor: bool,
    /// Whether to stop at once.
    pub(crate) kill: bool,
}

/// The outcome of a supervisor.
#[derive(Debug)]
pub(crate) struct EngineOutcome<C> {
    pub(crate) cause: Cause<C>,
    pub(crate) killed: bool,
    pub(crate) unclean: Vec<(C, UncleanKind)>,
}

impl<C: Spec> Engine<C> {
    /// Makes an engine. R36: each run of a supervisor has its own, so it begins without a history and with its static
    /// children only.
    pub(crate) fn new(settings: SupervisorSettings, children: impl Iterator<Item = (ChildId, C)>, seed: u64) -> Self {
        Self {
            intensity: Intensity::new(settings.strategy),
            children: Children::new(children, settings.unique_names),
            promised: 0,
            newest: ChildId::FIRST,
            settings,
            work: Work::None,
            stop_sequence: StopSequence::NONE,
            restarts: VecDeque::new(),
            group: 1,
            callers: BTreeMap::new(),
            is_up: false,
            has_no_successor: false,
            is_killed: false,
            stop_by: None,
            significant_end: None,
            unclean: Vec::new(),
            effects: VecDeque::new(),
            is_heard: true,
            is_root: false,
            rng: Rng::with_seed(seed),
        }
    }

    // Inputs

    /// Adopts a process of an earlier run of this supervisor. P2: it is aborted, and nothing is started before it is
    /// gone. Its exit is reported for incarnation 0. Called before `handle_start`.
    pub(crate) fn handle_left_behind(&mut self, id: ChildId, now: Instant) -> Option<ChildKey> {
        let key = self.children.find(id)?;
        let phase = self.abort_phase(key, now);
        // No sequence counts it yet: `handle_start` begins the one that does.
        let (then, stop_sequence) = (AfterStop::Start, None);
        let stopping = Stopping {
            phase,
            then,
            since: now,
            stop_sequence,
            no_successor: false,
            // So its exit is no unclean stop of this run, which did not start it.
            unready: true,
            has_had_more: false,
        };
        self.children.set_stopping(key, stopping);
        Some(key)
    }

    /// Starts the children, one after the other. `no_successor`: nothing will be started after this supervisor.
    pub(crate) fn handle_start(&mut self, no_successor: bool) {
        self.has_no_successor = no_successor;
        self.begin_stop_sequence(ChildId::FIRST);
        // `Draining` if the grace has no end: aborted like the others, but without a time limit.
        let sequence = match self.children.count_of(&[StateClass::Stopping, StateClass::Draining]) {
            0 => StartSequence::first_start(),
            // P2: processes of an earlier run stop first.
            _ => {
                self.wait_for_what_stops();
                StartSequence::first_start_when_stopped()
            }
        };
        self.set_work(Work::Sequence(sequence));
    }

    /// Handles a process that has finished its set-up.
    pub(crate) fn handle_ready(&mut self, process_key: ProcessKey, now: Instant) {
        let Some(slot) = self.children.about(process_key) else { return };
        // Otherwise it is being stopped, and its report came too late: it must not undo the stop.
        if let State::Starting { .. } = &slot.state {
            self.set_running(process_key.child_key(), now);
        }
    }

    /// Handles the acknowledgement of a supervisor below, or of the scope of a worker that has ended: it has seen the request
    /// to stop, or to stop at once. N8: from now on this one waits for it.
    pub(crate) fn handle_acknowledged(&mut self, process_key: ProcessKey) {
        if self.children.about(process_key).is_none() {
            return;
        }
        // S2, B2: a worker acknowledges when its own future has ended and its scope stops. It sends no heartbeat any more.
        self.children.set_look(process_key.child_key(), None);
        // It may be stopping by itself, before it is asked from here.
        self.children.edit(process_key.child_key(), |slot| slot.has_acknowledged = true);
        let Some(stopping) = self.stopping(process_key.child_key()) else { return };
        let phase = match stopping.phase {
            // Its time to stop goes on: it is the budget for all below it.
            StopPhase::Asked { until, .. } => StopPhase::Asked { until, ack_by: None },
            // It aborts all below it, and each of those has a grace of its own.
            StopPhase::Aborted { .. } => StopPhase::Aborted { until: None },
            // It was reported as stuck already, and its exit is waited for anyway.
            StopPhase::Stuck => return,
        };
        self.children.set_stopping(process_key.child_key(), Stopping { phase, ..stopping });
    }

    /// Handles the processes in the scope of a worker that did not stop well. Comes before the end of the worker.
    pub(crate) fn handle_unclean_below(&mut self, process_key: ProcessKey, unclean: Vec<UncleanProcess>) {
        if self.children.about(process_key).is_none() {
            return;
        }
        let key = process_key.child_key();
        // A5, R44: as for a supervisor below: the outcome names them if the child stops with this supervisor.
        if let Some(Stopping { then: AfterStop::SupervisorStops(aborted_by), .. }) = self.stopping(key) {
            self.record_unclean_below(key, aborted_by, &unclean);
        }
    }

    /// Handles a worker that has ended, while in its scope there is a process that was aborted and has not yielded. D3: the
    /// worker is in the state that it would be in if it did not yield itself.
    pub(crate) fn handle_held(&mut self, process_key: ProcessKey, now: Instant) {
        let Some(slot) = self.children.about(process_key) else { return };
        let key = process_key.child_key();
        match slot.state {
            State::Running { since } => self.abort(key, AfterStop::ApplyPolicy { since, unresponsive: false }, now),
            State::Starting { .. } => self.abort(key, AfterStop::FailStart { limit: None }, now),
            _ => {}
        }
        if let Some(stopping) = self.stopping(key).filter(|stopping| stopping.phase != StopPhase::Stuck) {
            self.stuck(key, stopping, now);
        }
    }

    /// Handles the end of a process.
    pub(crate) fn handle_exit(&mut self, process_key: ProcessKey, exit: Exit, now: Instant) {
        let Some(slot) = self.children.about(process_key) else { return };
        match &slot.state {
            // R4: in whatever way it ended, it was not ready, so its start has failed.
            State::Starting { .. } => self.on_start_failed(process_key.child_key(), exit, None, now),
            &State::Running { since } => {
                self.emit(process_key.child_key(), || EventKind::Exited(exit.clone()));
                self.apply_policy(process_key.child_key(), &exit, Some(since), now);
                // A child that is removed now needs no last exit.
                self.children.edit(process_key.child_key(), |slot| slot.remember(RestartCause::Exit(exit), now));
            }
            State::Stopping(stopping) => {
                let stopping = **stopping;
                self.on_stopped(process_key.child_key(), stopping, exit, now);
            }
            // `about` finds no child in these states: they have no process.
            State::Stopped | State::PendingStart | State::Delayed { .. } => {}
        }
        self.answer(process_key.child_key(), Awaited::Gone, Ok(()));
    }

    /// Handles the end of a child whose supervisor is lost. Returns the child, if its end was not known.
    ///
    /// A6: it is not restarted, but its end is reported, and the state that stays readable shows it.
    pub(crate) fn handle_exit_unsupervised(&mut self, process_key: ProcessKey, exit: &Exit, now: Instant) -> Option<C> {
        let child = self.children.about(process_key)?.child.clone();
        self.children.edit(process_key.child_key(), |slot| slot.remember(RestartCause::Exit(exit.clone()), now));
        self.children.set(process_key.child_key(), State::Stopped);
        Some(child)
    }

    /// Stops the children that wait for a restart, because the supervisor is lost, and returns them. B1: the driver reports
    /// that, as in a stop, and the state that stays readable shows it.
    pub(crate) fn cancel_restarts_unsupervised(&mut self) -> Vec<C> {
        let waits = |slot: &Slot<C>| !slot.state.is_live() && slot.public_state() == ChildState::Restarting;
        let waiting: Vec<_> =
            self.children.iter().filter(|(_, slot)| waits(slot)).map(|(key, slot)| (key, slot.child.clone())).collect();
        for (key, _) in &waiting {
            self.children.set(*key, State::Stopped);
        }
        waiting.into_iter().map(|(_, child)| child).collect()
    }

    /// Handles a request to stop. It may come again, and ask for more.
    pub(crate) fn handle_shutdown(&mut self, request: StopRequest, now: Instant) {
        let loses_its_successor = request.no_successor && !self.has_no_successor;
        self.has_no_successor |= request.no_successor;
        if self.is_stopping() {
            // Children that were asked before do not know that, and would keep their specifications (R78).
            if loses_its_successor {
                self.pass_on_no_successor();
            }
        } else {
            self.begin_stop(Cause::Requested, now);
        }
        // Once is enough: after that, every child that comes to be stopped is aborted.
        if request.kill && !self.is_killed {
            self.is_killed = true;
            // A5: a root has no time limit of its own, so its caller does not wait any longer. A supervisor below may be killed
            // because its time is up; the one above it knows.
            self.abort_all(if self.is_root { AbortedBy::Caller } else { AbortedBy::Stop }, now);
        }
    }

    /// Handles the deadlines that are due. `seen` is when the deadlines were read. A deadline that came after that
    /// stays, because unread reports may contradict it.
    ///
    /// R34: the intensity is no part of this; old restarts are forgotten when a new one is charged.
    pub(crate) fn handle_deadline(&mut self, seen: Instant, now: Instant) {
        // The loop ends, because handling a child removes its deadline, or moves it past `now`.
        while let Some(key) = self.children.due(seen) {
            let Some(slot) = self.children.get(key) else { return };
            match &slot.state {
                // B1: the backoff is over.
                State::Delayed { .. } => {
                    self.children.set(key, State::PendingStart);
                    self.restarts.push_back(key);
                }
                // A2: it is not ready in time. Its start has failed when the process is gone, and not before (P2).
                State::Starting { .. } => {
                    let limit = slot.settings().start_timeout();
                    self.abort(key, AfterStop::FailStart { limit }, now);
                }
                State::Stopping(stopping) => {
                    let stopping = **stopping;
                    // First its time to stop, which R41 ends by an abort; the grace of D3 begins only then.
                    if stopping.has_had_its_time(seen) {
                        self.abort(key, stopping.then, now);
                    } else if let Some(stopping) = stopping.with_more_time(self.settings.abort_grace, now) {
                        self.children.set_stopping(key, stopping);
                    } else {
                        self.stuck(key, stopping, now);
                    }
                }
                State::Running { .. } => self.look_for_signs(key),
                State::Stopped | State::PendingStart => return,
            }
        }
        self.end_delay(seen);
        if self.stop_by.is_some_and(|by| by <= seen) {
            // A4: the budget ends once. If it stayed, it would be due for ever.
            self.stop_by = None;
            self.abort_all(AbortedBy::Stop, now);
        }
    }

    // Outputs

    /// Returns the next effect.
    #[cfg(test)]
    pub(crate) fn poll_effect(&mut self) -> Option<Effect<C>> {
        self.effects.pop_front()
    }

    /// Takes ordered work one step further. Returns whether there was a step to take.
    ///
    /// R26: one step only, so that everything that has come in is served between two attempts to start a child.
    pub(crate) fn advance(&mut self, now: Instant) -> bool {
        let in_order = match self.work {
            Work::Sequence(_) => self.advance_sequence(now),
            Work::Stop(_) => self.advance_stop(now),
            Work::None | Work::Finished(_) => false,
        };
        in_order || self.advance_restarts(now)
    }

    /// Returns when `handle_deadline` has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let group = match &self.work {
            Work::Sequence(sequence) => sequence.delayed_until(),
            _ => None,
        };
        earlier(earlier(self.children.next_deadline(), group), self.stop_by)
    }

    /// Returns the outcome, after `Effect::Finish`.
    pub(crate) fn poll_outcome(&mut self) -> EngineOutcome<C> {
        let cause = match self.set_work(Work::None) {
            Work::Stop(cause) | Work::Finished(cause) => cause,
            Work::None | Work::Sequence(_) => Cause::Requested,
        };
        EngineOutcome { cause, killed: self.is_killed, unclean: mem::take(&mut self.unclean) }
    }

    /// Takes out all effects that are left, because the supervisor is lost.
    pub(crate) fn take_effects(&mut self) -> VecDeque<Effect<C>> {
        mem::take(&mut self.effects)
    }

    /// Frees capacity beyond this many effects.
    pub(crate) fn shrink(&mut self, kept: usize) {
        if self.effects.capacity() > kept {
            self.effects.shrink_to(kept);
        }
    }

    /// Continues for as long as there is a step to take, or until `most` effects wait. The effects come in the order in
    /// which they would have come one by one. Returns whether that was everything.
    ///
    /// It stops at `most`, so that during a start or a stop of many children the driver can read new inputs (D1).
    pub(crate) fn poll_effects(&mut self, effects: &mut VecDeque<Effect<C>>, most: usize, now: Instant) -> bool {
        let mut is_all = true;
        while is_all && self.advance(now) {
            is_all = self.effects.len() < most;
        }
        if effects.is_empty() {
            mem::swap(effects, &mut self.effects);
        } else {
            effects.append(&mut self.effects);
        }
        is_all
    }

    // Getters

    pub(crate) fn child(&self, key: ChildKey) -> Option<&C> {
        self.children.get(key).map(|slot| &slot.child)
    }

    pub(crate) fn find(&self, id: ChildId) -> Option<&C> {
        self.child(self.children.find(id)?)
    }

    pub(crate) fn newest(&self) -> ChildId {
        self.newest
    }

    pub(crate) fn state_of(&self, id: ChildId) -> Option<ChildState> {
        Some(self.slot(id)?.public_state())
    }

    /// Returns all that is known of a child.
    pub(crate) fn slot(&self, id: ChildId) -> Option<&Slot<C>> {
        self.children.get(self.children.find(id)?)
    }

    /// Returns all that is known of the child whose current process this is.
    pub(crate) fn slot_of(&self, process_key: ProcessKey) -> Option<&Slot<C>> {
        self.children.about(process_key)
    }

    /// Returns the children that have a process.
    #[cfg(test)]
    pub(crate) fn live(&self) -> impl Iterator<Item = &C> {
        self.children.iter().filter(|(_, slot)| slot.state.is_live()).map(|(_, slot)| &slot.child)
    }

    /// Returns the children. R66: in start order.
    pub(crate) fn children(&self) -> impl Iterator<Item = (ChildId, &C, ChildState)> {
        self.children.iter().map(|(key, slot)| (key.id, &slot.child, slot.public_state()))
    }

    /// Returns the slots of the children after this one, or of all, in start order. B4: a reader takes them in pieces,
    /// so it has to be able to continue after the last one that it has read.
    pub(crate) fn slots_behind(&self, id: Option<ChildId>) -> impl Iterator<Item = (ChildId, &Slot<C>)> {
        self.children.behind(id).map(|(key, slot)| (key.id, slot))
    }

    /// Returns whether all children that count and are going to run do, and none of these is stopping or restarting.
    pub(crate) fn is_ready(&self) -> bool {
        // B8: during the first start every child counts.
        self.is_up && !self.is_stopping() && self.children.unready() == 0
    }

    /// Returns whether the supervisor can become ready while this child stays as it is.
    pub(crate) fn can_be_ready_beside(&self, id: ChildId) -> bool {
        let Some(slot) = self.slot(id) else { return false };
        // B8: one that does not count is disregarded, unless others wait for it: in the first start, or in their group.
        let holds_up_others = !matches!(slot.state, State::Running { .. })
            && self.settings.strategy.mode() != RestartMode::OneForOne
            && self.children.unready() > 0;
        self.is_up && !slot.settings().counts_for_readiness() && !holds_up_others
    }

    pub(crate) fn settings(&self) -> &SupervisorSettings {
        &self.settings
    }

    /// Returns whether the first start is done.
    pub(crate) fn is_up(&self) -> bool {
        self.is_up
    }

    pub(crate) fn counts(&self) -> ChildCounts {
        self.children.counts()
    }

    pub(crate) fn history(&self) -> impl Iterator<Item = &Charge<C>> {
        self.intensity.history()
    }

    /// Returns how many of its restarts count now against the intensity.
    pub(crate) fn restarts_used(&self, now: Instant) -> usize {
        self.intensity.used(now)
    }

    /// Returns when a group restart begins to start, if it waits for that.
    pub(crate) fn delayed_until(&self) -> Option<Instant> {
        match &self.work {
            Work::Sequence(sequence) => sequence.delayed_until(),
            _ => None,
        }
    }

    pub(crate) fn is_stopping(&self) -> bool {
        self.stop_cause().is_some()
    }

    /// Why it stops, if it does.
    pub(crate) fn stop_cause(&self) -> Option<&Cause<C>> {
        match &self.work {
            Work::Stop(cause) | Work::Finished(cause) => Some(cause),
            Work::None | Work::Sequence(_) => None,
        }
    }

    /// Returns a number above zero while something is under way that ends by itself, for tests that wait until nothing
    /// is. The test subtracts a worker that it delays in its start; if that is stopped there it is under way again, so
    /// stopping counts twice.
    pub(crate) fn unsettled(&self) -> usize {
        let delayed = usize::from(self.delayed_until().is_some());
        self.children.workers_of(&[StateClass::Starting])
            + 2 * self.children.workers_of(&[StateClass::Stopping, StateClass::Draining])
            + self.children.supervisors_of(&[StateClass::Stopping])
            + self.children.count_of(&[StateClass::Delayed])
            + delayed
    }

    // Internals that all parts share

    /// Takes up other work. Runs when ordered work begins, or is done. Returns the work until now.
    ///
    /// All changes of `work` come through here, to keep an invariant: a supervisor that stops never goes back to a
    /// start (N1). So a start sequence need not check whether the supervisor stops.
    fn set_work(&mut self, work: Work<C>) -> Work<C> {
        debug_assert!(!self.is_stopping() || !matches!(work, Work::Sequence(_)), "a start after the stop has begun");
        mem::replace(&mut self.work, work)
    }

    /// Emits an event of a child to all listeners. Runs where it happens, before a caller is answered.
    fn emit(&mut self, key: ChildKey, kind: impl FnOnce() -> EventKind) {
        self.emit_timed(key, None, kind);
    }

    /// Emits an event for the end of a start or a stop. `took` is how long that took.
    fn emit_timed(&mut self, key: ChildKey, took: Option<Duration>, kind: impl FnOnce() -> EventKind) {
        if self.is_heard {
            self.push_event(key, took, kind());
        }
    }

    fn push_event(&mut self, key: ChildKey, took: Option<Duration>, kind: EventKind) {
        if let Some(slot) = self.children.get(key) {
            let child = slot.child.clone();
            self.effects.push_back(Effect::Emit { child, kind: Box::new(kind), took });
        }
    }
}

/// Returns the earlier of two deadlines, if there are two. An array and its minimum take three times as long, and a turn asks
/// several times.
#[inline]
pub(crate) fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

#[cfg(test)]
mod tests;
