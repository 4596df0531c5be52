use std::{fmt, sync::Arc, time::Duration};

use super::{AutoShutdown, Backoff, ChildKind, RestartMode, RestartStrategy, RestartType};
use crate::{
    error::{ErrorHandling, InvalidSpec},
    incarnation::Meter,
    placement::{Placed, Placement},
    shutdown::{ShutdownOrder, ShutdownStrategy},
    text::Time,
    trace::Origin,
};

/// The settings of a child: everything that its supervisor has to know about it, apart from how to start it.
#[derive(Clone, Debug)]
pub(crate) struct ChildSettings {
    pub(crate) kind: ChildKind,
    /// The restart type, if the specification sets one.
    pub(crate) restart: Option<RestartType>,
    pub(crate) significant: bool,
    /// Whether the child has no set-up: then it is ready as soon as it is spawned.
    pub(crate) ready_at_once: bool,
    /// Whether the child can be started only once.
    pub(crate) runs_once: bool,
    /// Whether its future is not `Send`, so that each of its processes has a thread of its own.
    pub(crate) is_local: bool,
    stop: Stop,
    /// The settings that few children have.
    pub(crate) rare: Option<Box<RareSettings>>,
}

/// The way in which the child is stopped; the common ones take no space.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Stop {
    Default,
    Brutal,
    Unlimited,
    Rare,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct RareSettings {
    shutdown: ShutdownStrategy,
    pub(crate) start_timeout: Option<Duration>,
    pub(crate) backoff: Option<Backoff>,
    /// The time within which each heartbeat has to come; `None` without a watchdog.
    pub(crate) watchdog: Option<Duration>,
    /// Whether the child itself reports when it is ready.
    pub(crate) explicit_ready: bool,
    /// The executor of its process.
    pub(crate) placement: Placed,
    /// Whether its scope stops before it is asked itself.
    pub(crate) children_first: bool,
    /// Whether the readiness of its supervisor disregards it.
    is_disregarded: bool,
    /// The span that its processes follow from.
    pub(crate) origin: Option<Origin>,
    /// The settings for the errors of its processes.
    pub(crate) errors: ErrorHandling,
    /// The numbers of its processes, if they are counted.
    pub(crate) meter: Option<Arc<Meter>>,
}

impl ChildSettings {
    pub(crate) fn worker(shutdown: ShutdownStrategy) -> Self {
        let mut settings = Self {
            kind: ChildKind::Worker,
            restart: None,
            significant: false,
            ready_at_once: false,
            runs_once: false,
            is_local: false,
            stop: Stop::Default,
            rare: None,
        };
        settings.set_shutdown(shutdown);
        settings
    }

    /// The settings of a worker with a single future, which is ready as soon as it is spawned.
    pub(crate) fn one_shot() -> Self {
        // R9, R78: there is nothing to run a second time.
        let restart = Some(RestartType::Temporary);
        Self { restart, ready_at_once: true, runs_once: true, ..Self::worker(ShutdownStrategy::default()) }
    }

    pub(crate) fn shutdown(&self) -> ShutdownStrategy {
        match self.stop {
            Stop::Default => ShutdownStrategy::default(),
            Stop::Brutal => ShutdownStrategy::Brutal,
            Stop::Unlimited => ShutdownStrategy::UNLIMITED,
            Stop::Rare => self.rare.as_ref().map(|rare| rare.shutdown).unwrap_or_default(),
        }
    }

    pub(crate) fn set_shutdown(&mut self, shutdown: ShutdownStrategy) {
        self.stop = match shutdown {
            ShutdownStrategy::Brutal => Stop::Brutal,
            ShutdownStrategy::UNLIMITED => Stop::Unlimited,
            shutdown if shutdown == ShutdownStrategy::default() => Stop::Default,
            shutdown => {
                self.rare_mut().shutdown = shutdown;
                Stop::Rare
            }
        };
    }

