use std::future::Future;

use executor_tokio::Tokio;
use supervisor_core::Spawner;
use tokio::{
    runtime::{Builder, Handle},
    task::JoinHandle,
};

use super::{Executor, tokio_multi::in_a_task};

/// A current-thread Tokio runtime.
#[derive(Clone, Debug)]
pub struct TokioCurrent(Handle);

impl Executor for TokioCurrent {
    type Task = JoinHandle<()>;

    const NAME: &'static str = "Tokio, current thread";

    fn run<T, F>(work: impl FnOnce(Self) -> F) -> T
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
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
