//! The process that runs this code: what it can ask about itself, and do. The context is there while the process is
//! polled, and while its future is dropped.

use std::{
    borrow::Cow,
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::{Duration, Instant},
};

use crate::{
    error::SupervisorError,
    handle::SupervisorHandle,
    incarnation::{self, ChildId, Control, Parent, ProcessId, ProcessKey, Report, ReportKind, guard},
    node::{IntoChildSpec, Owner, Scope},
    observe::RestartCause,
    shutdown::ProcessShutdown,
    spawner::{Executor, Timer, nudge},
    supervisor::Supervisor,
    trace,
    worker::JoinHandle,
};

/// Returns the process that runs this code: in its `initialize`, its closure, its future or a destructor.
///
/// Returns `None` outside of a process, and in tasks that were spawned by other means: the context does not leak into
/// them.
///
/// ```
/// use supervision::{process, one_shot};
///
/// assert!(process::current().is_none());
/// let greeter = one_shot("greeter", async {
///     let me = process::current().expect("this runs in a process");
///     println!("hello from {} ({})", me.path(), me.id());
/// });
/// ```
#[doc(alias = "self")]
pub fn current() -> Option<CurrentProcess> {
    incarnation::current(|current| {
        // P7: from the thread, for as long as the process is polled or dropped on it. So it does not leak into tasks
        // that the process spawns.
        let scope = Scope::above(&current.parent)?;
        Some(CurrentProcess {
            id: current.id,
            process_key: current.process_key(),
            control: current.control.clone(),
            supervisor: SupervisorHandle::of(&scope),
            is_root: scope.is_outside(),
            scope: Arc::downgrade(&scope),
        })
    })?
}

/// Returns whether this code runs in a process. For backends.
#[doc(hidden)]
pub fn is_here() -> bool {
    incarnation::is_in_process()
}

/// A process, as seen from inside.
///
/// It can be moved into a task of another kind, or to another thread. There it still refers to the same incarnation of
/// the process, and keeps nothing alive: not the process, its executor, or anything else that ends with it or with its
/// supervisor. After the end of the process it still answers: [`id`](Self::id) and [`path`](Self::path) as before,
/// [`shutdown`](Self::shutdown) with a signal that has fired, [`supervisor`](Self::supervisor) with a handle that
/// answers [`NotRunning`](SupervisorError::NotRunning) once the supervisor has ended, too.
/// [`heartbeat`](Self::heartbeat) and [`ready`](Self::ready) then do nothing: they never count for a successor.
#[derive(Clone)]
pub struct CurrentProcess {
    id: ProcessId,
    process_key: ProcessKey,
    control: Arc<dyn Control>,
    supervisor: SupervisorHandle,
    /// Whether the process is the root: then no supervisor is above it, and the handle is on itself.
    is_root: bool,
    /// Weak, because a user may keep this for ever, and a scope holds executors.
    scope: Weak<Scope>,
}

impl CurrentProcess {
    /// Returns the process's number.
    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// Returns the process's dotted name.
    pub fn path(&self) -> String {
        let segment = self.control.name();
        if self.is_root { segment.to_owned() } else { format!("{}.{segment}", self.supervisor.path()) }
    }

    /// Returns a handle on the supervisor of this process.
    pub fn supervisor(&self) -> SupervisorHandle {
        self.supervisor.clone()
    }

    /// Returns the child that this is a process of. It is the same in each incarnation of the child, and names it in calls
    /// on the [`supervisor`](Self::supervisor).
    pub fn child_id(&self) -> ChildId {
        self.control.id()
    }

    /// Returns the number of consecutive restarts that led to this process: 0 for a first start, 1 for the first restart.
    /// It counts as the [`Backoff`](crate::Backoff) and the events do: it begins again after a stable run, and a restart
    /// because of a sibling does not count.
    ///
    /// The number is read from the supervisor, which keeps it while the process lives. After that it is 0.
    pub fn attempt(&self) -> u32 {
        self.before().map_or(0, |(attempt, _)| attempt)
    }

