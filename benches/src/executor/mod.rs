//! The executors that the subjects run on. One file each: see `benches/README.md` for how to add one.

mod async_executor;
mod smol;
mod tokio_current;
mod tokio_multi;

pub use self::{async_executor::AsyncExecutor, smol::Smol, tokio_current::TokioCurrent, tokio_multi::TokioMulti};

use std::future::Future;

use supervisor_core::Spawner;

/// An executor, as far as the workloads need one: a handle on it.
pub trait Executor: Clone + Send + Sync + 'static {
    /// The result of a bare spawn.
    type Task: Send + 'static;

    /// Its name in the tables.
    const NAME: &'static str;

    /// Builds it, runs the work as one of its tasks, and ends it.
    fn run<T, F>(work: impl FnOnce(Self) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static;

    /// Spawns a task without supervision.
    fn spawn<F>(&self, future: F) -> Self::Task
    where
        F: Future<Output = ()> + Send + 'static;

    /// Lets a task run without a handle.
    fn detach(task: Self::Task);

    /// Ends a task at its next poll, or before.
    fn abort(task: Self::Task);

    /// Returns the same executor, for supervision.
    fn spawner(&self) -> impl Spawner;
}
