//! The poll that the simulation makes on this thread right now.

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

/// The origin of wakes and spawns right now.
#[derive(Clone, Copy)]
pub(crate) struct Hand {
    pub(crate) executor: u32,
    /// The thread of the executor; `None` if the executor is unlimited.
    pub(crate) thread: Option<usize>,
    /// The process that is polled.
    pub(crate) task: Option<u64>,
    /// Whether it is a timer, and no poll.
    pub(crate) is_timer: bool,
}

/// A block of a poll until this time since the start; `None` blocks for good.
#[derive(Clone, Copy)]
pub(crate) struct Block {
    pub(crate) until: Option<Duration>,
}

/// A guard: while it lives, the simulation is at work on this thread. It keeps the state from before, because one
/// simulation may run inside another.
pub(crate) struct Entered(Option<Current>);

pub(crate) fn enter(tasks: &Arc<Tasks>, hand: Hand) -> Entered {
    let current = Current { tasks: Arc::downgrade(tasks), clock: tasks.clock.clone(), hand, block: None };
    Entered(CURRENT.replace(Some(current)))
}

impl Entered {
    /// Returns the block, if the poll blocks.
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

/// Returns the origin of wakes in this simulation, if it is the one at work on this thread.
pub(crate) fn hand(tasks: &Tasks) -> Option<Hand> {
    // The thread-local is gone while the thread ends: then nothing is polled on it.
    let hand = CURRENT.try_with(|current| {
        let current = current.borrow();
        current.as_ref().filter(|current| std::ptr::eq(current.tasks.as_ptr(), tasks)).map(|current| current.hand)
    });
    hand.ok().flatten()
}

/// Makes the current poll block for this much longer, or for good. Returns the clock, and the time when the block is
/// over.
///
/// # Panics
///
/// Outside of a poll of a simulated process.
pub(crate) fn block(time: Option<Duration>) -> (Arc<Clock>, Block) {
    CURRENT.with_borrow_mut(|current| {
        let current = current.as_mut().filter(|current| current.hand.task.is_some());
        let current = current.expect("no simulated process here to block; await this in a process of a `Sim`");
        // Two blocks in one poll add up.
        let from = current.block.map_or_else(|| Some(current.clock.elapsed()), |block| block.until);
        let until = from.zip(time).and_then(|(from, time)| from.checked_add(time));
        let block = Block { until };
        current.block = Some(block);
        (current.clock.clone(), block)
    })
}
