//! The restart algorithm: what a supervisor does, and nothing about how.
//!
//! The engine is pure. Time comes in with each call, and what it wants done goes out as [`Effect`]s:
//!
//! - inputs: [`handle_start`](Engine::handle_start) once, then [`handle_ready`](Engine::handle_ready), [`handle_acknowledged`](Engine::handle_acknowledged),
//!   [`handle_exit`](Engine::handle_exit), [`handle_heartbeat`](Engine::handle_heartbeat), [`handle_shutdown`](Engine::handle_shutdown), the calls of `calls.rs`, and [`handle_deadline`](Engine::handle_deadline) when
//!   [`next_deadline`](Engine::next_deadline) has come;
//! - outputs: [`poll_effect`](Engine::poll_effect), until it returns `None`, after any input or several; then
//!   [`advance`](Engine::advance), which takes work in order (a start, a group restart, a stop) one step further, and the
//!   effects of that. So what comes in between two steps comes first.
//!
//! Nothing in here waits: a child that starts, drains or backs off is a state (`slot.rs` has the drawing).

mod calls;
mod children;
mod effect;
mod exits;
mod intensity;
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
    slot::{AfterStop, StateClass, StopPhase, Stopping},
    stop::StopSequence,
};
pub(crate) use self::{
    effect::{Caller, Cause, Effect, Refusal, UncleanKind},
    intensity::Charge,
    slot::{End, Slot, Spec, State},
};
use crate::{
    incarnation::{ChildId, ChildKey, Exit, ProcessKey},
    observe::{ChildCounts, ChildState, EventKind, RestartCause},
    strategy::SupervisorSettings,
};

#[derive(Debug)]
pub(crate) struct Engine<C> {
    settings: SupervisorSettings,
    children: Children<C>,
    intensity: Intensity<C>,
    work: Work<C>,
    /// The stop that is under way in `work`, or was the last one.
    stop_sequence: StopSequence,
    /// Children that are owed a start of their own, not as part of a group.
    restarts: VecDeque<ChildKey>,
    /// The number of the latest group restart; the first start is one, too.
    group: u32,
    /// Who waits for something to happen to a child.
    callers: BTreeMap<ChildKey, Vec<(Awaited, Caller)>>,
    /// The first start is done.
    is_up: bool,
    /// Nothing will be started here after this supervisor.
    has_no_successor: bool,
    /// Told to stop at once.
    is_killed: bool,
    /// When the stop has used up its budget.
    stop_by: Option<Instant>,
    /// An end of a significant child that is looked at when the first start is done.
    significant_end: Option<(C, Exit)>,
    unclean: Vec<(C, UncleanKind)>,
    effects: VecDeque<Effect<C>>,
    /// Whether anybody listens.
    pub(crate) is_heard: bool,
    rng: Rng,
}

/// What a supervisor is doing in order.
#[derive(Debug)]
enum Work<C> {
    None,
    /// The first start, or a group restart.
    Sequence(StartSequence),
    Stop(Cause<C>),
    Finished(Cause<C>),
}

/// How a supervisor is asked to stop.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct StopRequest {
    /// Nothing will be started after it.
    pub(crate) no_successor: bool,
    /// At once.
    pub(crate) kill: bool,
}

/// How a supervisor has ended.
#[derive(Debug)]
pub(crate) struct EngineOutcome<C> {
    pub(crate) cause: Cause<C>,
    pub(crate) killed: bool,
    pub(crate) unclean: Vec<(C, UncleanKind)>,
}

impl<C: Spec> Engine<C> {
    pub(crate) fn new(settings: SupervisorSettings, specs: impl Iterator<Item = (ChildId, C)>, seed: u64) -> Self {
        Self {
            intensity: Intensity::new(settings.strategy),
            children: Children::new(specs, settings.unique_names),
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
            rng: Rng::with_seed(seed),
        }
    }

    // Inputs

    /// A process of an earlier run of this supervisor is still there. It is aborted, and nothing is started before it is gone:
    /// its exit is reported for incarnation 0. To be said before `start`.
    pub(crate) fn handle_left_behind(&mut self, id: ChildId, now: Instant) -> Option<ChildKey> {
        let key = self.children.find(id)?;
        let phase = self.abort_phase(key, now);
        let (then, stop_sequence) = (AfterStop::Start, None);
        let stopping = Stopping {
            phase,
            then,
            since: now,
            stop_sequence,
            no_successor: false,
            unready: true,
            has_had_more: false,
        };
        self.children.set(key, State::stopping(stopping));
        Some(key)
    }

