use std::time::Duration;

use super::{ChildSpecInfo, ChildState};
use crate::{
    process::{ChildId, ProcessId},
    shutdown::ShutdownOrder,
    strategy::{AutoShutdown, ChildKind, RestartMode, SupervisorSettings},
};

/// A supervisor at the moment of asking, with everything below it.
///
/// It comes from [`SupervisorHandle::snapshot`](crate::SupervisorHandle::snapshot). Displayed, it is a picture for terminals;
/// [`to_dot`](Self::to_dot) makes one for Graphviz, and with the feature `serde` it can be serialized. Times are durations back
/// from when the supervisor in question was asked, on its executor's clock.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// Dotted name.
    pub path: String,
    /// Names the child in calls; `None` for the supervisor that was asked.
    pub id: Option<ChildId>,
    /// The process, or the last one.
    pub process: Option<ProcessId>,
    /// Whether it works or supervises.
    pub kind: ChildKind,
    /// What it is doing.
    pub state: ChildState,
    /// Whether it is ready, with everything below it: nothing is on its way up, out or back. A child that has ended and is not
    /// going to be restarted is in nobody's way. What a probe of readiness asks for.
    pub ready: bool,
    /// For how long it is in its state, as far as that is known.
    pub since: Option<Duration>,
    /// How often it was started again by its supervisor, as that is now: a restart of a supervisor is one for it, and none for
    /// its children, which begin anew.
    pub restarts: u32,
    /// How its last process ended.
    pub last_exit: Option<LastExit>,
    /// How it is started, restarted and stopped; `None` for the supervisor that was asked.
    pub spec: Option<ChildSpecInfo>,
    /// What is to be said of a supervisor.
    pub supervisor: Option<SupervisorInfo>,
    /// The children of a supervisor, in start order.
    pub children: Vec<Snapshot>,
}

/// How a process ended.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LastExit {
    /// In words.
    pub how: String,
    /// How long ago; `None` where it just ended when it was stopped.
    pub ago: Option<Duration>,
}

/// How a supervisor is set up, and whether it answered.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct SupervisorInfo {
    /// Where its children are known from.
    pub source: Source,
    /// For how long it has left messages unread, if any wait: the ends of children, and calls. A supervisor reads them at once,
    /// so more than a moment means that it does not get to run: its executor is blocked, or not driven. What is said of its
    /// children is then what it last knew.
    pub unread_for: Option<Duration>,
    /// Which children are restarted when one fails.
    pub mode: RestartMode,
    /// How many restarts it may make
    pub intensity: usize,
    /// in this time.
    pub period: Duration,
    /// Whether it stops by itself when significant children have ended.
    pub auto_shutdown: AutoShutdown,
    /// In which order it stops its children.
    pub shutdown_order: ShutdownOrder,
    /// How long all of a stop may take.
    pub shutdown_budget: Option<Duration>,
    /// Whether its children come and go.
    pub dynamic: bool,
    /// How many children it may have.
    pub max_children: Option<usize>,
}

/// Where the children of a supervisor are known from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum Source {
    /// It runs.
    Running,
    /// It does not run. The children are as they were when it ended; none, if it has never run.
    Ended,
}

impl SupervisorInfo {
    pub(crate) fn new(source: Source, unread_for: Option<Duration>, settings: &SupervisorSettings) -> Self {
        Self {
            source,
            unread_for,
            mode: settings.strategy.mode(),
            intensity: settings.strategy.intensity(),
            period: settings.strategy.period(),
            auto_shutdown: settings.auto_shutdown,
            shutdown_order: settings.shutdown_order,
            shutdown_budget: settings.shutdown_budget,
            dynamic: settings.dynamic,
            max_children: settings.max_children,
        }
    }
}

impl Snapshot {
    /// Whether a process with this state is ready, with children that are ready or in nobody's way, or not.
    pub(crate) fn is_ready(state: ChildState, children: bool) -> bool {
        state == ChildState::Running && children
    }

    /// Whether it is ready, or is not going to run.
    pub(crate) fn is_out_of_the_way(&self) -> bool {
        self.ready || self.state == ChildState::Stopped
    }

    /// This process and all below it, in start order, each before those below it.
    pub fn iter(&self) -> impl Iterator<Item = &Self> {
        let mut to_come = vec![self];
        std::iter::from_fn(move || {
            let next = to_come.pop()?;
            to_come.extend(next.children.iter().rev());
            Some(next)
        })
    }

    /// The first process of this dotted name, here or below.
    pub fn find(&self, path: &str) -> Option<&Self> {
        self.iter().find(|node| node.path == path)
    }
}
