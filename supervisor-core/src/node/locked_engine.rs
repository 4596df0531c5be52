use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::Instant,
};

use super::{Child, room::Queue};
use crate::{
    engine::{Engine, Slot},
    incarnation::{ChildId, ProcessId},
    placement::Clock,
    spawner::Executor,
};

/// The engine as a supervisor runs it: over its children. Tests run it over others.
pub(crate) type ChildrenEngine = Engine<Arc<dyn Child>>;

/// What a supervisor knows, for itself and for those who read it: its engine, under a lock.
///
/// The lock is held for a short time: by the supervisor while it feeds its engine, and never while code runs that is not ours;
/// by readers for some hundred children at a time. While it is held, these may be locked: a mailbox, and what a supervisor below
/// shares and knows, to see what that has left behind. A supervisor never looks upwards. ARCHITECTURE.md has the order of all
/// locks.
///
/// It outlives the supervisor for as long as a handle is there: so the last state can be read.
pub(crate) struct LockedEngine {
    engine: Mutex<ChildrenEngine>,
    /// Those who wait for room for a child. Locked while the engine is.
    pub(super) queue: Mutex<Queue>,
    /// Whether the queue is not empty.
    pub(super) is_awaited: AtomicBool,
    /// Of the executor that runs, or ran, the supervisor: its times are measured with this.
    clock: Clock,
    pub(crate) process: ProcessId,
    /// How often it was started again.
    pub(crate) restarts: u32,
}

impl LockedEngine {
    pub(crate) fn new(engine: ChildrenEngine, spawner: &Executor, process: ProcessId, incarnation: u32) -> Self {
        // R37: a restart of a supervisor counts once, here. Its children begin anew with it, from zero.
        let (engine, queue) = (Mutex::new(engine), Mutex::default());
        Self {
            engine,
            queue,
            is_awaited: AtomicBool::new(false),
            clock: Clock::of(spawner),
            process,
            restarts: incarnation.saturating_sub(1),
        }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ChildrenEngine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The time, as the supervisor measures it: also after its end.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// Reads some of the children, in start order, from where the last call with this cursor stopped.
    pub(super) fn read<R>(
        &self,
        cursor: &mut Cursor,
        mut look: impl FnMut(ChildId, &Slot<Arc<dyn Child>>) -> Option<R>,
    ) -> Vec<R> {
        let engine = self.lock();
        let (mut found, mut left) = (Vec::new(), PIECE);
        for (id, slot) in engine.slots_behind(cursor.last) {
            // B4: the lock is let go of between two pieces, and the supervisor works in between.
            if left == 0 {
                return found;
            }
            left -= 1;
            cursor.last = Some(id);
            found.extend(look(id, slot));
        }
        cursor.is_at_end = true;
        found
    }
}

/// How many children are read while the lock is held. A child takes well below a microsecond.
pub(super) const PIECE: usize = 512;

/// How far a reader has come.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    last: Option<ChildId>,
    is_at_end: bool,
}

impl Cursor {
    pub(crate) fn is_at_end(&self) -> bool {
        self.is_at_end
    }
}
