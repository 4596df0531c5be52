//! The form in which a snapshot keeps the end of a process: the same data, with a bound on its size. Messages of user code are
//! cut, and of a history of failures only the last one is kept.

use std::sync::Arc;

use super::RestartCause;
use crate::{
    error::{Failure, GaveUp, RestartRecord, StartFailure, UncleanProcess, UncleanStop},
    incarnation::{Exit, StopReason, Termination},
    text::{Cut, LONGEST},
};

/// How many of the processes that did not stop well a snapshot keeps.
const UNCLEAN: usize = 16;

impl RestartCause {
    pub(crate) fn brief(&self) -> Self {
        match self {
            Self::Exit(exit) => Self::Exit(brief_exit(exit)),
            Self::Start(failure) => Self::Start(brief_start(failure)),
        }
    }
}

fn brief_exit(exit: &Exit) -> Exit {
    match exit {
        Exit::Failed(failure) => Exit::Failed(brief_failure(failure)),
        Exit::Panicked(failure) => Exit::Panicked(brief_failure(failure)),
        Exit::Shutdown(termination) => {
            let unclean = termination.unclean.iter().take(UNCLEAN).map(|UncleanProcess { path, stop }| {
                let stop = match stop {
                    UncleanStop::Failed(exit) => UncleanStop::Failed(brief_exit(exit)),
                    stop => stop.clone(),
                };
                UncleanProcess::new(path.clone(), stop)
            });
            Exit::Shutdown(Arc::new(Termination {
                unclean: unclean.collect(),
                reason: brief_reason(&termination.reason),
            }))
        }
        Exit::Normal | Exit::Ignored | Exit::Aborted | Exit::Unresponsive { .. } | Exit::Lost => exit.clone(),
    }
}

fn brief_reason(reason: &StopReason) -> StopReason {
    match reason {
        StopReason::Requested | StopReason::Killed => reason.clone(),
        StopReason::GaveUp(gave_up) => StopReason::GaveUp(brief_history(gave_up)),
        StopReason::FailedToStart { path, cause } => {
            StopReason::FailedToStart { path: path.clone(), cause: brief_start(cause) }
        }
        StopReason::AutoShutdown { path, child, exit } => {
            let (mut child, mut exit) = (child, exit);
            // Supervisors may shut down one after another, each for the one below. The lowest one is the cause of all.
            while let Exit::Shutdown(termination) = exit {
                let StopReason::AutoShutdown { child: below, exit: its, .. } = &termination.reason else { break };
                (child, exit) = (below, its);
            }
            StopReason::AutoShutdown { path: path.clone(), child: child.clone(), exit: brief_exit(exit) }
        }
    }
}

fn brief_start(failure: &StartFailure) -> StartFailure {
    match failure {
        StartFailure::Failed(failure) => StartFailure::Failed(brief_failure(failure)),
        StartFailure::Panicked(failure) => StartFailure::Panicked(brief_failure(failure)),
        StartFailure::Below { path, cause } => {
            StartFailure::Below { path: path.clone(), cause: Box::new(brief_start(cause)) }
        }
        StartFailure::GaveUp(gave_up) => StartFailure::GaveUp(brief_history(gave_up)),
        StartFailure::TimedOut(_)
        | StartFailure::Ended
        | StartFailure::Aborted
        | StartFailure::ShutDown
        | StartFailure::Lost => failure.clone(),
    }
}

/// Keeps the last failure only. A supervisor below has at most one record in it, because a record keeps no deeper history.
fn brief_history(GaveUp { path, intensity, period, restarts }: &GaveUp) -> GaveUp {
    let last = restarts
        .last()
        .map(|RestartRecord { path, ago, cause }| RestartRecord::new(path.clone(), *ago, &cause.brief()));
    GaveUp::new(path.clone(), *intensity, *period, last.into_iter().collect())
}

/// Cuts long messages. Most are short, and shared with the failure.
fn brief_failure(failure: &Failure) -> Failure {
    let is_long = |message: &str| message.len() > LONGEST && message.chars().nth(LONGEST).is_some();
    if !failure.messages().any(is_long) {
        return failure.clone();
    }
    let mut messages = failure.messages().map(|message| Cut(message).to_string());
    let first = messages.next().unwrap_or_default();
    let chain: Vec<_> = messages.collect();
    Failure::from_messages(&first, chain.iter().map(String::as_str)).with_details_of(failure)
}
