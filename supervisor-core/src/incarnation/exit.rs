use std::{fmt, sync::Arc, time::Duration};

use crate::error::{Failure, GaveUp, StartFailure, UncleanProcess, UncleanStop};

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Exit {
    /// Its future returned `()` or `Ok`.
    Normal,
    /// Its `initialize` found nothing to run: [`ignore`](crate::InitializationError::ignore).
    Ignored,
    /// Its future, or its `initialize`, returned an error.
    Failed(Failure),
    /// It panicked, in its future or in a destructor.
    Panicked(Failure),
    /// It was aborted.
    Aborted,
    /// It was aborted because it had given no sign of life: see [`with_watchdog`](crate::ChildSpec::with_watchdog).
    Unresponsive {
        /// Within what time it has to give one.
        #[cfg_attr(feature = "serde", serde(rename = "within_seconds", with = "crate::format::seconds"))]
        within: Duration,
    },
    /// Its executor dropped it before it had ended, or refused to run it.
    Lost,
    /// It is a supervisor, and stopped in order, whatever the reason was.
    Shutdown(Arc<Termination>),
}

/// Why a supervisor stopped, and what did not stop well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Termination {
    /// Why it stopped.
    pub reason: StopReason,
    /// The processes below it that did not stop well.
    pub unclean: Vec<UncleanProcess>,
}

/// Why a supervisor stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum StopReason {
    /// It was asked to.
    Requested,
    /// It was killed: it aborted everything below it.
    Killed,
    /// It ran out of restarts.
    GaveUp(GaveUp),
    /// A significant child ended.
    AutoShutdown {
        /// The supervisor's own dotted name.
        path: String,
        /// Dotted name of the child.
        child: String,
        /// How the child ended.
        exit: Exit,
    },
    /// A child failed to start before the supervisor was ready.
    FailedToStart {
        /// Dotted name of the child, at whatever depth.
        path: String,
        /// How it failed.
        cause: StartFailure,
    },
}

impl Exit {
    /// Whether a transient child that ends like this is left alone: the exits that OTP calls `normal` and `shutdown`.
    pub fn is_normal(&self) -> bool {
        match self {
            // R9, R21: what had nothing to run has not failed.
            Self::Normal | Self::Ignored => true,
            // R13, R35: a supervisor that gave up, or shut itself down, has ended by itself, and the one above treats
            // all of these alike (D5). R12: one that was killed has failed.
            Self::Shutdown(termination) => !matches!(termination.reason, StopReason::Killed),
            // R12: an abort from outside is a failure, as an error is.
            Self::Failed(_) | Self::Panicked(_) | Self::Aborted | Self::Unresponsive { .. } | Self::Lost => false,
        }
    }
}

impl Exit {
    /// Whether this is a success: it ended normally, or it is a supervisor that stopped because it was asked to, or because
    /// its own significant work was done.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Normal => true,
            Self::Shutdown(termination) => match &termination.reason {
                StopReason::Requested => true,
                // D6: it is done if what made it stop is done. A supervisor may have stopped for one below it, at any
                // depth.
                StopReason::AutoShutdown { exit, .. } => exit.is_success(),
                _ => false,
            },
            _ => false,
        }
    }

    /// Whether a supervisor that ended like this may have left something behind.
    pub(crate) fn may_have_left_any(&self) -> bool {
        matches!(self, Self::Lost | Self::Panicked(_)) || self.abandoned_any()
    }

    /// Whether it is a supervisor that has left something behind which does not yield.
    pub(crate) fn abandoned_any(&self) -> bool {
        let is_abandoned = |unclean: &UncleanProcess| {
            matches!(unclean.stop, UncleanStop::Abandoned | UncleanStop::AbandonedWithSubtree)
        };
        matches!(self, Self::Shutdown(termination) if termination.unclean.iter().any(is_abandoned))
    }

    /// The history of failures, where a supervisor gave up: this one, or the significant one that made it stop.
    pub fn gave_up(&self) -> Option<&GaveUp> {
        match self {
            Self::Shutdown(termination) => match &termination.reason {
                StopReason::GaveUp(gave_up) => Some(gave_up),
                StopReason::AutoShutdown { exit, .. } => exit.gave_up(),
                _ => None,
            },
            _ => None,
        }
    }
}

impl StartFailure {
    /// How a process that was not ready yet failed to become so.
    pub(crate) fn from_exit(exit: Exit) -> Self {
        match exit {
            // R4: whatever way it did not become ready, it is a failed start.
            Exit::Failed(failure) => Self::Failed(failure),
            Exit::Panicked(failure) => Self::Panicked(failure),
            Exit::Lost => Self::Lost,
            // A2: one that has to say that it is ready, and ends before, has failed to start, even if it ends well.
            Exit::Normal => Self::Ended,
            Exit::Aborted | Exit::Unresponsive { .. } | Exit::Ignored => Self::Aborted,
            Exit::Shutdown(termination) => match &termination.reason {
                // N3: a supervisor that gives up before it is ready has failed to start, and its history is the cause.
                StopReason::GaveUp(gave_up) => Self::GaveUp(gave_up.clone()),
                // R3, R38: the failed start of a child is that of its supervisor. It keeps the path of the child, at
                // whatever depth (A1).
                StopReason::FailedToStart { path, cause } => {
                    Self::Below { path: path.clone(), cause: Box::new(cause.clone()) }
                }
                // D5: it was told to stop, or stopped itself, before it was ready. That is not the same as to fail,
                // and errors say so.
                StopReason::Requested | StopReason::AutoShutdown { .. } => Self::ShutDown,
                StopReason::Killed => Self::Aborted,
            },
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Normal => f.write_str("ended normally"),
            Self::Ignored => f.write_str("had nothing to run"),
            Self::Failed(failure) => write!(f, "failed: {failure:#}"),
            Self::Panicked(failure) => write!(f, "panicked: {failure:#}"),
            Self::Aborted => f.write_str("was aborted"),
            Self::Unresponsive { within } => write!(f, "was aborted: it gave no sign of life for {within:?}"),
            Self::Lost => f.write_str("was dropped by its executor"),
            Self::Shutdown(termination) => termination.reason.fmt(f),
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Requested => f.write_str("shut down as asked"),
            Self::Killed => f.write_str("was killed"),
            Self::GaveUp(gave_up) => write!(f, "stopped: {gave_up}"),
            Self::AutoShutdown { child, exit, .. } => {
                write!(f, "shut down because its significant child `{child}` {exit}")
            }
            Self::FailedToStart { path, cause } => write!(f, "stopped: `{path}` failed to start: {cause}"),
        }
    }
}
