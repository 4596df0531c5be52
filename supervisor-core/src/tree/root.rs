use std::{
    fmt,
    future::Future,
    sync::Arc,
    task::{Context, Poll},
};

use crate::{
    error::SupervisorError,
    handle::SupervisorHandle,
    incarnation::{Exit, Flags, ProcessId, ProcessKey, Report, ReportKind, StopReason},
    mailbox::{Envelope, Taken},
    node::{CallOrigin, Child, Scope},
    observe::{ChildState, Metrics, Observers},
    quiescence::Quiescence,
    spawner::{Executor, Spawner, nudge},
    supervisor::Supervisor,
    trace,
    waits::Waiting,
};

/// The process at the top of a tree, from outside. Let go of, it is asked to shut down, and does so in the background.
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
    pub(super) fn launch(
        supervisor: Supervisor,
        spawner: Arc<dyn Spawner>,
        observers: Observers,
        quiescence: Quiescence,
    ) -> Result<Self, SupervisorError> {
        // R6: what is invalid is refused here, before there is a process.
        let (root, handle) = supervisor.into_root(&*spawner)?;
        trace::warn_of_panic_abort();
        Metrics::describe();
        let outside = Scope::outside(Executor::new(spawner), observers, quiescence, handle.shared());
        let process_key = ProcessKey::only(root.id());
        // A6: a root is a process, too. It runs once, so it begins with what says that nothing comes after it.
        let context = root.clone().begin(process_key, &outside, Flags::NO_SUCCESSOR);
        trace::tell_start((root.name(), Some(context.id)));
        root.clone().start(context, &outside);
        Ok(Self { root, handle, outside, reports: Taken::nothing(), has_ended: false })
    }

    pub(super) fn poll_report(&mut self, cx: &mut Context<'_>) -> Poll<RootReport> {
        self.outside.register(cx.waker());
        while let Some(Envelope { message: Report { kind, .. }, in_flight: _in_flight }) =
            self.outside.next_report(&mut self.reports)
        {
            match kind {
                ReportKind::Ready => return Poll::Ready(RootReport::Ready),
                ReportKind::Acknowledged | ReportKind::Vacated => {}
                ReportKind::Exited(exit) => {
                    self.has_ended = true;
                    return Poll::Ready(RootReport::Ended(exit));
                }
            }
        }
        Poll::Pending
    }

    /// Whether this is a process of the tree.
    pub(super) fn is_called_from_within(&self) -> bool {
        CallOrigin::current().is_some_and(|position| position.within(&self.outside).is_some())
    }

    /// A process begins to wait for the end of the tree, or for its start: keeps that as long as it does. `Err` if the tree, or
    /// something in it, waits for that process.
    pub(super) fn wait_for_it(&self) -> Result<Option<Waiting>, SupervisorError> {
        let Some(caller) = CallOrigin::current() else { return Ok(None) };
        // N6: waiting for the root is waiting for all below it, the caller perhaps included.
        match Waiting::begin(caller.chain(), [self.root.id()].into()) {
            Some(waiting) => Ok(Some(waiting)),
            None => Err(SupervisorError::WouldDeadlock { path: self.handle.path() }),
        }
    }

    /// Whether this is a process of the tree that the tree waits for before it can be ready: it is not ready itself, or it has to
    /// stop, alone or with a supervisor above it.
    pub(super) fn waits_for_caller(&self) -> bool {
        let Some(position) = CallOrigin::current().filter(|position| position.within(&self.outside).is_some()) else {
            return false;
        };
        let mut upwards = position.upwards().take_while(|(scope, _)| !scope.is_outside()).peekable();
        // N6: a tree is ready when all in it runs. So it waits for a process that is not ready yet, or that has to
        // stop, with whomever.
        let is_ready = upwards.peek().is_some_and(|(scope, child)| {
            SupervisorHandle::of(scope).shared().state_of(*child) == Some(ChildState::Running)
        });
        !is_ready || upwards.any(|(scope, child)| SupervisorHandle::of(scope).shared().is_stopping_with(child))
    }

    /// Resolves when something in the tree may have changed.
    pub(super) fn listen_for_changes(&self) -> impl Future<Output = ()> + use<> {
        self.outside.changes.listen()
    }

    /// `cause`: who asks for it, for the log.
    pub(super) fn shutdown(&self, cause: impl fmt::Display) {
        // Told before it is asked, because the tree may end at once.
        if self.root.cell().is_unasked() {
            trace::tell_stop(self.about(), cause);
        }
        // N1: also while it starts.
        self.root.cell().request(Flags::SHUTDOWN | Flags::NO_SUCCESSOR);
        // This may be user code, too, that blocks next.
        nudge(&**self.outside.home);
    }

    /// Aborts all that is left of the tree.
    pub(super) fn abort(&self, cause: impl fmt::Display) {
        trace::tell_more_stop(self.about(), cause);
        // N8: the root aborts everything below it, and so does each supervisor there. The root itself stays, to tell
        // who did not yield.
        self.root.cell().request(Flags::SHUTDOWN | Flags::ABORT | Flags::NO_SUCCESSOR);
    }

    /// What a line of the log says that is about the root.
    pub(super) fn about(&self) -> (&str, Option<ProcessId>) {
        (self.root.name(), self.root.cell().latest())
    }

    /// What the end of the root means to whoever ran it.
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
            // D6: work that failed is an error, with the history where a supervisor gave up.
            StopReason::AutoShutdown { path, child, exit } if !exit.is_success() => {
                let (path, child, how) = (path.clone(), child.clone(), exit.to_string());
                let gave_up = exit.gave_up().cloned().map(Box::new);
                Err(SupervisorError::SignificantChildFailed { path, child, how, gave_up })
            }
            StopReason::AutoShutdown { .. } | StopReason::Requested | StopReason::Killed => {
                // A5, D9: what had to be aborted or abandoned, or failed when it was asked to stop, is named, through
                // the whole tree. A tree that failed for another reason tells that one.
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
        // A6: nobody is left who could stop it. It goes on in the background, in order.
        if !self.has_ended {
            self.shutdown("what ran or held the tree was dropped");
        }
    }
}
