use std::{
    borrow::Cow,
    future::Future,
    mem::needs_drop,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::result::{IntoWorkerResult, exit_of};
use crate::{
    incarnation::{Name, ProcessBody, ProcessContext, Step, current},
    node::{Child, ChildFactory, ChildNode, ChildSpec, Release, Scope},
    shutdown::{ProcessShutdown, ShutdownStrategy},
    strategy::ChildSettings,
};

/// A worker from a closure, which is called for each start. It is ready as soon as it is spawned.
///
/// Permanent and with 5 seconds to stop, unless told otherwise. The body may return `()`, a `Result` with any error, or
/// never. For a set-up that siblings have to wait for, use [`worker_with_setup`](crate::worker_with_setup), or implement
/// [`Supervisable`](crate::Supervisable).
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// use supervisor_core::{worker, BoxError, ProcessShutdown, Supervisor, SupervisorError};
///
/// async fn flush_until(shutdown: ProcessShutdown) -> Result<(), BoxError> {
///     shutdown.await;
///     Ok(())
/// }
///
/// # fn main() -> Result<(), SupervisorError> {
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(worker("flusher", |shutdown| flush_until(shutdown)));
///
/// // What restarts share is cloned for each of them.
/// let ticks = Arc::new(AtomicU64::new(0));
/// root.add_worker(worker("ticker", move |shutdown| {
///     let ticks = ticks.clone();
///     async move {
///         ticks.fetch_add(1, Ordering::Relaxed);
///         shutdown.await;
///     }
/// }));
///
/// // A body without an end. It is stopped by dropping it, after its 5 seconds.
/// root.add_worker(worker("poller", |_| async move {
///     loop {
///         std::future::pending::<()>().await;
///     }
/// }));
///
/// // Async closures are fine, too, and so is any error type.
/// root.add_worker(worker("parser", async |_| -> Result<(), std::num::ParseIntError> {
///     "12".parse::<u8>()?;
///     Ok(())
/// }));
/// # Ok(())
/// # }
/// ```
pub fn worker<F, Fut>(name: impl Into<Cow<'static, str>>, closure: F) -> ChildSpec
where
    F: FnMut(ProcessShutdown) -> Fut + Send + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: IntoWorkerResult,
{
    let mut settings = ChildSettings::worker(ShutdownStrategy::default());
    // A2: no set-up, so it is ready when it is spawned (R1: the next one begins then).
    settings.ready_at_once = true;
    ChildSpec::new(Name::new(name), settings, Closure::new(closure))
}

/// The child's own process holds the lock while it calls the closure, which may block. So no other process may wait for it.
pub(super) struct Closure<F>(Mutex<Option<F>>);

impl<F> Release for Closure<F> {
    fn release(&self, _: &mut Vec<Arc<dyn Child>>) {
        // Dropped after the lock: a destructor of a user may do anything.
        let closure = self.lock().take();
        drop(closure);
    }
}

impl<F, Fut> ChildFactory for Closure<F>
where
    F: FnMut(ProcessShutdown) -> Fut + Send + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: IntoWorkerResult,
{
    fn build(node: Arc<ChildNode<Self>>, _: &ProcessContext, _: &Arc<Scope>) -> impl ProcessBody {
        Called::No { node: Some(node) }
    }

    fn is_loaded(&self) -> bool {
        self.is_loaded()
    }
}

impl<F> Closure<F> {
    pub(super) fn new(closure: F) -> Self {
        Self(Mutex::new(Some(closure)))
    }

    /// What one incarnation does. Called in its process.
    pub(super) fn call<Fut>(&self, shutdown: ProcessShutdown) -> Fut
    where
        F: FnMut(ProcessShutdown) -> Fut,
    {
        let mut closure = self.lock();
        closure.as_mut().expect("nothing is started after the last incarnation")(shutdown)
    }

    pub(super) fn is_loaded(&self) -> bool {
        // D3: asked by a supervisor that ends, maybe while the closure blocks. Then it is there.
        needs_drop::<F>()
            && match self.0.try_lock() {
                Ok(closure) => closure.is_some(),
                Err(TryLockError::Poisoned(closure)) => closure.into_inner().is_some(),
                Err(TryLockError::WouldBlock) => true,
            }
    }

    fn lock(&self) -> MutexGuard<'_, Option<F>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pin_project! {
    #[project = CalledProjection]
    enum Called<F, Fut> {
        No { node: Option<Arc<ChildNode<Closure<F>>>> },
        Yes { #[pin] future: Fut },
    }
}

impl<F, Fut> ProcessBody for Called<F, Fut>
where
    F: FnMut(ProcessShutdown) -> Fut + Send + 'static,
    Fut: Future + Send + 'static,
    Fut::Output: IntoWorkerResult,
{
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        if let CalledProjection::No { node } = self.as_mut().project() {
            // P3: the closure is called in the process, at its first poll, and not by the supervisor that starts it.
            let own = current(|current| ProcessShutdown::of(current.control.clone(), current.id));
            let (Some(node), Some(shutdown)) = (node.take(), own) else {
                unreachable!("a closure that panicked is not polled again");
            };
            let future = node.factory.call(shutdown);
            self.set(Called::Yes { future });
        }
        match self.project() {
            CalledProjection::Yes { future } => {
                future.poll(cx).map(|output| Step::Ended(exit_of(output.into_worker_result())))
            }
            CalledProjection::No { .. } => Poll::Pending,
        }
    }
}
