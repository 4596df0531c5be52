//! The size of the box in which a process of ours keeps its future and all that belongs to it.

use std::{
    mem,
    pin::Pin,
    sync::{Arc, Mutex, Once, PoisonError},
    time::Instant,
};

use executor_tokio::Tokio;
use supervisor_core::{Process, RestartType, Spawner, Supervisor, Timer, worker};

use crate::{
    executor::{Executor as _, TokioCurrent},
    meter::freed,
};

/// Returns the bytes of the box of a parked closure child, on Tokio. Zero without the counting allocator.
///
/// # Panics
///
/// If the tree does not start, or the boxes of two such children differ.
#[must_use]
pub fn task_box() -> usize {
    let executor = TokioCurrent::new();
    let inner = Tokio::try_from(executor.handle()).expect("a runtime with a clock");
    let shelf = Arc::new(Shelf { root: Once::new(), processes: Mutex::default(), inner });
    let mut root = Supervisor::new("root").expect("a valid name");
    for _ in 0..CHILDREN {
        root.add_worker(worker("child", |shutdown| shutdown).with_restart_type(RestartType::Temporary));
    }
    let tree = executor.block_on(root.start_on(shelf.clone())).expect("a start without failure");
    let boxes: Vec<_> = shelf.take().into_iter().map(|process| freed(|| drop(process))).collect();
    assert_eq!(boxes, [boxes[0]; CHILDREN], "alike, and nothing else was freed");
    executor.block_on(tree.shutdown()).expect("a clean stop");
    boxes[0]
}

const CHILDREN: usize = 8;

/// An executor that runs the first process, which is the root, and keeps all others. A process that an executor drops within
/// `spawn` lives on. The children run on the executor of their supervisor, as most do: one that has an executor of its own has
/// a box for that, too.
#[derive(Debug)]
struct Shelf {
    root: Once,
    processes: Mutex<Vec<Process>>,
    inner: Tokio,
}

impl Shelf {
    fn take(&self) -> Vec<Process> {
        mem::take(&mut self.processes.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Spawner for Shelf {
    fn spawn(&self, process: Process) {
        let mut kept = Some(process);
        self.root.call_once(|| kept.take().into_iter().for_each(|root| self.inner.spawn(root)));
        self.processes.lock().unwrap_or_else(PoisonError::into_inner).extend(kept);
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.inner.timer()
    }
}