    pub(crate) fn restart(&self) -> RestartType {
        // R8: permanent.
        self.restart.unwrap_or_default()
    }

    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.rare.as_ref()?.watchdog
    }

    pub(crate) fn explicit_ready(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.explicit_ready)
    }

    pub(crate) fn children_first(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.children_first)
    }

    pub(crate) fn set_children_first(&mut self, children_first: bool) {
        // The default takes no allocation.
        if children_first != self.children_first() {
            self.rare_mut().children_first = children_first;
        }
    }

    /// Returns whether it counts for the readiness of its supervisor.
    pub(crate) fn counts_for_readiness(&self) -> bool {
        self.rare.as_ref().is_none_or(|rare| !rare.is_disregarded)
    }

    pub(crate) fn set_readiness(&mut self, counts: bool) {
        // The default takes no allocation.
        if counts != self.counts_for_readiness() {
            self.rare_mut().is_disregarded = !counts;
        }
    }

    /// Returns whether it is ready as soon as its process exists.
    pub(crate) fn is_ready_when_there(&self) -> bool {
        self.ready_at_once && !self.explicit_ready()
    }

    /// Returns whether it is ready as soon as it is spawned. An executor that is made for it may fail to be made.
    pub(crate) fn is_ready_at_once(&self) -> bool {
        self.is_ready_when_there() && !self.is_local && !matches!(self.placement(), Placement::Fresh(_))
    }

    pub(crate) fn rare_mut(&mut self) -> &mut RareSettings {
        self.rare.get_or_insert_default()
    }

    pub(crate) fn start_timeout(&self) -> Option<Duration> {
        self.rare.as_ref()?.start_timeout
    }

    pub(crate) fn backoff(&self) -> Option<Backoff> {
        self.rare.as_ref()?.backoff
    }

    pub(crate) fn placement(&self) -> &Placement {
        self.rare.as_ref().map_or(&Placement::Inherit, |rare| &rare.placement)
    }

    /// Returns whether it has settings for the errors that its processes return.
    pub(crate) fn handles_errors(&self) -> bool {
        self.rare.as_ref().is_some_and(|rare| rare.errors.keeps || rare.errors.restart_if.is_some())
    }

    pub(crate) fn origin(&self) -> Option<&Origin> {
        self.rare.as_ref()?.origin.as_ref()
    }

    pub(crate) fn meter(&self) -> Option<&Arc<Meter>> {
        self.rare.as_ref()?.meter.as_ref()
    }

    /// Counts what its processes take.
    pub(crate) fn count(&mut self) {
        self.rare_mut().meter.get_or_insert_default();
    }

    pub(crate) fn supervisor() -> Self {
        // R8, R42: the children below it have limits of their own, and these add up.
        Self { kind: ChildKind::Supervisor, ..Self::worker(ShutdownStrategy::UNLIMITED) }
    }
}

/// The settings of a supervisor.
#[derive(Clone)]
pub(crate) struct SupervisorSettings {
    pub(crate) strategy: RestartStrategy,
    pub(crate) auto_shutdown: AutoShutdown,
    pub(crate) shutdown_order: ShutdownOrder,
    /// How long an aborted process may take to yield.
    pub(crate) abort_grace: Duration,
    pub(crate) unique_names: bool,
    /// Whether children come and go: a child that has ended and is not restarted is not kept.
    pub(crate) dynamic: bool,
    /// Whether it is the scope of a worker: a dynamic supervisor that gives a child up alone, and ends its owner for a
    /// significant one.
    pub(crate) is_scope: bool,
    pub(crate) max_children: Option<usize>,
    /// How long its whole stop may take; `None` without a limit.
    pub(crate) shutdown_budget: Option<Duration>,
    /// The executor of its children.
    pub(crate) placement: Placed,
    /// The backoff of children that have none of their own; `None` restarts them at once.
    pub(crate) backoff: Option<Backoff>,
    /// Whether the processes below it are counted.
    pub(crate) accounting: bool,
}

