//! The simulator passes the contract of executors.

use std::future::Future;

use executor_sim::{Sim, SimSpawner, Threads};
use supervisor_core::contract::Backend;

macro_rules! simulated {
    ($name:ident: $new:expr) => {
        struct $name(Sim);

        impl Backend for $name {
            type Spawner = SimSpawner;

            fn new() -> Self {
                Self($new)
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

        supervisor_core::contract_tests!($name);
    };
}

mod unlimited {
    use super::*;

    simulated!(Unlimited: Sim::with_seed(1));
}

mod one_thread {
    use super::*;

    simulated!(OneThread: Sim::with_threads(1, Threads::new(1)));
}

mod like_tokio {
    use super::*;

    simulated!(LikeTokio: Sim::with_threads(1, Threads::like_tokio(2)));
}
