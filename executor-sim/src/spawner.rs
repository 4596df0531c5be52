use std::{
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    time::Instant,
};

use supervisor_core::{Process, Spawner, Timer};

use crate::{clock::Clock, task::Tasks, timer::SimTimer};

/// Spawns onto a [`Sim`](crate::Sim). Once that is gone, what is spawned is dropped.
#[derive(Clone)]
pub struct SimSpawner {
    tasks: Weak<Tasks>,
    clock: Arc<Clock>,
}

impl SimSpawner {
    pub(crate) fn new(tasks: &Arc<Tasks>, clock: &Arc<Clock>) -> Self {
        Self { tasks: Arc::downgrade(tasks), clock: clock.clone() }
    }
}

impl Spawner for SimSpawner {
    fn spawn(&self, process: Process) {
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.spawn(process);
        }
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(SimTimer::new(self.clock.clone()))
    }

    fn seed(&self) -> u64 {
        self.tasks.upgrade().map_or(0, |tasks| tasks.random())
    }
}

impl fmt::Debug for SimSpawner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimSpawner").finish_non_exhaustive()
    }
}
