use std::time::Duration;

use thiserror::Error;

use super::{BoxError, Failure, GaveUp, InvalidSpec, UncleanProcess};
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
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SupervisorError {
    /// A name without a letter or a digit, of which nothing would be left as a segment of a dotted name.
    #[error("invalid name {name:?}{}: a name needs a letter or a digit", place(.parent))]
    InvalidName {
        /// The name as given.
        name: String,
        /// The supervisor that the child was added to; `None` for a supervisor's own name.
        parent: Option<String>,
    },

    /// A child or supervisor is specified in a way that cannot work. Nothing was started.
    #[error("invalid specification of `{path}`: {reason}")]
    InvalidSpec {
        /// The child or supervisor.
        path: String,
        /// What is wrong, and what to do.
        #[source]
        reason: InvalidSpec,
    },

    /// A child failed to start: when its tree first started, and what had started before it was stopped again; or when it was
    /// added, or restarted by hand, and nothing else has changed.
    #[error("`{path}` failed to start: {cause}")]
    FailedToStart {
        /// The child, at whatever depth.
        path: String,
        /// How it failed.
        #[source]
        cause: StartFailure,
    },

    /// The root ran out of restarts, and stopped.
    #[error(transparent)]
    GaveUp(GaveUp),

    /// The tree shut itself down because a significant child ended, and that child had not ended well.
    #[error("`{path}` shut down because its significant child `{child}` {how}")]
    SignificantChildFailed {
        /// The supervisor.
        path: String,
        /// Its child.
        child: String,
        /// How the child ended.
        how: String,
        /// The history of failures, where the child is a supervisor that gave up.
        #[source]
        gave_up: Option<Box<GaveUp>>,
    },

    /// The tree was asked to shut down and did, but not everything in it stopped well.
    #[error("shutdown was not clean: {}", list(.0))]
    UncleanShutdown(Vec<UncleanProcess>),

    /// The supervisor has [too many messages](crate::SupervisorHandle::MAX_UNREAD) that it has not read. Nothing was sent, or
    /// started: try again later, or shed load.
    #[error("supervisor `{path}` has {unread} messages to read and takes no more; try again when it has caught up")]
    Overloaded {
        /// The supervisor.
        path: String,
        /// How many it had.
        unread: usize,
    },

    /// Shutdown was asked for before the tree had started.
    #[error("shut down before the tree had started")]
    ShutdownDuringStart,

    /// The executor dropped the root: everything that it ran is gone.
    #[error("the executor dropped `{path}`; was its runtime shut down?")]
    Lost {
        /// The root.
        path: String,
    },

    /// The root itself panicked. No code of its children can do that; an executor's can.
    #[error("the supervisor `{path}` itself panicked: {panic}")]
    Panicked {
        /// The root.
        path: String,
        /// The panic.
        #[source]
        panic: Failure,
    },

    /// The executor cannot run a tree.
    #[error("no executor to run on: {0}")]
    Executor(#[source] Failure),

    /// The supervisor is not running: not yet, not any more, or it is between two restarts.
    #[error("supervisor `{path}` is not running")]
    NotRunning {
        /// The supervisor. Its own segment alone if it never ran.
        path: String,
    },

    /// The supervisor has no such child.
    #[error("supervisor `{path}` has no such child")]
    NotFound {
        /// The supervisor.
        path: String,
    },

    /// The supervisor is shutting down: nothing is started any more.
    #[error("`{path}` is shutting down, and starts nothing any more")]
    ShuttingDown {
        /// The supervisor.
        path: String,
    },

    /// The supervisor has as many children as it may have.
    #[error("`{path}` has its maximum of {max} children")]
    AtCapacity {
        /// The supervisor.
        path: String,
        /// How many it may have.
        max: usize,
    },

    /// A child of the same name runs, under a supervisor that wants unique names.
    #[error("`{path}` is already started")]
    AlreadyStarted {
        /// The child that is there.
        path: String,
        /// Its id.
        id: ChildId,
    },

    /// A child of the same name is there and does not run, under a supervisor that wants unique names.
    #[error("`{path}` is already present, though it does not run; restart it, or delete it first")]
    AlreadyPresent {
        /// The child that is there.
        path: String,
        /// Its id.
        id: ChildId,
    },

    /// The child runs, or is starting.
    #[error("`{path}` is running; terminate it first")]
    Running {
        /// The child.
        path: String,
    },

    /// The child is going to be restarted anyway.
    #[error("`{path}` is being restarted; terminate it first to keep it from that")]
    Restarting {
        /// The child.
        path: String,
    },

    /// The child is stopping, and not gone yet.
    #[error("`{path}` is stopping")]
    Stopping {
        /// The child.
        path: String,
    },

    /// The child was aborted and does not let go: its future does not yield. It is going to be stopped when it does.
    #[error("`{path}` is stuck: it was aborted, and does not yield")]
    Stuck {
        /// The child.
        path: String,
    },

    /// A dynamic supervisor keeps no child that does not run, so there is none to restart or to delete.
    #[error("`{path}` is dynamic: its children cannot be restarted or deleted; start another, or terminate one")]
    Dynamic {
        /// The supervisor.
        path: String,
    },

    /// The call would wait for the process that made it, for example for a start that comes after the caller's own, or for the
    /// end of the tree that the caller is part of.
    #[error(
        "waiting for `{path}` here would deadlock: it waits for the caller; use a call that does not wait, as `spawn`"
    )]
    WouldDeadlock {
        /// The supervisor.
        path: String,
    },

    /// There is no supervisor here, because this is not a process.
    #[error(
        "not in a supervised process, so there is no supervisor to add a child to; call `spawn` on a `SupervisorHandle`"
    )]
    OutsideProcess,

    /// The child has no process now.
    #[error("`{path}` is not running")]
    ChildNotRunning {
        /// The child.
        path: String,
    },
}

