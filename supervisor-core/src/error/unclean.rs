use std::fmt;

use super::{
    Exit, Failure,
    tell::{self, Story, Tell},
};
use crate::text::Whole;

/// A process that did not stop well in a requested shutdown. Displayed, it is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct UncleanProcess {
    /// Dotted name of the process.
    pub path: String,
    /// How it did not stop well.
    pub stop: UncleanStop,
}

/// The way in which a process did not stop well. Displayed, it is one line that includes the message of user code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", content = "exit", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum UncleanStop {
    /// The process did not stop in time, and was aborted. Its destructors have run.
    Aborted,
    /// The process was killed during the shutdown, before it had stopped: alone, by a caller of
    /// [`kill_child`](crate::SupervisorHandle::kill_child), or with the whole tree, by a second signal. Its destructors have run.
    Killed,
    /// The process was aborted but never yielded. Its supervisor no longer waits for it, and it may still be running.
    Abandoned,
    /// The process is a supervisor that did not respond. It was abandoned with everything below it.
    AbandonedWithSubtree,
    /// The process was asked to stop, and then ended like this: with an error, with a panic, or because its executor dropped
    /// it.
    Failed(Exit),
}

impl UncleanProcess {
    pub(crate) fn new(path: String, stop: UncleanStop) -> Self {
        Self { path, stop }
    }

    /// The whole text. Nothing is escaped or cut.
    pub(super) fn words(&self) -> impl fmt::Display + '_ {
        Words(self)
    }
}

struct Words<'a>(&'a UncleanProcess);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` {}", self.0.path, Story(&self.0.stop))
    }
}

impl Tell for UncleanStop {
    fn tell(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::Aborted => out.write_str("was aborted: did not stop in time"),
            Self::Killed => out.write_str("was killed before it had stopped"),
            Self::Abandoned => out.write_str("was abandoned: aborted but never yielded"),
            Self::AbandonedWithSubtree => out.write_str("was abandoned with its subtree: did not respond"),
            Self::Failed(exit) => {
                exit.tell(out)?;
                out.write_str(" while stopping")
            }
        }
    }

    fn said(&self) -> Option<&Failure> {
        match self {
            Self::Failed(exit) => exit.said(),
            Self::Aborted | Self::Killed | Self::Abandoned | Self::AbandonedWithSubtree => None,
        }
    }
}

impl fmt::Display for UncleanProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Whole(self.words()).fmt(f)
    }
}

impl fmt::Display for UncleanStop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell::data(self, f)
    }
}
