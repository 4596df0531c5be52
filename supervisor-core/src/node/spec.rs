use std::{error::Error, fmt, sync::Arc, time::Duration};

use super::{Child, ChildFactory, ChildNode};
#[cfg(feature = "serde")]
use crate::strategy::ChildConfig;
use crate::{
    discard::Discard,
    error::RestartCondition,
    incarnation::Name,
    placement::Placement,
    shutdown::ShutdownStrategy,
    strategy::{Backoff, ChildSettings, RestartType},
    text,
};

/// The specification of a child: how a supervisor starts, restarts and stops it.
///
/// Every type that can be supervised converts into one: a [`Supervisable`](crate::Supervisable), a
/// [`Supervisor`](crate::Supervisor), and the result of [`worker`](crate::worker) and [`one_shot`](crate::one_shot). So
/// a library can hand over a whole subsystem as a `Vec<ChildSpec>`.
///
/// ```
/// use std::time::Duration;
/// use supervision::{worker, ChildSpec, RestartType, ShutdownStrategy, Supervisor};
///
/// # fn main() -> Result<(), supervision::SupervisorError> {
/// let flusher = worker("flusher", |shutdown| shutdown)
///     .with_restart_type(RestartType::Transient)
///     .with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::from_secs(30)));
/// let mut root = Supervisor::new("root")?;
/// let id = root.add_worker(flusher);
/// # let _ = id;
/// # Ok(())
/// # }
/// ```
#[must_use = "a child does nothing until a supervisor has it: pass it to `add_worker`, `start_child` or `spawn`"]
pub struct ChildSpec(Arc<dyn Child>);

impl ChildSpec {
    pub(crate) fn new<B: ChildFactory>(name: Name, settings: ChildSettings, factory: B) -> Self {
        Self(Arc::new(ChildNode::new(name, settings, factory)))
    }

    /// Returns the specification of a child that has no supervisor yet.
    #[cfg(feature = "testing")]
    pub(crate) fn of(child: Arc<dyn Child>) -> Self {
        Self(child)
    }

    /// Returns the child's own segment of its dotted name.
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Sets when the child is restarted. By default it is permanent: always.
    pub fn with_restart_type(self, restart: RestartType) -> Self {
        self.with(|settings| settings.restart = Some(restart))
    }

    /// Sets how the child is stopped. By default as
    /// [`Supervisable::shutdown_strategy`](crate::Supervisable::shutdown_strategy) returns, which is 5 seconds; a
    /// supervisor has no limit of its own.
    pub fn with_shutdown_strategy(self, shutdown: ShutdownStrategy) -> Self {
        self.with(|settings| settings.set_shutdown(shutdown))
    }

    /// Makes the child significant: its end can be the end of its supervisor (see
    /// [`AutoShutdown`](crate::AutoShutdown)). By default no child is. A significant child has to be transient or
    /// temporary.
    ///
    /// In the [scope](crate::process::scope) of a worker it means that the worker needs the child. If the child fails and is not
    /// restarted, or no restart is left, the worker is aborted, and its exit is a failure that names the child. A normal end of the
    /// child ends nothing, and the child may have any restart type.
    #[doc(alias = "significant")]
    pub fn with_significance(self) -> Self {
        self.with(|settings| settings.significant = true)
    }

    /// Limits how long the child may take to become ready. If it is not ready in time, it is aborted and has failed to
    /// start. By default, and with `Duration::MAX`, there is no limit.
    pub fn with_start_timeout(self, limit: Duration) -> Self {
        self.with(|settings| settings.rare_mut().start_timeout = text::limit(limit))
    }

    /// Sets how long the child's restarts wait. By default as its supervisor says, which by default is not at all.
    pub fn with_backoff(self, backoff: Backoff) -> Self {
        self.with(|settings| settings.rare_mut().backoff = Some(backoff))
    }

    /// Requires a [`heartbeat`](crate::process::heartbeat) at least once in this time, from when the child is ready
    /// until it is stopped. A worker that misses one is aborted, and its exit is a failure:
    /// [`Exit::Unresponsive`](crate::Exit::Unresponsive). By default, and with `Duration::MAX`, there is no watchdog.
    ///
    /// For workers that may hang while they still yield: on a peer that does not answer, in a loop without progress. A
    /// miss is found between one and two of these times after the last heartbeat. A future that does not yield cannot
    /// be aborted, only named: see [`watch_polls`](crate::watch_polls) for that.
    pub fn with_watchdog(self, within: Duration) -> Self {
        self.with(|settings| settings.rare_mut().watchdog = text::limit(within))
    }