    /// Returns how the process before this one ended, or how its start failed. It is `None` in a first start, and, as
    /// with [`attempt`](Self::attempt), after the end of this process.
    ///
    /// ```
    /// use supervision::{process, worker, Exit, ProcessShutdown, RestartCause};
    ///
    /// let indexer = worker("indexer", async |shutdown: ProcessShutdown| {
    ///     let me = process::current().expect("this runs in a process");
    ///     if let Some(RestartCause::Exit(Exit::Panicked(panic))) = me.last_exit() {
    ///         println!("attempt {}: the index may be damaged ({panic})", me.attempt());
    ///     }
    ///     shutdown.await;
    /// });
    /// # let _ = indexer;
    /// ```
    pub fn last_exit(&self) -> Option<RestartCause> {
        self.before()?.1
    }

    fn before(&self) -> Option<(u32, Option<RestartCause>)> {
        // P5: numbers of incarnations begin again with each run of a supervisor. So this one has to live: no other run has
        // started the child as long as it does.
        if self.control.cell().process() != Some(self.id) {
            return None;
        }
        self.supervisor.shared().before(self.process_key)
    }

    /// Reports that the process is ready: see [`ready`]. Does nothing once the process has ended.
    pub fn ready(&self) {
        let Some(scope) = self.scope.upgrade() else { return };
        // A2, P5: once, and only for the incarnation that this was taken from.
        if self.control.cell().say_ready(self.id) {
            scope.report(Report { process_key: self.process_key, kind: ReportKind::Ready });
            // The poll that calls this may block next: the poll of the process, or of a task that it spawned.
            nudge(&**scope.home);
        }
    }

    /// Sends a heartbeat: see [`heartbeat`]. Does nothing once the process has ended.
    pub fn heartbeat(&self) {
        // B2, P5: as `say_ready`. No message is sent, so heartbeats may be frequent.
        self.control.cell().mark_alive(self.id);
    }

    /// Returns the signal that asks the process to stop.
    pub fn shutdown(&self) -> ProcessShutdown {
        ProcessShutdown::of(self.control.clone(), self.id)
    }
}

impl fmt::Debug for CurrentProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentProcess").field("id", &self.id).field("path", &self.path()).finish()
    }
}

/// Returns a handle on the scope of this process: a supervisor of its own, for the processes that it starts and that must not
/// outlive it. The first call opens the scope; later calls in the same process return the same one.
///
/// A worker that starts a process in its scope *owns* it: an accept loop its connections, a session its timers, a job its
/// parts. However the worker ends (it returns, fails, panics, is aborted, or its executor drops it), its scope ends with it:
/// the children are asked to stop. Each has its own time for that (5 seconds, unless its
/// [`with_shutdown_strategy`](crate::ChildSpec::with_shutdown_strategy) says otherwise), and all together have at most that of
/// the worker. Those that are left are aborted. Only when all of them are gone is the exit of the worker reported, and only
/// then may a successor start. An aborted worker aborts its children.
///
/// The scope is a [dynamic supervisor](crate::Supervisor::dynamic) with the name of the worker: a child `conn` of
/// `root.listener` is `root.listener.conn`, in events, log, snapshot and errors. The handle works like any other.
///
/// - **Drain**: `scope()?.stop().await` asks the children to stop, and waits until all are gone. After it, the scope starts no
///   children any more.
/// - **A child that fails**, and is not restarted or out of restarts, is removed, and the scope goes on. If the worker cannot
///   work without it, make the child [significant](crate::ChildSpec::with_significance): then the worker is aborted, and its
///   exit is a failure that names the child.
/// - **Shutdown**: the worker is asked first, and its children when it ends, or when it stops the scope itself.
///
/// By default the scope allows one restart within 5 seconds, and its children run on the executor of the worker. To change
/// that, or to bound the number of children, open it with [`scope_with`].
///
/// ```
/// use supervision::{BoxError, ProcessShutdown, one_shot, process, worker};
///
/// # struct Socket;
/// # async fn accept() -> Socket { std::future::pending().await }
/// # async fn serve(_: Socket, shutdown: ProcessShutdown) {}
/// let listener = worker("listener", async |shutdown: ProcessShutdown| -> Result<(), BoxError> {
///     let connections = process::scope()?;
///     while let Some(socket) = shutdown.run_until(accept()).await {
///         connections.spawn(one_shot("conn", async move { serve(socket, process::shutdown()).await }))?;
///     }
///     // The port is closed. The connections finish their requests.
///     connections.stop().await?;
///     Ok(())
/// });
/// # let _ = listener;
/// ```
///
/// # Errors
///
/// [`SupervisorError::OutsideProcess`] outside of a process, as for [`spawn`]. [`SupervisorError::NoScope`] in the process of a
/// supervisor, where a placement makes its executor, and in a process that only drops what a child owned.
/// [`SupervisorError::InvalidSpec`] if the scope would be [too deep](crate::Supervisor::MAX_DEPTH): it counts as a supervisor.
pub fn scope() -> Result<SupervisorHandle, SupervisorError> {
    let owner = Owner::current()?;
    match owner.scope() {
        Some(scope) => Ok(SupervisorHandle::new(scope)),
        None => open(owner, |scope| scope),
    }
}

