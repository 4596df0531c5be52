use std::{error::Error, fmt, sync::Arc, time::Duration};

use super::{
    Failure, GaveUp, StartFailure, UncleanProcess, UncleanStop,
    tell::{self, Tell},
};

/// The end of a process: how it ended.
///
/// Displayed, it is one line that includes the message of user code. Control characters in that message are escaped. It is an
/// error, so `job.await?` works where a [`JoinHandle`](crate::JoinHandle) has no result.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum Exit {
    /// The process's future returned `()` or `Ok`.
    Normal,
    /// The process's `initialize` found nothing to run: [`ignore`](crate::InitializationError::ignore).
    Ignored,
    /// The process's future, or its `initialize`, returned an error.
    Failed(Failure),
    /// The process panicked, in its future or in a destructor.
    Panicked(Failure),
    /// The process was aborted.
    Aborted,
    /// The process was aborted because it missed its heartbeat: see [`with_watchdog`](crate::ChildSpec::with_watchdog).
    Unresponsive {
        /// The time within which each heartbeat is due.
        #[cfg_attr(feature = "serde", serde(rename = "within_seconds", with = "crate::format::seconds"))]
        within: Duration,
    },
    /// The executor dropped the process before it had ended, or refused to run it.
    Lost,
    /// The process is a supervisor that stopped in order, for whatever reason.
    Shutdown(Arc<Termination>),
}

/// The reason why a supervisor stopped, and the processes that did not stop well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Termination {
    /// Why it stopped.
    pub reason: StopReason,
    /// The processes below it that did not stop well.
    pub unclean: Vec<UncleanProcess>,
}

/// The reason why a supervisor stopped. Displayed, it is one line, as an [`Exit`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum StopReason {
    /// The supervisor was asked to stop.
    Requested,
    /// The supervisor was killed, and aborted everything below it.
    Killed,
    /// The supervisor ran out of restarts.
    GaveUp(GaveUp),
    /// A significant child ended.
    AutoShutdown {
        /// Dotted name of the supervisor.
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
        /// How the child failed to start.
        cause: StartFailure,
    },
}

impl Exit {
    /// Returns whether a transient child that ends like this stays stopped: the exits that OTP calls `normal` and `shutdown`.
    pub fn is_normal(&self) -> bool {
        match self {
            // R9, R21: a process that had nothing to run has not failed.
            Self::Normal | Self::Ignored => true,
            // R13, R35, D5: a supervisor that gave up has ended by itself, as one that shut itself down has. The supervisor
            // above treats both alike. R12: a supervisor that was killed has failed.
            Self::Shutdown(termination) => !matches!(termination.reason, StopReason::Killed),
            // R12: an abort from outside is a failure, as an error is.
            Self::Failed(_) | Self::Panicked(_) | Self::Aborted | Self::Unresponsive { .. } | Self::Lost => false,
        }
    }
}

impl Exit {
    /// Returns whether this is a success: the process ended normally, or it is a supervisor that stopped on request, or
    /// because its own significant work was done.
    pub fn is_success(&self) -> bool {
        match self {
            Self::Normal => true,
            Self::Shutdown(termination) => match &termination.reason {
                StopReason::Requested => true,
                // D6: the supervisor succeeded if the child that made it stop did. That child may be a supervisor, too, so
                // this asks at any depth.
                StopReason::AutoShutdown { exit, .. } => exit.is_success(),
                _ => false,
            },
            _ => false,
        }
    }

    /// Returns whether the child's restart condition said that no restart helps.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::Failed(failure) if failure.is_final())
    }

    /// Whether a supervisor that ended like this may have left processes behind.
    pub(crate) fn may_have_left_any(&self) -> bool {
        matches!(self, Self::Lost | Self::Panicked(_)) || self.abandoned_any()
    }

    /// Whether this is the end of a supervisor that left processes behind which do not yield.
    pub(crate) fn abandoned_any(&self) -> bool {
        let is_abandoned = |unclean: &UncleanProcess| {
            matches!(unclean.stop, UncleanStop::Abandoned | UncleanStop::AbandonedWithSubtree)
        };
        matches!(self, Self::Shutdown(termination) if termination.unclean.iter().any(is_abandoned))
    }

    /// Returns the history of failures if a supervisor gave up: this one, or the significant child that made it stop.
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
    /// The significant child that made a supervisor stop, and how that child ended.
    fn significant_below(&self) -> Option<(&String, &Self)> {
        match self {
            Self::Shutdown(termination) => match &termination.reason {
                StopReason::AutoShutdown { child, exit, .. } => Some((child, exit)),
                _ => None,
            },
            _ => None,
        }
    }

    /// The form that a history keeps: see [`RestartRecord::cause`](super::RestartRecord::cause).
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
            Self::Failed(failure) => {
                out.write_str("failed")?;
                failure.tell_finality(out)
            }
            Self::Panicked(failure) => {
                out.write_str("panicked")?;
                failure.tell_location(out)
            }
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
            // The text around this has named the supervisor.
            Self::GaveUp(gave_up) => gave_up.tell_without_path(out),
            Self::AutoShutdown { child, exit, .. } => {
                write!(out, "shut down because its significant child `{child}` ")?;
                exit.tell(out)
            }
            Self::FailedToStart { path, cause } => {
                write!(out, "stopped because `{path}` ")?;
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

/// It has no [`source`](Error::source), because its text includes the message of user code.
impl Error for Exit {}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell::data(self, f)
    }
}