    /// Starts the children, one after the other. `no_successor`: nothing will be started after this supervisor.
    pub(crate) fn handle_start(&mut self, no_successor: bool) {
        self.has_no_successor = no_successor;
        self.stop_sequence = StopSequence::from(ChildId::FIRST, &self.stop_sequence);
        self.work = Work::Sequence(match self.children.count_of(&[StateClass::Stopping]) {
            0 => StartSequence::first_start(),
            _ => {
                self.wait_for_what_stops();
                StartSequence::first_start_when_stopped()
            }
        });
    }

    /// A process has finished its set-up.
    pub(crate) fn handle_ready(&mut self, process_key: ProcessKey, now: Instant) {
        let Some(slot) = self.children.about(process_key) else { return };
        // Otherwise it is being stopped, and came too late.
        if let State::Starting { .. } = &slot.state {
            self.set_running(process_key.child_key(), now);
        }
    }

    /// A supervisor has seen that it is asked to stop, or to stop at once.
    pub(crate) fn handle_acknowledged(&mut self, process_key: ProcessKey) {
        if self.children.about(process_key).is_none() {
            return;
        }
        // It may be stopping by itself, before it is asked from here.
        self.children.edit(process_key.child_key(), |slot| slot.has_acknowledged = true);
        let Some(stopping) = self.stopping(process_key.child_key()) else { return };
        let phase = match stopping.phase {
            StopPhase::Asked { until, .. } => StopPhase::Asked { until, ack_by: None },
            StopPhase::Aborted { .. } => StopPhase::Aborted { until: None },
            StopPhase::Stuck => return,
        };
        self.children.set(process_key.child_key(), State::stopping(Stopping { phase, ..stopping }));
    }

    /// A process has ended.
    pub(crate) fn handle_exit(&mut self, process_key: ProcessKey, exit: Exit, now: Instant) {
        let Some(slot) = self.children.about(process_key) else { return };
        match &slot.state {
            State::Starting { .. } => self.on_start_failed(process_key.child_key(), exit, None, now),
            &State::Running { since } => {
                self.emit(process_key.child_key(), || EventKind::Exited(exit.clone()));
                let how = RestartCause::Exit(exit.clone());
                self.apply_policy(process_key.child_key(), exit, Some(since), now);
                self.children.edit(process_key.child_key(), |slot| slot.remember(how, now));
            }
            State::Stopping(stopping) => {
                let stopping = **stopping;
                self.on_stopped(process_key.child_key(), stopping, exit, now);
            }
            State::Stopped | State::PendingStart | State::Delayed { .. } => {}
        }
        self.answer(process_key.child_key(), Awaited::Gone, Ok(()));
    }

    /// The supervisor is asked to stop. May be asked again, and for more.
    pub(crate) fn handle_shutdown(&mut self, request: StopRequest, now: Instant) {
        let loses_its_successor = request.no_successor && !self.has_no_successor;
        self.has_no_successor |= request.no_successor;
        if self.is_stopping() {
            if loses_its_successor {
                self.pass_on_no_successor();
            }
        } else {
            self.begin_stop(Cause::Requested, now);
        }
        if request.kill && !self.is_killed {
            self.is_killed = true;
            self.abort_all(now);
        }
    }

    /// Does what is due.
    pub(crate) fn handle_deadline(&mut self, now: Instant) {
        while let Some(key) = self.children.due(now) {
            let Some(slot) = self.children.get(key) else { return };
            match &slot.state {
                State::Delayed { .. } => {
                    self.children.set(key, State::PendingStart);
                    self.restarts.push_back(key);
                }
                State::Starting { .. } => {
                    let limit = slot.settings().start_timeout();
                    self.abort(key, AfterStop::FailStart { limit }, now);
                }
                State::Stopping(stopping) => {
                    let stopping = **stopping;
                    if stopping.has_had_its_time(now) {
                        self.abort(key, stopping.then, now);
                    } else if let Some(stopping) = stopping.with_more_time(self.settings.abort_grace, now) {
                        self.children.set(key, State::stopping(stopping));
                    } else {
                        self.stuck(key, stopping, now);
                    }
                }
                State::Running { .. } => self.look_for_signs(key),
                State::Stopped | State::PendingStart => return,
            }
        }
        self.end_delay(now);
        if self.stop_by.is_some_and(|by| by <= now) {
            self.stop_by = None;
            self.abort_all(now);
        }
    }

    // Outputs

    /// The next thing to do.
    #[cfg(test)]
    pub(crate) fn poll_effect(&mut self) -> Option<Effect<C>> {
        self.effects.pop_front()
    }

    /// Takes work in order one step further. Whether there was a step to take.
    pub(crate) fn advance(&mut self, now: Instant) -> bool {
        let in_order = match self.work {
            Work::Sequence(_) => self.advance_sequence(now),
            Work::Stop(_) => self.advance_stop(now),
            Work::None | Work::Finished(_) => false,
        };
        in_order || self.advance_restarts(now)
    }