/// Opens the scope of this process with other settings than those of [`scope`], and returns a handle on it.
///
/// The function gets the [dynamic supervisor](crate::Supervisor::dynamic) that the scope is going to be, and returns it with its
/// settings. Its [shutdown budget](crate::Supervisor::with_shutdown_budget) is as long as the worker itself may take to stop,
/// unless the function sets another one. It bounds all children together; each has its own time within it.
///
/// ```
/// use std::time::Duration;
/// use supervision::{ProcessShutdown, RestartStrategy, SupervisorError, process, worker};
///
/// let listener = worker("listener", async |shutdown: ProcessShutdown| -> Result<(), SupervisorError> {
///     let ten_a_minute = RestartStrategy::one_for_one().with_intensity_and_period(10, Duration::from_secs(60));
///     let connections = process::scope_with(|scope| {
///         scope.with_max_children(10_000).with_restart_strategy(ten_a_minute)
///     })?;
///     // Accept connections, and start each with `connections.reserve().await?.spawn(..)`.
///     # let _ = connections;
///     shutdown.await;
///     Ok(())
/// });
/// # let _ = listener;
/// ```
///
/// # Errors
///
/// The errors of [`scope`]. [`SupervisorError::ScopeIsOpen`] if the process has opened its scope before.
/// [`SupervisorError::InvalidSpec`] if the settings do not fit: a scope is one-for-one, starts without children, stops all its
/// children at once, has no auto-shutdown, and no placement that still has to make its executor. With each error nothing is
/// opened.
pub fn scope_with(settings: impl FnOnce(Supervisor) -> Supervisor) -> Result<SupervisorHandle, SupervisorError> {
    let owner = Owner::current()?;
    match owner.scope() {
        Some(_) => Err(SupervisorError::ScopeIsOpen { path: owner.path() }),
        None => open(owner, settings),
    }
}

fn open(owner: Owner, settings: impl FnOnce(Supervisor) -> Supervisor) -> Result<SupervisorHandle, SupervisorError> {
    let supervisor = Supervisor::dynamic(owner.name().to_owned())?.with_shutdown_budget(owner.time_to_stop());
    let supervisor = settings(supervisor);
    // The function of the user may have opened it, too.
    if owner.scope().is_some() {
        return Err(SupervisorError::ScopeIsOpen { path: owner.path() });
    }
    let handle = supervisor.handle();
    let scope = supervisor.into_scope(owner.name(), owner.own_executor(), owner.is_counted());
    owner.open(scope)?;
    Ok(handle)
}

