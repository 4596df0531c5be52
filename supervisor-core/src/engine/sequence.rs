//! Starting in order: the first start, group restarts, and single restarts.
//!
//! There is at most one start sequence. A first start and a group restart differ only in the leader: a failure in one
//! makes a new sequence that replaces it, and the children that the old one had still to start are part of the new one
//! (R27).

use std::{mem, time::Instant};

use super::{
    Caller, Cause, Effect, Engine, Spec, State, Work,
    slot::{AfterStop, Attempt, Slot},
    stop::Progress,
};
use crate::{
    incarnation::{ChildId, ChildKey, Exit},
    observe::EventKind,
    strategy::{AutoShutdown, RestartMode},
};

/// A start of the children from `from` on, in order. Running ones are stopped first.
#[derive(Debug)]
pub(super) struct StartSequence {
    pub(super) from: ChildId,
    /// The child whose failure caused it, if it is a group restart: the restart waits for it. R28: terminating it
    /// cancels the restart.
    leader: Option<ChildKey>,
    /// Where the start begins. A group restart can replace a first start that has still to bring up children before
    /// `from`: they are not stopped for it, but they are started.
    first: ChildId,
    /// The child after which the start continues, if that first start has come so far.
    resumed: Option<ChildKey>,
    /// Whether a call has caused it, and not a failure.
    pub(super) is_reload: bool,
    phase: StartPhase,
}

#[derive(Debug)]
enum StartPhase {
    /// Running children are being stopped. After that the start waits for the delay. B1: the stop does not, it begins
    /// at once.
    Stopping { delay: Option<Delay> },
    /// All are stopped, and the delay is not over.
    Delayed(Delay),
    /// This is the last one begun; the next has to wait until it is ready.
    Starting { begun: Option<ChildKey> },
}

/// The end of a wait. `None` is beyond the range of the clock.
#[derive(Clone, Copy, Debug)]
struct Delay(Option<Instant>);

impl StartSequence {
    /// Makes the sequence of a supervisor's start. All static children are `PendingStart` then, so nothing has to stop
    /// first.
    pub(super) fn first_start() -> Self {
        Self {
            from: ChildId::FIRST,
            leader: None,
            first: ChildId::FIRST,
            resumed: None,
            is_reload: false,
            phase: StartPhase::Starting { begun: None },
        }
    }

    /// Makes a first start that begins as soon as all processes of an earlier run are gone (P2).
    pub(super) fn first_start_when_stopped() -> Self {
        Self { phase: StartPhase::Stopping { delay: None }, ..Self::first_start() }
    }

    /// Returns whether this is a group restart that is going to start this child.
    fn comes_to(&self, id: ChildId) -> bool {
        // N5: without a leader it is no group restart: in a first start an added child does not wait for its turn.
        let is_passed = matches!(self.phase, StartPhase::Starting { begun: Some(begun) } if id <= begun.id);
        self.leader.is_some() && id >= self.from && !is_passed
    }

    /// Returns whether this is a group restart that is going to start this child anyway, however it ends now. N2: only
    /// until the start has begun; a failure after that is a new one. N3, N5: a first start is none, though it may wait
    /// for processes of an earlier run (P2). A child that was added beside it has its own policy.
    pub(super) fn joins(&self, key: ChildKey) -> bool {
        self.leader.is_some() && key.id >= self.from && !matches!(self.phase, StartPhase::Starting { .. })
    }

    /// Returns the phase in which the start begins, or continues.
    fn starting(&self) -> StartPhase {
        StartPhase::Starting { begun: self.resumed }
    }

    /// Returns where a group restart that replaces this one has to begin to start, and after which child it continues.
    /// N3: the children that this one had still to start are part of it, also those before the group.
    fn left_to(&self, from: ChildId) -> (ChildId, Option<ChildKey>) {
        let begun = match self.phase {
            StartPhase::Starting { begun } => begun,
            StartPhase::Stopping { .. } | StartPhase::Delayed(_) => self.resumed,
        };
        match begun {
            None => (self.first.min(from), None),
            // All children before the group are running, or gone for good.
            Some(begun) if begun.id >= from => (from, None),
            Some(begun) => (self.first, Some(begun)),
        }
    }

