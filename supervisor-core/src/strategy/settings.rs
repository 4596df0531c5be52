use std::time::Duration;

use super::{AutoShutdown, Backoff, ChildKind, RestartStrategy, RestartType};
use crate::shutdown::{ShutdownOrder, ShutdownStrategy};

/// All that a supervisor has to know about a child, apart from how to start it.
#[derive(Clone, Debug)]
pub(crate) struct ChildSettings {
    pub(crate) kind: ChildKind,
    pub(crate) restart: RestartType,
    pub(crate) significant: bool,
    /// It has no set-up: it is ready as soon as it is spawned.
    pub(crate) ready_at_once: bool,
    /// It cannot be started twice.
    pub(crate) runs_once: bool,
    pub(crate) shutdown: ShutdownStrategy,
    /// What few children have.
    pub(crate) special: Option<Box<Special>>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Special {
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) backoff: Option<Backoff>,
}

impl ChildSettings {
    pub(crate) fn worker(shutdown: ShutdownStrategy) -> Self {
        Self {
            kind: ChildKind::Worker,
            restart: RestartType::default(),
            significant: false,
            ready_at_once: false,
            runs_once: false,
            shutdown,
            special: None,
        }
    }

    pub(crate) fn special_mut(&mut self) -> &mut Special {
        self.special.get_or_insert_default()
    }

    pub(crate) fn start_timeout(&self) -> Option<Duration> {
        self.special.as_ref()?.start_timeout
    }

    pub(crate) fn backoff(&self) -> Option<Backoff> {
        self.special.as_ref()?.backoff
    }

    pub(crate) fn supervisor() -> Self {
        Self { kind: ChildKind::Supervisor, ..Self::worker(ShutdownStrategy::UNLIMITED) }
    }
}

/// What a supervisor is set to do.
#[derive(Clone, Debug)]
pub(crate) struct SupervisorSettings {
    pub(crate) strategy: RestartStrategy,
    pub(crate) auto_shutdown: AutoShutdown,
    pub(crate) shutdown_order: ShutdownOrder,
    /// For how long an aborted process may take to let go.
    pub(crate) abort_grace: Duration,
    pub(crate) unique_names: bool,
    /// For children without one of their own.
    pub(crate) backoff: Option<Backoff>,
}

impl Default for SupervisorSettings {
    fn default() -> Self {
        Self {
            strategy: RestartStrategy::default(),
            auto_shutdown: AutoShutdown::default(),
            shutdown_order: ShutdownOrder::default(),
            abort_grace: Duration::from_secs(5),
            unique_names: false,
            backoff: None,
        }
    }
}
