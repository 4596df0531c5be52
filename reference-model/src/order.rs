//! The ordered work of a supervisor: the first start, group restarts, and its end.

use std::mem;

use crate::{
    Act, Cause, Id, Strategy, Supervisor, Time,
    child::{Await, Child, State, Then, Wanted},
    supervisor::Reply,
};

/// The ordered work of a supervisor.
#[derive(Clone, Debug)]
pub(crate) enum Work {
    Nothing,
    Start(Start),
    Stop {
        cause: Cause,
        /// When all that is left is aborted (A4); `None` without a budget.
        by: Option<Time>,
    },
    Ended,
}

/// A start of the children from one on, one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    from: Id,
    /// The first child that an earlier first start had still to bring up before `from`, when this group restart
    /// replaced it: from here on, or after the one that it had begun with.
    first: Id,
    resumed: Option<Id>,
    /// The child that has failed, if this is a group restart.
    leader: Option<Id>,
    /// Whether a call has asked for it.
    is_reload: bool,
    phase: Phase,
    /// The time before which a backoff does not allow the start.
    not_before: Option<Time>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    /// Running children are being stopped.
    Down,
    /// All is stopped.
    Waiting,
    /// This one was the last to be started.
    Up(Option<Id>),
}

impl Work {
    pub(crate) fn first_start() -> Self {
        Self::Start(Start {
            from: 0,
            first: 0,
            resumed: None,
            leader: None,
            is_reload: false,
            phase: Phase::Up(None),
            not_before: None,
        })
    }

    /// Begins a first start that waits for processes of an earlier run.
    pub(crate) fn wait(&mut self) {
        if let Self::Start(start) = self {
            start.phase = Phase::Down;
        }
    }

    pub(crate) fn deadline(&self) -> Option<Time> {
        match self {
            Self::Start(Start { phase: Phase::Waiting, not_before, .. }) => *not_before,
            Self::Stop { by, .. } => *by,
            _ => None,
        }
    }

    /// Continues a group restart whose delay is over.
    pub(crate) fn go_on(&mut self) {
        if let Self::Start(start) = self {
            start.phase = Phase::Up(start.resumed);
        }
    }
}

impl Supervisor {
    /// Returns whether a group restart has still to stop and start this child, so that nothing which happens to it now
    /// costs anything (N2). A first start is no group restart.
    pub(crate) fn is_pending(&self, id: Id) -> bool {
        match self.work {
            Work::Start(Start { from, leader: Some(_), phase: Phase::Down | Phase::Waiting, .. }) => id >= from,
            _ => false,
        }
    }

    /// Returns whether a group restart is going to start this child.
    pub(crate) fn is_in_turn(&self, id: Id) -> bool {
        match self.work {
            Work::Start(Start { leader: Some(_), phase: Phase::Up(Some(begun)), from, .. }) => id >= from && id > begun,
            Work::Start(Start { leader: Some(_), from, .. }) => id >= from,
            _ => false,
        }
    }

    /// Begins a group restart after a failure, R15, R16, N2, or makes the one under way begin again from here.
    pub(crate) fn begin_group(&mut self, id: Id, until: Option<Time>, now: Time) {
        self.restart_group(id, until, false, now);
    }

    pub(crate) fn restart_group(&mut self, id: Id, until: Option<Time>, is_reload: bool, now: Time) {
        let from = if self.settings.strategy == Strategy::OneForAll { 0 } else { id };
        let pending = match self.work {
            Work::Start(Start { phase: Phase::Down | Phase::Waiting, not_before, .. }) => not_before,
            Work::Start(_) => None,
            _ => {
                // A new one does not know which children were left out of earlier ones (R18).
                self.children.iter_mut().for_each(|child| child.is_left_out = false);
                None
            }
        };
        for child in self.children.iter_mut().filter(|child| child.id >= from && !child.is_left_out) {
            let is_wanted = child.is_wanted();
            match &mut child.state {
                State::Stopped => child.state = State::PendingStart,
                // R18, also a child that is being stopped.
                State::Stopping { then, .. } if *then == Then::Stay => *then = Then::Again,
                State::Stopping { then, .. } if *then == Then::FailStart && is_wanted => *then = Then::Again,
                _ => {}
            }
        }
        let not_before = pending.max(until);
        // Children that are still to be started before the group are started all the same.
        let (first, resumed) = match self.work {
            Work::Start(Start { first, resumed, phase, .. }) => {
                let begun = if let Phase::Up(begun) = phase { begun } else { resumed };
                match begun {
                    None => (first.min(from), None),
                    Some(begun) if begun < from => (first, Some(begun)),
                    Some(_) => (from, None),
                }
            }
            _ => (from, None),
        };
        let leader = Some(id);
        self.work = Work::Start(Start { from, first, resumed, leader, is_reload, phase: Phase::Down, not_before });
        self.turn_away_circles(now);
    }

