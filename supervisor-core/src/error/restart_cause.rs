use std::fmt;

use super::{
    Exit, Failure, GaveUp, StartFailure,
    tell::{self, Story, Tell},
};

/// The reason why a child is restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "phase", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum RestartCause {
    /// The child's process ended.
    #[cfg_attr(feature = "serde", serde(rename = "run"))]
    Exit(Exit),
    /// The child failed to start.
    Start(StartFailure),
}

impl RestartCause {
    /// The whole text. Nothing is escaped or cut.
    pub(crate) fn words(&self) -> impl fmt::Display + '_ {
        Story(self)
    }

    /// The history of failures, if a supervisor gave up.
    pub(crate) fn gave_up(&self) -> Option<&GaveUp> {
        match self {
            Self::Exit(exit) => exit.gave_up(),
            Self::Start(failure) => failure.gave_up(),
        }
    }

    /// The form that a history keeps: see [`RestartRecord::cause`](super::RestartRecord::cause).
    pub(crate) fn for_history(&self) -> Self {
        match self {
            Self::Exit(exit) => Self::Exit(exit.for_history()),
            Self::Start(failure) => Self::Start(failure.for_history()),
        }
    }

    /// Whether the child succeeded. Only a permanent child is restarted after that.
    pub(super) fn is_success(&self) -> bool {
        matches!(self, Self::Exit(exit) if exit.is_success())
    }
}

impl Tell for RestartCause {
    fn tell(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::Exit(exit) => exit.tell(out),
            Self::Start(failure) => failure.tell(out),
        }
    }

    fn said(&self) -> Option<&Failure> {
        match self {
            Self::Exit(exit) => exit.said(),
            Self::Start(failure) => failure.said(),
        }
    }
}

/// Prints one line that includes the message of user code, with control characters escaped.
impl fmt::Display for RestartCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell::data(self, f)
    }
}
