use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    error::SupervisorError,
    handle::SupervisorHandle,
    incarnation::{Exit, Flags, ProcessId, ProcessKey, Report, ReportKind, StopReason},
    mailbox::{Envelope, Taken},
    node::{CallOrigin, Child, Scope, StoppingProcesses},
    observe::{Metrics, Observers},
    quiescence::Quiescence,
    spawner::{Executor, Spawner, nudge},
    supervisor::Supervisor,
    trace,
    waits::Waiting,
};

/// The process at the top of a tree, as its owner sees it. When it is dropped, the tree is asked to shut down in the
/// background.
pub(super) struct Root {
    root: Arc<dyn Child>,
    pub(super) handle: SupervisorHandle,
    outside: Arc<Scope>,
    reports: Taken<Report>,
    has_ended: bool,
}

pub(super) enum RootReport {
    Ready,
    Ended(Exit),
}

impl Root {
    /// Starts a tree. Also returns the record that the process which runs this code waits for the tree, if there is one.
    pub(super) fn launch(
        supervisor: Supervisor,
        spawner: Arc<dyn Spawner>,
        observers: Observers,
        quiescence: Quiescence,
    ) -> Result<(Self, Option<Waiting>), SupervisorError> {
        // R6: an invalid tree is refused here, before there is a process.
        let (root, handle) = supervisor.into_root(&*spawner)?;
        trace::warn_of_panic_abort();
        Metrics::describe();
        let outside = Scope::outside(Executor::new(spawner), observers, quiescence, handle.shared());
        let process_key = ProcessKey::only(root.id());
        // A6: a root is a process, too. It runs once, so it begins with the flag that nothing comes after it.
        let context = root.clone().begin(process_key, &outside, Flags::NO_SUCCESSOR);
        trace::tell_start((root.name(), Some(context.id)));
        // N6: before anything of the tree runs. A process of it that calls its starter finds this, also on another thread.
        let waiting = CallOrigin::current().and_then(|caller| Waiting::begin(caller.chain(), root.id()));
        root.clone().start(context, &outside);
        Ok((Self { root, handle, outside, reports: Taken::nothing(), has_ended: false }, waiting))
    }

    pub(super) fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<RootReport> {
        self.outside.register(cx.waker());
        while let Some(Envelope { message: Report { kind, .. }, in_flight: _in_flight }) =
            self.outside.next_report(&mut self.reports)
        {
            match kind {
                ReportKind::Ready => return Poll::Ready(RootReport::Ready),
                ReportKind::Acknowledged | ReportKind::Vacated | ReportKind::Unclean(_) | ReportKind::Held => {}
                ReportKind::Exited(exit) => {
                    self.has_ended = true;
                    return Poll::Ready(RootReport::Ended(exit));
                }
            }
        }
        Poll::Pending
    }

    /// Records that a process waits for the end of the tree, or for its start, for as long as the returned value lives.
    /// Fails if the tree, or something in it, waits for that process.
    pub(super) fn wait_for_it(&self) -> Result<Option<Waiting>, SupervisorError> {
        let Some(caller) = CallOrigin::current() else { return Ok(None) };
        // N6: a wait for the root is a wait for all below it, possibly including the caller.
        match Waiting::begin(caller.chain(), self.root.id()) {
            Some(waiting) => Ok(Some(waiting)),
            None => Err(SupervisorError::WouldDeadlock { path: self.handle.path() }),
        }
    }

    /// Asks the tree to stop. `cause` is the source of the request, for the log.
    pub(super) fn shutdown(&self, cause: impl fmt::Display) {
        // Logged before the request, because the tree may end at once.
        if self.root.cell().is_unasked() {
            trace::tell_stop(self.about(), cause);
        }
        // N1: also during its start.
        self.root.cell().request(Flags::SHUTDOWN | Flags::NO_SUCCESSOR);
        // The caller may be user code that blocks next.
        nudge(&**self.outside.home);
    }

    /// Aborts all processes that are left of the tree.
    pub(super) fn abort(&self, cause: impl fmt::Display) {
        let stopping = StoppingProcesses::below(&self.handle.shared());
        if stopping.is_empty() {
            trace::tell_more_stop(self.about(), cause);
        } else {
            trace::tell_more_stop(self.about(), format_args!("{cause}; still stopping: {stopping}"));
        }
        // N8: the root aborts everything below it, and so does each supervisor there. The root itself stays, to name
        // the processes that did not yield.
        self.root.cell().request(Flags::SHUTDOWN | Flags::ABORT | Flags::NO_SUCCESSOR);
    }

    /// Returns the path and the process of the root, for a line of the log.
    pub(super) fn about(&self) -> (&str, Option<ProcessId>) {
        (self.root.name(), self.root.cell().latest())
    }

    /// Returns what the end of the root means to the caller that ran it.
    pub(super) fn outcome(&self, exit: Exit) -> Result<(), SupervisorError> {
        let path = || self.root.name().to_owned();
        let termination = match exit {
            Exit::Shutdown(termination) => termination,
            Exit::Panicked(panic) => return Err(SupervisorError::Panicked { path: path(), panic }),
            _ => return Err(SupervisorError::Lost { path: path() }),
        };
        // D5: how it stopped decides the error, though it stopped in the same way.
        match &termination.reason {
            StopReason::GaveUp(gave_up) => Err(SupervisorError::GaveUp(gave_up.clone())),
            StopReason::FailedToStart { path, cause } => {
                Err(SupervisorError::FailedToStart { path: path.clone(), cause: cause.clone() })
            }
            // D6: failed work is an error, with the history if a supervisor gave up.
            StopReason::AutoShutdown { path, child, exit } if !exit.is_success() => {
                let (path, child, exit) = (path.clone(), child.clone(), exit.clone());
                Err(SupervisorError::SignificantChildFailed { path, child, exit })
            }
            StopReason::AutoShutdown { .. } | StopReason::Requested | StopReason::Killed => {
                // A5, D9: the outcome names the processes that were aborted or abandoned, or failed when they were
                // asked to stop, through the whole tree. A tree that failed for another reason reports that reason.
                match &termination.unclean[..] {
                    [] => Ok(()),
                    unclean => Err(SupervisorError::UncleanShutdown(unclean.to_vec())),
                }
            }
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        // A6: the last owner is gone, so nothing else could stop the tree. It goes on in the background, in order.
        if !self.has_ended {
            self.shutdown("what ran or held the tree was dropped");
        }
    }
}
