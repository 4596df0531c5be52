use std::{fmt, time::Duration};

use crate::{
    error::{GaveUp, StartFailure, SupervisorError},
    incarnation::{Exit, ProcessId, StopReason},
    text::{OneLine, limit},
};

/// Something that happened to a process.
///
/// Displayed, it is one line. Control characters in what user code says are escaped, and a line of more than 1,000 characters is
/// cut, with a word for how much that was. What the fields say is whole.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Event {
    /// Dotted name of the process that it happened to.
    pub path: String,
    /// The process; `None` where none is there any more, or not yet.
    pub process: Option<ProcessId>,
    /// What happened.
    pub kind: EventKind,
    /// How long it took until this: for [`Ready`](EventKind::Ready) the set-up, for [`Exited`](EventKind::Exited) the stop, where
    /// the process was stopped, for [`Aborted`](EventKind::Aborted) the time since it was asked to stop, and zero where it is
    /// killed. `None` where nothing was waited for, and for a process that is aborted because it is unresponsive or its start
    /// takes too long.
    pub took: Option<Duration>,
}

/// What happened to a process. Displayed, it is one line, as an [`Event`] is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum EventKind {
    /// It was handed to its executor.
    Started,
    /// It finished its set-up.
    Ready,
    /// It had nothing to run.
    Ignored,
    /// It ended before it was ready.
    StartFailed(StartFailure),
    /// It ended.
    Exited(Exit),
    /// Its supervisor is going to start it again.
    Restarting {
        /// The how manieth restart in a row this is.
        attempt: u32,
        /// How long the restart waits. Serialized, a wait without limit is `null`.
        #[cfg_attr(feature = "serde", serde(serialize_with = "crate::text::serialize::time"))]
        delay: Duration,
        /// Why it is restarted.
        cause: RestartCause,
    },
    /// It is not started again, though [`Restarting`](Self::Restarting) was told, or its group was to be started again: its
    /// supervisor stops, or it was terminated.
    RestartCancelled,
    /// It is stopped by its supervisor: asked to, or aborted at once where that is how it is stopped.
    Stopping,
    /// It has given no sign of life in time, and is aborted for that.
    Unresponsive {
        /// Within what time it has to give one.
        within: Duration,
    },
    /// It is aborted because its time to stop, or to start, was up, or because it was killed, or unresponsive.
    Aborted,
    /// It has been in one poll for so long, and blocks its thread. Told while it does, if somebody
    /// [watches](crate::watch_polls).
    Blocked {
        /// How long it has been in there, at least.
        lasted: Duration,
    },
    /// It does not let go though aborted. What waits for its end goes on waiting.
    Stuck,
    /// It does not let go though aborted. Nobody waits for it any longer.
    Abandoned,
    /// It was to be started with `spawn`, and is not: why.
    Refused(SupervisorError),
    /// It was terminated while the restart of its group waited for it. That restart is cancelled: these siblings, which it
    /// had stopped, stay down. Restart them by hand, or with the group's next restart.
    LeftDown {
        /// Their own segments of their dotted names.
        siblings: Vec<String>,
    },
    /// It is a supervisor, and out of restarts.
    GaveUp(GaveUp),
    /// It is a supervisor, and everything below it has ended: why it stopped.
    Ended(StopReason),
}

/// Why a child is restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum RestartCause {
    /// It ended.
    Exit(Exit),
    /// An attempt to restart it failed.
    Start(StartFailure),
}

impl EventKind {
    /// A word for it: `started`, `gave_up`. For fields of logs, and labels.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Ready => "ready",
            Self::Ignored => "ignored",
            Self::StartFailed(_) => "start_failed",
            Self::Exited(_) => "exited",
            Self::Restarting { .. } => "restarting",
            Self::RestartCancelled => "restart_cancelled",
            Self::Stopping => "stopping",
            Self::Unresponsive { .. } => "unresponsive",
            Self::Aborted => "aborted",
            Self::Blocked { .. } => "blocked",
            Self::Stuck => "stuck",
            Self::Abandoned => "abandoned",
            Self::Refused(_) => "refused",
            Self::LeftDown { .. } => "left_down",
            Self::GaveUp(_) => "gave_up",
            Self::Ended(_) => "ended",
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine(format_args!("{} {}", self.path, Words(&self.kind))).fmt(f)
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine(Words(self)).fmt(f)
    }
}

impl fmt::Display for RestartCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        OneLine(self.words()).fmt(f)
    }
}

impl RestartCause {
    /// Whole, as errors and other texts have it.
    pub(crate) fn words(&self) -> impl fmt::Display + '_ {
        Cause(self)
    }
}

/// What user code says may be anything, and of any length in here.
struct Words<'a>(&'a EventKind);

struct Cause<'a>(&'a RestartCause);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use EventKind as Kind;

        match self.0 {
            Kind::Started => f.write_str("started"),
            Kind::Ready => f.write_str("is ready"),
            Kind::Ignored => f.write_str("has nothing to run"),
            Kind::StartFailed(failure) => write!(f, "failed to start: {failure}"),
            Kind::Exited(exit) => exit.fmt(f),
            Kind::Restarting { attempt, delay, cause } => {
                match limit(*delay) {
                    Some(Duration::ZERO) => f.write_str("is restarted")?,
                    Some(delay) => write!(f, "is restarted in {delay:.1?}")?,
                    None => f.write_str("waits without limit to be restarted")?,
                }
                write!(f, " (attempt {attempt}), it {}", cause.words())
            }
            Kind::RestartCancelled => f.write_str("is not restarted after all"),
            Kind::Stopping => f.write_str("is stopped"),
            Kind::Unresponsive { within } => write!(f, "has given no sign of life for {within:?}"),
            Kind::Aborted => f.write_str("is aborted"),
            Kind::Blocked { lasted } => write!(f, "blocks its thread: it has been in one poll for {lasted:.1?}"),
            Kind::Stuck => f.write_str("is stuck: aborted, and does not let go"),
            Kind::Abandoned => f.write_str("is abandoned: aborted, and does not let go"),
            Kind::Refused(error) => write!(f, "is not started: {error}"),
            Kind::LeftDown { siblings } => {
                write!(f, "was terminated before its group was restarted; these stay down: {}", siblings.join(", "))
            }
            Kind::GaveUp(gave_up) => gave_up.fmt(f),
            Kind::Ended(reason) => write!(f, "has ended, with everything below it: it {reason}"),
        }
    }
}

impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            RestartCause::Exit(exit) => exit.fmt(f),
            RestartCause::Start(failure) => write!(f, "failed to start: {failure}"),
        }
    }
}
