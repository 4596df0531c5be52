use crate::spawner::SimSpawner;

/// Another executor in a simulation, with a clock of its own: for a subtree that is placed elsewhere, and for an executor that
/// dies while the rest goes on. Dropped, it ends.
#[derive(Debug)]
pub struct SimExecutor(SimSpawner);

impl SimExecutor {
    pub(crate) fn new(spawner: SimSpawner) -> Self {
        Self(spawner)
    }

    /// Spawns onto this executor.
    pub fn spawner(&self) -> SimSpawner {
        self.0.clone()
    }

    /// The executor dies: every process on it is dropped, and every one that is spawned from now on.
    pub fn end(self) {
        drop(self);
    }
}

impl Drop for SimExecutor {
    fn drop(&mut self) {
        self.0.end();
    }
}
