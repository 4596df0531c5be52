use std::time::Duration;

use crate::Time;

/// The settings of a supervisor. The default is that of the rules (R8).
#[derive(Clone, Debug)]
pub struct Settings {
    /// The children that a failure affects.
    pub strategy: Strategy,
    /// How many restarts are within the limit.
    pub intensity: usize,
    /// For how long a restart counts.
    pub period: Duration,
    /// Whether it ends with its significant children.
    pub auto_shutdown: AutoShutdown,
    /// All children are asked to stop at once (D8, R46).
    pub is_concurrent: bool,
    /// A supervisor without static children (R69 to R76).
    pub is_dynamic: bool,
    /// No two children have the same name (D2).
    pub has_unique_names: bool,
    /// How many children there may be (A8).
    pub max_children: Option<usize>,
    /// How long its whole stop may take (A4); `None` without a limit.
    pub budget: Option<Duration>,
    /// How long it waits for a process that it has aborted (D3).
    pub grace: Duration,
    /// The backoff of children that have none of their own (B1).
    pub backoff: Option<Backoff>,
}

/// The specification of a child.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its name.
    pub name: String,
    /// What it runs.
    pub kind: Kind,
    /// When it is restarted.
    pub restart: Restart,
    /// Whether there is nothing to run a second time. Only of temporary workers.
    pub runs_once: bool,
    /// Whether its end may be that of its supervisor.
    pub is_significant: bool,
    /// How it is stopped.
    pub shutdown: Shutdown,
    /// Whether it is ready as soon as it is started.
    pub is_ready_at_once: bool,
    /// The time within which it has to be ready (A2); `None` without a limit.
    pub start_timeout: Option<Duration>,
    /// The backoff of its restarts (B1); `None` takes the supervisor's.
    pub backoff: Option<Backoff>,
    /// The time within which each heartbeat has to come (B2); `None` without a watchdog.
    pub watchdog: Option<Duration>,
}

/// The children that a failure affects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// The child alone (R14).
    OneForOne,
    /// All children (R15).
    OneForAll,
    /// The child and those behind it (R16).
    RestForOne,
}

/// The rule for whether a supervisor ends with its significant children.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoShutdown {
    /// It does not.
    Never,
    /// When one has ended (R49).
    Any,
    /// When the last one has ended (R50).
    All,
}

/// The rule for when a child is restarted (R9).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// When it has failed.
    Transient,
    /// Never.
    Temporary,
}

/// The code that a child runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Code of the user.
    Worker,
    /// More children.
    Supervisor,
}

/// The way in which a child is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shutdown {
    /// It is aborted without being asked (R40).
    Brutal,
    /// It is asked, and aborted after this time (R41).
    Graceful(Duration),
    /// It is asked, and waited for without limit (R42).
    Unlimited,
}

/// The wait before restarts (B1), without the jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The first wait.
    pub initial: Duration,
    /// The longest wait.
    pub max: Duration,
    /// The factor by which each wait is longer than the one before.
    pub factor: u32,
    /// The running time after which a child begins again with the first wait.
    pub reset_after: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            strategy: Strategy::OneForOne,
            intensity: 1,
            period: Duration::from_secs(5),
            auto_shutdown: AutoShutdown::Never,
            is_concurrent: false,
            is_dynamic: false,
            has_unique_names: false,
            max_children: None,
            budget: None,
            grace: Duration::from_secs(5),
            backoff: None,
        }
    }
}

impl Spec {
    /// Returns until when it may take its time, if it was asked to stop then.
    pub(crate) fn stop_by(&self, asked: Time) -> Option<Time> {
        match self.shutdown {
            Shutdown::Graceful(time) => Some(asked + time),
            Shutdown::Brutal | Shutdown::Unlimited => None,
        }
    }
}

impl Backoff {
    /// Returns the wait after this many failures in a row before the current one.
    pub(crate) fn wait(&self, failures: u32) -> Duration {
        (0..failures).fold(self.initial, |wait, _| wait.saturating_mul(self.factor).min(self.max)).min(self.max)
    }
}
