//! Tasks: workers that run once, and return a result (A9).

use std::{
    borrow::Cow,
    fmt,
    future::Future,
    mem::{self, needs_drop},
    pin::Pin,
    sync::{Arc, PoisonError, Weak},
    task::{Context, Poll, Waker},
};

use pin_project_lite::pin_project;

use crate::{
    incarnation::{ChildId, Control, Exit, Flags, Name, ProcessBody, ProcessContext, Step, wake},
    node::{Child, ChildFactory, ChildNode, ChildSpec, Release, Scope},
    strategy::ChildSettings,
    sync::{Mutex, MutexGuard},
};

/// Makes a worker from a single future, and a handle that receives what the future returns.
///
/// Like [`one_shot`](crate::one_shot) it runs once, and it is temporary. The process ends normally whatever the future
/// returns: an `Err` is a result like any other. [`SupervisorHandle::spawn_task`] and [`SupervisorHandle::start_task`] make
/// a task and start it at once. Use this function if the specification of the task needs more settings.
///
/// ```
/// use supervision::{task, ShutdownStrategy, SupervisorError, SupervisorHandle};
///
/// # async fn count(pool: &SupervisorHandle) -> Result<(), SupervisorError> {
/// let (child, rows) = task("count", async { 12 });
/// pool.spawn(child.with_shutdown_strategy(ShutdownStrategy::Brutal))?;
/// match rows.await {
///     Ok(rows) => println!("{rows} rows"),
///     Err(exit) => println!("no result: the task {exit}"),
/// }
/// # Ok(())
/// # }
/// ```
///
/// [`SupervisorHandle::spawn_task`]: crate::SupervisorHandle::spawn_task
/// [`SupervisorHandle::start_task`]: crate::SupervisorHandle::start_task
pub fn task<Fut>(name: impl Into<Cow<'static, str>>, future: Fut) -> (ChildSpec, JoinHandle<Fut::Output>)
where
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    let (reporter, result) = Reporter::new();
    let factory = Task { future: Mutex::new(Some(future)), reporter };
    (ChildSpec::new(Name::new(name), ChildSettings::one_shot(), factory), result)
}

/// A handle that receives the result of a task. It is a future: it resolves with the value that the task's future returned,
/// or, if that did not return, with the [`Exit`] of the process.
///
/// A panic is [`Exit::Panicked`], with its message; an abort is [`Exit::Aborted`]; an executor that dropped the process is
/// [`Exit::Lost`]. A task that never ran, because its supervisor refused it or ended first, is `Aborted`, too.
///
/// An `Exit` is an error, so `?` passes it on: `let rows = job.await?`.
///
/// It resolves after the task's future was dropped. Dropping the handle detaches the task, which goes on under its
/// supervisor. Cancel-safe: await it by reference, and a `select!` may drop that wait and begin another one.
#[must_use = "dropping the handle detaches the task; await it for the result"]
pub struct JoinHandle<T>(Arc<Slot<T>>);

/// The state that a task and its handle share.
struct Slot<T>(Mutex<State<T>>);

struct State<T> {
    /// The value that the future returned.
    output: Option<T>,
    /// The exit of the process, once it has ended.
    exit: Option<Exit>,
    /// The waker of the task that awaits the handle.
    waker: Option<Waker>,
    /// The task as a child of its supervisor, once it was handed over to one.
    id: Option<ChildId>,
    /// The process, while it runs.
    process: Option<Weak<dyn Control>>,
    is_aborted: bool,
    is_detached: bool,
}

impl<T> Slot<T> {
    fn new() -> Self {
        Self(Mutex::new(State {
            output: None,
            exit: None,
            waker: None,
            id: None,
            process: None,
            is_aborted: false,
            is_detached: false,
        }))
    }

    /// Locks the state. While the lock is held, no task is woken, and no user code is dropped.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> JoinHandle<T> {
    /// Aborts the task: its future is dropped when it next yields. The result is then `Err(Exit::Aborted)`, unless the task has
    /// ended by itself before. A task that has not started yet does not run.
    pub fn abort(&self) {
        let process = {
            let mut state = self.0.lock();
            // Set before the look at the process: a process that begins after this finds the mark.
            state.is_aborted = true;
            state.process.as_ref().and_then(Weak::upgrade)
        };
        if let Some(process) = process {
            process.cell().request(Flags::ABORT);
        }
    }

    /// Returns whether the task has ended, and its result is there.
    pub fn is_finished(&self) -> bool {
        self.0.lock().exit.is_some()
    }

