//! Trees that span executors: subtrees on another one, and on runtimes of their own.

#[path = "../harness/children.rs"]
mod children;
mod clocks;
#[path = "../harness/counting.rs"]
mod counting;
mod local_workers;
mod runtimes;
mod subtrees;
mod workers;

use std::{
    sync::{Arc, Mutex},
    thread,
};

use executor_smol::Smol;
use executor_tokio::Tokio;
use supervision::{ChildSpec, ProcessShutdown, RestartStrategy, Spawner, Supervisor, worker};
use tokio::runtime::Builder;

pub(crate) fn supervisor(name: &'static str) -> Supervisor {
    children::supervisor(name, RestartStrategy::one_for_one())
}

/// The names of the threads on which something ran.
#[derive(Clone, Default)]
pub(crate) struct Threads(pub(crate) Arc<Mutex<Vec<String>>>);

impl Threads {
    pub(crate) fn here(&self) {
        self.0.lock().unwrap().push(thread::current().name().unwrap_or("?").to_owned());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    pub(crate) fn worker(&self, name: &'static str) -> ChildSpec {
        let threads = self.clone();
        worker(name, move |shutdown: ProcessShutdown| {
            threads.here();
            shutdown
        })
    }
}

/// Runs a test with its root on Tokio, and again with its root on smol.
pub(crate) fn on_both(test: impl AsyncFn(Arc<dyn Spawner>)) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let spawner = Tokio::try_from(runtime.handle().clone()).unwrap();
    runtime.block_on(test(Arc::new(spawner)));
    smol::block_on(test(Arc::new(Smol::global())));
}