    /// Takes one step of the ordered work. Returns whether there was one.
    pub(crate) fn step(&mut self, now: Time) -> bool {
        match self.work {
            Work::Nothing | Work::Ended => false,
            Work::Stop { cause, .. } => {
                if self.stop_next(0, Then::End, now) {
                    return true;
                }
                let is_down = !self.children.iter().any(Child::is_live);
                if is_down {
                    self.end(cause);
                }
                is_down
            }
            Work::Start(Start { from, resumed, leader, phase: Phase::Down, not_before, .. }) => {
                let is_down = if leader.is_some() {
                    if self.stop_next(from, Then::Again, now) {
                        return true;
                    }
                    let is_left = |child: &Child| child.id >= from && child.is_live() || child.is_left_behind();
                    !self.children.iter().any(is_left)
                } else {
                    // A child that was added meanwhile starts beside it (N5).
                    !self.children.iter().any(Child::is_left_behind)
                };
                if is_down {
                    self.set_phase(if not_before.is_some() { Phase::Waiting } else { Phase::Up(resumed) });
                }
                is_down
            }
            Work::Start(Start { phase: Phase::Waiting, .. }) => false,
            Work::Start(Start { first, phase: Phase::Up(begun), .. }) => {
                if begun.and_then(|begun| self.find(begun)).is_some_and(Child::is_coming) {
                    return false;
                }
                let is_next = |child: &&Child| {
                    child.state == State::PendingStart
                        && child.id >= first
                        && begun.is_none_or(|begun| child.id > begun)
                };
                if let Some(next) = self.children.iter().find(is_next).map(|child| child.id) {
                    self.set_phase(Phase::Up(Some(next)));
                    self.start(next, now);
                } else {
                    self.work = Work::Nothing;
                    if self.has_groups() {
                        self.answer_reloads(Reply::Ok);
                    }
                    self.come_up(now);
                }
                true
            }
        }
    }

    /// Starts one of the children that are restarted alone. Returns whether there was one.
    pub(crate) fn start_one(&mut self, now: Time) -> bool {
        if self.queue.is_empty() {
            return false;
        }
        let id = self.queue.remove(0);
        // Its state may have changed meanwhile.
        if self.find(id).is_some_and(|child| child.state == State::PendingStart) {
            self.start(id, now);
        }
        true
    }

    pub(crate) fn start(&mut self, id: Id, now: Time) {
        let child = self.child_mut(id);
        (child.has_started, child.has_acknowledged) = (true, false);
        child.state = State::Starting { since: now };
        let is_ready_at_once = child.spec.is_ready_at_once;
        self.act(Act::Start(id));
        if is_ready_at_once {
            self.is_ready_now(id, now);
        }
    }

    pub(crate) fn is_ready_now(&mut self, id: Id, now: Time) {
        let child = self.child_mut(id);
        child.state = State::Running { since: now };
        (child.has_been_ready, child.wanted, child.is_reloaded) = (true, Wanted::BySupervisor, false);
        self.watch(id, now);
        self.answer_all(id, Await::Ready, Reply::Ok);
        if !self.has_groups() {
            self.answer_all(id, Await::Reloaded, Reply::Ok);
        }
    }

    fn come_up(&mut self, now: Time) {
        if mem::replace(&mut self.is_up, true) {
            return;
        }
        self.act(Act::Ready);
        if let Some(id) = self.significant_end.take() {
            self.significant_ended(id, now);
        }
    }

    /// Cancels a group restart, R28: the child that it waits for was terminated. Children that are down because of it
    /// stay down; children that a caller wants started are started now.
    pub(crate) fn cancel_group(&mut self, leader: Id, now: Time) {
        let Work::Start(Start { from, .. }) = self.work else { return };
        self.work = Work::Nothing;
        self.answer_reloads(Reply::FailedToStart);
        for id in self.those(|child| child.id >= from && child.id != leader) {
            let child = self.child_mut(id);
            match &mut child.state {
                State::PendingStart if child.wanted != Wanted::BySupervisor => self.start(id, now),
                State::PendingStart => self.put_down(id),
                State::Stopping { then, .. } if *then == Then::Again => *then = Then::Stay,
                _ => {}
            }
        }
    }

    /// Returns whether a group restart waits to start this child again, because this child failed.
    pub(crate) fn leads(&self, id: Id) -> bool {
        let is_down = |child: &Child| !matches!(child.state, State::Stopped | State::Running { .. });
        let leads =
            matches!(self.work, Work::Start(Start { leader: Some(leader), is_reload: false, .. }) if leader == id);
        self.is_up && leads && is_down(self.child(id))
    }

    pub(crate) fn is_starting(&self) -> bool {
        matches!(self.work, Work::Start(_))
    }

    /// Ends the wait of a group restart, or takes it away.
    pub(crate) fn hurry(&mut self) {
        if let Work::Start(start) = &mut self.work {
            start.not_before = None;
            if start.phase == Phase::Waiting {
                start.phase = Phase::Up(start.resumed);
            }
        }
    }

    /// Returns whether the start under way cannot go on before this child is gone, or ready.
    pub(crate) fn is_kept_waiting_by(&self, id: Id) -> bool {
        match self.work {
            Work::Start(Start { phase: Phase::Down | Phase::Waiting, .. }) => self.is_pending(id) && self.is_live(id),
            Work::Start(_) => matches!(self.child(id).state, State::Starting { .. }),
            _ => false,
        }
    }

    fn set_phase(&mut self, phase: Phase) {
        if let Work::Start(start) = &mut self.work {
            start.phase = phase;
        }
    }
}
