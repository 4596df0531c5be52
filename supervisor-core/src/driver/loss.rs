//! What a supervisor does that is dropped, or panics, while children of it live (P2, A6).
//!
//! Its children are aborted. Those that live on another executor may take their time, and have no supervisor until the
//! next run of this one: that run adopts them, and starts nothing before they are gone.

use std::{
    mem,
    sync::{Arc, Weak},
    task::{Wake, Waker},
    time::Instant,
};

use super::{Driver, Io, request};
use crate::{
    engine::Effect,
    incarnation::{Exit, Flags, Parent, ProcessKey, Report, ReportKind, guard},
    mailbox::{Envelope, Taken},
    node::{Child, Command, LockedEngine, Scope, Tree},
    observe::EventKind,
};

impl Driver {
    /// The last thing that a supervisor does which has not stopped.
    pub(super) fn lose(&mut self, exit: &Exit) {
        let Self { locked, io } = self;
        io.shared.close(&io.scope);
        io.tell_what_is_left(locked);
        // Then the ends of children that were not looked at yet.
        let reports = mem::replace(&mut io.reports, Taken::nothing());
        for Envelope { message, .. } in reports.chain(io.scope.close_lost()) {
            if let Report { process_key, kind: ReportKind::Exited(exit) } = message {
                let ended = locked.lock().handle_exit_unsupervised(process_key, &exit, io.scope.now());
                if let Some(child) = ended {
                    io.tell(&*child, EventKind::Exited(exit));
                }
            }
        }
        while let Some(Envelope { message, .. }) = io.commands.next(&mut io.commands_taken) {
            io.turn_away(message);
        }
        let children: Vec<_> = locked.lock().children().map(|(id, child, _)| (id, child.clone())).collect();
        for (id, child) in children {
            // The next run has the static ones again, if there is one.
            let is_over = io.specs.is_none() || !io.is_static(id);
            if child.cell().is_occupied() {
                request(&*child, Flags::ABORT, is_over);
            }
            if is_over {
                io.dispose(child);
            }
        }
        // For a root there is nobody above who could tell. It does when nothing is left below it, which may end later.
        if io.scope.is_root() {
            io.shared.outlive_root();
            io.scope.tell_at_the_end(io.own.id, exit.clone());
        }
        // Who waits for an answer is woken, and a waker is user code.
        for call in io.calls.drain() {
            let _ = guard(|| drop(call));
        }
        io.scope.changes.tell();
    }
}

impl Io {
    /// What the engine wanted to have told, and was not yet.
    fn tell_what_is_left(&mut self, locked: &LockedEngine) {
        let now = self.scope.now();
        let untaken = locked.lock().take_effects();
        for effect in mem::take(&mut self.to_do).into_iter().chain(untaken) {
            if let Effect::Emit { .. } | Effect::Refuse { .. } | Effect::Forget { .. } | Effect::Answer { .. } = effect
            {
                self.perform(locked, effect, now);
            }
        }
    }

    /// A command that is not going to be carried out. Who waits for it is told by the end of the call.
    pub(super) fn turn_away(&self, command: Command) {
        let (child, call) = match command {
            Command::Start { child, call } => (Some(child), call),
            Command::Terminate(_, call)
            | Command::Restart(_, call)
            | Command::Delete(_, call)
            | Command::Kill(_, call) => (None, Some(call)),
        };
        if let Some(child) = child {
            if call.is_none() {
                self.tell(&*child, EventKind::Refused(self.shared.not_running()));
            }
            self.dispose(child);
        }
        let _ = guard(|| drop(call));
    }

    /// Has this supervisor told when what an earlier run of it has left behind is gone.
    pub(super) fn wait_for_vacancy(&self, child: &dyn Child, process_key: ProcessKey) {
        let cell = child.cell();
        let waker = Waker::from(Arc::new(Vacancy { scope: Arc::downgrade(&self.scope), process_key }));
        let is_gone = match cell.process() {
            None => true,
            Some(left) => {
                cell.register_waiter(left, &mut None, &waker);
                cell.process() != Some(left)
            }
        };
        if is_gone {
            waker.wake();
        }
    }

    /// Looks whether it is gone. It may just have been asked to stop, which wakes those who wait, too.
    pub(super) fn look_for_vacancy(&self, engine: &mut Tree, process_key: ProcessKey, now: Instant) {
        let Some(child) = engine.child(process_key.child_key()) else { return };
        if child.cell().process().is_some() {
            self.wait_for_vacancy(&**child, process_key);
        } else {
            // It has told its exit itself.
            engine.handle_exit(process_key, Exit::Aborted, now);
        }
    }
}

/// Waits in the control cell of a process that was left behind.
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
