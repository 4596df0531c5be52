use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    time::{Instant, SystemTime},
};

use supervisor_core::{BoxError, Process, Spawner, Timer};

use crate::{clock::Clock, executor::Identity, tasks::Tasks, timer::SimTimer};

/// A spawner onto a simulated executor. Once the executor is gone, it drops what is spawned.
#[must_use = "a spawner does nothing until a tree runs on it"]
#[derive(Clone)]
pub struct SimSpawner {
    tasks: Weak<Tasks>,
    clock: Arc<Clock>,
    executor: Arc<Identity>,
}

impl SimSpawner {
    pub(crate) fn new(tasks: &Arc<Tasks>, executor: Identity) -> Self {
        Self { tasks: Arc::downgrade(tasks), clock: tasks.clock.clone(), executor: Arc::new(executor) }
    }

    pub(crate) fn executor(&self) -> &Identity {
        &self.executor
    }

    pub(crate) fn pause(&self) {
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.pause(self.executor.number);
        }
    }

    pub(crate) fn resume(&self) {
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.resume_executor(self.executor.number);
        }
    }

    pub(crate) fn end(&self) {
        // In this order: processes that a destructor spawns are dropped, too, and timers work until the last process is
        // gone.
        self.executor.close();
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.end(Some(self.executor.number));
        }
        self.executor.end();
        self.clock.end(self.executor.number);
    }
}

impl Spawner for SimSpawner {
    fn spawn(&self, process: Process) {
        match self.tasks.upgrade() {
            Some(tasks) if !self.executor.is_closed() => tasks.spawn(process, self.executor.number),
            // P1: an executor that has ended drops the process, which reports itself as lost.
            _ => drop(process),
        }
    }

    fn now(&self) -> Instant {
        self.executor.now(&self.clock)
    }

    /// The same in each run: a simulation begins in 1970. All executors of it have the same time of day, though their clocks
    /// differ.
    fn system_time(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + self.clock.elapsed()
    }

    fn is_virtual(&self) -> bool {
        true
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(SimTimer::new(self.clock.clone(), self.executor.clone()))
    }

    fn seed(&self) -> u64 {
        self.tasks.upgrade().map_or(0, |tasks| tasks.random())
    }

    fn nudge(&self) {
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.nudge(self.executor.number);
        }
    }

    /// The thread of the simulation polls everything, so nothing else is needed. The worker has no share in the threads of
    /// this executor, and does not end with it.
    fn local_executor(&self, _: &str) -> Result<Arc<dyn Spawner>, BoxError> {
        let executor = Arc::new(self.executor.of_local_workers());
        Ok(Arc::new(Self { executor, ..self.clone() }))
    }
}

impl fmt::Debug for SimSpawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimSpawner").field("executor", &self.executor.number).finish_non_exhaustive()
    }
}