/// How a child failed to start.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub enum StartFailure {
    /// `initialize` returned an error.
    #[error("{0}")]
    Failed(#[source] Failure),
    /// `initialize` panicked.
    #[error("panicked: {0}")]
    Panicked(#[source] Failure),
    /// It was not ready in time.
    #[error("not ready within its start timeout of {0:?}")]
    TimedOut(Duration),
    /// It ended, and had not said that it is ready: see [`with_explicit_ready`](crate::ChildSpec::with_explicit_ready).
    #[error("ended before it was ready")]
    Ended,
    /// It was killed, or terminated.
    #[error("aborted before it was ready")]
    Aborted,
    /// It is a supervisor, and was asked to shut down.
    #[error("was asked to shut down before it was ready")]
    ShutDown,
    /// The executor dropped it, or refused it.
    #[error("its executor dropped it before it was ready")]
    Lost,
    /// It is a supervisor, and a child below it failed to start.
    #[error("`{path}` failed to start: {cause}")]
    Below {
        /// That child.
        path: String,
        /// How it failed.
        #[source]
        cause: Box<StartFailure>,
    },
    /// It is a supervisor that ran out of restarts before all its children had started.
    #[error("{0}")]
    GaveUp(#[source] GaveUp),
}

impl SupervisorError {
    /// An executor's own error, rendered to text with its sources.
    pub fn executor(error: impl Into<BoxError>) -> Self {
        Self::Executor(Failure::from_error(&*error.into()))
    }
}

fn place(parent: &Option<String>) -> String {
    parent.as_ref().map_or_else(String::new, |parent| format!(" of a child of `{parent}`"))
}

fn list(unclean: &[UncleanProcess]) -> String {
    const SHOWN: usize = 8;
    let mut text: Vec<String> = unclean.iter().take(SHOWN).map(ToString::to_string).collect();
    if unclean.len() > SHOWN {
        text.push(format!("and {} more", unclean.len() - SHOWN));
    }
    text.join("; ")
}
