//! The second half of a turn: what the engine wants done is done, without its lock.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Io, ToDo};
use crate::{
    engine::Effect,
    incarnation::{ChildId, Flags, Parent, ProcessKey, Step},
    node::{Child, LockedEngine},
    observe::{Event, EventKind},
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
                // What is added and runs once only drops its specification itself, with what it leaves behind.
                let is_only_run = settings.restart() == RestartType::Temporary && settings.kind == ChildKind::Worker;
                let flags = if is_only_run && !self.is_static(key.id) { Flags::NO_SUCCESSOR } else { Flags::NONE };
                // The id is there before the event that has it, and the event before the process can run: B3.
                let context = child.clone().begin(ProcessKey::new(key, incarnation), &self.scope, flags);
                if incarnation == 1 && settings.restart() != RestartType::Temporary {
                    self.warn_of_short_intensity(locked, &*child);
                }
                // B3: told before the process is spawned, because another thread may run it at once, and what it does
                // is told, too.
                if self.is_heard {
                    self.emit(&*child, EventKind::Started);
                }
                child.start(context, &self.scope);
            }
            Effect::Ask { child, no_successor } => request(&*child, Flags::SHUTDOWN, no_successor),
            Effect::Abort { child, no_successor } => request(&*child, Flags::ABORT, no_successor),
            Effect::SampleHeartbeat { key, incarnation } => {
                let mut engine = locked.lock();
                // B2: the look takes the sign back, so it is made once for each look of the engine, with its answer
                // in the same lock.
                let sign_of_life = engine.child(key).is_some_and(|child| child.cell().take_alive());
                engine.handle_heartbeat(ProcessKey::new(key, incarnation), sign_of_life, now);
            }
            Effect::Emit { child, kind, took } => {
                // What an earlier run of this supervisor has abandoned before is not told again.
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
                // A1: made now, because the failures that are still counted are those that it gave up for. Later,
                // some would be forgotten.
                let gave_up = self.give_up(&locked.lock(), now);
                self.emit_of_itself(EventKind::GaveUp(gave_up.clone()));
                self.gave_up = Some(gave_up);
            }
            Effect::Answer { caller, child, answer } => self.answer(caller, child.as_deref(), answer),
            Effect::Refuse { child, caller, refusal } => self.refuse(child, caller, refusal),
            Effect::Forget { id, child } => {
                // R78: nothing starts this child again, so its specification goes. A static one is kept for the next
                // run of this supervisor (R36); a root has none.
                if !self.is_static(id) || self.static_children.is_none() {
                    self.dispose(child);
                }
            }
            Effect::Finish => {
                // N7: from here on, a handle says that the supervisor does not run. What was sent before that is
                // still read: the engine answers it, or `finish` turns it away (A7).
                self.shared.close(&self.scope);
                self.is_closing = true;
            }
        }
        None
    }

    pub(super) fn warn_of_short_intensity(&mut self, locked: &LockedEngine, child: &dyn Child) {
        // Said once; and most have no backoff.
        if self.has_warned || !(self.has_backoff || child.settings().backoff().is_some()) {
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
        self.scope.emit(kind, child.shared(), |kind| Event {
            path: self.scope.path_of(child.name()),
            process: child.cell().latest(),
            kind,
            took,
        });
    }

    pub(super) fn emit_of_itself(&self, kind: EventKind) {
        self.scope.emit(kind, None, |kind| Event {
            path: self.scope.path(),
            process: Some(self.own.id),
            kind,
            took: None,
        });
    }

    /// Whether it is one of those that this supervisor has when it starts.
    pub(super) fn is_static(&self, id: ChildId) -> bool {
        self.scope.is_static(id)
    }

    /// Drops what the specification of a child owns, because the child is not started again. If it runs, its process does that;
    /// otherwise a process that is made for it, so that no destructor holds up this supervisor.
    pub(super) fn dispose(&self, child: Arc<dyn Child>) {
        // R78. First said, then looked: a process that ends in between has read it, or is seen to have ended. What
        // both drop is there once.
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