/// Adds a sibling to this process, and returns at once. Does the same as [`SupervisorHandle::spawn`] on the process's
/// own supervisor.
///
/// ```
/// use supervision::{one_shot, spawn, worker, SupervisorError};
///
/// let listener = worker("listener", async |_| -> Result<(), SupervisorError> {
///     spawn(one_shot("connection", async { /* serve it */ }))?;
///     Ok(())
/// });
/// assert!(matches!(spawn(one_shot("lost", async {})), Err(SupervisorError::OutsideProcess)));
/// ```
///
/// # Errors
///
/// [`SupervisorError::OutsideProcess`] outside of a process, and in a task that a process has spawned by other means:
/// give such a task a [`SupervisorHandle`]. And the errors of [`SupervisorHandle::spawn`].
pub fn spawn(child: impl IntoChildSpec) -> Result<ChildId, SupervisorError> {
    supervisor()?.spawn(child)
}

/// Returns the signal that asks this process to stop. It is the signal that a worker's closure is given.
///
/// Use it in code that is deep inside a worker. The signal may be moved into tasks of other kinds.
///
/// ```
/// use supervision::{one_shot, process};
///
/// let connection = one_shot("connection", async {
///     process::shutdown().await;
/// });
/// # let _ = connection;
/// ```
///
/// # Panics
///
/// Panics outside of a process, and in a task that a process has spawned by other means. No signal ever comes there, and
/// a signal that never fires would keep a task from stopping. Take the signal in the process, and move it into the task.
#[track_caller]
pub fn shutdown() -> ProcessShutdown {
    match incarnation::current(|current| ProcessShutdown::of(current.control.clone(), current.id)) {
        Some(shutdown) => shutdown,
        // P7: there is no signal to return.
        None => {
            panic!("`process::shutdown` was called outside of a process; take the signal in the process, and move it")
        }
    }
}

/// Returns a handle on the supervisor of this process. Use it to add siblings, or to find another supervisor of the tree.
///
/// # Errors
///
/// [`SupervisorError::OutsideProcess`] outside of a process, as for [`spawn`].
pub fn supervisor() -> Result<SupervisorHandle, SupervisorError> {
    let above = incarnation::current(|current| Scope::above(&current.parent)).flatten();
    Ok(SupervisorHandle::of(&*above.ok_or(SupervisorError::OutsideProcess)?))
}

/// Spawns a task beside this process, and returns a handle that receives its result: the same as
/// [`SupervisorHandle::spawn_task`] on the process's own supervisor.
///
/// # Errors
///
/// [`SupervisorError::OutsideProcess`] outside of a process, as for [`spawn`]. And the errors of
/// [`SupervisorHandle::spawn_task`].
pub fn spawn_task<Fut>(
    name: impl Into<Cow<'static, str>>,
    future: Fut,
) -> Result<JoinHandle<Fut::Output>, SupervisorError>
where
    Fut: Future + Send + 'static,
    Fut::Output: Send + 'static,
{
    supervisor()?.spawn_task(name, future)
}

/// Sends a heartbeat: see [`ChildSpec::with_watchdog`](crate::ChildSpec::with_watchdog). Costs next to nothing.
///
/// Outside of a process it does nothing, and the log says so, once for each place in the program that calls it there. A
/// task that a process has spawned by other means is outside: call [`current`] in the process, move the result into the
/// task, and call [`CurrentProcess::heartbeat`] there.
///
/// ```
/// use std::time::Duration;
/// use supervision::{process, worker};
///
/// let poller = worker("poller", |_| async {
///     loop {
///         process::sleep(Duration::from_secs(1)).await; // ask the peer, which may never answer
///         process::heartbeat();
///     }
/// });
/// let poller = poller.with_watchdog(Duration::from_secs(30));
/// # let _ = poller;
/// ```
#[track_caller]
pub fn heartbeat() {
    if incarnation::current(|current| current.control.cell().mark_alive(current.id)).is_none() {
        // P7: there is no process to act on. Doing nothing in silence would look like a worker that hangs.
        trace::warn_of_call_outside("heartbeat", Location::caller());
    }
}

