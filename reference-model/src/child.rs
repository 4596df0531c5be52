use crate::{Bad, Call, Caller, Id, Kind, Restart, Spec, Time};

/// A child, and all that is known of it.
#[derive(Clone, Debug)]
pub(crate) struct Child {
    pub(crate) id: Id,
    pub(crate) spec: Spec,
    pub(crate) state: State,
    /// Whose doing it is if its process is aborted.
    pub(crate) cut: Cut,
    pub(crate) wanted: Wanted,
    /// Whether a process was started for it, under this supervisor.
    pub(crate) has_started: bool,
    /// Whether it has been ready, or had nothing to run, under this supervisor.
    pub(crate) has_been_ready: bool,
    /// Whether it was terminated while a group restart was pending, which does not revive it (N2).
    pub(crate) is_left_out: bool,
    /// Whether a call has asked for its next start, though it is temporary.
    pub(crate) is_reloaded: bool,
    /// Failures in a row.
    pub(crate) failures: u32,
    /// Whether its process, a supervisor, has said that it is stopping.
    pub(crate) has_acknowledged: bool,
    pub(crate) waiting: Vec<(Await, Caller)>,
    /// While it runs: when its next heartbeat is due; `None` without a watchdog.
    pub(crate) look: Option<Look>,
}

/// A check for a heartbeat (B2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) due: Time,
    /// Whether the one before came too late to prove anything.
    pub(crate) is_repeated: bool,
    pub(crate) has_begun: bool,
}

/// The state of a child.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum State {
    Stopped,
    /// To be started when its turn comes.
    PendingStart,
    /// To be started then.
    Delayed {
        until: Time,
    },
    Starting {
        since: Time,
    },
    Running {
        since: Time,
    },
    Stopping {
        how: How,
        then: Then,
        was_starting: bool,
        /// Whether it has had more time to answer, or to yield.
        has_had_more: bool,
    },
}

/// The way in which a process is made to stop.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum How {
    /// A supervisor has to answer by a time.
    Asked { at: Time, answer_by: Option<Time> },
    /// It has to yield by a time, or to answer that it is on its way.
    Aborted { yield_by: Option<Time> },
    /// Aborted, and has not yielded (D3).
    Stuck,
}

/// The reason for the abort of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cut {
    /// It had as long as it may take.
    AtItsLimit,
    /// A call, while the supervisor was stopping.
    ByCall,
    /// Anything, before the supervisor was stopping.
    BeforeTheEnd,
}

/// The next step of a child when it has stopped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Then {
    /// It has failed.
    Fail { since: Time },
    /// It has failed to start.
    FailStart,
    /// It is started again, with its group or for a reload.
    Again,
    /// An earlier run of the supervisor left it behind. Its successor is started (P2).
    Succeed,
    /// It stays stopped.
    Stay,
    /// Its supervisor ends.
    End,
}

/// The origin of a child's start. It decides what a failure means.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Wanted {
    /// The supervisor.
    BySupervisor,
    /// A call to add it.
    ToBeAdded,
    /// A call to restart it.
    ByCall,
}

/// An event that a call waits for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Await {
    Ready,
    Gone,
    Reloaded,
}

/// The end of a process.
#[derive(Clone, Debug, PartialEq)]
pub enum Exit {
    /// Its future was ready with `Ok`.
    Normal,
    /// It had nothing to run.
    Ignored,
    /// It has failed, or was lost.
    Failed,
    /// It has failed, and its restart condition says that no restart helps (B6).
    Final,
    /// It was aborted.
    Aborted,
    /// It is a supervisor that has ended, and reported what did not stop well below it.
    Ended {
        /// It was killed.
        is_killed: bool,
        /// The processes that did not stop well, and how.
        below: Vec<Bad>,
    },
}

/// The state of a child as users see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChildState {
    /// Its set-up runs, or it was not started yet.
    Starting,
    /// It is ready.
    Running,
    /// It has no process, and its turn to start has not come.
    Restarting,
    /// It is being stopped.
    Stopping,
    /// It has no process.
    Stopped,
}

