//! Smol passes the contract of executors: the global executor, and one of its own on one thread and on two.

use std::{future::Future, sync::Arc, thread};

use async_executor::Executor;
use executor_smol::Smol;
use futures_lite::future::{block_on, or, pending};
use supervisor_core::contract::Backend;

struct Global;

impl Backend for Global {
    type Spawner = Smol;

    fn new() -> Self {
        Self
    }

    fn spawner(&self) -> Smol {
        Smol::global()
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        async_io::block_on(future)
    }

    fn end(self) -> bool {
        false
    }
}

/// An executor that the waiting thread runs.
struct OneThread(Arc<Executor<'static>>);

impl Backend for OneThread {
    type Spawner = Smol;

    fn new() -> Self {
        Self(Arc::new(Executor::new()))
    }

    fn spawner(&self) -> Smol {
        Smol::on(&self.0)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        async_io::block_on(self.0.run(future))
    }

    fn end(self) -> bool {
        drop(self.0);
        true
    }
}

/// Run by two threads of its own.
struct TwoThreads {
    executor: Arc<Executor<'static>>,
    stop: async_channel::Sender<()>,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Backend for TwoThreads {
    type Spawner = Smol;

    fn new() -> Self {
        let executor = Arc::new(Executor::new());
        let (stop, stopped) = async_channel::bounded::<()>(1);
        let run = |_| {
            let (executor, stopped) = (executor.clone(), stopped.clone());
            thread::spawn(move || {
                let until_stopped = async {
                    let _ = stopped.recv().await;
                };
                block_on(or(executor.run(pending::<()>()), until_stopped));
            })
        };
        let threads = (0..2).map(run).collect();
        Self { executor, stop, threads }
    }

    fn spawner(&self) -> Smol {
        Smol::on(&self.executor)
    }

    fn block_on<F: Future>(&self, future: F) -> F::Output {
        async_io::block_on(future)
    }

    fn end(self) -> bool {
        self.stop.close();
        self.threads.into_iter().for_each(|thread| thread.join().expect("no panic"));
        drop(self.executor);
        true
    }
}

mod global {
    supervisor_core::contract_tests!(super::Global);
}

mod one_thread {
    supervisor_core::contract_tests!(super::OneThread);
}

mod two_threads {
    supervisor_core::contract_tests!(super::TwoThreads);
}
