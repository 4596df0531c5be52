use std::{error::Error, fmt, sync::Arc, time::Duration};

use super::{
    Exit, Failure, GaveUp, StopReason,
    tell::{self, Tell},
};

/// The way in which a child failed to start.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum StartFailure {
    /// `initialize` returned an error.
    Failed(Failure),
    /// `initialize` panicked.
    Panicked(Failure),
    /// The child was not ready within its start timeout.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::limit"))]
    TimedOut(Duration),
    /// The child ended before it reported that it was ready: see
    /// [`with_explicit_ready`](crate::ChildSpec::with_explicit_ready).
    Ended,
    /// The child was killed, or terminated, before it was ready.
    Aborted,
    /// The child is a supervisor that was asked to shut down before it was ready.
    ShutDown,
    /// The executor dropped the child's process, or refused to run it.
    Lost,
    /// The child is a supervisor, and a child below it failed to start.
    Below {
        /// The child below, at whatever depth.
        path: String,
        /// How that child failed to start.
        cause: Box<StartFailure>,
    },
    /// The child is a supervisor that ran out of restarts before all its children had started.
    GaveUp(GaveUp),
}

impl StartFailure {
    /// The failed start of a process that ended like this before it was ready.
    pub(crate) fn from_exit(exit: Exit) -> Self {
        match exit {
            // R4: a process that ends before it is ready has failed to start, however it ends.
            Exit::Failed(failure) => Self::Failed(failure),
            Exit::Panicked(failure) => Self::Panicked(failure),
            Exit::Lost => Self::Lost,
            // A2: a process that has to report its readiness, and ends before, has failed to start even if it ends well.
            Exit::Normal => Self::Ended,
            Exit::Aborted | Exit::Unresponsive { .. } | Exit::Ignored => Self::Aborted,
            Exit::Shutdown(termination) => match Arc::unwrap_or_clone(termination).reason {
                // N3: a supervisor that gives up before it is ready has failed to start, and its history is the cause.
                StopReason::GaveUp(gave_up) => Self::GaveUp(gave_up),
                // R3, R38: when a child fails to start, so does its supervisor. The error keeps the path of the child, at
                // whatever depth (A1).
                StopReason::FailedToStart { path, cause } => Self::Below { path, cause: Box::new(cause) },
                // D5: the supervisor was asked to stop, or stopped itself, before it was ready. That is not a failure of its
                // own, and errors distinguish the two.
                StopReason::Requested | StopReason::AutoShutdown { .. } => Self::ShutDown,
                StopReason::Killed => Self::Aborted,
            },
        }
    }

    /// The history of failures, if a supervisor gave up.
    pub(crate) fn gave_up(&self) -> Option<&GaveUp> {
        match self {
            Self::GaveUp(gave_up) => Some(gave_up),
            Self::Below { cause, .. } => cause.gave_up(),
            _ => None,
        }
    }

    pub(super) fn for_history(&self) -> Self {
        match self {
            Self::GaveUp(gave_up) => Self::GaveUp(gave_up.for_history()),
            Self::Below { path, cause } => Self::Below { path: path.clone(), cause: Box::new(cause.for_history()) },
            other => other.clone(),
        }
    }
}

impl Tell for StartFailure {
    fn tell(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        out.write_str("failed to start")?;
        match self {
            Self::Failed(failure) => failure.tell_finality(out),
            Self::Panicked(failure) => {
                out.write_str(": panicked")?;
                failure.tell_location(out)
            }
            Self::TimedOut(limit) => write!(out, ": not ready within its start timeout of {limit:?}"),
            Self::Ended => out.write_str(": ended before it was ready"),
            Self::Aborted => out.write_str(": was aborted before it was ready"),
            Self::ShutDown => out.write_str(": was asked to shut down before it was ready"),
            Self::Lost => out.write_str(": was dropped by its executor before it was ready"),
            Self::Below { path, cause } => {
                write!(out, ": `{path}` ")?;
                cause.tell(out)
            }
            Self::GaveUp(gave_up) => {
                out.write_str(": ")?;
                gave_up.tell_without_path(out)
            }
        }
    }

    fn said(&self) -> Option<&Failure> {
        match self {
            Self::Failed(failure) | Self::Panicked(failure) => Some(failure),
            Self::Below { cause, .. } => cause.said(),
            Self::GaveUp(gave_up) => gave_up.said(),
            Self::TimedOut(_) | Self::Ended | Self::Aborted | Self::ShutDown | Self::Lost => None,
        }
    }
}

/// Prints one line without the message of user code, which is the source. `{:#}` prints both.
impl fmt::Display for StartFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell::error(self, f)
    }
}

impl Error for StartFailure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.said().map(|failure| failure as _)
    }
}
