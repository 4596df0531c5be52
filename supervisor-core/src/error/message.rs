//! The texts of a [`SupervisorError`].

use std::{error::Error, fmt};

use super::{
    Failure, GaveUp, SupervisorError, UncleanProcess,
    tell::{self, Story, Tell},
};
use crate::text::{Lines, Number};

/// How many of the processes that did not stop well a text names.
const SHOWN: usize = 8;

impl Tell for SupervisorError {
    fn tell(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self {
            Self::InvalidName { name, parent } => {
                write!(out, "invalid name {name:?}")?;
                if let Some(parent) = parent {
                    write!(out, " of a child of `{parent}`")?;
                }
                out.write_str(": a name needs a letter or a digit")
            }
            Self::InvalidSpec { path, reason } => write!(out, "`{path}` has an invalid specification: {reason}"),
            Self::FailedToStart { path, cause } => {
                write!(out, "`{path}` ")?;
                cause.tell(out)
            }
            Self::GaveUp(gave_up) => gave_up.tell(out),
            Self::SignificantChildFailed { path, child, exit } => {
                write!(out, "`{path}` shut down because its significant child `{child}` ")?;
                exit.tell(out)
            }
            Self::UncleanShutdown(unclean) => {
                out.write_str("shutdown was not clean: ")?;
                tell_list(unclean, out)
            }
            Self::Overloaded { path, unread } => {
                write!(out, "`{path}` has {unread} unread messages and accepts no more; try again later, or shed load")
            }
            Self::ShutdownDuringStart => out.write_str("the tree was shut down before all its children had started"),
            Self::Lost { path } => write!(
                out,
                "`{path}` was dropped by its executor before it had stopped; shut the tree down before its runtime"
            ),
            Self::Panicked { path, .. } => write!(out, "`{path}` panicked in the supervisor itself, not in a child"),
            // What an executor, or a part of the environment, says of itself is not a message of user code.
            Self::Executor(failure) => write!(out, "cannot run the tree: {}", failure.message()),
            Self::NotRunning { path } => {
                write!(out, "`{path}` is not running: it has not started, has stopped, or is waiting to restart")
            }
            Self::NotFound { path } => {
                write!(out, "`{path}` has no such child; it may have been removed when it ended")
            }
            Self::ShuttingDown { path } => write!(out, "`{path}` is shutting down and cannot start children"),
            Self::AtCapacity { path, max } => write!(
                out,
                "`{path}` has its maximum of {max} children; try again when one has ended, or raise `with_max_children`"
            ),
            Self::AlreadyStarted { path, .. } => {
                write!(out, "`{path}` already exists and is running; use it, or another name")
            }
            Self::AlreadyPresent { path, .. } => {
                write!(out, "`{path}` already exists but is not running; restart or delete it first")
            }
            Self::Running { path } => write!(out, "`{path}` is running; terminate it first"),
            Self::Restarting { path } => write!(out, "`{path}` is restarting; terminate it to cancel the restart"),
            Self::Stopping { path } => write!(out, "`{path}` is stopping; try again when it has stopped"),
            Self::RunsOnce { path } => {
                write!(out, "`{path}` runs only once and cannot be started again; start a new child")
            }
            Self::Stuck { path } => {
                write!(out, "`{path}` is stuck: aborted but has not yielded; it stops when it yields")
            }
            Self::Dynamic { path } => write!(
                out,
                "`{path}` is a dynamic supervisor, whose children cannot be restarted or deleted; start a new child, or \
                 terminate this one"
            ),
            Self::WouldDeadlock { path } => write!(
                out,
                "waiting here for `{path}` would deadlock: it waits for the caller; use a call that does not wait, such as \
                 `spawn`"
            ),
            Self::OutsideProcess => out.write_str(
                "not in a supervised process, so there is no supervisor to add a child to; call `spawn` on a \
                 `SupervisorHandle`",
            ),
            Self::NoScope { path } => write!(
                out,
                "`{path}` cannot have a scope: only the process of a worker has one; open it in the worker's own code"
            ),
            Self::ScopeIsOpen { path } => write!(
                out,
                "the scope of `{path}` is open already; call `scope_with` before anything else opens it, or use `scope`"
            ),
            Self::ChildNotRunning { path } => {
                write!(
                    out,
                    "`{path}` has no process at the moment: it has not started, has stopped, or is waiting to restart"
                )
            }
        }
    }

    fn said(&self) -> Option<&Failure> {
        match self {
            Self::FailedToStart { cause, .. } => cause.said(),
            Self::GaveUp(gave_up) => gave_up.said(),
            Self::SignificantChildFailed { exit, .. } => exit.said(),
            Self::Panicked { panic: failure, .. } => Some(failure),
            Self::Executor(failure) => failure.below(),
            // A list has many causes, so the text names each.
            Self::UncleanShutdown(_) => None,
            Self::InvalidName { .. }
            | Self::InvalidSpec { .. }
            | Self::Overloaded { .. }
            | Self::ShutdownDuringStart
            | Self::Lost { .. }
            | Self::NotRunning { .. }
            | Self::NotFound { .. }
            | Self::ShuttingDown { .. }
            | Self::AtCapacity { .. }
            | Self::AlreadyStarted { .. }
            | Self::AlreadyPresent { .. }
            | Self::Running { .. }
            | Self::Restarting { .. }
            | Self::Stopping { .. }
            | Self::Stuck { .. }
            | Self::RunsOnce { .. }
            | Self::Dynamic { .. }
            | Self::WouldDeadlock { .. }
            | Self::OutsideProcess
            | Self::NoScope { .. }
            | Self::ScopeIsOpen { .. }
            | Self::ChildNotRunning { .. } => None,
        }
    }
}

