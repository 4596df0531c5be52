//! What a process can ask about itself, and do where it runs: the context that each process has while it is polled, and
//! while its future is dropped.

use std::{
    fmt,
    future::Future,
    panic::Location,
    pin::Pin,
    sync::{Arc, Weak},
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    error::SupervisorError,
    handle::SupervisorHandle,
    incarnation::{self, ChildId, Control, Parent, ProcessId, ProcessKey, Report, ReportKind},
    node::{IntoChildSpec, Scope},
    observe::RestartCause,
    shutdown::ProcessShutdown,
    spawner::{Timer, nudge},
    trace,
};

/// The process that this code runs in: in its `initialize`, its closure, its future or a destructor.
///
/// `None` outside of a process, and in tasks that were spawned by other means: the context does not leak into them.
///
/// ```
/// use supervisor_core::{process, one_shot};
///
/// assert!(process::current().is_none());
/// let greeter = one_shot("greeter", async {
///     let me = process::current().expect("this runs in a process");
///     println!("hello from {} ({})", me.path(), me.id());
/// });
/// ```
pub fn current() -> Option<CurrentProcess> {
    incarnation::current(|current| {
        // P7: from the thread, for as long as the process is polled or dropped on it. So it does not leak into tasks
        // that it spawns.
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

/// Whether this code runs in a process. For backends.
#[doc(hidden)]
pub fn is_here() -> bool {
    incarnation::is_in_process()
}

/// A process, as it sees itself.
///
/// It can be taken along: into a task of another kind, or to another thread. There it stands for the same incarnation of the
/// process, and does not keep it: nor its executor, nor anything else that ends with it or with its supervisor. After the end of
/// the process it still answers: [`id`](Self::id) and [`path`](Self::path) as before, [`shutdown`](Self::shutdown) with a signal
/// that has been given, [`supervisor`](Self::supervisor) with a handle that says [`NotRunning`](SupervisorError::NotRunning) when
/// that has ended, too. [`heartbeat`](Self::heartbeat) and [`ready`](Self::ready) do nothing then: they are never taken for those
/// of a successor.
#[derive(Clone)]
pub struct CurrentProcess {
    id: ProcessId,
    process_key: ProcessKey,
    control: Arc<dyn Control>,
    supervisor: SupervisorHandle,
    /// There is no supervisor above it, and the handle is on itself.
    is_root: bool,
    /// A user may keep this for ever, and a scope holds executors.
    scope: Weak<Scope>,
}

impl CurrentProcess {
    /// The process's number.
    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// The process's dotted name.
    pub fn path(&self) -> String {
        let segment = self.control.name();
        if self.is_root { segment.to_owned() } else { format!("{}.{segment}", self.supervisor.path()) }
    }

    /// A handle on the supervisor of this process.
    pub fn supervisor(&self) -> SupervisorHandle {
        self.supervisor.clone()
    }

    /// The child that this is a process of: the same in each of its incarnations. For calls on the [`supervisor`](Self::supervisor).
    pub fn child_id(&self) -> ChildId {
        self.control.id()
    }

    /// The number of restarts in a row that led to this process: 0 for a first start, 1 for the first restart. It counts as the
    /// [`Backoff`](crate::Backoff) does and events tell, so it begins again after a stable run; a restart because of a sibling
    /// does not count.
    ///
    /// It is read from the supervisor, which keeps it while the process lives: after that it is 0.
    pub fn attempt(&self) -> u32 {
        self.before().map_or(0, |(attempt, _)| attempt)
    }

    /// How the process before this one ended, or how its start failed. `None` in a first start, and, as with
    /// [`attempt`](Self::attempt), after the end of this process.
    ///
    /// ```
    /// use supervisor_core::{process, worker, Exit, ProcessShutdown, RestartCause};
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

    /// Says that the process is ready: see [`ready`]. Does nothing once the process has ended.
    pub fn ready(&self) {
        let Some(scope) = self.scope.upgrade() else { return };
        // A2, P5: once, and only for the incarnation that this was taken from.
        if self.control.cell().say_ready(self.id) {
            scope.report(Report { process_key: self.process_key, kind: ReportKind::Ready });
            // The poll that says it may block next, be it that of the process or of a task of its own.
            nudge(&**scope.home);
        }
    }

    /// Gives a sign of life: see [`heartbeat`]. Does nothing once the process has ended.
    pub fn heartbeat(&self) {
        // B2, P5: as `say_ready`. Nothing is sent, so a heartbeat may come as often as it likes.
        self.control.cell().mark_alive(self.id);
    }

    /// Tells when the process is asked to stop.
    pub fn shutdown(&self) -> ProcessShutdown {
        ProcessShutdown::of(self.control.clone(), self.id)
    }
}

impl fmt::Debug for CurrentProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentProcess").field("id", &self.id).field("path", &self.path()).finish()
    }
}

/// Adds a sibling to this process, and returns at once: the same as [`SupervisorHandle::spawn`] on the process's own
/// supervisor.
///
/// ```
/// use supervisor_core::{process, one_shot, worker, SupervisorError};
///
/// let listener = worker("listener", async |_| -> Result<(), SupervisorError> {
///     process::spawn(one_shot("connection", async { /* serve it */ }))?;
///     Ok(())
/// });
/// assert!(matches!(process::spawn(one_shot("lost", async {})), Err(SupervisorError::OutsideProcess)));
/// ```
///
/// # Errors
///
/// [`SupervisorError::OutsideProcess`] where this is not a process, a task that a process has spawned by other means
/// included: hand it a [`SupervisorHandle`]. And those of [`SupervisorHandle::spawn`].
pub fn spawn(child: impl IntoChildSpec) -> Result<ChildId, SupervisorError> {
    supervisor()?.spawn(child)
}

/// Tells when this process is requested to stop: the signal that a worker's closure is given.
///
/// For code that is deep inside a worker. The signal may be handed to tasks of other kinds.
///
/// ```
/// use supervisor_core::{one_shot, process};
///
/// let connection = one_shot("connection", async {
///     process::shutdown().await;
/// });
/// # let _ = connection;
/// ```
///
/// # Panics
///
/// Outside of a process, a task that a process has spawned by other means included: no signal ever comes there, and one that
/// never fires would keep a task from stopping. Take the signal along from inside.
#[track_caller]
pub fn shutdown() -> ProcessShutdown {
    match incarnation::current(|current| ProcessShutdown::of(current.control.clone(), current.id)) {
        Some(shutdown) => shutdown,
        // P7: nothing that it could return would be the signal.
        None => panic!("`process::shutdown` was called outside of a process; take the signal along from inside"),
    }
}

/// A handle on the supervisor of this process: to add siblings, or to find another supervisor of the tree.
///
/// # Errors
///
/// [`SupervisorError::OutsideProcess`] where this is not a process, as with [`spawn`].
pub fn supervisor() -> Result<SupervisorHandle, SupervisorError> {
    let above = incarnation::current(|current| Scope::above(&current.parent)).flatten();
    Ok(SupervisorHandle::of(&*above.ok_or(SupervisorError::OutsideProcess)?))
}

/// Gives a sign of life: see [`ChildSpec::with_watchdog`](crate::ChildSpec::with_watchdog). Costs next to nothing.
///
/// Outside of a process it does nothing, and the log says so: once for each place in the program that calls it there. A task that
/// a process has spawned by other means is outside: it takes [`current`] along from inside, and calls
/// [`CurrentProcess::heartbeat`].
///
/// ```
/// use std::time::Duration;
/// use supervisor_core::{process, worker};
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
        // P7: it can do nothing, and to do nothing in silence would look like a worker that hangs.
        trace::warn_of_call_outside("heartbeat", Location::caller());
    }
}

