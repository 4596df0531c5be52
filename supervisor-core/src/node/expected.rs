use std::{
    collections::BTreeMap,
    mem,
    sync::{PoisonError, atomic::Ordering::Relaxed},
};

use oneshot::Sender;

use super::{ChildrenEngine, LockedEngine, Monitor, Monitors};
use crate::{
    incarnation::{ChildId, ControlCell, Exit, guard},
    observe::ChildState,
    sync::{AtomicBool, Mutex, MutexGuard},
};

/// The monitors of children that have had no process yet, in one run of a supervisor: of children that it has not read, and
/// of those that wait for their turn to start.
///
/// While the lock is held, no task is woken.
#[derive(Default)]
pub(crate) struct Expected {
    waiting: Mutex<Waiting>,
    /// Whether there are any: so a child that starts without a monitor takes no lock.
    is_any: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    monitors: BTreeMap<ChildId, Vec<Sender<Exit>>>,
    /// Whether this run is over, so that no child starts any more.
    is_closed: bool,
}

impl Expected {
    /// Monitors the first process of a child. `cell` is that of the child, if its supervisor has read it. `None` if that
    /// process has begun meanwhile, or the run is over.
    ///
    /// The engine is locked meanwhile: so a child that its supervisor has not read yet is not read before this returns.
    pub(crate) fn add(&self, id: ChildId, cell: Option<&ControlCell>) -> Option<Monitor> {
        let (sender, monitor) = Monitor::of_first();
        let mut waiting = self.lock();
        if waiting.is_closed {
            return None;
        }
        // Relaxed is enough. For a child that was not read, the lock of the engine orders this before its start; for one that
        // was, the step that marks its cell does.
        self.is_any.store(true, Relaxed);
        // Marked under the lock: so a process that begins after this finds the sender, too.
        if cell.is_some_and(|cell| !cell.expect()) {
            return None;
        }
        waiting.monitors.entry(id).or_default().push(sender);
        Some(monitor)
    }

    /// Hands the monitors of a child on to its first process, which has just begun, and does not run yet.
    pub(crate) fn begun(&self, id: ChildId, cell: &ControlCell, monitors: &Monitors) {
        if !self.is_any.load(Relaxed) {
            return;
        }
        let senders = {
            let mut waiting = self.lock();
            let senders = waiting.monitors.remove(&id);
            self.is_any.store(!waiting.monitors.is_empty(), Relaxed);
            senders
        };
        if let Some(senders) = senders {
            monitors.extend(cell, senders);
        }
    }

    /// Takes out the monitors of children that are not going to have a process.
    fn take_vain(&self, engine: &ChildrenEngine) -> Vec<Sender<Exit>> {
        let mut waiting = self.lock();
        let is_vain = |id: &ChildId| engine.state_of(*id).is_none_or(|state| state == ChildState::Stopped);
        // One with a later id is on its way. An id of another supervisor may be among them, too, and is found out here.
        let read = waiting.monitors.range(..=engine.newest());
        let vain: Vec<_> = read.map(|(id, _)| *id).filter(is_vain).collect();
        let senders = vain.iter().filter_map(|id| waiting.monitors.remove(id)).flatten().collect();
        self.is_any.store(!waiting.monitors.is_empty(), Relaxed);
        senders
    }

    /// Tells all monitors that are left: the run is over, and no child starts any more.
    pub(crate) fn close(&self) {
        let left = {
            let mut waiting = self.lock();
            waiting.is_closed = true;
            mem::take(&mut waiting.monitors)
        };
        tell_vain(left.into_values().flatten());
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LockedEngine {
    /// Tells the monitors of children that are not going to have a process: they were refused or removed, or have nothing to
    /// run.
    pub(crate) fn tell_vain_monitors(&self) {
        if self.expected.is_any.load(Relaxed) {
            let vain = {
                let engine = self.lock();
                self.expected.take_vain(&engine)
            };
            tell_vain(vain);
        }
    }
}

/// Tells monitors of a child without a process what a task that never ran is told.
fn tell_vain(senders: impl IntoIterator<Item = Sender<Exit>>) {
    for sender in senders {
        // P9: this wakes a task, and a waker is foreign code.
        let _ = guard(|| sender.send(Exit::Aborted));
    }
}