    /// Returns the task as a child of its supervisor, also after its end. `None` if its specification was not handed over to a
    /// supervisor: only for a handle of [`task`].
    pub fn id(&self) -> Option<ChildId> {
        self.0.lock().id
    }
}

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Exit>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        let Some(exit) = &state.exit else {
            let before = state.waker.replace(waker);
            drop(state);
            drop(before);
            return Poll::Pending;
        };
        let exit = exit.clone();
        let output = state.output.take();
        drop(state);
        Poll::Ready(match (output, exit) {
            (Some(output), Exit::Normal) => Ok(output),
            // It is polled again after its end.
            (None, Exit::Normal) => panic!("`JoinHandle` was polled after it had resolved"),
            (_, exit) => Err(exit),
        })
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        let (output, waker) = {
            let mut state = self.0.lock();
            state.is_detached = true;
            (state.output.take(), state.waker.take())
        };
        drop((output, waker));
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle").field("id", &self.id()).field("is_finished", &self.is_finished()).finish()
    }
}

/// The task's own side of the state. If it is dropped without an exit, the task has never run.
pub(crate) struct Reporter<T>(Arc<Slot<T>>);

impl<T> Reporter<T> {
    pub(crate) fn new() -> (Self, JoinHandle<T>) {
        let slot = Arc::new(Slot::new());
        (Self(slot.clone()), JoinHandle(slot))
    }

    /// Notes the process, which begins to run.
    pub(crate) fn begin(&self, control: &Arc<dyn Control>) {
        self.0.lock().process = Some(Arc::downgrade(control));
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.0.lock().is_aborted
    }

    /// Keeps the value until the process has ended. If the handle is gone, returns the value: the caller drops it in the
    /// process.
    pub(crate) fn put(&self, output: T) -> Option<T> {
        let mut state = self.0.lock();
        if state.is_detached {
            return Some(output);
        }
        state.output = Some(output);
        None
    }

    pub(crate) fn end(&self, exit: Exit) {
        let (waker, unused, process) = {
            let mut state = self.0.lock();
            if state.exit.is_some() {
                return;
            }
            // P1, A9: a destructor that panics turns any other end into a panic. Then there is no result.
            let unused = if exit == Exit::Normal { None } else { state.output.take() };
            // A9: a task that has not run. Its future was dropped by a process that did nothing else, which may end normally, or
            // be lost.
            let is_vain = match exit {
                Exit::Normal => state.output.is_none(),
                Exit::Lost => state.process.is_none(),
                _ => false,
            };
            state.exit = Some(if is_vain { Exit::Aborted } else { exit });
            (state.waker.take(), unused, state.process.take())
        };
        waker.into_iter().for_each(wake);
        drop((unused, process));
    }
}

impl<T> Drop for Reporter<T> {
    fn drop(&mut self) {
        self.end(Exit::Aborted);
    }
}

/// The factory of a task: it owns the future until that runs, and reports how the task ends.
struct Task<Fut: Future> {
    future: Mutex<Option<Fut>>,
    reporter: Reporter<Fut::Output>,
}

impl<Fut: Future> Task<Fut> {
    fn lock(&self) -> MutexGuard<'_, Option<Fut>> {
        self.future.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<Fut: Future> Release for Task<Fut> {
    fn release(&self, _: &mut Vec<Arc<dyn Child>>) {
        // Dropped after the lock: a destructor of a user may do anything.
        let future = self.lock().take();
        drop(future);
    }
}

impl<Fut> ChildFactory for Task<Fut>
where
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    fn build(node: Arc<ChildNode<Self>>, context: &ProcessContext, _: &Arc<Scope>) -> impl ProcessBody {
        node.factory.reporter.begin(&context.control);
        let future = node.factory.lock().take();
        Run { future, has_begun: false, node }
    }

    fn enlisted(&self, id: ChildId) {
        self.reporter.0.lock().id = Some(id);
    }

    fn on_exit(&self, exit: &Exit) {
        self.reporter.end(exit.clone());
    }

    fn can_start(&self) -> bool {
        // R36: a restarted supervisor leaves out a task that has run.
        self.lock().is_some()
    }

    fn is_loaded(&self) -> bool {
        needs_drop::<Fut>() && self.can_start()
    }
}

pin_project! {
    struct Run<Fut>
    where
        Fut: Future,
    {
        #[pin]
        future: Option<Fut>,
        has_begun: bool,
        node: Arc<ChildNode<Task<Fut>>>,
    }
}

impl<Fut> ProcessBody for Run<Fut>
where
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        let this = self.project();
        let reporter = &this.node.factory.reporter;
        let begins = !mem::replace(this.has_begun, true);
        // A9: the task was aborted before it began. After that, the process itself looks for an abort.
        let Some(future) = this.future.as_pin_mut().filter(|_| !(begins && reporter.is_aborted())) else {
            return Poll::Ready(Step::Ended(Exit::Aborted));
        };
        future.poll(cx).map(|output| {
            let unwanted = reporter.put(output);
            // P3: the process drops it.
            drop(unwanted);
            Step::Ended(Exit::Normal)
        })
    }
}