    /// Makes the child report itself when it is ready, by [`ready`](crate::process::ready); until then it is starting,
    /// and the siblings after it wait. For closures and one-shots: a [`Supervisable`](crate::Supervisable) is ready
    /// when its `initialize` is done. By default a closure is ready as soon as it is spawned.
    pub fn with_explicit_ready(self) -> Self {
        self.with(|settings| settings.rare_mut().explicit_ready = true)
    }

    /// Sets whether the child counts for the [readiness](crate::Snapshot::ready) of its supervisor, and so of the tree. By
    /// default every child counts.
    ///
    /// With `false` the supervisor is ready also while this child, or a process below it, is starting, restarting or stopping.
    /// Use it for what the service can do without for a while: a poller that waits for its backoff, a reporter, a warm-up.
    ///
    /// Everything else stays the same. The first start of the supervisor still waits for the child in its turn, as do the
    /// siblings after it, and a failed first start of the child still fails the supervisor. So a supervisor is not ready before
    /// each of its children has been ready once. In a [scope](crate::process::scope) this changes only the readiness of the
    /// scope's own handle.
    ///
    /// ```
    /// use supervision::{Backoff, worker};
    /// use std::time::Duration;
    ///
    /// # async fn poll() -> Result<(), std::io::Error> { Ok(()) }
    /// let poller = worker("poller", |_| poll())
    ///     .with_backoff(Backoff::constant(Duration::from_secs(60)))
    ///     .with_readiness(false);
    /// # let _ = poller;
    /// ```
    pub fn with_readiness(self, counts: bool) -> Self {
        self.with(|settings| settings.set_readiness(counts))
    }

    /// Makes the shutdown of the worker begin with its [scope](crate::process::scope): when the worker is asked to stop, its
    /// children are asked, and its own signal fires when all of them are gone. By default the worker is asked first, and its
    /// children when it ends, or when it stops the scope itself.
    ///
    /// For a worker that its children need until they have stopped: a connection that they share, a cache that they write to. It
    /// works on for them until then. Its scope starts no children any more.
    ///
    /// The [shutdown strategy](Self::with_shutdown_strategy) of the worker bounds both together. To leave the worker some time of
    /// its own, give the scope a shorter [budget](crate::Supervisor::with_shutdown_budget), by
    /// [`scope_with`](crate::process::scope_with). A worker that opens no scope is asked at once. A supervisor stops its children
    /// first in any case.
    pub fn with_children_first(self) -> Self {
        self.with(|settings| settings.set_children_first(true))
    }

