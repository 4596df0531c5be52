use std::time::Duration;

use crate::{
    incarnation::{ChildId, ProcessId},
    placement::Placement,
    shutdown::ShutdownStrategy,
    strategy::{Backoff, ChildKind, ChildSettings, RestartType},
};

/// A child of a running supervisor, at the moment of asking.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChildInfo {
    /// Names the child in calls.
    #[cfg_attr(feature = "serde", serde(rename = "child_id"))]
    pub id: ChildId,
    /// Its own segment of its dotted name.
    pub name: String,
    /// Its process, if it has one now.
    #[cfg_attr(feature = "serde", serde(rename = "process_id"))]
    pub process: Option<ProcessId>,
    /// What it is doing.
    pub state: ChildState,
    /// Whether it works or supervises.
    pub kind: ChildKind,
}

/// Where a child is in its life.
#[expect(
    clippy::exhaustive_enums,
    reason = "the columns of the table of calls: another one would change what calls answer"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum ChildState {
    /// Its `initialize` runs, or it waits for its turn in the first start of its supervisor.
    Starting,
    /// It runs, and is ready.
    Running,
    /// It is going to be started again, and has no process yet: it waits for its backoff, or for its turn.
    Restarting,
    /// It was asked to stop, or aborted, and is not gone yet.
    Stopping,
    /// It has no process, and is not going to get one by itself.
    Stopped,
}

/// How many children a supervisor has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChildCounts {
    /// All children, whatever their state.
    pub specs: usize,
    /// Those that are running. One that is stopping still has a process, and is not counted here.
    pub active: usize,
    /// Those that are supervisors, whatever their state.
    pub supervisors: usize,
    /// Those that are workers, whatever their state.
    pub workers: usize,
}

/// How a child is started, restarted and stopped, as its supervisor has it: with all defaults filled in.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChildSpecInfo {
    /// Its own segment of its dotted name.
    pub name: String,
    /// Whether it works or supervises.
    pub kind: ChildKind,
    /// When it is restarted.
    pub restart: RestartType,
    /// How it is stopped.
    pub shutdown: ShutdownStrategy,
    /// Whether its end can be the end of its supervisor.
    pub significant: bool,
    /// How long it may take to become ready; `None` is without limit.
    #[cfg_attr(feature = "serde", serde(rename = "start_timeout_seconds", with = "crate::format::seconds_or_none"))]
    pub start_timeout: Option<Duration>,
    /// How long its restarts wait; `None` is as its supervisor says.
    pub backoff: Option<Backoff>,
    /// The time within which it has to give a heartbeat; `None` is that it has no watchdog.
    #[cfg_attr(feature = "serde", serde(rename = "watchdog_seconds", with = "crate::format::seconds_or_none"))]
    pub watchdog: Option<Duration>,
    /// Whether it says itself when it is ready.
    pub explicit_ready: bool,
    /// Where it runs.
    pub placement: PlacementKind,
}

/// Where a child, or the children of a supervisor, run: which kind of [`Placement`] they have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum PlacementKind {
    /// On the executor of the supervisor above.
    #[default]
    Inherit,
    /// On a given executor.
    On,
    /// On an executor that is made anew for each start.
    Fresh,
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
            placement: settings.placement().into(),
        }
    }
}
