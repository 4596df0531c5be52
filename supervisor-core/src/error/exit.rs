use std::{fmt, sync::Arc, time::Duration};

use super::{
    Failure, GaveUp, StartFailure, UncleanProcess, UncleanStop,
    tell::{self, Tell},
};

/// How a process ended. Displayed, it is one line, with what user code said of it. Control characters in that are escaped.
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
    /// It was aborted because it missed its heartbeat: see [`with_watchdog`](crate::ChildSpec::with_watchdog).
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

/// Why a supervisor stopped. Displayed, it is one line, as an [`Exit`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum StopReason {
    /// It was asked to stop.
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
    /// Returns whether a transient child that ends like this stays stopped: the exits that OTP calls `normal` and `shutdown`.
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
    /// Returns whether this is a success: it ended normally, or it is a supervisor that stopped because it was asked to, or
    /// because its own significant work was done.
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

    /// Returns the history of failures where a supervisor gave up: this one, or the significant one that made it stop.
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

impl Exit {
    /// The significant child that made a supervisor stop, and how that one ended.
    fn significant_below(&self) -> Option<(&String, &Self)> {
        match self {
            Self::Shutdown(termination) => match &termination.reason {
                StopReason::AutoShutdown { child, exit, .. } => Some((child, exit)),
                _ => None,
            },
            _ => None,
        }
    }

    /// As a history keeps it: see [`RestartRecord::cause`](super::RestartRecord::cause).
    pub(super) fn for_history(&self) -> Self {
        let Self::Shutdown(termination) = self else { return self.clone() };
        let reason = match &termination.reason {
            StopReason::GaveUp(gave_up) => StopReason::GaveUp(gave_up.for_history()),
            StopReason::FailedToStart { path, cause } => {
                StopReason::FailedToStart { path: path.clone(), cause: cause.for_history() }
            }
            StopReason::AutoShutdown { path, child, exit } => {
                let mut bottom = (child, exit);
                while let Some(below) = bottom.1.significant_below() {
                    bottom = below;
                }
                let (child, exit) = (bottom.0.clone(), bottom.1.for_history());
                StopReason::AutoShutdown { path: path.clone(), child, exit }
            }
            StopReason::Requested => StopReason::Requested,
            StopReason::Killed => StopReason::Killed,
        };
        Self::Shutdown(Arc::new(Termination { reason, unclean: Vec::new() }))
    }
}

impl Tell for Exit {
    fn tell(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::Normal => out.write_str("ended normally"),
            Self::Ignored => out.write_str("had nothing to run"),
            Self::Failed(_) => out.write_str("failed"),
            Self::Panicked(_) => out.write_str("panicked"),
            Self::Aborted => out.write_str("was aborted"),
            Self::Unresponsive { within } => write!(out, "was aborted: no heartbeat within {within:?}"),
            Self::Lost => out.write_str("was dropped by its executor"),
            Self::Shutdown(termination) => termination.reason.tell(out),
        }
    }

    fn said(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) | Self::Panicked(failure) => Some(failure),
            Self::Shutdown(termination) => termination.reason.said(),
            Self::Normal | Self::Ignored | Self::Aborted | Self::Unresponsive { .. } | Self::Lost => None,
        }
    }
}

impl Tell for StopReason {
    fn tell(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::Requested => out.write_str("shut down on request"),
            Self::Killed => out.write_str("was killed"),
            // What this is part of has named the supervisor.
            Self::GaveUp(gave_up) => gave_up.tell_without_path(out),
            Self::AutoShutdown { child, exit, .. } => {
                write!(out, "shut down because its significant child `{child}` ")?;
                exit.tell(out)
            }
            Self::FailedToStart { path, cause } => {
                write!(out, "stopped: `{path}` ")?;
                cause.tell(out)
            }
        }
    }

    fn said(&self) -> Option<&Failure> {
        match self {
            Self::GaveUp(gave_up) => gave_up.said(),
            Self::AutoShutdown { exit, .. } => exit.said(),
            Self::FailedToStart { cause, .. } => cause.said(),
            Self::Requested | Self::Killed => None,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell::data(self, f)
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell::data(self, f)
    }
}
