use std::{
    fmt,
    pin::Pin,
    sync::{
        Arc, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use supervisor_core::{Process, Spawner, Timer};

use crate::{clock::Clock, task::Tasks, timer::SimTimer};

/// Spawns onto a simulated executor. Once that is gone, what is spawned is dropped.
#[derive(Clone)]
pub struct SimSpawner {
    tasks: Weak<Tasks>,
    clock: Arc<Clock>,
    executor: u32,
    /// How far its clock is ahead of the simulation's own.
    ahead: Duration,
    has_ended: Arc<AtomicBool>,
}

impl SimSpawner {
    pub(crate) fn new(tasks: &Arc<Tasks>, executor: u32, ahead: Duration) -> Self {
        Self { tasks: Arc::downgrade(tasks), clock: tasks.clock.clone(), executor, ahead, has_ended: Arc::default() }
    }

    pub(crate) fn end(&self) {
        self.has_ended.store(true, SeqCst);
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.end(Some(self.executor));
        }
    }
}

impl Spawner for SimSpawner {
    fn spawn(&self, process: Process) {
        match self.tasks.upgrade() {
            Some(tasks) if !self.has_ended.load(SeqCst) => tasks.spawn(process, self.executor),
            _ => drop(process),
        }
    }

    fn now(&self) -> Instant {
        self.clock.now() + self.ahead
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(SimTimer::new(self.clock.clone(), self.ahead))
    }

    fn seed(&self) -> u64 {
        self.tasks.upgrade().map_or(0, |tasks| tasks.random())
    }
}

impl fmt::Debug for SimSpawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimSpawner").field("executor", &self.executor).finish_non_exhaustive()
    }
}