    /// Returns whether the start cannot go on before this child has stopped, or is ready. For N6: a caller in it must not
    /// wait for the start.
    pub(super) fn waits_for<C: Spec>(&self, slot: &Slot<C>) -> bool {
        match self.phase {
            // It has to be gone before the group starts.
            StartPhase::Stopping { .. } | StartPhase::Delayed(_) => {
                self.leader.is_some() && slot.id >= self.from && slot.state.is_live()
            }
            // It has to be ready before the next one starts.
            StartPhase::Starting { .. } => matches!(slot.state, State::Starting { .. }),
        }
    }

    /// Returns when a group that has stopped may start, for the next deadline.
    pub(super) fn delayed_until(&self) -> Option<Instant> {
        match self.phase {
            StartPhase::Delayed(Delay(until)) => until,
            _ => None,
        }
    }
}

impl<C: Spec> Engine<C> {
    /// Begins a group restart, because a child is to be restarted with its siblings; or the one under way begins again
    /// or reaches further down. Children that were stopped before are started with the group.
    pub(super) fn begin_group(&mut self, key: ChildKey, until: Option<Option<Instant>>, now: Instant) {
        let from = match self.settings.strategy.mode() {
            // R15: the whole list. R25: also when a start in the group has failed, so all that it had started stops
            // again.
            RestartMode::OneForAll => ChildId::FIRST,
            // R16: it and those after it. R24: a child that failed to start is the first one of its retry. R23: so
            // those before it go on running.
            RestartMode::RestForOne | RestartMode::OneForOne => key.id,
        };
        // N2: a retry is the same restart, so children that were left out stay left out. Never 0, which stands for
        // none.
        if !matches!(self.work, Work::Sequence(_)) {
            self.group = self.group.wrapping_add(1).max(1);
        }
        // A failure inside of a pending group joins it, so this one is before it, and the group now begins here (N2).
        // The delay of the earlier failure still holds, or a second failure would cut its backoff short.
        let pending = match &self.work {
            Work::Sequence(StartSequence { phase: StartPhase::Stopping { delay }, .. }) => *delay,
            Work::Sequence(StartSequence { phase: StartPhase::Delayed(delay), .. }) => Some(*delay),
            _ => None,
        };
        let delay = later(pending, until.map(Delay));
        let group = self.group;
        // R18: also children that were stopped before, and those that are being stopped. N2: but not a child that was
        // terminated since this restart began.
        let revived = |(key, slot): (ChildKey, &Slot<C>)| Some((key, slot.revived()?));
        let in_range = self.children.between(from, None).filter(|(_, slot)| !slot.is_left_out_of(group));
        let revived: Vec<_> = in_range.filter_map(revived).collect();
        revived.into_iter().for_each(|(key, state)| self.children.set(key, state));
        self.begin_stop_sequence(from);
        // P2: a first start waits for processes of an earlier run, and so does this, which replaces it.
        self.wait_for_what_was_left(from);
        let (first, resumed) = match &self.work {
            Work::Sequence(before) => before.left_to(from),
            _ => (from, None),
        };
        // Replaces the sequence under way, if there is one. R27: a retry that it had still to do is part of this one,
        // and is not done twice.
        let phase = StartPhase::Stopping { delay };
        self.set_work(Work::Sequence(StartSequence {
            from,
            leader: Some(key),
            first,
            resumed,
            is_reload: false,
            phase,
        }));
        // N6: a caller that waits for a start in this group may have to stop for it.
        self.turn_away_circles(now);
    }

    /// Takes one step of the start sequence under way. Runs when all inputs are served (R26). Returns whether there was
    /// a step.
    pub(super) fn advance_sequence(&mut self, now: Instant) -> bool {
        let Work::Sequence(sequence) = &self.work else { return false };
        let starting = sequence.starting();
        match sequence.phase {
            StartPhase::Stopping { delay } => match self.advance_stop_sequence(now) {
                Progress::Moved => true,
                Progress::Waiting => false,
                // P2: all of the group is gone, including stuck ones (D3). Only now any of it may start. A delay that
                // is over by then is due at once: `next_deadline` returns it.
                Progress::Done => {
                    self.set_phase(delay.map_or(starting, StartPhase::Delayed));
                    true
                }
            },
            // `end_delay` continues, when it is due.
            StartPhase::Delayed(_) => false,
            StartPhase::Starting { begun } => {
                let first = sequence.first;
                // R1: the next one starts when this one is ready, has declined (R21), or has failed and made a new
                // sequence.
                if begun.is_some_and(|key| self.is_coming(key)) {
                    return false;
                }
                let pending =
                    |(key, slot): (ChildKey, &Slot<C>)| matches!(slot.state, State::PendingStart).then_some(key);
                // After the one begun last, and not from `from` on: otherwise a start of many children looks at all of
                // them each time, and includes one that has failed meanwhile and has a restart of its own (N3).
                let next = match begun {
                    Some(key) => self.children.behind(Some(key.id)).find_map(pending),
                    None => self.children.between(first, None).find_map(pending),
                };
                if let Some(key) = next {
                    self.set_phase(StartPhase::Starting { begun: Some(key) });
                    self.begin_start(key, now);
                } else {
                    // Before `come_up`, which may begin a stop.
                    self.set_work(Work::None);
                    self.answer_reloads(&Ok(()));
                    self.come_up(now);
                }
                true
            }
        }
    }

