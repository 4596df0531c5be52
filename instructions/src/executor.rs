//! The executors that the rows run on.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::Arc,
};

use executor_smol::Smol;
use executor_tokio::Tokio;
use supervisor_core::Spawner;
use tokio::runtime::{Builder, Handle, Runtime};

/// A handle on an executor.
pub trait Spawn: Clone + Send + Sync + 'static {
    /// Runs a future as a task of its own.
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static);
}

/// An executor of one thread.
pub trait Executor: Sized {
    /// The handle on it.
    type Handle: Spawn;

    /// Its name in the tables.
    const NAME: &'static str;

    /// Makes an executor.
    fn new() -> Self;

    /// Runs a future and the tasks until the future ends.
    ///
    /// It is an object, because a copy of the executor for each type of future would take most of the time to build this.
    fn run(&self, future: Pin<&mut dyn Future<Output = ()>>);

    /// Runs a future and the tasks until the future ends, and returns its output.
    fn block_on<T>(&self, future: impl Future<Output = T>) -> T {
        let mut output = None;
        self.run(pin!(async { output = Some(future.await) }));
        output.expect("it has ended")
    }

    /// Returns a handle.
    fn handle(&self) -> Self::Handle;

    /// Returns whether no task is left.
    fn is_empty(&self) -> bool;

    /// Returns what supervision runs on.
    fn spawner(&self) -> impl Spawner;
}

/// A current-thread Tokio runtime.
#[derive(Debug)]
pub struct TokioCurrent(Runtime);

impl Executor for TokioCurrent {
    type Handle = Handle;

    const NAME: &'static str = "Tokio, current thread";

    fn new() -> Self {
        Self(Builder::new_current_thread().enable_time().build().expect("a runtime"))
    }

    fn run(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        self.0.block_on(future);
    }

    fn handle(&self) -> Handle {
        self.0.handle().clone()
    }

    fn is_empty(&self) -> bool {
        self.0.metrics().num_alive_tasks() == 0
    }

    fn spawner(&self) -> impl Spawner {
        Tokio::try_from(self.handle()).expect("a runtime with a clock")
    }
}

impl Spawn for Handle {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        Self::spawn(self, future);
    }
}

/// An `async_executor::Executor` with one thread.
#[derive(Debug)]
pub struct AsyncExecutor(Arc<async_executor::Executor<'static>>);

impl Executor for AsyncExecutor {
    type Handle = Arc<async_executor::Executor<'static>>;

    const NAME: &'static str = "async-executor, 1 thread";

    fn new() -> Self {
        Self(Arc::default())
    }

    fn run(&self, future: Pin<&mut dyn Future<Output = ()>>) {
        futures_lite::future::block_on(self.0.run(future));
    }

    fn handle(&self) -> Self::Handle {
        self.0.clone()
    }

    fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn spawner(&self) -> impl Spawner {
        Smol::on(&self.0)
    }
}

impl Spawn for Arc<async_executor::Executor<'static>> {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        async_executor::Executor::spawn(self, future).detach();
    }
}
