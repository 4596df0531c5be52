use std::{error::Error, fmt, sync::Arc, time::Duration};

use super::{
    Exit, Failure, GaveUp, StopReason,
    tell::{self, Tell},
};

/// How a child failed to start.
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
    /// It was not ready in time.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::limit"))]
    TimedOut(Duration),
    /// It ended before it had said that it is ready: see [`with_explicit_ready`](crate::ChildSpec::with_explicit_ready).
    Ended,
    /// It was killed, or terminated.
    Aborted,
    /// It is a supervisor, and was asked to shut down.
    ShutDown,
    /// The executor dropped it, or refused it.
    Lost,
    /// It is a supervisor, and a child below it failed to start.
    Below {
        /// That child.
        path: String,
        /// How it failed.
        cause: Box<StartFailure>,
    },
    /// It is a supervisor that ran out of restarts before all its children had started.
    GaveUp(GaveUp),
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
            Exit::Shutdown(termination) => match Arc::unwrap_or_clone(termination).reason {
                // N3: a supervisor that gives up before it is ready has failed to start, and its history is the cause.
                StopReason::GaveUp(gave_up) => Self::GaveUp(gave_up),
                // R3, R38: the failed start of a child is that of its supervisor. It keeps the path of the child, at
                // whatever depth (A1).
                StopReason::FailedToStart { path, cause } => Self::Below { path, cause: Box::new(cause) },
                // D5: it was told to stop, or stopped itself, before it was ready. That is not the same as to fail,
                // and errors say so.
                StopReason::Requested | StopReason::AutoShutdown { .. } => Self::ShutDown,
                StopReason::Killed => Self::Aborted,
            },
        }
    }

    /// The history of failures, where a supervisor gave up.
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
            Self::Failed(_) => Ok(()),
            Self::Panicked(_) => out.write_str(": panicked"),
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

/// One line, without what user code said: that is the source. `{:#}` says both.
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
