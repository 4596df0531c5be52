use std::future::Future;

use executor_tokio::Tokio;
use supervisor_core::Spawner;
use tokio::{
    runtime::{Builder, Handle, Runtime},
    task::JoinHandle,
};

use super::Executor;

/// A Tokio runtime with two worker threads.
#[derive(Clone, Debug)]
pub struct TokioMulti(Handle);

impl Executor for TokioMulti {
    type Task = JoinHandle<()>;

    const NAME: &'static str = "Tokio, 2 threads";

    fn run<T, F>(work: impl FnOnce(Self) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
        in_a_task(&runtime, work(Self(runtime.handle().clone())))
    }

    fn spawn<F>(&self, future: F) -> Self::Task
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.spawn(future)
    }

    fn detach(task: Self::Task) {
        drop(task);
    }

    fn abort(task: Self::Task) {
        task.abort();
    }

    fn spawner(&self) -> impl Spawner {
        Tokio::try_from(self.0.clone()).expect("a runtime with a clock")
    }
}

/// Runs the work as a task. The thread that blocks here is none of the runtime's workers.
pub(super) fn in_a_task<T>(runtime: &Runtime, work: impl Future<Output = T> + Send + 'static) -> T
where
    T: Send + 'static,
{
    runtime.block_on(runtime.spawn(work)).expect("a workload that does not panic")
}