impl Child {
    pub(crate) fn new(id: Id, spec: Spec, wanted: Wanted) -> Self {
        Self {
            id,
            spec,
            state: State::PendingStart,
            cut: Cut::AtItsLimit,
            wanted,
            has_started: false,
            has_been_ready: false,
            is_left_out: false,
            is_reloaded: false,
            failures: 0,
            has_acknowledged: false,
            waiting: Vec::new(),
            look: None,
        }
    }

    pub(crate) fn is_live(&self) -> bool {
        matches!(self.state, State::Starting { .. } | State::Running { .. } | State::Stopping { .. })
    }

    pub(crate) fn is_stopping(&self) -> bool {
        matches!(self.state, State::Stopping { .. })
    }

    pub(crate) fn is_stuck(&self) -> bool {
        matches!(self.state, State::Stopping { how: How::Stuck, .. })
    }

    pub(crate) fn is_only_asked(&self) -> bool {
        matches!(self.state, State::Stopping { how: How::Asked { .. }, .. })
    }

    /// Returns whether a call has asked for its start.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted != Wanted::BySupervisor
    }

    /// Returns whether its process belongs to an earlier run, and is waited for.
    pub(crate) fn is_left_behind(&self) -> bool {
        self.is_live() && !self.has_started
    }

    pub(crate) fn is_temporary(&self) -> bool {
        self.spec.restart == Restart::Temporary
    }

    pub(crate) fn is_supervisor(&self) -> bool {
        self.spec.kind == Kind::Supervisor
    }

    /// Returns whether the next one in order has to wait for it: it is starting, or it was and is being stopped for
    /// that, or was reloaded before it was ready.
    pub(crate) fn is_coming(&self) -> bool {
        let is_reloaded = matches!(self.state, State::PendingStart | State::Stopping { then: Then::Again, .. });
        matches!(self.state, State::Starting { .. } | State::Stopping { then: Then::FailStart, .. })
            || is_reloaded && !self.has_been_ready
    }

    /// Returns when something has to be done about it.
    pub(crate) fn deadline(&self) -> Option<Time> {
        match self.state {
            State::Delayed { until } => Some(until),
            State::Starting { since } => since.checked_add(self.spec.start_timeout?),
            State::Running { .. } => self.look.filter(|look| !look.has_begun).map(|look| look.due),
            State::Stopping { how: How::Asked { at, answer_by }, .. } => {
                [self.spec.stop_by(at), answer_by].into_iter().flatten().min()
            }
            State::Stopping { how: How::Aborted { yield_by }, .. } => yield_by,
            State::Stopping { how: How::Stuck, .. } | State::Stopped | State::PendingStart => None,
        }
    }

    pub(crate) fn public_state(&self) -> ChildState {
        match self.state {
            State::Stopped => ChildState::Stopped,
            State::PendingStart if !self.has_started => ChildState::Starting,
            State::PendingStart | State::Delayed { .. } => ChildState::Restarting,
            State::Starting { .. } => ChildState::Starting,
            State::Running { .. } => ChildState::Running,
            State::Stopping { then: Then::Succeed, .. } => ChildState::Restarting,
            State::Stopping { .. } => ChildState::Stopping,
        }
    }

    /// Takes out the calls that wait for this.
    pub(crate) fn take_waiting(&mut self, what: Await) -> Vec<Call> {
        let (these, others): (Vec<_>, _) = self.waiting.iter().partition(|(other, _)| *other == what);
        self.waiting = others;
        these.into_iter().map(|(_, caller)| caller.call).collect()
    }
}

impl Exit {
    /// Returns whether a transient child that ended like this stays stopped (R9).
    pub(crate) fn is_normal(&self) -> bool {
        matches!(self, Self::Normal | Self::Ignored | Self::Ended { is_killed: false, .. })
    }

    pub(crate) fn has_abandoned_any(&self) -> bool {
        matches!(self, Self::Ended { below, .. } if below.contains(&Bad::Abandoned))
    }
}
