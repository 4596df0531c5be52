//! The outcome of a supervisor, with names.

use std::sync::Arc;

use super::Driver;
use crate::{
    engine::{EngineOutcome, UncleanKind},
    error::{UncleanProcess, UncleanStop},
    incarnation::{ChildId, Exit, Parent, ProcessId, StopReason, Termination, guard},
    mailbox::Envelope,
    node::{Child, stop_reason},
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

impl Driver {
    pub(super) fn finish(&mut self) -> Exit {
        let Self { locked, io, .. } = self;
        let (EngineOutcome { cause, killed, unclean }, children) = {
            let mut engine = locked.lock();
            // Taken out under the lock, disposed of after it: what a child owns is user code.
            let children: Vec<_> = engine.children().map(|(id, child, _)| (id, child.clone())).collect();
            (engine.poll_outcome(), children)
        };
        // A5, N8: before the outcome is made, because the outcome names them.
        let left = io.abandon_left();
        io.hand_left_to_owner();
        let path_of = |child: &Arc<dyn Child>| io.scope.path_of(child.name());
        let unclean = unclean.into_iter().flat_map(|(child, unclean)| match unclean {
            // A5: these have their names from below. So each is named once, with its whole path, in the outcome of the
            // root.
            UncleanKind::Below(unclean) => unclean,
            UncleanKind::Aborted => vec![UncleanProcess::new(path_of(&child), UncleanStop::Aborted)],
            UncleanKind::Killed => vec![UncleanProcess::new(path_of(&child), UncleanStop::Killed)],
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
        let reason = match killed {
            true => StopReason::Killed,
            false => stop_reason(|| io.scope.path(), &cause, io.gave_up.take()),
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
        locked.close();
        Exit::Shutdown(Arc::new(Termination { reason, unclean }))
    }
}