    /// When `tick` has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let group = match &self.work {
            Work::Sequence(sequence) => sequence.delayed_until(),
            _ => None,
        };
        [self.children.next_deadline(), group, self.stop_by].into_iter().flatten().min()
    }

    /// How it ended, after `Effect::Finish`.
    pub(crate) fn poll_outcome(&mut self) -> EngineOutcome<C> {
        let cause = match mem::replace(&mut self.work, Work::None) {
            Work::Stop(cause) | Work::Finished(cause) => cause,
            Work::None | Work::Sequence(_) => Cause::Requested,
        };
        EngineOutcome { cause, killed: self.is_killed, unclean: mem::take(&mut self.unclean) }
    }

    /// The supervisor is lost, and a child of it has ended. Returns the child, if that is news.
    pub(crate) fn handle_exit_unsupervised(&mut self, process_key: ProcessKey, exit: &Exit, now: Instant) -> Option<C> {
        let child = self.children.about(process_key)?.child.clone();
        self.children.edit(process_key.child_key(), |slot| slot.remember(RestartCause::Exit(exit.clone()), now));
        self.children.set(process_key.child_key(), State::Stopped);
        Some(child)
    }

    /// The supervisor is lost: all that it had still to do.
    pub(crate) fn take_effects(&mut self) -> VecDeque<Effect<C>> {
        mem::take(&mut self.effects)
    }

    /// Keeps room for so many effects at most.
    pub(crate) fn shrink(&mut self, kept: usize) {
        self.effects.shrink_to(kept);
    }

    /// Goes on for as long as there is a step to take, or until so many effects wait. These come in the order in which they
    /// would have come one by one. Whether that was all.
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

    pub(crate) fn state_of(&self, id: ChildId) -> Option<ChildState> {
        Some(self.children.get(self.children.find(id)?)?.public_state())
    }

    /// The children that have a process.
    #[cfg(test)]
    pub(crate) fn live(&self) -> impl Iterator<Item = &C> {
        self.children.iter().filter(|(_, slot)| slot.state.is_live()).map(|(_, slot)| &slot.child)
    }

    /// The children, in start order.
    pub(crate) fn children(&self) -> impl Iterator<Item = (ChildId, &C, ChildState)> {
        self.children.iter().map(|(key, slot)| (key.id, &slot.child, slot.public_state()))
    }

    /// All that is known of the children behind this one, or of all, in start order.
    pub(crate) fn slots_behind(&self, child: Option<ChildId>) -> impl Iterator<Item = (ChildId, &Slot<C>)> {
        self.children.behind(child).map(|(key, slot)| (key.id, slot))
    }

    /// Whether all children that are going to run do, and nothing is on its way out or back.
    pub(crate) fn is_ready(&self) -> bool {
        let is_settled = [StateClass::Running, StateClass::Stopped];
        self.is_up && !self.is_stopping() && self.children.count_of(&is_settled) == self.children.len()
    }

    pub(crate) fn settings(&self) -> &SupervisorSettings {
        &self.settings
    }

    /// The first start is done.
    pub(crate) fn is_up(&self) -> bool {
        self.is_up
    }

    pub(crate) fn counts(&self) -> ChildCounts {
        self.children.counts()
    }

    pub(crate) fn history(&self) -> impl Iterator<Item = &Charge<C>> {
        self.intensity.history()
    }

    pub(crate) fn is_stopping(&self) -> bool {
        matches!(self.work, Work::Stop(_) | Work::Finished(_))
    }

    /// Above zero while something is under way that ends by itself, for tests that wait until nothing is. A worker that a
    /// test holds up in its start is taken off by the test; stopped there it is under way again, so stopping counts twice.
    pub(crate) fn unsettled(&self) -> usize {
        let delayed = usize::from(matches!(&self.work, Work::Sequence(sequence) if sequence.delayed_until().is_some()));
        self.children.workers_of(&[StateClass::Starting])
            + 2 * self.children.workers_of(&[StateClass::Stopping, StateClass::Draining])
            + self.children.supervisors_of(&[StateClass::Stopping])
            + self.children.count_of(&[StateClass::Delayed])
            + delayed
    }

    // Shared by the parts

    fn emit(&mut self, key: ChildKey, kind: impl FnOnce() -> EventKind) {
        self.emit_timed(key, None, kind);
    }

    /// `took`: how long it took until this.
    fn emit_timed(&mut self, key: ChildKey, took: Option<Duration>, kind: impl FnOnce() -> EventKind) {
        if self.is_heard {
            if let Some(slot) = self.children.get(key) {
                let child = slot.child.clone();
                self.effects.push_back(Effect::Emit { child, kind: Box::new(kind()), took });
            }
        }
    }
}

#[cfg(test)]
mod tests;
