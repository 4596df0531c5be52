//! What a supervisor does when it is dropped, or panics, while children of it live (P2, A6).
//!
//! It aborts its children. Those that live on another executor may need some time, and have no supervisor until the
//! next run of this one: that run adopts them, and starts nothing before they are gone.

use std::{
    mem,
    sync::{Arc, Weak},
    task::{Wake, Waker},
    time::Instant,
};

use super::{Driver, Io, effects::request};
use crate::{
    engine::Effect,
    incarnation::{Exit, Flags, Parent, ProcessKey, Report, ReportKind, guard},
    mailbox::{Envelope, Taken},
    node::{Child, ChildrenEngine, Command, LockedEngine, Scope},
    observe::EventKind,
};

impl Driver {
    /// Ends a supervisor that is dropped, or panics. This is the last thing that it does.
    pub(super) fn lose(&mut self, exit: &Exit) {
        let Self { locked, io, .. } = self;
        // N7: first, so that no more commands come in while the waiting ones are refused.
        io.shared.close(&io.scope);
        locked.close();
        // A6: the engine emitted these events before the loss. They go out first, so that events stay in order.
        io.emit_what_is_left(locked);
        // A6: then the exits that this supervisor has not read. `close_lost` admits no report after it: from then on, a
        // child that ends reports its end itself, so each end is reported once (P1).
        let reports = mem::replace(&mut io.reports, Taken::nothing());
        for Envelope { message, .. } in reports.chain(io.scope.close_lost()) {
            if let Report { process_key, kind: ReportKind::Exited(exit) } = message {
                // The engine gets them, so that the last state shows them (B4). No policy is applied, because nothing
                // is started any more.
                let now = io.scope.now();
                let left = locked.lock().child(process_key.child_key()).filter(|_| exit.may_have_left_any()).cloned();
                if let Some(child) = left.filter(|_| locked.lock().settings().is_scope) {
                    io.remember_for_owner(&child);
                }
                let ended = locked.lock().handle_exit_unsupervised(process_key, &exit, now);
                if let Some(child) = ended {
                    io.emit(&*child, EventKind::Exited(exit));
                }
            }
        }
        // B1: as in a stop, a restart that was announced and does not come is reported as cancelled.
        let waiting = locked.lock().cancel_restarts_unsupervised();
        for child in waiting {
            io.emit(&*child, EventKind::RestartCancelled);
        }
        // A7, N7: no supervisor carries them out, so each caller gets an error.
        while let Some(Envelope { message, .. }) = io.commands.next(&mut io.commands_taken) {
            io.turn_away(message);
        }
        let children: Vec<_> = locked.lock().children().map(|(id, child, _)| (id, child.clone())).collect();
        for (id, child) in children {
            // The next run has the static children again, if there is a next run.
            let is_over = io.static_children.is_none() || !io.is_static(id);
            // P2, N8: no orphans: running children are aborted. A process that only drops user code ends by itself.
            if child.cell().is_occupied() {
                request(&*child, Flags::ABORT, is_over);
            }
            // R78: if it still runs, its process drops what it owns.
            if is_over {
                io.dispose(child);
            }
        }
        io.hand_left_to_owner();
        // A6: a root has no supervisor above that reports its loss. The scope reports it, when the last process below
        // drops the scope, which may be later. Until then the streams stay open.
        if io.scope.is_root() {
            io.shared.outlive_root();
            io.scope.emit_at_the_end(io.own.id, exit.clone());
        }
        // A7: a dropped call has failed, and its caller is woken. A waker is foreign code, so each is dropped under a
        // guard.
        for call in io.calls.drain() {
            let _ = guard(|| drop(call));
        }
        io.scope.changes.notify();
    }
}

impl Io {
    /// Emits the events that the engine queued before the loss, and that were not emitted yet.
    fn emit_what_is_left(&mut self, locked: &LockedEngine) {
        let now = self.scope.now();
        let untaken = locked.lock().take_effects();
        for effect in mem::take(&mut self.to_do).into_iter().chain(untaken) {
            // Of the effects that the engine queued before the loss, none starts, asks or aborts anything any more.
            // Events are emitted, and references are dropped. B1: a start that was announced as a restart is cancelled.
            if let Effect::Start { child, incarnation: 2.., .. } = &effect {
                self.emit(&**child, EventKind::RestartCancelled);
            }
            if let Effect::Emit { .. } | Effect::Refuse { .. } | Effect::Forget { .. } | Effect::Answer { .. } = effect
            {
                self.perform(locked, effect, now);
            }
        }
    }

    /// Drops a command that is not carried out. Its caller sees the end of the channel.
    pub(super) fn turn_away(&self, command: Command) {
        let (child, call) = match command {
            Command::Start { child, call, room: _ } => (Some(child), call),
            Command::Terminate(_, _, call)
            | Command::Restart(_, call)
            | Command::Delete(_, call)
            | Command::Kill(_, call)
            | Command::Reload(_, call)
            | Command::Ping(call) => (None, Some(call)),
        };
        if let Some(child) = child {
            // N7: a `spawn` has no caller, so an event reports the refusal.
            if call.is_none() {
                self.emit(&*child, EventKind::Refused(self.shared.not_running()));
            }
            self.dispose(child);
        }
        let _ = guard(|| drop(call));
    }

    /// Registers this supervisor with a process that an earlier run has left behind: its end wakes the supervisor.
    /// Returns whether the process is still there. If not, no wake comes: nothing is woken in here, because the engine
    /// may be locked.
    #[must_use]
    pub(super) fn wait_for_vacancy(&self, child: &dyn Child, process_key: ProcessKey) -> bool {
        let cell = child.cell();
        // The scope is held weakly: the waker stays in the cell of a process that may never yield, and a scope holds
        // executors.
        let waker = Waker::from(Arc::new(Vacancy { scope: Arc::downgrade(&self.scope), process_key }));
        cell.process().is_some_and(|left| cell.register_for_end(left, &waker))
    }

    /// Checks whether a process that was left behind is gone. A request to stop it has woken this supervisor, too.
    pub(super) fn look_for_vacancy(&mut self, engine: &mut ChildrenEngine, process_key: ProcessKey, now: Instant) {
        self.wait_for_left_again(process_key.child_key().id);
        let Some(child) = engine.child(process_key.child_key()) else { return };
        // A wake takes the waiter out of the cell, so it has to be registered again.
        if !self.wait_for_vacancy(&**child, process_key) {
            // P1: its exit was reported as an event, by itself or as an abandonment. So only the fact that it ended
            // matters here.
            engine.handle_exit(process_key, Exit::Aborted, now);
        }
    }
}

/// A waiter in the control cell of a process that was left behind.
struct Vacancy {
    scope: Weak<Scope>,
    process_key: ProcessKey,
}

impl Wake for Vacancy {
    fn wake(self: Arc<Self>) {
        if let Some(scope) = self.scope.upgrade() {
            scope.report(Report { process_key: self.process_key, kind: ReportKind::Vacated });
        }
    }
}
