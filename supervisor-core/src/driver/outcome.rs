//! The outcome of a supervisor, with names.

use std::{sync::Arc, time::Instant};

use super::{Driver, Io};
use crate::{
    engine::{Cause, EngineOutcome, UncleanKind},
    error::{GaveUp, RestartRecord, StartFailure, UncleanProcess, UncleanStop},
    incarnation::{ChildId, Exit, Parent, ProcessId, StopReason, Termination, guard},
    mailbox::Envelope,
    node::{Child, ChildrenEngine},
    observe::EventKind,
    strategy::ChildKind,
    trace,
};

/// Logs the outcome of a tree: its last line.
pub(super) fn tell_end(root: (&str, Option<ProcessId>), reason: &StopReason, unclean: &[UncleanProcess]) {
    if unclean.is_empty() {
        trace::tell_end(root, reason);
    } else {
        // A line has a limit; each of these was a warning of its own.
        let named: Vec<_> = unclean.iter().take(16).map(ToString::to_string).collect();
        trace::tell_end(root, format_args!("{reason}, but not cleanly: {}", named.join("; ")));
    }
}

impl Io {
    pub(super) fn give_up(&self, engine: &ChildrenEngine, now: Instant) -> GaveUp {
        let tell = |charge: &crate::engine::Charge<Arc<dyn Child>>| {
            let ago = now.saturating_duration_since(charge.at);
            RestartRecord::new(self.scope.path_of(charge.child.name()), ago, &charge.cause)
        };
        let strategy = engine.settings().strategy;
        let restarts = engine.history().map(tell).collect();
        GaveUp::new(self.scope.path(), strategy.intensity(), strategy.period(), restarts)
    }
}

impl Driver {
    pub(super) fn finish(&mut self) -> Exit {
        let Self { locked, io } = self;
        let (EngineOutcome { cause, killed, unclean }, children) = {
            let mut engine = locked.lock();
            // Taken out under the lock, disposed of after it: what a child owns is user code.
            let children: Vec<_> = engine.children().map(|(id, child, _)| (id, child.clone())).collect();
            (engine.poll_outcome(), children)
        };
        // A5, N8: before the outcome is made, because the outcome names them.
        let left = io.abandon_left();
        let path_of = |child: &Arc<dyn Child>| io.scope.path_of(child.name());
        let unclean = unclean.into_iter().flat_map(|(child, unclean)| match unclean {
            // A5: these have their names from below. So each is named once, with its whole path, in the outcome of the
            // root.
            UncleanKind::Below(unclean) => unclean,
            UncleanKind::Aborted => vec![UncleanProcess::new(path_of(&child), UncleanStop::Aborted)],
            // D9: a child that fails when it is asked to stop changes no policy, but is named.
            UncleanKind::Failed(exit) => vec![UncleanProcess::new(path_of(&child), UncleanStop::Failed(exit))],
            UncleanKind::Abandoned => vec![UncleanProcess::new(
                path_of(&child),
                match child.settings().kind {
                    ChildKind::Worker => UncleanStop::Abandoned,
                    ChildKind::Supervisor => UncleanStop::AbandonedWithSubtree,
                },
            )],
        });
        let mut unclean: Vec<_> = unclean.collect();
        unclean.extend(left);
        // R47, D5: all of these stop alike, and are told apart here, for errors, events and the log.
        let reason = match cause {
            _ if killed => StopReason::Killed,
            Cause::Requested => StopReason::Requested,
            Cause::GaveUp => io.gave_up.take().map_or(StopReason::Requested, StopReason::GaveUp),
            Cause::AutoShutdown { child, exit } => {
                StopReason::AutoShutdown { path: io.scope.path(), child: path_of(&child), exit }
            }
            // A1: the failure climbs unchanged, with the path of the child that failed.
            Cause::FailedToStart { failure: StartFailure::Below { path, cause }, .. } => {
                StopReason::FailedToStart { path, cause: *cause }
            }
            Cause::FailedToStart { child, failure } => {
                StopReason::FailedToStart { path: path_of(&child), cause: failure }
            }
        };
        // Before the scope is closed, which emits it, and after the last event of a child: no event from below follows
        // it.
        io.emit_of_itself(EventKind::Ended(reason.clone()));
        if io.scope.is_root() {
            tell_end((&io.scope.path(), Some(io.own.id)), &reason, &unclean);
        }
        // R36, R78: added children do not come back. The static ones do, unless the supervisor has no successor.
        let is_over = |id: &ChildId| io.static_children.is_none() || !io.is_static(*id);
        children.into_iter().filter(|(id, _)| is_over(id)).for_each(|(_, child)| io.dispose(child));
        if let (Some(children), true) = (&io.static_children, io.seen.no_successor) {
            children.iter().for_each(|child| io.dispose(child.clone()));
        }
        // A timer is foreign code: a panic in its destructor must not change the outcome.
        let timer = io.timer.take();
        let _ = guard(|| drop(timer));
        // P1: abandonments were reported. From here on, reports are not read, so no end is reported twice.
        io.scope.close();
        // A7: a command that came after the last read, and before `Shared` was closed, is not lost: its caller learns
        // that the supervisor does not run, and a `spawn` is reported as refused (N7).
        while let Some(Envelope { message, .. }) = io.commands.next(&mut io.commands_taken) {
            io.turn_away(message);
        }
        Exit::Shutdown(Arc::new(Termination { reason, unclean }))
    }
}
