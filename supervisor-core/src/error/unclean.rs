use std::fmt;

use super::Failure;

/// A process that a requested shutdown did not end well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UncleanProcess {
    /// Dotted name of the process.
    pub path: String,
    /// What happened to it.
    pub stop: UncleanStop,
}

/// How a process failed to stop well.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum UncleanStop {
    /// It was still running when its time was up, and was aborted. Its destructors have run.
    Aborted,
    /// It did not let go even when aborted: its future does not yield. It is not waited for any longer and may still be
    /// running.
    Abandoned,
    /// As [`Abandoned`](Self::Abandoned), for a supervisor that did not answer: with everything below it.
    AbandonedWithSubtree,
    /// Asked to stop, it ended with an error, a panic, or because its executor dropped it.
    Failed(Failure),
}

impl UncleanProcess {
    pub(crate) fn new(path: String, stop: UncleanStop) -> Self {
        Self { path, stop }
    }
}

impl fmt::Display for UncleanProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.path, self.stop)
    }
}

impl fmt::Display for UncleanStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Aborted => f.write_str("was aborted, its time to stop was up"),
            Self::Abandoned => f.write_str("was abandoned, it does not yield even when aborted"),
            Self::AbandonedWithSubtree => f.write_str("was abandoned with everything below it, it does not answer"),
            Self::Failed(failure) => write!(f, "failed while stopping: {failure:#}"),
        }
    }
}