/// Says that this process is ready: see [`ChildSpec::with_explicit_ready`](crate::ChildSpec::with_explicit_ready). Of no meaning
/// for one that is ready already.
///
/// Outside of a process it does nothing, as [`heartbeat`] does, and the log says so: a task that a process has spawned by other
/// means calls [`CurrentProcess::ready`].
///
/// ```
/// use supervisor_core::{process, worker, ProcessShutdown};
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

/// Sleeps on the clock of the executor that runs this process: so a worker can be written once, for all of them, and a
/// simulator's clock holds for it.
///
/// Cancel-safe. The time counts from the call.
///
/// # Panics
///
/// Outside of a process, a task that a process has spawned by other means included: there is no executor to ask, and a sleep
/// that does not sleep would be worse. Use the executor's own sleep there.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let Some(spawner) = incarnation::current(|current| Scope::executor(&current.parent)).flatten() else {
        // P7: nothing that it could return would be a sleep.
        panic!("`process::sleep` was called outside of a process; use your executor's own sleep there");
    };
    let mut timer = spawner.timer();
    // A time that no clock comes to is never.
    timer.as_mut().reset(spawner.now().checked_add(duration));
    Sleep { timer }
}

/// The future of [`sleep`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep {
    timer: Pin<Box<dyn Timer>>,
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
