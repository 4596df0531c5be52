use super::{BoxError, Exit, Failure, GaveUp, InvalidSpec, StartFailure, UncleanProcess};
use crate::id::ChildId;

/// An error of a supervisor, of a tree, or of a call of a handle.
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
/// | `reload_child` | `NotFound`, `RunsOnce`, `Stopping`, `Stuck`, `FailedToStart`, `ShuttingDown`, `WouldDeadlock` |
/// | `process::scope` | `OutsideProcess`, `NoScope`; `InvalidSpec` if it is too deep; `scope_with` also `ScopeIsOpen` |
/// | `child`, `child_spec`, `supervisor` | `NotFound` |
///
/// Paths are dotted names, from the root down.
///
/// # Printing it
///
/// | | prints |
/// |---|---|
/// | `{}` | one line: the process, what happened, and what to do |
/// | [`source`](std::error::Error::source) | the message of user code (of its error, or of its panic), if there is one: exactly what `{}` leaves out |
/// | `{:#}` | both, on one line |
/// | `{:?}` | both, and the earlier restarts of a supervisor that gave up, each on a line of its own; a `main` that returns the error prints this |
/// | `{:#?}` | the fields |
///
/// `{}` and `{:#}` escape control characters in the message of user code. In a log, use `{:#}`.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", content = "data", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum SupervisorError {
    /// The name has no letter and no digit, so it cannot be a segment of a dotted name.
    InvalidName {
        /// The name as it was given.
        name: String,
        /// The supervisor to which the child was added. `None` for a supervisor's own name.
        parent: Option<String>,
    },

    /// The specification of a child or of a supervisor cannot work. Nothing was started.
    InvalidSpec {
        /// The child or supervisor.
        path: String,
        /// What is wrong, and what to do.
        reason: InvalidSpec,
    },

    /// A child failed to start. If its tree was starting, the children that had started before it were stopped again. If a call
    /// added or restarted the child, nothing else has changed.
    FailedToStart {
        /// The child, at whatever depth.
        path: String,
        /// How the child failed to start.
        cause: StartFailure,
    },

    /// The root ran out of restarts, and stopped.
    GaveUp(GaveUp),

    /// The tree shut itself down because a significant child ended, and that child did not succeed.
    SignificantChildFailed {
        /// The supervisor.
        path: String,
        /// Its child.
        child: String,
        /// How the child ended. [`Exit::gave_up`] returns the history of failures of a supervisor that gave up.
        exit: Exit,
    },

    /// The tree shut down on request, but these processes did not stop well.
    UncleanShutdown(Vec<UncleanProcess>),

    /// The supervisor has [too many unread messages](crate::SupervisorHandle::MAX_UNREAD). The call sent nothing and started
    /// nothing. Try again later, or shed load.
    Overloaded {
        /// The supervisor.
        path: String,
        /// How many unread messages it had.
        unread: usize,
    },

    /// The tree was asked to shut down before all its children had started.
    ShutdownDuringStart,

    /// The executor dropped the root before the tree had stopped. No process that it ran is left.
    Lost {
        /// The root.
        path: String,
    },

    /// The root itself panicked. Code of its children cannot cause that; code of an executor can.
    Panicked {
        /// The root.
        path: String,
        /// The message of the panic.
        panic: Failure,
    },

    /// The executor cannot run a tree, or the environment of the program does not allow it. `{}` has the reason, which is no
    /// message of user code.
    Executor(Failure),

    /// The supervisor is not running: it has not started yet, it has stopped, or it is waiting to restart.
    NotRunning {
        /// The supervisor. If it never ran, this is its own segment alone.
        path: String,
    },

    /// The supervisor has no such child.
    NotFound {
        /// The supervisor.
        path: String,
    },

    /// The supervisor is shutting down and cannot start children.
    ShuttingDown {
        /// The supervisor.
        path: String,
    },

    /// The supervisor has its maximum of children.
    AtCapacity {
        /// The supervisor.
        path: String,
        /// How many children it may have.
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

    /// The child is running, or starting.
    Running {
        /// The child.
        path: String,
    },

    /// The child is restarting, or waiting to restart.
    Restarting {
        /// The child.
        path: String,
    },

    /// The child is stopping and has not stopped yet.
    Stopping {
        /// The child.
        path: String,
    },

    /// The child was aborted but has not yielded. It stops when it yields.
    Stuck {
        /// The child.
        path: String,
    },

    /// The child has one future, which runs once: there is nothing to start again.
    RunsOnce {
        /// The child.
        path: String,
    },

    /// The supervisor is dynamic. It removes each child that ends, so its children cannot be restarted or deleted.
    Dynamic {
        /// The supervisor.
        path: String,
    },

    /// The call would wait for the process that made it. For example, it would wait for a start that comes after the caller's
    /// own, or for the end of the tree to which the caller belongs.
    WouldDeadlock {
        /// The supervisor.
        path: String,
    },

    /// The call was made outside of a supervised process, so it has no supervisor.
    OutsideProcess,

    /// The process cannot have a scope: it is the process of a supervisor, or one that only drops what a child owned.
    NoScope {
        /// The process.
        path: String,
    },

    /// The scope of the process is open already, with the settings with which it was opened first.
    ScopeIsOpen {
        /// The process.
        path: String,
    },

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
