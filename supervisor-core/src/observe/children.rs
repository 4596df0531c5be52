use std::time::Duration;

use crate::{
    incarnation::{ChildId, ProcessId},
    placement::Placement,
    shutdown::ShutdownStrategy,
    strategy::{Backoff, ChildKind, ChildSettings, RestartType},
};

/// A child of a running supervisor, at the moment of the call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChildInfo {
    /// The id that calls take.
    #[cfg_attr(feature = "serde", serde(rename = "child_id"))]
    pub id: ChildId,
    /// Its own segment of its dotted name.
    pub name: String,
    /// Its process. `None` if it has none now.
    #[cfg_attr(feature = "serde", serde(rename = "process_id"))]
    pub process: Option<ProcessId>,
    /// What it is doing.
    pub state: ChildState,
    /// Whether it is a worker or a supervisor.
    pub kind: ChildKind,
}

/// The state of a child.
#[expect(
    clippy::exhaustive_enums,
    reason = "the columns of the table of calls: another one would change what calls answer"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum ChildState {
    /// The child's `initialize` is running, or the child waits for its turn while its supervisor starts.
    Starting,
    /// The child is running, and its own set-up is done.
    Running,
    /// The child is waiting to restart, for its backoff or for its turn. It has no process yet.
    Restarting,
    /// The child was asked to stop, or was aborted, and has not ended yet.
    Stopping,
    /// The child has no process, and its supervisor will not start one by itself.
    Stopped,
}

/// The numbers of a supervisor's children.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChildCounts {
    /// All children, whatever their state.
    pub specs: usize,
    /// Children that are running. A child that is stopping still has a process, but does not count here.
    pub active: usize,
    /// Children that are supervisors, whatever their state.
    pub supervisors: usize,
    /// Children that are workers, whatever their state.
    pub workers: usize,
}

/// The settings of a child: how it is started, restarted and stopped, with all defaults filled in.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChildSpecInfo {
    /// Its own segment of its dotted name.
    pub name: String,
    /// Whether it is a worker or a supervisor.
    pub kind: ChildKind,
    /// After which ends it is restarted.
    pub restart: RestartType,
    /// How it is stopped.
    pub shutdown: ShutdownStrategy,
    /// Whether its end can make its supervisor shut down, or, in a scope, end its owner.
    pub significant: bool,
    /// How long it may take to become ready. `None` is without limit.
    #[cfg_attr(feature = "serde", serde(rename = "start_timeout_seconds", with = "crate::format::seconds_or_none"))]
    pub start_timeout: Option<Duration>,
    /// How long its restarts wait. `None` means that the backoff of its supervisor applies.
    pub backoff: Option<Backoff>,
    /// The time within which each heartbeat is due. `None` means that it has no watchdog.
    #[cfg_attr(feature = "serde", serde(rename = "watchdog_seconds", with = "crate::format::seconds_or_none"))]
    pub watchdog: Option<Duration>,
    /// Whether it reports its readiness itself.
    pub explicit_ready: bool,
    /// Whether its scope stops before it is asked to stop itself.
    pub children_first: bool,
    /// Whether it counts for the readiness of its supervisor.
    pub readiness: bool,
    /// Where it runs.
    pub placement: PlacementKind,
}

/// The kind of [`Placement`] that a child, or the children of a supervisor, have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PlacementKind {
    /// On the executor of the supervisor above.
    #[default]
    Inherit,
    /// On a given executor.
    On,
    /// On a new executor for each start.
    Fresh,
    /// On a thread of its own for each start: a [`local_worker`](crate::local_worker).
    Local,
}

impl From<&Placement> for PlacementKind {
    fn from(placement: &Placement) -> Self {
        match placement {
            Placement::Inherit => Self::Inherit,
            Placement::On(_) => Self::On,
            Placement::Fresh(_) => Self::Fresh,
        }
    }
}

impl ChildSpecInfo {
    pub(crate) fn new(name: &str, settings: &ChildSettings) -> Self {
        Self {
            // R68: with the defaults of R8 filled in.
            name: name.to_owned(),
            kind: settings.kind,
            restart: settings.restart(),
            shutdown: settings.shutdown(),
            significant: settings.significant,
            start_timeout: settings.start_timeout(),
            backoff: settings.backoff(),
            watchdog: settings.watchdog(),
            explicit_ready: settings.explicit_ready(),
            children_first: settings.children_first(),
            readiness: settings.counts_for_readiness(),
            placement: if settings.is_local { PlacementKind::Local } else { settings.placement().into() },
        }
    }
}
