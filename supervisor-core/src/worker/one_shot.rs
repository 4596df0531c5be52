use std::{
    borrow::Cow,
    future::Future,
    mem::needs_drop,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::result::{IntoWorkerResult, exit_of};
use crate::{
    incarnation::{Exit, Name, ProcessBody, ProcessContext, Step, current},
    node::{Child, ChildFactory, ChildNode, ChildSpec, Release, Scope},
    shutdown::ProcessShutdown,
    strategy::ChildSettings,
};

/// Makes a worker from a single future. It runs once, so it is temporary, and never restarted. It is ready as soon as
/// it is spawned.
///
/// A restart of its supervisor leaves it out, because there is nothing left to run. For work that can be restarted, use
/// [`worker`](crate::worker).
///
/// For a worker that sees the request to stop, use [`one_shot_with`], or
/// [`process::shutdown`](crate::process::shutdown). A future that ignores the request is dropped when its 5 seconds are
/// over; use [`ShutdownStrategy::Brutal`](crate::ShutdownStrategy::Brutal) if it may be dropped at once.
///
/// ```
/// use supervision::{one_shot, BoxError, Supervisor, SupervisorError};
///
/// # fn main() -> Result<(), SupervisorError> {
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(one_shot("greeter", async { println!("hello") }));
/// root.add_worker(one_shot("importer", async {
///     let rows: u32 = "12".parse()?;
///     println!("{rows} rows");
///     Ok::<(), BoxError>(())
/// }));
/// root.add_worker(one_shot("poller", async {
///     loop {
///         std::future::pending::<()>().await;
///     }
/// }));
/// # Ok(())
/// # }
/// ```
pub fn one_shot<Fut>(name: impl Into<Cow<'static, str>>, future: Fut) -> ChildSpec
where
    Fut: Future + Send + 'static,
    Fut::Output: IntoWorkerResult,
{
    ChildSpec::new(Name::new(name), ChildSettings::one_shot(), Once(Mutex::new(Some(future))))
}

/// Makes a worker that runs once, like [`one_shot`], from a closure that is given the shutdown signal. The closure is
/// called once, in the new process.
///
/// ```
/// use supervision::{one_shot_with, BoxError, Supervisor, SupervisorError};
///
/// # fn main() -> Result<(), SupervisorError> {
/// # let (_sender, requests) = async_channel::unbounded::<String>();
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(one_shot_with("connection", async move |shutdown| {
///     while let Some(request) = shutdown.run_until(requests.recv()).await {
///         println!("{}", request?);
///     }
///     Ok::<(), BoxError>(()) // the shutdown was requested
/// }));
/// # Ok(())
/// # }
/// ```
pub fn one_shot_with<F, Fut>(name: impl Into<Cow<'static, str>>, closure: F) -> ChildSpec
where
    F: FnOnce(ProcessShutdown) -> Fut + Send + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: IntoWorkerResult,
{
    one_shot(name, async move {
        // P3: the closure is user code, so its first poll in the process calls it.
        let shutdown = current(|current| ProcessShutdown::of(current.control.clone(), current.id));
        closure(shutdown.expect("this runs in a process")).await
    })
}

struct Once<Fut>(Mutex<Option<Fut>>);

impl<Fut> Release for Once<Fut> {
    fn release(&self, _: &mut Vec<Arc<dyn Child>>) {
        // Dropped after the lock: a user's destructor may do anything.
        let future = self.lock().take();
        drop(future);
    }
}

impl<Fut> ChildFactory for Once<Fut>
where
    Fut: Future + Send + 'static,
    Fut::Output: IntoWorkerResult,
{
    fn build(node: Arc<ChildNode<Self>>, _: &ProcessContext, _: &Arc<Scope>) -> impl ProcessBody {
        Run { future: node.factory.lock().take() }
    }

    fn can_start(&self) -> bool {
        // R36: a restarted supervisor leaves out a one-shot that has run.
        self.lock().is_some()
    }

    fn is_loaded(&self) -> bool {
        needs_drop::<Fut>() && self.can_start()
    }
}

impl<Fut> Once<Fut> {
    fn lock(&self) -> MutexGuard<'_, Option<Fut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project! {
    struct Run<Fut> {
        #[pin]
        future: Option<Fut>,
    }
}

impl<Fut> ProcessBody for Run<Fut>
where
    Fut: Future + Send + 'static,
    Fut::Output: IntoWorkerResult,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        match self.project().future.as_pin_mut() {
            Some(future) => future.poll(cx).map(|output| Step::Ended(exit_of(output.into_worker_result()))),
            None => Poll::Ready(Step::Ended(Exit::Normal)),
        }
    }
}
