use std::future::Future;

use supervisor_core::Spawner;

use super::Executor;

/// Smol's global executor, with its one thread.
#[derive(Clone, Copy, Debug)]
pub struct Smol;

impl Executor for Smol {
    type Task = smol::Task<()>;

    const NAME: &'static str = "smol";

    fn run<T, F>(work: impl FnOnce(Self) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        smol::block_on(smol::spawn(work(Self)))
    }

    fn spawn<F>(&self, future: F) -> Self::Task
    where
        F: Future<Output = ()> + Send + 'static,
    {
        smol::spawn(future)
    }

    fn detach(task: Self::Task) {
        task.detach();
    }

    fn abort(task: Self::Task) {
        drop(task);
    }

    fn spawner(&self) -> impl Spawner {
        executor_smol::Smol::global()
    }
}