fn tell_list(unclean: &[UncleanProcess], out: &mut dyn fmt::Write) -> fmt::Result {
    for (n, process) in unclean.iter().take(SHOWN).enumerate() {
        let between = if n == 0 { "" } else { "; " };
        write!(out, "{between}{}", process.words())?;
    }
    match unclean.len().checked_sub(SHOWN) {
        None | Some(0) => Ok(()),
        Some(more) => write!(out, "; and {more} more"),
    }
}

impl SupervisorError {
    /// The text for a person at the end of the program. It is one line, and, if a supervisor gave up, one more line for each
    /// restart before its last failure. Line breaks in messages of user code stay; other control characters are escaped.
    pub(crate) fn report(&self) -> impl fmt::Display + '_ {
        Lines(Report(self))
    }

    fn gave_up(&self) -> Option<&GaveUp> {
        match self {
            Self::GaveUp(gave_up) => Some(gave_up),
            Self::FailedToStart { cause, .. } => cause.gave_up(),
            Self::SignificantChildFailed { exit, .. } => exit.gave_up(),
            _ => None,
        }
    }

    fn write_fields(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut path_of = |variant: &str, path: &String| f.debug_struct(variant).field("path", path).finish();
        match self {
            Self::Lost { path } => path_of("Lost", path),
            Self::NotRunning { path } => path_of("NotRunning", path),
            Self::NotFound { path } => path_of("NotFound", path),
            Self::ShuttingDown { path } => path_of("ShuttingDown", path),
            Self::Running { path } => path_of("Running", path),
            Self::Restarting { path } => path_of("Restarting", path),
            Self::Stopping { path } => path_of("Stopping", path),
            Self::Stuck { path } => path_of("Stuck", path),
            Self::RunsOnce { path } => path_of("RunsOnce", path),
            Self::Dynamic { path } => path_of("Dynamic", path),
            Self::WouldDeadlock { path } => path_of("WouldDeadlock", path),
            Self::ChildNotRunning { path } => path_of("ChildNotRunning", path),
            Self::NoScope { path } => path_of("NoScope", path),
            Self::ScopeIsOpen { path } => path_of("ScopeIsOpen", path),
            Self::GaveUp(gave_up) => f.debug_tuple("GaveUp").field(gave_up).finish(),
            Self::UncleanShutdown(unclean) => f.debug_tuple("UncleanShutdown").field(unclean).finish(),
            Self::Executor(failure) => f.debug_tuple("Executor").field(failure).finish(),
            Self::ShutdownDuringStart => f.write_str("ShutdownDuringStart"),
            Self::OutsideProcess => f.write_str("OutsideProcess"),
            Self::InvalidName { name, parent } => {
                f.debug_struct("InvalidName").field("name", name).field("parent", parent).finish()
            }
            Self::InvalidSpec { path, reason } => {
                f.debug_struct("InvalidSpec").field("path", path).field("reason", reason).finish()
            }
            Self::FailedToStart { path, cause } => {
                f.debug_struct("FailedToStart").field("path", path).field("cause", cause).finish()
            }
            Self::SignificantChildFailed { path, child, exit } => {
                let mut fields = f.debug_struct("SignificantChildFailed");
                fields.field("path", path).field("child", child).field("exit", exit).finish()
            }
            Self::Overloaded { path, unread } => {
                f.debug_struct("Overloaded").field("path", path).field("unread", unread).finish()
            }
            Self::Panicked { path, panic } => {
                f.debug_struct("Panicked").field("path", path).field("panic", panic).finish()
            }
            Self::AtCapacity { path, max } => {
                f.debug_struct("AtCapacity").field("path", path).field("max", &Number(*max)).finish()
            }
            Self::AlreadyStarted { path, id } => {
                f.debug_struct("AlreadyStarted").field("path", path).field("id", id).finish()
            }
            Self::AlreadyPresent { path, id } => {
                f.debug_struct("AlreadyPresent").field("path", path).field("id", id).finish()
            }
        }
    }
}

struct Report<'a>(&'a SupervisorError);

impl fmt::Display for Report<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Story(self.0).fmt(f)?;
        // A1: the whole history. The first line has the last failure.
        let earlier = self.0.gave_up().map_or(&[][..], GaveUp::earlier);
        earlier.iter().try_for_each(|restart| write!(f, "\n  {}", restart.words()))
    }
}

impl fmt::Display for SupervisorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell::error(self, f)
    }
}

/// Prints the report that a person reads, because a `main` that returns the error prints this. `{:#?}` prints the fields.
impl fmt::Debug for SupervisorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { self.write_fields(f) } else { fmt::Display::fmt(&self.report(), f) }
    }
}

impl Error for SupervisorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.said().map(|failure| failure as _)
    }
}
