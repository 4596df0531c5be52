use std::{mem, time::Duration};

use crate::{
    Call, ChildState, Exit, Id, Settings, Spec, Time,
    child::{Await, Child, State, Then, Wanted},
    order::Work,
};

/// A supervisor that follows the rules.
#[derive(Clone, Debug)]
pub struct Supervisor {
    pub(crate) settings: Settings,
    /// The children in start order, which is that of their numbers.
    pub(crate) children: Vec<Child>,
    pub(crate) work: Work,
    /// Whether the first start is done.
    pub(crate) is_up: bool,
    pub(crate) is_killed: bool,
    /// The times of its restarts.
    pub(crate) restarts: Vec<Time>,
    /// The children that are to be restarted alone, in the order of their failures.
    pub(crate) queue: Vec<Id>,
    /// The last significant child that ended during the first start (N3).
    pub(crate) significant_end: Option<Id>,
    bad: Vec<(Id, Bad)>,
    acts: Vec<Act>,
}

/// An action of a supervisor.
#[derive(Clone, Debug, PartialEq)]
pub enum Act {
    /// It starts a child.
    Start(Id),
    /// It asks a child to stop.
    Ask(Id),
    /// It aborts a child.
    Abort(Id),
    /// A child is going to be restarted, which is charged.
    Restarting {
        /// The child.
        child: Id,
        /// The number of consecutive restarts, including this one.
        attempt: u32,
        /// How long the restart waits.
        delay: Duration,
    },
    /// It checks whether a child has sent a heartbeat.
    SampleHeartbeat(Id),
    /// A child has missed its heartbeat.
    Unresponsive(Id),
    /// A child has not yielded. The supervisor still waits for it.
    Stuck(Id),
    /// A child has not yielded. The supervisor no longer waits for it.
    Abandoned(Id),
    /// A child is removed for good.
    Forget(Id),
    /// A call is answered.
    Answer(Call, Reply),
    /// A child without a caller was not added.
    Refuse(Id, Reply),
    /// All children have started.
    Ready,
    /// It is out of restarts, and begins to stop.
    GaveUp,
    /// It has ended.
    End {
        /// The reason.
        cause: Cause,
        /// Whether it was killed meanwhile.
        is_killed: bool,
        /// The children that did not stop well.
        bad: Vec<(Id, Bad)>,
    },
}

/// The answer to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "each is the word that users get")]
pub enum Reply {
    Ok,
    NotFound,
    NotRunning,
    Running,
    Restarting,
    Stopping,
    Stuck,
    RunsOnce,
    Dynamic,
    AtCapacity,
    NameTaken { is_running: bool },
    ShuttingDown,
    WouldDeadlock,
    FailedToStart,
}

/// The reason why a supervisor ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was asked to.
    Requested,
    /// It was out of restarts.
    GaveUp,
    /// This significant child has ended.
    AutoShutdown(Id),
    /// This child failed in the first start.
    FailedToStart(Id),
}

/// The fault of a stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bad {
    /// The process was aborted, because it did not stop in time.
    Aborted,
    /// A call has killed the process while its supervisor was stopping.
    Killed,
    /// The process did not yield to the abort.
    Abandoned,
    /// The process failed.
    Failed,
}

impl Supervisor {
    /// Makes a supervisor that is about to start these children.
    pub fn new(settings: Settings, children: impl IntoIterator<Item = (Id, Spec)>) -> Self {
        let child = |(id, spec)| Child::new(id, spec, Wanted::BySupervisor);
        Self {
            settings,
            children: children.into_iter().map(child).collect(),
            work: Work::first_start(),
            is_up: false,
            is_killed: false,
            restarts: Vec::new(),
            queue: Vec::new(),
            significant_end: None,
            bad: Vec::new(),
            acts: Vec::new(),
        }
    }

    /// Adopts a process of this child, of an earlier run of the supervisor. It is aborted, and nothing starts before it
    /// is gone (P2). Called before any other input.
    pub fn adopt(&mut self, id: Id, now: Time) {
        self.abort(id, Then::Succeed, now);
        self.work.wait();
    }

    /// Handles a process that is ready.
    pub fn ready(&mut self, id: Id, now: Time) {
        // Otherwise it is being stopped, or no longer waited for.
        if self.find(id).is_some_and(|child| matches!(child.state, State::Starting { .. })) {
            self.is_ready_now(id, now);
        }
    }

