//! Records which process is polled on which thread. The poll watcher reads this to find polls that do not end.
//!
//! While there is a watcher, each thread has a slot in which a process leaves its tag for as long as it is polled or
//! dropped, with a number that is new each time. No clock is read for that. Without a watcher, a poll costs one extra
//! load.

use std::{
    mem::{self, ManuallyDrop},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
};

use super::{Control, Parent, ProcessId, task::Current};

static WATCHERS: AtomicUsize = AtomicUsize::new(0);
static SLOTS: Mutex<Vec<Weak<ThreadSlot>>> = Mutex::new(Vec::new());

thread_local! {
    static OWN: Arc<ThreadSlot> = {
        let slot = Arc::<ThreadSlot>::default();
        let mut slots = SLOTS.lock().unwrap_or_else(PoisonError::into_inner);
        // Slots of ended threads are removed here. Otherwise they would pile up in programs whose threads come and go.
        slots.retain(|slot| slot.strong_count() > 0);
        slots.push(Arc::downgrade(&slot));
        slot
    };
}

/// The process that one thread polls.
#[derive(Default)]
pub(crate) struct ThreadSlot(Mutex<Occupancy>);

#[derive(Default)]
struct Occupancy {
    changes: u64,
    polled: Option<Polled>,
}

/// A process that is in a poll.
pub(crate) struct Polled {
    pub(crate) id: ProcessId,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) parent: Arc<dyn Parent>,
}

/// A guard: while it lives, the process's tag is in its thread's slot.
struct Mark {
    /// The process that was marked before: a process may run an executor of its own, and poll others there.
    before: Option<Polled>,
}

/// A guard: while it lives, polls are marked.
pub(crate) struct Watching(());

impl Watching {
    pub(crate) fn begin() -> Self {
        // Relaxed is enough, because no other data depends on it: a thread that sees it late leaves one poll unmarked,
        // and marks the next.
        WATCHERS.fetch_add(1, Relaxed);
        Self(())
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        WATCHERS.fetch_sub(1, Relaxed);
    }
}

/// Returns the slots of all threads that have polled a process.
pub(crate) fn slots() -> Vec<Arc<ThreadSlot>> {
    SLOTS.lock().unwrap_or_else(PoisonError::into_inner).iter().filter_map(Weak::upgrade).collect()
}

impl ThreadSlot {
    /// Returns the number of the poll on this thread, if there is one. The number stays the same during the poll.
    pub(crate) fn occupied(&self) -> Option<u64> {
        let occupancy = self.lock();
        occupancy.polled.as_ref().map(|_| occupancy.changes)
    }

    /// Looks at the poll with this number, if it is still under way.
    pub(crate) fn look<R>(&self, number: u64, look: impl FnOnce(&Polled) -> R) -> Option<R> {
        let occupancy = self.lock();
        occupancy.polled.as_ref().filter(|_| occupancy.changes == number).map(look)
    }

    fn exchange(&self, polled: Option<Polled>) -> Option<Polled> {
        let mut occupancy = self.lock();
        // A new number for each poll, so that two polls of one process are not taken for a single long one (B2).
        occupancy.changes += 1;
        mem::replace(&mut occupancy.polled, polled)
    }

    fn lock(&self) -> MutexGuard<'_, Occupancy> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs `f` for a process. If there is a watcher, marks the thread during the call.
#[inline]
pub(super) fn marked<R>(
    current: &mut Option<ManuallyDrop<Current>>,
    f: impl FnOnce(&mut Option<ManuallyDrop<Current>>) -> R,
) -> R {
    let is_watched = WATCHERS.load(Relaxed) > 0;
    let mark = if is_watched { current.as_deref().and_then(mark) } else { None };
    let result = f(current);
    if let Some(mark) = mark {
        unmark(mark);
    }
    result
}

#[cold]
fn unmark(mark: Mark) {
    drop(mark);
}

/// Marks this thread. The process outlives the mark.
#[cold]
fn mark(current: &Current) -> Option<Mark> {
    let polled = Polled { id: current.id, control: current.control.clone(), parent: current.parent.clone() };
    // A thread that is ending is not watched.
    OWN.try_with(|slot| Mark { before: slot.exchange(Some(polled)) }).ok()
}

impl Drop for Mark {
    fn drop(&mut self) {
        let before = self.before.take();
        let own = OWN.try_with(|slot| slot.exchange(before));
        drop(own);
    }
}