impl SupervisorSettings {
    /// How many supervisors there may be from the root of a tree down to the lowest one, both counted.
    pub(crate) const MAX_DEPTH: usize = 1000;

    /// The shortest grace: a timer of an executor is no finer than this, and an aborted process needs a poll to end.
    pub(super) const SHORTEST_GRACE: Duration = Duration::from_millis(1);

    /// Returns how long a child has to run until its next failure is the first of a new series (B1). Without a backoff only
    /// the numbers in events and snapshots depend on it.
    pub(crate) fn reset_after(&self, child: &ChildSettings) -> Duration {
        let backoff = child.backoff().or(self.backoff);
        backoff.map_or(self.strategy.period(), |backoff| backoff.reset_after())
    }

    /// Returns after what time, at most, the restarts of a child end before its backoff reaches its longest wait, and
    /// that wait.
    pub(crate) fn cuts_short(&self, child: &ChildSettings) -> Option<(Duration, Duration)> {
        let backoff = child.backoff().or(self.backoff)?;
        Some((backoff.cut_short_by(&self.strategy)?, backoff.longest()))
    }

    /// Returns why a supervisor with these settings and so many static children cannot work.
    pub(crate) fn what_is_wrong(&self, children: usize) -> Option<InvalidSpec> {
        // D4: in a period of zero, no two restarts would ever count together.
        if self.strategy.period().is_zero() {
            Some(InvalidSpec::PeriodZero)
        } else if self.backoff.is_some_and(|backoff| !backoff.is_valid()) {
            Some(InvalidSpec::BackoffFactor)
        } else if self.abort_grace < Self::SHORTEST_GRACE {
            Some(InvalidSpec::AbortGraceTooShort)
        } else if self.max_children.is_some_and(|max| children > max) {
            // A8: the static children count.
            Some(InvalidSpec::TooManyChildren)
        } else if !self.dynamic {
            None
        } else if children > 0 {
            // R7: a dynamic supervisor starts empty.
            Some(InvalidSpec::DynamicWithChildren)
        } else if self.strategy.mode() != RestartMode::OneForOne {
            // R71: its children restart one by one.
            Some(InvalidSpec::DynamicStrategy)
        } else if self.shutdown_order != ShutdownOrder::Concurrent {
            // R46: it asks all at once.
            Some(InvalidSpec::DynamicShutdownOrder)
        } else if self.auto_shutdown != AutoShutdown::Never {
            // R48, D7: it keeps no child that has ended, so no child could be the last one.
            Some(InvalidSpec::DynamicAutoShutdown)
        } else if self.is_scope && matches!(*self.placement, Placement::Fresh(_)) {
            // S1: its handle works at once, so its executor has to be there.
            Some(InvalidSpec::ScopePlacement)
        } else {
            None
        }
    }
}

impl fmt::Debug for SupervisorSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisorSettings")
            .field("strategy", &self.strategy)
            .field("auto_shutdown", &self.auto_shutdown)
            .field("shutdown_order", &self.shutdown_order)
            .field("abort_grace", &Time(self.abort_grace))
            .field("unique_names", &self.unique_names)
            .field("dynamic", &self.dynamic)
            .field("max_children", &self.max_children)
            .field("shutdown_budget", &self.shutdown_budget)
            .field("placement", &self.placement)
            .field("backoff", &self.backoff)
            .field("accounting", &self.accounting)
            .finish()
    }
}

impl Default for SupervisorSettings {
    fn default() -> Self {
        Self {
            strategy: RestartStrategy::default(),
            auto_shutdown: AutoShutdown::default(),
            shutdown_order: ShutdownOrder::default(),
            abort_grace: Duration::from_secs(5),
            unique_names: false,
            dynamic: false,
            is_scope: false,
            max_children: None,
            shutdown_budget: None,
            placement: Placed::default(),
            backoff: None,
            accounting: false,
        }
    }
}
