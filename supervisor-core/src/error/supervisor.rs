use super::{BoxError, Exit, Failure, GaveUp, InvalidSpec, StartFailure, UncleanProcess};
use crate::id::ChildId;

/// What can go wrong with a supervisor.
///
/// | returned by | variants |
/// |---|---|
/// | `Supervisor::new` | `InvalidName` |
/// | running a tree, or starting one | `InvalidName` and `InvalidSpec`, before anything starts; `FailedToStart`, `GaveUp`, `SignificantChildFailed`, `UncleanShutdown`, `Lost`, `Panicked`, `Executor`; when starting, `ShutdownDuringStart` |
/// | every call of a `SupervisorHandle` | `NotRunning`; every one that sends the supervisor a message also `Overloaded` |
/// | `start_child`, `spawn` | `InvalidName`, `InvalidSpec`, `AtCapacity`, `ShuttingDown`; with unique names `AlreadyStarted`, `AlreadyPresent`; `start_child` alone `FailedToStart`, `WouldDeadlock`; the function `spawn` also `OutsideProcess` |
/// | `terminate_child` | `NotFound`, `Stuck` |
/// | `restart_child` | `NotFound`, `Running`, `Restarting`, `Stopping`, `Dynamic`, `FailedToStart`, `ShuttingDown`, `WouldDeadlock` |
/// | `delete_child` | `NotFound`, `Running`, `Restarting`, `Stopping`, `Dynamic` |
/// | `kill_child` | `NotFound`, `ChildNotRunning` |
/// | `child`, `child_spec`, `supervisor` | `NotFound` |
///
/// Paths are dotted names, from the root down.
///
/// # Printing it
///
/// | | prints |
/// |---|---|
/// | `{}` | one line: which process, what happened, and what to do |
/// | [`source`](std::error::Error::source) | what user code said of it (an error's message, a panic's), where it did: exactly what `{}` leaves out |
/// | `{:#}` | both, on one line |
/// | `{:?}` | both, and on lines of their own the earlier restarts of a supervisor that gave up: what a `main` that returns the error prints |
/// | `{:#?}` | the fields |
///
/// On one line, control characters in what user code said are escaped. So in a log, use `{:#}`.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", content = "data", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum SupervisorError {
    /// A name without a letter or a digit, of which nothing would be left as a segment of a dotted name.
    InvalidName {
        /// The name as given.
        name: String,
        /// The supervisor that the child was added to; `None` for a supervisor's own name.
        parent: Option<String>,
    },

    /// A child or supervisor is specified in a way that cannot work. Nothing was started.
    InvalidSpec {
        /// The child or supervisor.
        path: String,
        /// What is wrong, and what to do.
        reason: InvalidSpec,
    },

    /// A child failed to start: when its tree first started, and what had started before it was stopped again; or when it was
    /// added, or restarted by hand, and nothing else has changed.
    FailedToStart {
        /// The child, at whatever depth.
        path: String,
        /// How it failed.
        cause: StartFailure,
    },

    /// The root ran out of restarts, and stopped.
    GaveUp(GaveUp),

    /// The tree shut itself down because a significant child ended, and that child had not ended well.
    SignificantChildFailed {
        /// The supervisor.
        path: String,
        /// Its child.
        child: String,
        /// How the child ended. [`Exit::gave_up`] is the history of failures, where the child is a supervisor that gave up.
        exit: Exit,
    },

    /// The tree was asked to shut down and did, but not everything in it stopped well.
    UncleanShutdown(Vec<UncleanProcess>),

    /// The supervisor has [too many messages](crate::SupervisorHandle::MAX_UNREAD) that it has not read. Nothing was sent, or
    /// started: try again later, or shed load.
    Overloaded {
        /// The supervisor.
        path: String,
        /// How many it had.
        unread: usize,
    },

    /// The tree was asked to shut down before it had started.
    ShutdownDuringStart,

    /// The executor dropped the root: everything that it ran is gone.
    Lost {
        /// The root.
        path: String,
    },

    /// The root itself panicked. No code of its children can do that; an executor's can.
    Panicked {
        /// The root.
        path: String,
        /// The panic.
        panic: Failure,
    },

    /// The executor cannot run a tree.
    Executor(Failure),

    /// The supervisor is not running: it has not started yet, it has stopped, or it is waiting to restart.
    NotRunning {
        /// The supervisor. Its own segment alone if it never ran.
        path: String,
    },

    /// The supervisor has no such child.
    NotFound {
        /// The supervisor.
        path: String,
    },

    /// The supervisor is shutting down, and starts no more children.
    ShuttingDown {
        /// The supervisor.
        path: String,
    },

    /// The supervisor has as many children as it may have.
    AtCapacity {
        /// The supervisor.
        path: String,
        /// How many it may have.
        max: usize,
    },

    /// A child of the same name is running, under a supervisor with unique names.
    AlreadyStarted {
        /// The child that exists.
        path: String,
        /// Its id.
        id: ChildId,
    },

    /// A child of the same name exists but is not running, under a supervisor with unique names.
    AlreadyPresent {
        /// The child that exists.
        path: String,
        /// Its id.
        id: ChildId,
    },

    /// The child runs, or is starting.
    Running {
        /// The child.
        path: String,
    },

    /// The child is restarting, or waiting to restart.
    Restarting {
        /// The child.
        path: String,
    },

    /// The child is stopping, and has not stopped yet.
    Stopping {
        /// The child.
        path: String,
    },

    /// The child was aborted, but its future has not yielded. It stops when it yields.
    Stuck {
        /// The child.
        path: String,
    },

    /// The supervisor is dynamic. It keeps no child that is not running, so it has none to restart or to delete.
    Dynamic {
        /// The supervisor.
        path: String,
    },

    /// The call would wait for the process that made it: for a start that comes after the caller's own, for example, or for the
    /// end of the tree that the caller is part of.
    WouldDeadlock {
        /// The supervisor.
        path: String,
    },

    /// The call was made outside of a process, where there is no supervisor.
    OutsideProcess,

    /// The child has no process at the moment.
    ChildNotRunning {
        /// The child.
        path: String,
    },
}

impl SupervisorError {
    /// Renders an executor's own error to text, with its sources.
    pub fn executor(error: impl Into<BoxError>) -> Self {
        Self::Executor(Failure::from_error(&*error.into()))
    }
}
