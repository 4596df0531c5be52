use std::fmt;

use super::{
    Exit, Failure, GaveUp, StartFailure,
    tell::{self, Story, Tell},
};

/// Why a child is restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "phase", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum RestartCause {
    /// Its process ended.
    #[cfg_attr(feature = "serde", serde(rename = "run"))]
    Exit(Exit),
    /// It failed to start.
    Start(StartFailure),
}

impl RestartCause {
    /// All that it says, as it is: nothing is escaped or cut.
    pub(crate) fn words(&self) -> impl fmt::Display + '_ {
        Story(self)
    }

    /// The history of failures, where a supervisor gave up.
    pub(crate) fn gave_up(&self) -> Option<&GaveUp> {
        match self {
            Self::Exit(exit) => exit.gave_up(),
            Self::Start(failure) => failure.gave_up(),
        }
    }

    /// As a history keeps it: see [`RestartRecord::cause`](super::RestartRecord::cause).
    pub(crate) fn for_history(&self) -> Self {
        match self {
            Self::Exit(exit) => Self::Exit(exit.for_history()),
            Self::Start(failure) => Self::Start(failure.for_history()),
        }
    }

    /// Whether the child did its work, and was restarted all the same.
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

/// One line, whole. Control characters in what user code said are escaped.
impl fmt::Display for RestartCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell::data(self, f)
    }
}
