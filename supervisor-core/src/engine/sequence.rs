//! Starting in order: the first start, group restarts, and single restarts.

use std::{mem, time::Instant};

use super::{
    Caller, Cause, Effect, Engine, Spec, State, Work,
    slot::{Attempt, Slot, StateClass},
    stop::{Progress, StopSequence},
};
use crate::{
    incarnation::{ChildId, ChildKey, Exit},
    observe::EventKind,
    strategy::{AutoShutdown, RestartMode},
};

/// Brings the children from `from` on up, in order. What runs there is stopped first.
#[derive(Debug)]
pub(super) struct StartSequence {
    pub(super) from: ChildId,
    /// The child whose failure it was, where this is a group restart: the restart waits for it.
    leader: Option<ChildKey>,
    phase: StartPhase,
}

#[derive(Debug)]
enum StartPhase {
    /// What runs is being stopped. After that the start waits until then.
    Stopping { delay: Option<Delay> },
    /// All is stopped.
    Delayed(Delay),
    /// This is the last one begun; the next has to wait until it is ready.
    Starting { begun: Option<ChildKey> },
}

/// `None` is a time so far off that a clock cannot tell it.
#[derive(Clone, Copy, Debug)]
struct Delay(Option<Instant>);

impl StartSequence {
    pub(super) fn first_start() -> Self {
        Self { from: ChildId::FIRST, leader: None, phase: StartPhase::Starting { begun: None } }
    }

    /// As soon as all is gone that an earlier run has left behind.
    pub(super) fn first_start_when_stopped() -> Self {
        Self { phase: StartPhase::Stopping { delay: None }, ..Self::first_start() }
    }

    /// Whether this is a group restart that is going to start this child.
    fn comes_to(&self, id: ChildId) -> bool {
        let is_passed = matches!(self.phase, StartPhase::Starting { begun: Some(begun) } if id <= begun.id);
        self.leader.is_some() && id >= self.from && !is_passed
    }

    /// Whether what fails from `from` on is going to be started anyway.
    pub(super) fn joins(&self, key: ChildKey) -> bool {
        key.id >= self.from && !matches!(self.phase, StartPhase::Starting { .. })
    }

    pub(super) fn delayed_until(&self) -> Option<Instant> {
        match self.phase {
            StartPhase::Delayed(Delay(until)) => until,
            _ => None,
        }
    }
}

impl<C: Spec> Engine<C> {
    /// A group restart begins, or the one under way begins again or reaches further down. What was stopped before is
    /// started with the group.
    pub(super) fn begin_group(&mut self, key: ChildKey, until: Option<Option<Instant>>, now: Instant) {
        let from = match self.settings.strategy.mode() {
            RestartMode::OneForAll => ChildId::FIRST,
            RestartMode::RestForOne | RestartMode::OneForOne => key.id,
        };
        if !matches!(self.work, Work::Sequence(_)) {
            self.group = self.group.wrapping_add(1).max(1);
        }
        // A failure inside of a pending group joins it, so this one is before it, and the group now begins here.
        let pending = match &self.work {
            Work::Sequence(StartSequence { phase: StartPhase::Stopping { delay }, .. }) => *delay,
            Work::Sequence(StartSequence { phase: StartPhase::Delayed(delay), .. }) => Some(*delay),
            _ => None,
        };
        let delay = later(pending, until.map(Delay));
        let group = self.group;
        let revived = |(key, slot): (ChildKey, &Slot<C>)| Some((key, slot.revived()?));
        let in_range = self.children.between(from, None).filter(|(_, slot)| !slot.is_left_out_of(group));
        let revived: Vec<_> = in_range.filter_map(revived).collect();
        revived.into_iter().for_each(|(key, state)| self.children.set(key, state));
        self.stop_sequence = StopSequence::from(from, &self.stop_sequence);
        self.work = Work::Sequence(StartSequence { from, leader: Some(key), phase: StartPhase::Stopping { delay } });
        self.turn_away_circles(now);
    }

    /// One step of the sequence under way. Whether there was one.
    pub(super) fn advance_sequence(&mut self, now: Instant) -> bool {
        let Work::Sequence(sequence) = &self.work else { return false };
        match sequence.phase {
            StartPhase::Stopping { delay } => match self.advance_stop_sequence(now) {
                Progress::Moved => true,
                Progress::Waiting => false,
                Progress::Done => {
                    self.set_phase(delay.map_or(StartPhase::Starting { begun: None }, StartPhase::Delayed));
                    true
                }
            },
            StartPhase::Delayed(_) => false,
            StartPhase::Starting { begun } => {
                let from = sequence.from;
                if begun.is_some_and(|key| self.is_coming(key)) {
                    return false;
                }
                let pending = |(key, slot): (ChildKey, &Slot<C>)| (slot.state == State::PendingStart).then_some(key);
                let next = match begun {
                    Some(key) => self.children.behind(Some(key.id)).find_map(pending),
                    None => self.children.between(from, None).find_map(pending),
                };
                if let Some(key) = next {
                    self.set_phase(StartPhase::Starting { begun: Some(key) });
                    self.begin_start(key, now);
                } else {
                    self.work = Work::None;
                    self.come_up(now);
                }
                true
            }
        }
    }