    /// Handles the acknowledgement of a supervisor below: it has seen the request to stop, or to stop at once.
    pub fn acknowledged(&mut self, id: Id) {
        if self.is_live(id) {
            self.child_mut(id).acknowledge();
        }
    }

    /// Handles a process that has ended.
    pub fn exited(&mut self, id: Id, exit: &Exit, now: Time) {
        let Some(child) = self.find(id) else { return };
        match child.state {
            State::Starting { .. } => self.failed_to_start(id, exit, now),
            State::Running { since } => self.ended(id, exit, since, now),
            State::Stopping { then, was_starting, .. } => self.has_stopped(id, then, was_starting, exit, now),
            // The supervisor no longer waits for it.
            State::Stopped | State::PendingStart | State::Delayed { .. } => {}
        }
        self.answer_all(id, Await::Gone, Reply::Ok);
    }

    /// Handles a request to stop, or to stop at once.
    pub fn shutdown(&mut self, kill: bool, now: Time) {
        self.begin_stop(Cause::Requested, now);
        if kill && !self.is_killed {
            self.is_killed = true;
            self.abort_all(now);
        }
    }

    /// Handles the deadlines that are due, the earliest first.
    pub fn tick(&mut self, now: Time) {
        let due = |child: &Child| child.deadline().filter(|at| *at <= now).map(|at| (at, child.id));
        while let Some((_, id)) = self.children.iter().filter_map(due).min() {
            match self.child(id).state {
                State::Delayed { .. } => {
                    self.child_mut(id).state = State::PendingStart;
                    self.queue.push(id);
                }
                State::Starting { .. } => self.abort(id, Then::FailStart, now),
                State::Running { .. } => self.look_for_sign(id),
                _ => self.time_is_up(id, now),
            }
        }
        if self.work.deadline().is_some_and(|at| at <= now) {
            match &mut self.work {
                Work::Stop { by, .. } => {
                    *by = None;
                    self.abort_all(now);
                }
                _ => self.work.go_on(),
            }
        }
    }

    /// Takes all steps of the ordered work that are possible.
    pub fn settle(&mut self, now: Time) {
        while self.step(now) || self.start_one(now) {}
    }

    /// Returns when `tick` has something to do.
    pub fn next_deadline(&self) -> Option<Time> {
        let of_children = self.children.iter().filter_map(Child::deadline).min();
        [of_children, self.work.deadline()].into_iter().flatten().min()
    }

    /// Returns the actions since the last call.
    pub fn take_acts(&mut self) -> Vec<Act> {
        mem::take(&mut self.acts)
    }

    /// Returns the children in start order, with their states.
    pub fn children(&self) -> impl Iterator<Item = (Id, &Spec, ChildState)> {
        self.children.iter().map(|child| (child.id, &child.spec, child.public_state()))
    }

    /// Returns whether there is a process of this child.
    pub(crate) fn is_live(&self, id: Id) -> bool {
        self.find(id).is_some_and(Child::is_live)
    }

    /// Returns whether it stops, or has ended.
    pub(crate) fn is_stopping(&self) -> bool {
        matches!(self.work, Work::Stop { .. } | Work::Ended)
    }

    pub(crate) fn find(&self, id: Id) -> Option<&Child> {
        self.children.iter().find(|child| child.id == id)
    }

    pub(crate) fn child(&self, id: Id) -> &Child {
        self.find(id).expect("a child that is there")
    }

    pub(crate) fn child_mut(&mut self, id: Id) -> &mut Child {
        self.children.iter_mut().find(|child| child.id == id).expect("a child that is there")
    }

    /// Returns the children for which this is true, in start order.
    pub(crate) fn those(&self, is_one: impl Fn(&Child) -> bool) -> Vec<Id> {
        self.children.iter().filter(|child| is_one(child)).map(|child| child.id).collect()
    }

    pub(crate) fn act(&mut self, act: Act) {
        self.acts.push(act);
    }

    /// Records a child that did not stop well.
    pub(crate) fn blame(&mut self, id: Id, bad: Bad) {
        self.bad.push((id, bad));
    }

    pub(crate) fn end(&mut self, cause: Cause) {
        self.work = Work::Ended;
        let bad = mem::take(&mut self.bad);
        self.act(Act::End { cause, is_killed: self.is_killed, bad });
    }

    /// Answers the calls that waited for this.
    pub(crate) fn answer_all(&mut self, id: Id, what: Await, reply: Reply) {
        let Some(child) = self.children.iter_mut().find(|child| child.id == id) else { return };
        for call in child.take_waiting(what) {
            self.act(Act::Answer(call, reply));
        }
    }
}
