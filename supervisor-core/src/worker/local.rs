use std::{
    borrow::Cow,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;
use send_wrapper::SendWrapper;

use super::{closure::Closure, result::IntoWorkerResult};
use crate::{
    incarnation::{Name, current},
    node::{ChildSpec, Scope},
    shutdown::{ProcessShutdown, ShutdownStrategy},
    spawner::{Executor, drop_local_tasks},
    strategy::ChildSettings,
};

/// Makes a worker whose future need not be `Send`: it may hold an `Rc`, a reference to a `RefCell`, or a handle of a
/// library that belongs to one thread. For everything else it is a [`worker`](crate::worker).
///
/// Each incarnation has a thread of its own, with the worker's dotted name. There the closure is called, and its future is
/// polled and dropped. Only the closure moves between threads, so it is `Send`. The thread has a
/// single-threaded executor, of the same kind as the executor of the supervisor's children:
///
/// | executor | the thread has |
/// |---|---|
/// | Tokio | a current-thread runtime with a `LocalSet`: `tokio::task::spawn_local` works, and so do timers and sockets |
/// | smol | a loop that also serves timers and sockets; make an `async_executor::LocalExecutor` in the future for tasks of your own |
/// | a simulation | nothing: the thread of the simulation runs it, as if it had one of its own |
/// | an executor of yours | what its [`Spawner::local_executor`](crate::Spawner::local_executor) returns; without that method the start fails |
///
/// [`with_placement`](ChildSpec::with_placement) chooses the kind: the thread is then one of that executor. A supervisor on a
/// paused clock of Tokio has no local workers, because its clock would not wait for their threads: the start fails, as for any
/// [`Placement`](crate::Placement) on a real clock.
///
/// The worker is permanent and has 5 seconds to stop, unless its [`ChildSpec`] says otherwise. It is ready when its thread has
/// started; with [`with_explicit_ready`](ChildSpec::with_explicit_ready), when it says so. If its future blocks, it holds up
/// its own thread and nothing else. An abort waits for its next `.await`, as for any worker.
///
/// Tasks that it starts with `spawn_local` end with it: they are dropped on its thread after its future, and before its exit
/// is visible. So the next incarnation never meets them. The thread ends right after that, and the tasks of `tokio::spawn`
/// with it.
///
/// ```
/// use std::{cell::RefCell, rc::Rc, time::Duration};
/// use supervision::{local_worker, process, Supervisor, SupervisorError};
///
/// # fn main() -> Result<(), SupervisorError> {
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(local_worker("sampler", async |shutdown| {
///     let samples = Rc::new(RefCell::new(Vec::new()));
///     while shutdown.run_until(process::sleep(Duration::from_secs(1))).await.is_some() {
///         samples.borrow_mut().push(std::time::Instant::now());
///     }
/// }));
/// # Ok(())
/// # }
/// ```
///
/// What the closure captures has to be `Send`, because each start calls it on another thread:
///
/// ```compile_fail,E0277
/// use std::rc::Rc;
/// use supervision::local_worker;
///
/// let samples = Rc::new(0);
/// let sampler = local_worker("sampler", move |_| {
///     let samples = samples.clone();
///     async move { drop(samples) }
/// });
/// ```
pub fn local_worker<F, Fut>(name: impl Into<Cow<'static, str>>, mut closure: F) -> ChildSpec
where
    F: FnMut(ProcessShutdown) -> Fut + Send + 'static,
    Fut: Future + 'static,
    Fut::Output: IntoWorkerResult,
{
    let mut settings = ChildSettings::worker(ShutdownStrategy::default());
    settings.ready_at_once = true;
    settings.is_local = true;
    // P3, P13: the process calls this at its first poll, on its thread. Before that there is nothing of the future that could be
    // dropped elsewhere.
    let closure = move |shutdown| Local { future: SendWrapper::new(closure(shutdown)), _tasks: LocalTasks::here() };
    ChildSpec::new(Name::new(name), settings, Closure::new(closure))
}

pin_project! {
    /// The future of a local worker, and the tasks beside it. They are dropped in this order.
    struct Local<Fut> {
        #[pin]
        future: SendWrapper<Fut>,
        _tasks: LocalTasks,
    }
}

impl<Fut: Future> Future for Local<Fut> {
    type Output = Fut::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Fut::Output> {
        let future = self.project().future;
        assert!(
            future.valid(),
            "the executor polled a local worker on a second thread; see the contract of `Spawner::local_executor`"
        );
        future.poll(cx)
    }
}

/// The tasks that a local worker has started beside its future: dropped with this.
struct LocalTasks(Option<Executor>);

impl LocalTasks {
    /// Returns those of the process that runs here.
    fn here() -> Self {
        Self(current(|current| Scope::executor(&current.parent)).flatten())
    }
}

impl Drop for LocalTasks {
    fn drop(&mut self) {
        // P2: the process drops this with its future, so before its exit is visible.
        if let Some(executor) = &self.0 {
            drop_local_tasks(&***executor);
        }
    }
}
