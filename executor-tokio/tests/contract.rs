//! Tokio passes the contract of executors: its multi-thread runtime, its current-thread runtime, and one with a paused
//! clock.

use std::future::Future;

use executor_tokio::Tokio;
use supervisor_core::contract::Backend;
use tokio::runtime::{Builder, Runtime};

fn spawner(runtime: &Runtime) -> Tokio {
    runtime.handle().clone().try_into().expect("a runtime with a clock")
}

macro_rules! mount {
    ($name:ident, $backend:ident, $builder:expr) => {
        struct $backend(Runtime);

        impl Backend for $backend {
            type Spawner = Tokio;

            fn new() -> Self {
                Self($builder.build().expect("a runtime"))
            }

            fn spawner(&self) -> Tokio {
                spawner(&self.0)
            }

            fn block_on<F: Future>(&self, future: F) -> F::Output {
                self.0.block_on(future)
            }

            fn end(self) -> bool {
                drop(self.0);
                true
            }
        }

        mod $name {
            use super::$backend;

            supervisor_core::contract_tests!($backend);
        }
    };
}

mount!(multi_thread, MultiThread, Builder::new_multi_thread().worker_threads(2).enable_all());
mount!(current_thread, CurrentThread, Builder::new_current_thread().enable_all());
mount!(paused_clock, PausedClock, Builder::new_current_thread().enable_all().start_paused(true));