    /// Sets for which errors the supervisor restarts the child. By default it restarts it after all errors.
    ///
    /// Use it for errors that remain after a restart: a configuration that cannot be parsed, a migration that does not apply, a
    /// licence that has expired. The child's process calls the condition with the error that its body or its `initialize`
    /// returned. If the result is `false`, the supervisor does not restart the child. The child stays stopped, and its exit and
    /// the log say why. Supervisor and siblings go on, and nothing counts against the restart intensity. If the child is
    /// significant, this is its end.
    ///
    /// The condition is not called for a panic, an abort or a missed heartbeat, which are no errors, and not while the child is
    /// stopping. A condition that panics counts as `true`. A supervisor returns no error, so a condition on one is an invalid
    /// specification. [`restart_child`](crate::SupervisorHandle::restart_child) and
    /// [`reload_child`](crate::SupervisorHandle::reload_child) start the stopped child again, and so does a restart of its
    /// group.
    ///
    /// ```
    /// use std::io::{Error, ErrorKind};
    /// use supervision::worker;
    ///
    /// # async fn serve() -> Result<(), Error> { Ok(()) }
    /// let listener = worker("listener", |_| serve()).with_restart_if(|error| {
    ///     // Another program has the port. A restart does not change that.
    ///     error.downcast_ref::<Error>().is_none_or(|error| error.kind() != ErrorKind::AddrInUse)
    /// });
    /// # let _ = listener;
    /// ```
    pub fn with_restart_if(self, condition: impl Fn(&(dyn Error + 'static)) -> bool + Send + Sync + 'static) -> Self {
        let condition: RestartCondition = Arc::new(Discard::new(Box::new(condition)));
        self.with(|settings| settings.rare_mut().errors.restart_if = Some(condition))
    }

    /// Keeps the errors that the child's processes return, for
    /// [`Failure::downcast_ref`](crate::Failure::downcast_ref). By default a failure keeps only the text of its error.
    ///
    /// The process renders the error as always. The error is dropped with the last failure that has it: in an event, a
    /// snapshot, an error of `run`, or in the memory of the supervisor (the last exit of each child, and the failures that
    /// count against its intensity). A panic in its destructor is caught. If the supervisor is the last owner, a separate
    /// thread drops the error, because a destructor may block. In a simulation the supervisor drops it itself, so that each
    /// run is the same.
    ///
    /// ```
    /// use supervision::{EventKind, Events, Exit, worker};
    ///
    /// # async fn serve() -> Result<(), std::io::Error> { Ok(()) }
    /// let listener = worker("listener", |_| serve()).with_typed_failures();
    ///
    /// async fn watch(mut events: Events) {
    ///     while let Some(event) = events.next().await {
    ///         let EventKind::Exited(Exit::Failed(failure)) = &event.kind else { continue };
    ///         if let Some(error) = failure.downcast_ref::<std::io::Error>() {
    ///             println!("{}: {:?}", event.path, error.kind());
    ///         }
    ///     }
    /// }
    /// # let _ = (listener, watch);
    /// ```
    pub fn with_typed_failures(self) -> Self {
        self.with(|settings| settings.rare_mut().errors.keeps = true)
    }

    /// Counts what the polls of the child take, and of everything below it: a supervisor counts all children that it has or
    /// gets, and theirs, and a worker those in its [scope](crate::process::scope). By default nothing is counted.
    ///
    /// [`Snapshot::accounting`](crate::Snapshot::accounting) has the numbers: polls, wakes, the time in polls, and the slowest
    /// poll. Use it to find the child that keeps a thread busy. With the feature `metrics` they are metrics, too.
    ///
    /// They are totals of the child, over its restarts and over those of the supervisors above it. Times are measured on the
    /// clock of the executor that runs the child, which is the virtual one in a simulation. The time in a poll is the time that
    /// passes: it includes what the operating system gives to other threads meanwhile. The CPU time is not counted, because no
    /// platform gives that of a thread without a system call: on Linux two of them would take a microsecond for each poll.
    ///
    /// A poll that is counted reads the clock twice, which is most of its cost. A child that is not counted pays nothing.
    ///
    /// ```
    /// use supervision::worker;
    ///
    /// let parser = worker("parser", |shutdown| shutdown).with_accounting();
    /// # let _ = parser;
    /// ```
    pub fn with_accounting(mut self) -> Self {
        // A list, because recursion over a deep tree would overflow the stack.
        let mut to_come = vec![self.node()];
        while let Some(child) = to_come.pop() {
            child.settings_mut().count();
            to_come.extend(child.count_below());
        }
        self
    }

    /// Sets the executor of the child's process. By default it is that of its supervisor's children.
    ///
    /// [`Placement::Fresh`] makes an executor for each of the child's processes, in a process beside the other
    /// children: meanwhile the child is starting. A supervisor runs there with all its descendants that have no
    /// placement of their own; to place only its children there, use
    /// [`Supervisor::with_child_placement`](crate::Supervisor::with_child_placement) on the supervisor.
    pub fn with_placement(self, placement: impl Into<Placement>) -> Self {
        let placement = placement.into().into();
        self.with(|settings| settings.rare_mut().placement = placement)
    }

    /// Runs each incarnation in a span of its own, which follows from the span that is current here. For a job that belongs to
    /// the request that started it.
    ///
    /// The span is named `process`, at INFO, with the fields `path` and `process_id`, and has no parent. It is made when the
    /// incarnation starts, entered for each poll and for the destructors, and closed when the incarnation has ended. So all
    /// that the process logs and traces is in it: with OpenTelemetry, one trace for each incarnation, with a link to the trace
    /// of the caller. Where no span is current, the link is left out.
    ///
    /// By default a process runs in no span, because a worker that serves requests would make all of them one trace.
    ///
    /// The span that is current here stays open until the last incarnation has started: until the process of a
    /// [`one_shot`](crate::one_shot) or of a temporary child starts, or until the child is gone. So do not build the
    /// specification of a permanent child in the span of a request.
    ///
    /// For a supervisor, the span covers the supervisor itself and what it logs, and none of its children: each has its own, if
    /// its specification says so.
    ///
    /// ```
    /// # use supervision::{SupervisorError, SupervisorHandle, one_shot};
    /// # async fn resize() {}
    /// async fn upload(jobs: &SupervisorHandle) -> Result<(), SupervisorError> {
    ///     // The request does not wait for the job; the trace of the job has a link to that of the request.
    ///     jobs.spawn(one_shot("resize", resize()).in_current_span())?;
    ///     Ok(())
    /// }
    /// ```
    #[cfg(feature = "tracing")]
    pub fn in_current_span(self) -> Self {
        self.with(|settings| settings.rare_mut().origin = Some(crate::trace::Origin::current()))
    }

    /// Applies the settings of a configuration. For each setting, the method of the same name explains it.
    #[cfg(feature = "serde")]
    pub fn with_config(self, config: &ChildConfig) -> Self {
        let &ChildConfig { restart, shutdown, significant, start_timeout, backoff, watchdog, .. } = config;
        let &ChildConfig { children_first, readiness, .. } = config;
        let mut spec = self.with(|settings| {
            settings.restart = restart.or(settings.restart);
            settings.significant = significant.unwrap_or(settings.significant);
        });
        if let Some(shutdown) = shutdown {
            spec = spec.with_shutdown_strategy(shutdown);
        }
        if let Some(limit) = start_timeout {
            spec = spec.with_start_timeout(limit);
        }
        if let Some(backoff) = backoff {
            spec = spec.with_backoff(backoff);
        }
        if let Some(within) = watchdog {
            spec = spec.with_watchdog(within);
        }
        if let Some(children_first) = children_first {
            spec = spec.with(|settings| settings.set_children_first(children_first));
        }
        if let Some(counts) = readiness {
            spec = spec.with_readiness(counts);
        }
        spec
    }

    /// Counts what is below the child, and not the child.
    pub(crate) fn without_own_accounting(self) -> Self {
        self.with(|settings| settings.rare_mut().meter = None)
    }

    /// Makes the child temporary, unless the specification sets a restart type.
    pub(crate) fn temporary_by_default(self) -> Self {
        self.with(|settings| {
            settings.restart.get_or_insert(RestartType::Temporary);
        })
    }

    pub(crate) fn as_child(&self) -> &dyn Child {
        &*self.0
    }

    /// Makes this a child of a supervisor, after all that were added before.
    pub(crate) fn into_child(mut self) -> Arc<dyn Child> {
        // R20: the id is given now, and not when the specification is made. So the order of ids is the order in which
        // children are added.
        self.node().enlist();
        self.0
    }

    fn with(mut self, set: impl FnOnce(&mut ChildSettings)) -> Self {
        set(self.node().settings_mut());
        self
    }

    fn node(&mut self) -> &mut (dyn Child + 'static) {
        Arc::get_mut(&mut self.0).expect("only a supervisor shares a specification")
    }
}

/// A conversion into a [`ChildSpec`]: implemented for everything that is `Into<ChildSpec>`, and nothing else.
///
/// It means the same as `Into<ChildSpec>`, which is as good in a function of your own. It exists for the compiler's
/// message when a type does not convert:
///
/// ```compile_fail,E0277
/// # use supervision::{Supervisor, SupervisorError};
/// # fn main() -> Result<(), SupervisorError> {
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(Supervisor::new("api")); // a `Result` is handled first: `Supervisor::new("api")?`
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a child that can be supervised",
    label = "this is not `Supervisable`, a `Supervisor`, or a `ChildSpec`",
    note = "handle a `Result` first, for example that of `Supervisor::new(..)`: `Supervisor::new(..)?`",
    note = "implement `Supervisable` for a type of your own",
    note = "make a closure a child with `worker(name, |shutdown| ..)`, and a future with `one_shot(name, ..)`"
)]
pub trait IntoChildSpec: Into<ChildSpec> {}

// Without this, the compiler would look through it and report the missing conversion instead.
#[diagnostic::do_not_recommend]
impl<T: Into<ChildSpec>> IntoChildSpec for T {}

impl fmt::Debug for ChildSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChildSpec").field("name", &self.name()).field("settings", self.0.settings()).finish()
    }
}