    /// Starts a child that is restarted alone. Runs when ordered work has no step to take.
    pub(super) fn advance_restarts(&mut self, now: Instant) -> bool {
        let Some(key) = self.restarts.pop_front() else { return false };
        // Its state may have changed meanwhile: it was terminated (R28), removed, or started by hand.
        if self.children.get(key).is_some_and(|slot| matches!(slot.state, State::PendingStart)) {
            self.begin_start(key, now);
        }
        true
    }

    /// Starts a group whose delay is over. Runs at each deadline.
    pub(super) fn end_delay(&mut self, now: Instant) {
        if let Work::Sequence(sequence) = &self.work {
            if sequence.delayed_until().is_some_and(|until| until <= now) {
                let starting = sequence.starting();
                self.set_phase(starting);
            }
        }
    }

    /// Marks a child as running. Runs when it becomes ready.
    pub(super) fn set_running(&mut self, key: ChildKey, now: Instant) {
        let (mut took, mut has_watchdog) = (None, false);
        // A3: a start that fails from now on is a failed restart. If a caller started it, from now on it is restarted
        // as any child is.
        self.children.edit_and_set(key, |slot| {
            if let State::Starting { since } = &slot.state {
                took = Some(now.saturating_duration_since(**since));
            }
            (slot.has_started, slot.attempt) = (true, Attempt::Own);
            slot.set_kept(false);
            has_watchdog = slot.settings().watchdog().is_some();
            State::Running { since: now }
        });
        // B2: the first heartbeat is due `within` after ready.
        if has_watchdog {
            self.watch_over(key, now);
        }
        // Before the answer: when a caller has the answer, the event was emitted.
        self.emit_timed(key, took, || EventKind::Ready);
        // R58, R64: only now, because the answer says that the child is ready. Most have no caller.
        if !self.callers.is_empty() {
            self.answer_start(key, Ok(()));
        }
    }

    /// Starts a child whose turn has come: in a sequence, alone, or for a caller.
    pub(super) fn begin_start(&mut self, key: ChildKey, now: Instant) {
        let begun = self.children.edit(key, |slot| {
            // P5: reports of the process before this one are stale from now on. Never 0, which stands for a process of
            // an earlier run.
            slot.incarnation = slot.incarnation.wrapping_add(1).max(1);
            // N8: a request that its predecessor has seen, this process has not.
            slot.has_acknowledged = false;
            let settings = slot.child.settings();
            (slot.incarnation, settings.is_ready_at_once(), slot.child.clone())
        });
        let Some((incarnation, ready_at_once, child)) = begun else { return };
        // R71: an added child is restarted as it was added, because its slot keeps that.
        self.effects.push_back(Effect::Start { key, incarnation, child });
        // A2: a closure is ready when it is spawned. No report is waited for, so the next one can start in the same
        // turn.
        if ready_at_once {
            self.set_running(key, now);
        } else {
            self.children.set(key, State::Starting { since: Box::new(now) });
        }
    }

    /// Returns whether the next child has to wait for this one. A child that was too slow, or was killed, has not
    /// failed before it is gone: only then its failure decides whether there is a next one. A terminated child does not
    /// delay the next one.
    fn is_coming(&self, key: ChildKey) -> bool {
        self.children.get(key).is_some_and(|slot| match &slot.state {
            State::Starting { .. } => true,
            // Reloaded before it was ready, in a first start: it is started again at once, and the others go on waiting.
            State::PendingStart => !slot.has_started,
            State::Stopping(stopping) if stopping.then == AfterStop::Restart => !slot.has_started,
            state => state.is_failing_to_start(),
        })
    }

