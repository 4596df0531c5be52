use std::{future::Future, sync::Arc, thread};

use async_executor::Task;
use supervisor_core::Spawner;

use super::Executor;

/// An `async_executor::Executor` with this many threads.
#[derive(Clone, Debug)]
pub struct AsyncExecutor<const THREADS: usize>(Arc<async_executor::Executor<'static>>);

impl<const THREADS: usize> Executor for AsyncExecutor<THREADS> {
    type Task = Task<()>;

    const NAME: &'static str = match THREADS {
        1 => "async-executor, 1 thread",
        2 => "async-executor, 2 threads",
        _ => "async-executor",
    };

    fn run<T, F>(work: impl FnOnce(Self) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let executor = Arc::new(async_executor::Executor::new());
        let (stop, stopped) = smol::channel::bounded::<()>(1);
        thread::scope(|scope| {
            for _ in 1..THREADS {
                scope.spawn(|| smol::block_on(executor.run(stopped.recv())));
            }
            let outcome = smol::block_on(executor.run(executor.spawn(work(Self(executor.clone())))));
            drop(stop);
            outcome
        })
    }

    fn spawn<F>(&self, future: F) -> Self::Task
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.spawn(future)
    }

    fn detach(task: Self::Task) {
        task.detach();
    }

    fn abort(task: Self::Task) {
        drop(task);
    }

    fn spawner(&self) -> impl Spawner {
        executor_smol::Smol::on(&self.0)
    }
}
