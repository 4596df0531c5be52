use std::{fmt, sync::Arc, time::Duration};

use super::{Child, ChildFactory, ChildNode};
use crate::{
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

    fn node(&mut self) -> &mut dyn Child {
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