    /// Ends a start sequence. R2: after the first one, which may have become a group restart, the supervisor is ready.
    fn come_up(&mut self, now: Instant) {
        if mem::replace(&mut self.is_up, true) {
            return;
        }
        self.effects.push_back(Effect::Ready);
        // N3: a significant end during the first start triggers now.
        if let Some((child, exit)) = self.significant_end.take() {
            self.significant_ended(child, exit, now);
        }
    }

    /// Handles a significant child that has ended by itself and is not restarted. R51: nothing else is checked, and
    /// only then.
    pub(super) fn significant_ended(&mut self, child: C, exit: Exit, now: Instant) {
        // N3: checked when the first start is done.
        if !self.is_up {
            self.significant_end = Some((child, exit));
            return;
        }
        let ends = match self.settings.auto_shutdown {
            // S5: in a scope, significant means needed. A child whose work is done is not needed any more.
            AutoShutdown::Never => self.settings.is_scope && !exit.is_success() && exit != Exit::Ignored,
            // R49: one is enough.
            AutoShutdown::AnySignificant => true,
            // R50: those that are being restarted are present (R53).
            AutoShutdown::AllSignificant => self.children.significant_present() == 0,
        };
        if ends {
            // R55: a stop like any other. N4: a group restart under way ends where it is.
            self.begin_stop(Cause::AutoShutdown { child, exit }, now);
        }
    }

    /// Returns whether the group restart under way is going to start this child. For a caller that wants it started.
    pub(super) fn group_comes_to(&self, id: ChildId) -> bool {
        matches!(&self.work, Work::Sequence(sequence) if sequence.comes_to(id))
    }

    /// Returns from where on all has to stop before the group restart under way starts this child, if it is going to.
    /// For N6, where each child that has to stop first is a link of the chain.
    pub(super) fn group_from(&self, id: ChildId) -> Option<ChildId> {
        match &self.work {
            Work::Sequence(sequence) if sequence.comes_to(id) => match sequence.phase {
                StartPhase::Stopping { .. } | StartPhase::Delayed(_) => Some(sequence.from),
                StartPhase::Starting { .. } => None,
            },
            _ => None,
        }
    }

    /// Returns whether a group restart waits to start this child again, because this child failed. Checked when the
    /// child is terminated: R28 cancels the restart then.
    ///
    /// Not in a first start, though: the group restart is the rest of it, and without that the supervisor would never
    /// be ready.
    pub(super) fn leads_group(&self, key: ChildKey) -> bool {
        let Work::Sequence(sequence) = &self.work else { return false };
        // Once it runs again, the restart no longer waits for it, and goes on without it.
        let is_down = |slot: &Slot<C>| !matches!(slot.state, State::Stopped | State::Running { .. });
        // B5: a reload goes on without a child that is terminated meanwhile, and leaves no sibling down.
        let is_retry = self.is_up && !sequence.is_reload;
        is_retry && sequence.leader == Some(key) && self.children.get(key).is_some_and(is_down)
    }

    /// Returns whether the caller would wait for itself: the child that it wants started waits for its group, and that
    /// group waits for the child within which the call is made (N6). Checked at the call, and again when a group
    /// restart begins later.
    pub(super) fn is_held_up_by(&self, caller: Caller, id: ChildId) -> bool {
        let Work::Sequence(sequence) = &self.work else { return false };
        let Some(slot) = caller.within.and_then(|within| self.children.get(self.children.find(within)?)) else {
            return false;
        };
        sequence.comes_to(id) && sequence.waits_for(slot)
    }

    /// Ends the delay of a group restart, or takes it away from one that is still stopping. Runs for a reload, which waits
    /// for no backoff.
    pub(super) fn hurry(&mut self) {
        let Work::Sequence(sequence) = &mut self.work else { return };
        match sequence.phase {
            StartPhase::Stopping { .. } => sequence.phase = StartPhase::Stopping { delay: None },
            StartPhase::Delayed(_) => sequence.phase = sequence.starting(),
            StartPhase::Starting { .. } => {}
        }
    }

    /// Moves the sequence under way to its next phase.
    fn set_phase(&mut self, phase: StartPhase) {
        if let Work::Sequence(sequence) = &mut self.work {
            sequence.phase = phase;
        }
    }
}

/// Returns the later of two delays, if there are two. N2: a group waits for all of its failures. `None` inside is later
/// than any time.
fn later(one: Option<Delay>, other: Option<Delay>) -> Option<Delay> {
    match (one, other) {
        (Some(Delay(one)), Some(Delay(other))) => Some(Delay(one.zip(other).map(|(one, other)| one.max(other)))),
        (one, other) => one.or(other),
    }
}
