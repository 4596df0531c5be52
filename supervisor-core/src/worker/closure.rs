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
    incarnation::{Exit, Name, ProcessBody, ProcessContext, Step, current},
    node::{Child, ChildFactory, ChildNode, ChildSpec, Release, Scope},
    shutdown::{ProcessShutdown, ShutdownStrategy},
    strategy::ChildSettings,
};

/// Makes a worker from a closure, which is called for each start. It is ready as soon as it is spawned.
///
/// It is permanent and has 5 seconds to stop, unless its [`ChildSpec`] says otherwise. The body may return `()`, a `Result` with
/// any error, or never. For a set-up that siblings have to wait for, use
/// [`worker_with_setup`](crate::worker_with_setup), or implement [`Supervisable`](crate::Supervisable).
///
/// ```
/// use std::sync::{Arc, atomic::{AtomicU64, Ordering}};
/// use supervision::{worker, BoxError, ProcessShutdown, Supervisor, SupervisorError};
///
/// async fn flush_until(shutdown: ProcessShutdown) -> Result<(), BoxError> {
///     shutdown.await;
///     Ok(())
/// }
///
/// # fn main() -> Result<(), SupervisorError> {
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(worker("flusher", flush_until));
///
/// // What the starts share is cloned for each of them.
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
///
/// # Errors of the compiler
///
/// A worker starts more than once, and its future may move to another thread. So the closure keeps what it captured, and the
/// future owns all that it uses. Most errors say that one of the two does not hold:
///
/// | the compiler says | what to do |
/// |---|---|
/// | [E0507][E0507]: cannot move out of `x`, a captured variable in an `FnMut` closure | [clone it, or share it](#e0507) |
/// | async closure does not implement `FnMut` | [return an `async move` block](#async-closure-does-not-implement-fnmut) |
/// | captured variable cannot escape `FnMut` closure body | [return an `async move` block](#async-closure-does-not-implement-fnmut) |
/// | lifetime may not live long enough | [clone what the future needs of `self`](#lifetime-may-not-live-long-enough) |
/// | E0521: borrowed data escapes outside of method | [clone what the future needs of `self`](#lifetime-may-not-live-long-enough) |
/// | [E0282][E0282]: type annotations needed | [name the error](#e0282) |
/// | E0277: expected a `FnMut(ProcessShutdown)` closure (`worker("job", job())`) | pass a closure that makes the future: `worker("job", \|shutdown\| job(shutdown))`, or the function itself: `worker("job", job)` |
/// | E0277: a closure `is not a future` (in [`one_shot`](crate::one_shot)) | use [`one_shot_with`](crate::one_shot_with), or `worker` |
/// | E0277: `()` is not a future (in [`worker_with_setup`](crate::worker_with_setup)) | let the set-up return the future that then runs: `Ok(async move { .. })` |
/// | future cannot be sent between threads safely | hold no `Rc`, `RefCell` or guard of a `std` lock over an `.await`, or use [`local_worker`](crate::local_worker) |
///
/// [E0282]: https://doc.rust-lang.org/error_codes/E0282.html
/// [E0507]: https://doc.rust-lang.org/error_codes/E0507.html
///
/// ## E0507
///
/// The first start would take the receiver away from the next one:
///
/// ```compile_fail,E0507
/// use supervision::worker;
/// use tokio::sync::mpsc;
///
/// let (sender, mut jobs) = mpsc::channel::<String>(16);
/// let printer = worker("printer", move |_| async move {
///     while let Some(job) = jobs.recv().await {
///         println!("{job}");
///     }
/// });
/// # drop::<mpsc::Sender<_>>(sender);
/// ```
///
/// Clone it for each start if it can be cloned, as a sender or an `Arc` can. Otherwise share it behind an asynchronous lock: what
/// waits in the channel then survives a restart, and the lock is free again when the failed future is dropped.
///
/// ```
/// use std::sync::Arc;
/// use supervision::worker;
/// use tokio::sync::{Mutex, mpsc};
///
/// let (sender, jobs) = mpsc::channel::<String>(16);
/// let jobs = Arc::new(Mutex::new(jobs));
/// let printer = worker("printer", move |_| {
///     let jobs = jobs.clone();
///     async move {
///         let mut jobs = jobs.lock().await;
///         while let Some(job) = jobs.recv().await {
///             println!("{job}");
///         }
///     }
/// });
/// # drop::<mpsc::Sender<_>>(sender);
/// ```
///
/// ## Async closure does not implement `FnMut`
///
/// The future of an async closure borrows from the closure what that has captured:
///
/// ```compile_fail
/// use supervision::{worker, ProcessShutdown};
///
/// let address = String::from("db:5432");
/// let poller = worker("poller", async move |shutdown: ProcessShutdown| {
///     println!("polling {address}");
///     shutdown.await;
/// });
/// ```
///
/// Use a plain closure that clones it for each start and moves the clone into the future that it returns. (An `async` block without
/// `move` borrows, too: the compiler then says that the captured variable cannot escape.)
///
/// ```
/// use supervision::{worker, ProcessShutdown};
///
/// let address = String::from("db:5432");
/// let poller = worker("poller", move |shutdown: ProcessShutdown| {
///     let address = address.clone();
///     async move {
///         println!("polling {address}");
///         shutdown.await;
///     }
/// });
/// ```
///
/// ## Lifetime may not live long enough
///
/// The future that [`initialize`](crate::Supervisable::initialize) returns outlives the call, so it cannot borrow `self`:
///
/// ```compile_fail
/// use supervision::{InitializationError, ProcessShutdown, Supervisable, SupervisorFuture};
///
/// struct Poller {
///     address: String,
/// }
///
/// impl Supervisable for Poller {
///     fn name(&self) -> &str {
///         "poller"
///     }
///
///     async fn initialize(&self, shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
///         Ok(Box::pin(async move {
///             println!("polling {}", self.address);
///             shutdown.await;
///             Ok(())
///         }))
///     }
/// }
/// ```
///
/// Clone what the future needs before it is made; an `Arc` makes that cheap. The same holds in a method of your own that makes a
/// worker from `&self`.
///
/// ```
/// # use supervision::{InitializationError, ProcessShutdown, Supervisable, SupervisorFuture};
/// # struct Poller {
/// #     address: String,
/// # }
/// # impl Supervisable for Poller {
/// #     fn name(&self) -> &str {
/// #         "poller"
/// #     }
/// async fn initialize(&self, shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
///     let address = self.address.clone();
///     Ok(Box::pin(async move {
///         println!("polling {address}");
///         shutdown.await;
///         Ok(())
///     }))
/// }
/// # }
/// ```
///
/// ## E0282
///
/// `?` converts the error into one that nothing names:
///
/// ```compile_fail,E0282
/// use supervision::worker;
///
/// let parser = worker("parser", |_| async move {
///     println!("{}", "12".parse::<u8>()?);
///     Ok(())
/// });
/// ```
///
/// Name it at the end, or in the return type of an `async fn` or an async closure:
///
/// ```
/// use supervision::{worker, BoxError};
///
/// let parser = worker("parser", |_| async move {
///     println!("{}", "12".parse::<u8>()?);
///     Ok::<(), BoxError>(())
/// });
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

/// A closure under a lock. The child's own process holds the lock while it calls the closure, which may block. So no
/// other process may wait for it.
pub(super) struct Closure<F>(Mutex<Option<F>>);

impl<F> Release for Closure<F> {
    fn release(&self, _: &mut Vec<Arc<dyn Child>>) {
        // Dropped after the lock: a user's destructor may do anything.
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

    /// Makes the future of one incarnation. It is called in the process of that incarnation. Returns `None` if nothing is left
    /// to run: for a temporary child that was at its end when it was reloaded.
    pub(super) fn call<Fut>(&self, shutdown: ProcessShutdown) -> Option<Fut>
    where
        F: FnMut(ProcessShutdown) -> Fut,
    {
        let mut closure = self.lock();
        Some(closure.as_mut()?(shutdown))
    }

    pub(super) fn is_loaded(&self) -> bool {
        // D3: a supervisor that ends asks this, maybe while the closure blocks. Then it is there.
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
            let Some(future) = node.factory.call(shutdown) else {
                return Poll::Ready(Step::Ended(Exit::Normal));
            };
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
