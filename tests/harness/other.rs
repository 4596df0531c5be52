//! Executors beside the one that a test runs on.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::{sync::Arc, thread};

use async_executor::Executor;
use executor_sim::{Sim, SimExecutor, Threads};
use executor_smol::Smol;
use executor_tokio::Tokio;
use supervisor_core::{Placement, Spawner};
use tokio::runtime::{Builder, Runtime};

/// The kind of a real executor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Family {
    Tokio,
    Smol,
}

/// An executor that ends when this is dropped. What blocks there is not waited for.
pub(crate) struct Other {
    pub(crate) spawner: Arc<dyn Spawner>,
    held: Option<Held>,
}

/// The value that ends an executor.
enum Held {
    Sim(SimExecutor),
    Tokio(Runtime),
    Smol { executor: Arc<Executor<'static>>, stop: async_channel::Sender<()>, threads: Vec<thread::JoinHandle<()>> },
}

impl Other {
    pub(crate) fn simulated(sim: &Sim, threads: Threads) -> Self {
        let executor = sim.executor_with(threads.with_strict_timers());
        Self { spawner: Arc::new(executor.spawner()), held: Some(Held::Sim(executor)) }
    }

    /// Makes a real executor. Without a thread, nothing runs on it.
    pub(crate) fn real(family: Family, threads: usize) -> Self {
        match family {
            Family::Tokio => Self::tokio(threads),
            Family::Smol => Self::smol(threads),
        }
    }

    fn tokio(threads: usize) -> Self {
        // A current-thread runtime on which no thread blocks is not driven.
        let mut builder = if threads == 0 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
        let runtime = builder.worker_threads(threads.max(1)).enable_all().build().expect("a runtime");
        let spawner = Tokio::try_from(runtime.handle().clone()).expect("a runtime with a clock");
        Self { spawner: Arc::new(spawner), held: Some(Held::Tokio(runtime)) }
    }

    fn smol(threads: usize) -> Self {
        let executor = Arc::new(Executor::new());
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let run = |_| {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            thread::spawn(move || {
                let _ = smol::block_on(executor.run(stopped.recv()));
            })
        };
        let threads = (0..threads).map(run).collect();
        Self { spawner: Arc::new(Smol::on(&executor)), held: Some(Held::Smol { executor, stop, threads }) }
    }

    pub(crate) fn placement(&self) -> Placement {
        Placement::On(self.spawner.clone())
    }

    /// Ends it, with all that it runs, as far as nothing blocks.
    pub(crate) fn end(self) {
        drop(self);
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        match self.held.take() {
            Some(Held::Sim(executor)) => executor.end(),
            Some(Held::Tokio(runtime)) => runtime.shutdown_background(),
            Some(Held::Smol { executor, stop, threads }) => {
                stop.close();
                drop(thread::spawn(move || {
                    threads.into_iter().for_each(|thread| drop(thread.join()));
                    drop(executor);
                }));
            }
            None => {}
        }
    }
}
