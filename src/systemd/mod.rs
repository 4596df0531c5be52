//! Tells systemd how a tree is doing: when it is ready, what it waits for, that it is alive, that it stops.
//!
//! A [`Systemd`] is a child of the tree like any other. Add it to the root, first:
//!
//! ```no_run
//! use supervision::{BoxError, Supervisor, systemd::Systemd, worker};
//!
//! # #[cfg(feature = "tokio")]
//! #[tokio::main]
//! async fn main() -> Result<(), BoxError> {
//!     let mut root = Supervisor::new("root")?;
//!     root.add_worker(Systemd::from_env()?);
//!     root.add_worker(worker("listener", |shutdown| shutdown));
//!     supervision::run(root).until_signal().exit().await
//! }
//! # #[cfg(not(feature = "tokio"))]
//! # fn main() {}
//! ```
//!
//! | systemd gets | when |
//! |---|---|
//! | `READY=1` | everything in the tree that [counts](crate::ChildSpec::with_readiness) is ready, for the first time |
//! | `STATUS=` | the tree is ready, or what it waits for has changed: one line, at most once in a second |
//! | `STOPPING=1` | the root begins to stop |
//! | `WATCHDOG=1` | twice in `WATCHDOG_USEC`, if the root has answered a message within a quarter of that |
//! | `EXTEND_TIMEOUT_USEC=` | a start, or a drain, lasts longer than a second, and goes on or has a limit |
//! | `RELOADING=1`, `READY=1` | a reload begins, and ends: see [`Systemd::reloading`] |
//!
//! **First, because children stop in reverse order.** The first child stops last, so it tells of the drain until the drain is
//! over. It needs no other child, and no other child needs it.
//!
//! **Each incarnation has a thread of its own**, as a [`local_worker`] has. A child that blocks a thread of the executor can
//! delay the timers of all others there, and a late heartbeat would end a healthy service. The heartbeat still depends on the
//! root, which has to answer on its own executor. Where a [`local_worker`] cannot start, this child cannot, either.
//!
//! **Outside of systemd** (no `NOTIFY_SOCKET` in the environment) the child is there and idle, without a thread. So it is on
//! a system without Unix sockets. Nothing changes the environment; a process that this one starts inherits it.
//!
//! The page `systemd` of the guide has a unit file, and the reasons.

#[cfg(unix)]
mod child;
#[cfg(not(unix))]
mod elsewhere;
#[cfg(unix)]
mod environment;
#[cfg(unix)]
mod notifier;
#[cfg(unix)]
mod status;
#[cfg(unix)]
mod socket;

use std::{env, ffi::OsString, sync::Arc, time::Duration};

use supervisor_core::{ChildSpec, SupervisorError, local_worker, worker};

#[cfg(not(unix))]
use self::elsewhere::{Notifier, read, run};
#[cfg(unix)]
use self::{child::run, environment::read, notifier::Notifier};

/// The name of the child.
const NAME: &str = "systemd";

/// A child that tells systemd how its tree is doing. See the [module](self).
///
/// Clones tell the same systemd: give one to the worker that reloads.
#[derive(Clone, Debug)]
pub struct Systemd {
    /// `None` outside of systemd.
    notifier: Option<Arc<Notifier>>,
    /// The time within which systemd wants a heartbeat.
    watchdog: Option<Duration>,
}

impl Systemd {
    /// Reads `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` from the environment of the program.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::Executor`] if a variable has no meaning: a socket that is neither a path nor an abstract name, or a
    /// time or process that is no number. A service that went on would be killed by a watchdog that it does not know of, or
    /// would never become ready. If `NOTIFY_SOCKET` is not set, no other variable is read. If `WATCHDOG_PID` is another
    /// process, `WATCHDOG_USEC` is not for this one.
    pub fn from_env() -> Result<Self, SupervisorError> {
        Self::from_vars(|name| env::var_os(name))
    }

    /// Reads the same variables from a function, for tests: those of the environment cannot be changed without risk while a
    /// program has threads.
    ///
    /// # Errors
    ///
    /// The errors of [`from_env`](Self::from_env).
    pub fn from_vars(vars: impl Fn(&str) -> Option<OsString>) -> Result<Self, SupervisorError> {
        let (notifier, watchdog) = read(&vars).map_err(SupervisorError::executor)?;
        Ok(Self { notifier: notifier.map(Arc::new), watchdog })
    }

    /// Tells systemd that a reload begins, and, when the returned value is dropped, that it is over.
    ///
    /// For a unit of the type `notify-reload`: `systemctl reload` waits for the end. Call it where SIGHUP, or another request
    /// for a reload, is received, before anything is reloaded. Of several reloads at once, systemd is told the first begin and
    /// the last end. Before the tree is ready, and when it stops, systemd is told nothing, also not the end of a reload that
    /// began before.
    ///
    /// ```
    /// use supervision::{ChildId, SupervisorError, SupervisorHandle, systemd::Systemd};
    ///
    /// async fn at_sighup(systemd: &Systemd, root: &SupervisorHandle, listener: ChildId) -> Result<(), SupervisorError> {
    ///     let _reloading = systemd.reloading();
    ///     root.reload_child(listener).await
    /// }
    /// ```
    pub fn reloading(&self) -> Reloading {
        if let Some(notifier) = &self.notifier {
            notifier.begin_reload();
        }
        Reloading(self.notifier.clone())
    }
}

/// A reload of which systemd knows. It is over when this is dropped.
#[must_use = "dropping it tells systemd that the reload is over"]
#[derive(Debug)]
pub struct Reloading(Option<Arc<Notifier>>);

impl Drop for Reloading {
    fn drop(&mut self) {
        if let Some(notifier) = &self.0 {
            notifier.end_reload();
        }
    }
}

impl From<Systemd> for ChildSpec {
    fn from(Systemd { notifier, watchdog }: Systemd) -> Self {
        match notifier {
            // A timer of the executor may be late by as long as one of its threads is blocked. A thread of its own never is.
            Some(notifier) => {
                local_worker(NAME, move |shutdown| run(notifier.clone(), watchdog, shutdown)).with_explicit_ready()
            }
            None => worker(NAME, |shutdown| shutdown),
        }
    }
}