/// Reports that this process is ready: see [`ChildSpec::with_explicit_ready`](crate::ChildSpec::with_explicit_ready).
/// Has no effect on a process that is ready already.
///
/// Outside of a process it does nothing, as [`heartbeat`] does, and the log says so. A task that a process has spawned
/// by other means calls [`CurrentProcess::ready`].
///
/// ```
/// use supervision::{process, worker, ProcessShutdown};
///
/// let cache = worker("cache", |shutdown: ProcessShutdown| async move {
///     // Warm up; then:
///     process::ready();
///     shutdown.await;
/// });
/// let cache = cache.with_explicit_ready();
/// # let _ = cache;
/// ```
///
#[track_caller]
pub fn ready() {
    match current() {
        Some(process) => process.ready(),
        None => trace::warn_of_call_outside("ready", Location::caller()),
    }
}

/// Returns the time on the clock of the executor that runs this process: the clock of [`sleep`]. In a simulation it is virtual.
///
/// # Panics
///
/// Outside of a process, as [`sleep`] does.
#[track_caller]
pub fn now() -> Instant {
    let Some(spawner) = executor() else {
        // P7: the time of another clock would be wrong in silence.
        panic!("`process::now` was called outside of a process; use `Instant::now` there");
    };
    spawner.now()
}

/// Returns a random number of the executor that runs this process. In a simulation the seed decides it.
///
/// # Panics
///
/// Outside of a process, as [`sleep`] does.
#[track_caller]
pub fn random() -> u64 {
    let Some(spawner) = executor() else {
        // P7: a number that no seed decides would make a simulation differ from run to run.
        panic!("`process::random` was called outside of a process; use a generator of your own there");
    };
    spawner.seed()
}

/// Returns whether the clock of this process is virtual: see [`Spawner::is_virtual`](crate::Spawner::is_virtual). For children
/// that a crate of this workspace offers.
#[doc(hidden)]
pub fn is_virtual() -> bool {
    executor().is_some_and(|spawner| spawner.is_virtual())
}

/// Returns the clock of [`now`], for code outside of this process. Only for virtual clocks: it keeps the executor. For children that
/// a crate of this workspace offers.
#[doc(hidden)]
pub fn clock() -> impl Fn() -> Instant + Send + Sync + 'static {
    let spawner = executor();
    move || spawner.as_ref().map_or_else(Instant::now, |spawner| spawner.now())
}

fn executor() -> Option<Executor> {
    incarnation::current(|current| Scope::executor(&current.parent)).flatten()
}

/// Sleeps on the clock of the executor that runs this process. So the same worker runs on every executor, and in a
/// simulation its sleeps take virtual time.
///
/// Cancel-safe. The time counts from the call.
///
/// # Panics
///
/// Outside of a process, and in a task that a process has spawned by other means: there is no executor to ask, and a
/// sleep that does not sleep would be worse. Use the executor's own sleep there.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let Some(spawner) = executor() else {
        // P7: no value that it could return would be a sleep.
        panic!("`process::sleep` was called outside of a process; use your executor's own sleep there");
    };
    let mut timer = spawner.timer();
    // A deadline beyond the range of the clock never comes.
    timer.as_mut().reset(spawner.now().checked_add(duration));
    Sleep { timer }
}

/// The future of [`sleep`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep {
    timer: Pin<Box<dyn Timer>>,
}

impl Sleep {
    /// Makes this sleep end on time even while a blocked poll keeps the executor from its timers: see
    /// [`Timer::insist`]. For sleeps that supervision depends on.
    #[doc(hidden)]
    pub fn insisting(mut self) -> Self {
        // If this panics, the timer still works, but a blocked poll may delay it.
        let _ = guard(|| self.timer.as_mut().insist());
        self
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().poll_elapsed(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}
