//! The simulator passes the contract of executors.

use std::future::Future;

use executor_sim::{Sim, SimSpawner};
use supervisor_core::contract::Backend;

struct Simulated(Sim);

impl Backend for Simulated {
    type Spawner = SimSpawner;

    fn new() -> Self {
        Self(Sim::with_seed(1))
    }

    fn spawner(&self) -> SimSpawner {
        self.0.spawner()
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        self.0.run_until(future)
    }

    fn end(self) -> bool {
        drop(self.0);
        true
    }
}

supervisor_core::contract_tests!(Simulated);
