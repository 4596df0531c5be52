use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, atomic::AtomicBool},
    time::{Instant, SystemTime},
};

use super::{Child, expected::Expected, room::Queue};
use crate::{
    engine::{Engine, Slot},
    incarnation::{ChildId, Meter, ProcessId},
    observe::PlacementKind,
    placement::Clock,
    spawner::Executor,
};

/// The engine as a supervisor runs it: over its children. Tests run it over other types.
pub(crate) type ChildrenEngine = Engine<Arc<dyn Child>>;

/// The engine of a supervisor under a lock, for the supervisor itself and for readers.
///
/// The lock is held for a short time: by the supervisor while it feeds its engine, and never while foreign code runs;
/// by readers for some hundred children at a time. While it is held, these may be locked: a mailbox, and the `Shared`
/// and the engine of a supervisor below, to see what that has left behind. A supervisor never looks upwards.
/// ARCHITECTURE.md has the order of all locks.
///
/// It outlives the supervisor for as long as a handle exists: so the last state can be read.
pub(crate) struct LockedEngine {
    engine: Mutex<ChildrenEngine>,
    /// The callers that wait for room for a child (A8). It is locked while the engine is locked.
    pub(super) queue: Mutex<Queue>,
    /// Whether the queue is not empty.
    pub(super) is_awaited: AtomicBool,
    /// The monitors of children that have had no process yet (P11). It may be locked while the engine is locked.
    pub(crate) expected: Expected,
    /// The clock of the executor that runs, or ran, the supervisor: its times are measured with this.
    clock: Clock,
    /// The supervisor as a child; `None` for a root.
    pub(crate) id: Option<ChildId>,
    pub(crate) process: ProcessId,
    /// The placement of its children. The engine does not keep their executor.
    pub(crate) placement: PlacementKind,
    /// How often the supervisor was started again.
    pub(crate) restarts: u32,
    /// Its numbers, if it is counted.
    pub(crate) meter: Option<Arc<Meter>>,
}

impl LockedEngine {
    pub(crate) fn new(
        engine: ChildrenEngine,
        spawner: &Executor,
        id: Option<ChildId>,
        process: ProcessId,
        placement: PlacementKind,
        incarnation: u32,
        meter: Option<Arc<Meter>>,
    ) -> Self {
        // R37: a restart of a supervisor counts once, here. The counts of its children start again from zero.
        let restarts = incarnation.saturating_sub(1);
        let (engine, queue, is_awaited) = (Mutex::new(engine), Mutex::default(), AtomicBool::new(false));
        let expected = Expected::default();
        Self { engine, queue, is_awaited, expected, clock: Clock::of(spawner), id, process, placement, restarts, meter }
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, ChildrenEngine> {
        self.engine.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the time on the supervisor's clock, also after its end.
    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The time of day, by the same clock.
    pub(crate) fn system_time(&self) -> SystemTime {
        self.clock.system_time()
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
            // B4: the lock is released between two pieces, and the supervisor works in between.
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

/// The number of children that are read while the lock is held. A child takes well below a microsecond.
pub(super) const PIECE: usize = 512;

/// The position of a reader.
#[derive(Debug, Default)]
pub(super) struct Cursor {
    last: Option<ChildId>,
    is_at_end: bool,
}

impl Cursor {
    /// Returns the position directly before this child.
    pub(super) fn before(child: ChildId) -> Self {
        Self { last: child.before(), is_at_end: false }
    }

    pub(crate) fn is_at_end(&self) -> bool {
        self.is_at_end
    }
}