    /// Starts what is owed a start of its own.
    pub(super) fn advance_restarts(&mut self, now: Instant) -> bool {
        let Some(key) = self.restarts.pop_front() else { return false };
        // Anything may have happened to it meanwhile.
        if self.children.get(key).is_some_and(|slot| slot.state == State::PendingStart) {
            self.begin_start(key, now);
        }
        true
    }

    pub(super) fn end_delay(&mut self, now: Instant) {
        if let Work::Sequence(sequence) = &self.work {
            if sequence.delayed_until().is_some_and(|until| until <= now) {
                self.set_phase(StartPhase::Starting { begun: None });
            }
        }
    }

    pub(super) fn set_running(&mut self, key: ChildKey, now: Instant) {
        let took = self.children.get(key).and_then(|slot| match slot.state {
            State::Starting { ref since } => Some(now.saturating_duration_since(**since)),
            _ => None,
        });
        self.children.set(key, State::Running { since: now });
        self.children.edit(key, |slot| (slot.has_started, slot.attempt) = (true, Attempt::Own));
        self.watch_over(key, now);
        self.emit_timed(key, took, || EventKind::Ready);
        self.answer_start(key, Ok(()));
    }

    pub(super) fn begin_start(&mut self, key: ChildKey, now: Instant) {
        let begun = self.children.edit(key, |slot| {
            slot.incarnation = slot.incarnation.wrapping_add(1).max(1);
            slot.has_acknowledged = false;
            let settings = slot.child.settings();
            (slot.incarnation, settings.is_ready_at_once(), slot.child.clone())
        });
        let Some((incarnation, ready_at_once, child)) = begun else { return };
        self.effects.push_back(Effect::Start { key, incarnation, child });
        if ready_at_once {
            self.set_running(key, now);
        } else {
            self.children.set(key, State::Starting { since: Box::new(now) });
        }
    }

    /// Whether the next child has to wait for this one.
    fn is_coming(&self, key: ChildKey) -> bool {
        self.children
            .get(key)
            .is_some_and(|slot| matches!(slot.state.class(), StateClass::Starting) || slot.state.is_failing_to_start())
    }

    fn come_up(&mut self, now: Instant) {
        if mem::replace(&mut self.is_up, true) {
            return;
        }
        self.effects.push_back(Effect::Ready);
        if let Some((child, exit)) = self.significant_end.take() {
            self.significant_ended(child, exit, now);
        }
    }

    /// A significant child ended by itself and is not restarted.
    pub(super) fn significant_ended(&mut self, child: C, exit: Exit, now: Instant) {
        if !self.is_up {
            self.significant_end = Some((child, exit));
            return;
        }
        let ends = match self.settings.auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => true,
            AutoShutdown::AllSignificant => self.children.significant_present() == 0,
        };
        if ends {
            self.begin_stop(Cause::AutoShutdown { child, exit }, now);
        }
    }

    /// Whether the group restart under way is going to start this child.
    pub(super) fn group_comes_to(&self, id: ChildId) -> bool {
        matches!(&self.work, Work::Sequence(sequence) if sequence.comes_to(id))
    }

    /// From where on all has to stop before the group restart under way starts this child, if it is going to.
    pub(super) fn group_from(&self, id: ChildId) -> Option<ChildId> {
        match &self.work {
            Work::Sequence(sequence) if sequence.comes_to(id) => match sequence.phase {
                StartPhase::Stopping { .. } | StartPhase::Delayed(_) => Some(sequence.from),
                StartPhase::Starting { .. } => None,
            },
            _ => None,
        }
    }

    /// Whether a group restart waits to start this child again, because it was this child that failed.
    pub(super) fn leads_group(&self, key: ChildKey) -> bool {
        let Work::Sequence(sequence) = &self.work else { return false };
        let is_down = |slot: &Slot<C>| !matches!(slot.state, State::Stopped | State::Running { .. });
        self.is_up && sequence.leader == Some(key) && self.children.get(key).is_some_and(is_down)
    }

    /// Whether the caller would wait for itself: what it wants to have started waits for its group, and that group waits for
    /// the child from within which the call is made.
    pub(super) fn is_held_up_by(&self, caller: Caller, id: ChildId) -> bool {
        let Work::Sequence(sequence) = &self.work else { return false };
        let Some(slot) = caller.within.and_then(|within| self.children.get(self.children.find(within)?)) else {
            return false;
        };
        let is_waited_for = match sequence.phase {
            StartPhase::Stopping { .. } | StartPhase::Delayed(_) => slot.id >= sequence.from && slot.state.is_live(),
            StartPhase::Starting { .. } => matches!(slot.state, State::Starting { .. }),
        };
        sequence.comes_to(id) && is_waited_for
    }

    fn set_phase(&mut self, phase: StartPhase) {
        if let Work::Sequence(sequence) = &mut self.work {
            sequence.phase = phase;
        }
    }
}

fn later(one: Option<Delay>, other: Option<Delay>) -> Option<Delay> {
    match (one, other) {
        (Some(Delay(one)), Some(Delay(other))) => Some(Delay(one.zip(other).map(|(one, other)| one.max(other)))),
        (one, other) => one.or(other),
    }
}
