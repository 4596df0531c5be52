//! The second half of a turn: performs the effects of the engine, without its lock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Io, ToDo};
use crate::{
    engine::Effect,
    incarnation::{ChildId, Flags, Parent, ProcessKey, Step},
    node::{Child, LockedEngine, Subject, gave_up},
    observe::EventKind,
    strategy::{ChildKind, RestartType},
    trace,
};

impl Io {
    pub(super) fn perform(&mut self, locked: &LockedEngine, effect: ToDo, now: Instant) -> Option<Step> {
        match effect {
            Effect::Start { key, incarnation, child } => {
                // P2: the new run of that supervisor adopts what was left behind, and waits for it.
                if !self.left.is_empty() {
                    self.forget_left(key.id);
                }
                let settings = child.settings();
                let has_backoff = self.has_backoff || settings.backoff().is_some();
                // A worker that is added and runs only once drops its own specification, together with its future.
                let is_only_run = settings.restart() == RestartType::Temporary && settings.kind == ChildKind::Worker;
                let flags = if is_only_run && !self.is_static(key.id) { Flags::NO_SUCCESSOR } else { Flags::NONE };
                // The id is set before the event that contains it, and the event is emitted before the process can run:
                // B3.
                let context = child.clone().begin(ProcessKey::new(key, incarnation), &self.scope, flags);
                // P11: before the process can end.
                locked.expected.begun(key.id, child.cell(), self.shared.monitors());
                if incarnation == 1 && has_backoff && settings.restart() != RestartType::Temporary {
                    self.warn_of_short_intensity(locked, &*child);
                }
                // B3: emitted before the process is spawned, because another thread may run it at once, and its later
                // events must come after.
                if self.is_heard {
                    self.emit(&*child, EventKind::Started);
                }
                child.start(context, &self.scope);
            }
            Effect::Ask { child, no_successor } => request(&*child, Flags::SHUTDOWN, no_successor),
            // R78: otherwise the process of a temporary worker drops the specification at its end. It may be at its end now:
            // then there is nothing left to run, and the next process ends at once.
            Effect::Keep { child } => child.cell().expect_successor(),
            Effect::Abort { child, no_successor } => request(&*child, Flags::ABORT, no_successor),
            Effect::SampleHeartbeat { key, incarnation } => {
                let mut engine = locked.lock();
                // B2: the look clears the flag, so it is made once for each look of the engine, with its answer under
                // the same lock.
                let sign_of_life = engine.child(key).is_some_and(|child| child.cell().take_alive());
                engine.handle_heartbeat(ProcessKey::new(key, incarnation), sign_of_life, now);
            }
            Effect::Emit { child, kind, took } => {
                // A child that an earlier run of this supervisor has abandoned is not reported again.
                if !matches!(*kind, EventKind::Abandoned) || !child.cell().abandon().is_abandoned() {
                    self.emit_timed(&*child, took, *kind);
                }
            }
            // R2: a supervisor is ready when its children are. Its process reports that, as any process does.
            Effect::Ready => {
                if self.scope.is_root() {
                    trace::tell_ready((&self.scope.path(), Some(self.own.id)));
                }
                return Some(Step::Ready);
            }
            Effect::GaveUp => {
                // A1: made now, because the failures that are still counted are those for which it gave up. Later, some
                // would be forgotten.
                let gave_up = gave_up(self.scope.path(), &locked.lock(), now);
                self.emit_of_itself(EventKind::GaveUp(gave_up.clone()));
                self.gave_up = Some(gave_up);
            }
            Effect::Answer { caller, child, answer } => self.answer(caller, child.as_deref(), answer),
            Effect::Refuse { child, caller, refusal } => self.refuse(child, caller, refusal),
            Effect::Forget { id, child } => {
                // R78: nothing starts this child again, so its specification is dropped. A static one is kept for the
                // next run of this supervisor (R36); a root has none.
                if !self.is_static(id) || self.static_children.is_none() {
                    self.dispose(child);
                }
            }
            Effect::Finish => {
                // N7: from here on, a handle answers that the supervisor does not run. Messages that were sent before
                // are still read: the engine answers them, or `finish` refuses them (A7).
                self.shared.close(&self.scope);
                self.is_closing = true;
            }
        }
        None
    }

    pub(super) fn warn_of_short_intensity(&mut self, locked: &LockedEngine, child: &dyn Child) {
        // It warns once.
        if self.has_warned {
            return;
        }
        let Some((after, longest)) = locked.lock().settings().cuts_short(child.settings()) else { return };
        self.has_warned = true;
        trace::warn_of_short_intensity((&self.scope.path_of(child.name()), child.cell().latest()), after, longest);
    }

    pub(super) fn emit(&self, child: &dyn Child, kind: EventKind) {
        self.emit_timed(child, None, kind);
    }

    pub(super) fn emit_timed(&self, child: &dyn Child, took: Option<Duration>, kind: EventKind) {
        self.scope.count(child.id(), child.name(), &kind);
        self.scope.emit(kind, took, child.shared(), || Subject {
            path: self.scope.path_of(child.name()),
            id: Some(child.id()),
            process: child.cell().latest(),
        });
    }

    pub(super) fn emit_of_itself(&self, kind: EventKind) {
        self.scope.emit(kind, None, None, || self.scope.as_subject(self.own.id));
    }

    /// Returns whether it is one of the children that this supervisor has when it starts.
    pub(super) fn is_static(&self, id: ChildId) -> bool {
        self.scope.is_static(id)
    }

    /// Drops what the specification of a child owns, because the child is not started again. If the child runs, its
    /// process does that; otherwise a new process does, so that no destructor holds up this supervisor.
    pub(super) fn dispose(&self, child: Arc<dyn Child>) {
        if child.cell().has_released() {
            return;
        }
        // R78. First the flag is set, then the state is read: a process that ends in between has read the flag, or is
        // seen to have ended. If both sides drop the specification, the second finds nothing.
        request(&*child, Flags::NONE, true);
        if child.cell().process().is_none() && child.is_loaded() {
            child.dispose(&self.scope);
        }
    }
}

pub(super) fn request(child: &dyn Child, flags: Flags, no_successor: bool) {
    let flags = if no_successor { flags | Flags::NO_SUCCESSOR } else { flags };
    child.cell().request(flags);
}
