//! What the simulation does on this thread right now.

use std::{
    cell::RefCell,
    sync::{Arc, Weak},
    time::Duration,
};

use crate::{clock::Clock, tasks::Tasks};

thread_local! { static CURRENT: RefCell<Option<Current>> = const { RefCell::new(None) }; }

struct Current {
    tasks: Weak<Tasks>,
    clock: Arc<Clock>,
    hand: Hand,
    block: Option<Block>,
}

/// Who wakes and spawns what is woken and spawned right now.
#[derive(Clone, Copy)]
pub(crate) struct Hand {
    pub(crate) executor: u32,
    /// None if the executor is unlimited.
    pub(crate) thread: Option<usize>,
    /// The process that is polled.
    pub(crate) task: Option<u64>,
    /// No poll, but a timer.
    pub(crate) is_timer: bool,
}

/// A poll blocks until then, in time since the start; for good, if that is none.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) until: Option<Duration>,
}

/// While this is there, the simulation does something on this thread. What it did before is put aside: one simulation may run
/// inside another.
pub(crate) struct Entered(Option<Current>);

pub(crate) fn enter(tasks: &Arc<Tasks>, hand: Hand) -> Entered {
    let current = Current { tasks: Arc::downgrade(tasks), clock: tasks.clock.clone(), hand, block: None };
    Entered(CURRENT.replace(Some(current)))
}

impl Entered {
    /// Whether the poll blocks.
    pub(crate) fn block(&self) -> Option<Block> {
        CURRENT.with_borrow(|current| current.as_ref()?.block)
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        let outer = self.0.take();
        let inner = CURRENT.replace(outer);
        drop(inner);
    }
}

/// Who wakes something of this simulation, if it is the simulation itself on this thread.
pub(crate) fn hand(tasks: &Tasks) -> Option<Hand> {
    // Not there any more while the thread ends: then nothing is polled on it.
    let hand = CURRENT.try_with(|current| {
        let current = current.borrow();
        current.as_ref().filter(|current| std::ptr::eq(current.tasks.as_ptr(), tasks)).map(|current| current.hand)
    });
    hand.ok().flatten()
}

/// Makes the current poll block for so much longer, or for good. Returns the clock, and when that is over.
///
/// # Panics
///
/// Outside of a poll of a simulated process.
pub(crate) fn block(time: Option<Duration>) -> (Arc<Clock>, Block) {
    CURRENT.with_borrow_mut(|current| {
        let current = current.as_mut().filter(|current| current.hand.task.is_some());
        let current = current.expect("no simulated process here to block; await this in a process of a `Sim`");
        // One that blocks twice blocks for both times.
        let from = current.block.map_or_else(|| Some(current.clock.elapsed()), |block| block.until);
        let until = from.zip(time).and_then(|(from, time)| from.checked_add(time));
        let block = Block { until };
        current.block = Some(block);
        (current.clock.clone(), block)
    })
}
