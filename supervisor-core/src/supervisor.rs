use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use crate::{
    driver::SupervisorProcess,
    error::SupervisorError,
    handle::SupervisorHandle,
    incarnation::{ChildId, Name, ProcessBody, ProcessContext},
    node::{self, Blueprint, Child, ChildFactory, ChildNode, ChildSpec, IntoChildSpec, Release, Scope, Shared, Tenure},
    placement::Placement,
    shutdown::ShutdownOrder,
    spawner::Spawner,
    strategy::{AutoShutdown, Backoff, ChildSettings, RestartStrategy, SupervisorSettings},
    text::limit,
};

/// Supervises a set of workers: starts them in order, restarts them when they fail, and stops them in reverse order.
///
/// A supervisor is put together first, and then run, as the root of a tree or as a worker of another supervisor. What is
/// wrong with it, or anywhere below it, is reported when the tree is run and before anything is started; a name that
/// cannot be one is reported at once.
///
/// ```
/// use std::time::Duration;
/// use supervision::{worker, RestartStrategy, Supervisor, SupervisorError};
///
/// # fn main() -> Result<(), SupervisorError> {
/// let mut telemetry = Supervisor::new("telemetry")?
///     .with_restart_strategy(RestartStrategy::rest_for_one().with_intensity_and_period(3, Duration::from_secs(5)));
/// telemetry.add_worker(worker("collector", |shutdown| shutdown));
/// telemetry.add_worker(worker("exporter", |shutdown| shutdown));
///
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(telemetry); // a supervisor is a worker, too
/// # Ok(())
/// # }
/// ```
#[must_use = "a supervisor does nothing until it is run, or added to another supervisor"]
pub struct Supervisor {
    name: Name,
    settings: SupervisorSettings,
    children: Vec<Arc<dyn Child>>,
    tenure: Tenure,
}

impl Supervisor {
    /// How many supervisors there may be from the root of a tree down to the lowest one, both counted. A deeper tree is refused
    /// before anything of it starts. No program that people can survey comes near it; a recursion that goes astray does.
    pub const MAX_DEPTH: usize = SupervisorSettings::MAX_DEPTH;

    /// A supervisor without children: one-for-one, and gives up at the second restart within 5 seconds.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::InvalidName`] if the name has neither a letter nor a digit. Anything else in a name becomes
    /// `_`: the dots of dotted names are ours.
    #[doc(alias = "start_link")]
    pub fn new(name: impl Into<Cow<'static, str>>) -> Result<Self, SupervisorError> {
        let name = Name::new(name);
        // R6: a name that cannot be one is refused as early as it is known.
        if !name.is_valid() {
            return Err(SupervisorError::InvalidName { name: name.as_str().to_owned(), parent: None });
        }
        let tenure = Tenure::new(&name);
        Ok(Self { name, settings: SupervisorSettings::default(), children: Vec::new(), tenure })
    }

    /// A supervisor of children that come and go while it runs: connections, jobs, sessions. One-for-one, and gives up at the
    /// second restart within 5 seconds.
    ///
    /// It starts without children; they are added through its [`handle`](Self::handle). It stops them all at once, and keeps
    /// none that has ended and is not restarted, so there is nothing to restart by hand or to delete. Each child has its own
    /// specification. OTP calls this `simple_one_for_one`.
    ///
    /// ```
    /// use supervision::{one_shot, Supervisor, SupervisorError};
    ///
    /// # fn main() -> Result<(), SupervisorError> {
    /// let connections = Supervisor::dynamic("connections")?.with_max_children(10_000);
    /// let handle = connections.handle();
    ///
    /// let mut root = Supervisor::new("root")?;
    /// root.add_worker(connections);
    /// // And where connections come in:
    /// if let Err(refused) = handle.spawn(one_shot("connection", async { /* serve it */ })) {
    ///     println!("{refused}"); // here: supervisor `connections` is not running
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new). Static children, another strategy, a shutdown order or auto-shutdown are invalid
    /// specifications, which is reported when the tree is run.
    #[doc(alias = "simple_one_for_one")]
    #[doc(alias = "DynamicSupervisor")]
    pub fn dynamic(name: impl Into<Cow<'static, str>>) -> Result<Self, SupervisorError> {
        let mut supervisor = Self::new(name)?;
        // R7: it starts empty; static children are refused when the tree is checked.
        supervisor.settings.dynamic = true;
        // R46: its children do not need each other, so all are asked at once (D8).
        supervisor.settings.shutdown_order = ShutdownOrder::Concurrent;
        Ok(supervisor)
    }

    /// Which children are restarted when one fails, and how often. By default one-for-one, once in 5 seconds.
    pub fn with_restart_strategy(mut self, strategy: RestartStrategy) -> Self {
        self.settings.strategy = strategy;
        self
    }

    /// Whether the supervisor stops by itself when significant children have ended. By default never.
    pub fn with_auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.settings.auto_shutdown = auto_shutdown;
        self
    }

    /// In which order children are stopped, by a shutdown or in a group restart. By default in reverse.
    pub fn with_shutdown_order(mut self, order: ShutdownOrder) -> Self {
        self.settings.shutdown_order = order;
        self
    }

    /// How long all of a stop may take, with everything below. When it is over, whatever is left is aborted at once. By
    /// default there is no such limit: each child has its own, and those of children that stop in turn add up.
    ///
    /// Within it each child has the time that its own strategy gives it. What does not let go when it is aborted has its
    /// [grace](Self::with_abort_grace) on top, all of them the same one. `Duration::MAX` is no limit.
    pub fn with_shutdown_budget(mut self, budget: Duration) -> Self {
        // A4: without a limit there is no deadline that anybody has to keep.
        self.settings.shutdown_budget = limit(budget);
        self
    }

    /// On which executor its children run, and all below them that do not say otherwise. By default on the one that the
    /// supervisor itself runs on.
    pub fn with_child_placement(mut self, placement: impl Into<Placement>) -> Self {
        self.settings.placement = placement.into().into();
        self
    }

    /// How many children there may be at most, whatever they do: one that waits for its restart counts. Beyond that,
    /// [`start_child`](SupervisorHandle::start_child) answers [`SupervisorError::AtCapacity`]. By default there is no limit, and
    /// `usize::MAX` is none either.
    pub fn with_max_children(mut self, max: usize) -> Self {
        // A8: a number that no supervisor comes to is no limit, and shown as none.
        self.settings.max_children = Some(max).filter(|max| *max != usize::MAX);
        self
    }

    /// For how long an aborted child may take to let go. By default 5 seconds.
    ///
    /// An abort takes effect when the child's future next yields, so only a future that does not yield needs this time.
    /// After it, a shutdown no longer waits for the child and names it in the outcome; a restart goes on waiting, because
    /// two incarnations of a child must never run beside each other, and names the child in log and events. All this
    /// takes a thread that is free to run the supervisor: where the executor has one thread only, a future that does not
    /// yield stops everything.
    ///
    /// A grace below a millisecond is an invalid specification. Where the supervisor itself comes late to see that the grace is
    /// over, the child has as much time again, once: what has held up the one (a pause of the program, a blocked thread) may
    /// have held up the other.
    pub fn with_abort_grace(mut self, grace: Duration) -> Self {
        self.settings.abort_grace = grace;
        self
    }

    /// How long restarts of children without a backoff of their own wait. By default not at all.
    pub fn with_default_backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff = Some(backoff);
        self
    }

    /// Allows no two children of the same name. By default names need not be unique: children are told apart by their
    /// [`ChildId`].
    pub fn with_unique_names(mut self) -> Self {
        self.settings.unique_names = true;
        self
    }

    /// Adds a child behind the others: it starts after them, and stops before them.
    pub fn add_worker(&mut self, child: impl IntoChildSpec) -> ChildId {
        // R1, R20: added behind the others, so it starts after them and stops before them (R39).
        let child = child.into().into_child();
        let id = child.id();
        self.children.push(child);
        id
    }

    /// Adds a child as [`add_worker`](Self::add_worker) does, and returns the supervisor: to put one together in one expression.
    ///
    /// For children that are not called by their id later; [`SupervisorHandle::find`] finds them by name.
    ///
    /// ```
    /// use supervision::{worker, Supervisor, SupervisorError};
    ///
    /// # fn main() -> Result<(), SupervisorError> {
    /// let root = Supervisor::new("root")?
    ///     .with_worker(worker("cache", |shutdown| shutdown))
    ///     .with_worker(Supervisor::new("api")?.with_worker(worker("listener", |shutdown| shutdown)));
    /// # let _ = root;
    /// # Ok(())
    /// # }
    /// ```
    pub fn with_worker(mut self, child: impl IntoChildSpec) -> Self {
        self.add_worker(child);
        self
    }

    /// The supervisor's own segment of its dotted name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// A handle on this supervisor. It works while the supervisor runs, and over its restarts.
    pub fn handle(&self) -> SupervisorHandle {
        SupervisorHandle::new(self.tenure.shared().clone())
    }

    /// The static children, to be added later instead.
    #[cfg(feature = "testing")]
    pub(crate) fn take_children(&mut self) -> Vec<ChildSpec> {
        self.children.drain(..).map(ChildSpec::of).collect()
    }

    /// The root of a tree, if all of it can work.
    pub(crate) fn into_root(self, home: &dyn Spawner) -> Result<(Arc<dyn Child>, SupervisorHandle), SupervisorError> {
        let handle = self.handle();
        let root = ChildSpec::from(self).into_child();
        // R6: before there is a process.
        node::check_root(&*root, home)?;
        Ok((root, handle))
    }
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("name", &self.name())
            .field("settings", &self.settings)
            .field("children", &self.children)
            .finish()
    }
}

/// Permanent, and stopped without a limit of its own: its children have limits.
impl From<Supervisor> for ChildSpec {
    fn from(supervisor: Supervisor) -> Self {
        let Supervisor { name, settings, children, tenure } = supervisor;
        let blueprint = Blueprint { settings, children: children.into() };
        let factory = Supervision { blueprint: Mutex::new(Some(blueprint)), tenure };
        // R8: permanent, not significant, and no limit of its own to its stop (R42).
        Self::new(name, ChildSettings::supervisor(), factory)
    }
}

struct Supervision {
    blueprint: Mutex<Option<Blueprint>>,
    tenure: Tenure,
}

impl Supervision {
    /// A root runs once, and takes it along: its children are kept in one place only. Where an executor is still to be made, it
    /// may come to nothing, so it stays here.
    fn for_a_run(&self, above: &Scope) -> Option<Blueprint> {
        let mut blueprint = self.lock();
        let is_fresh = |blueprint: &Blueprint| matches!(*blueprint.settings.placement, Placement::Fresh(_));
        match above.is_outside() && !blueprint.as_ref().is_some_and(is_fresh) {
            // R78: a root runs once.
            true => blueprint.take(),
            false => blueprint.clone(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Blueprint>> {
        self.blueprint.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Release for Supervision {
    fn release(&self, below: &mut Vec<Arc<dyn Child>>) {
        let blueprint = self.lock().take();
        if let Some(Blueprint { children, .. }) = &blueprint {
            // R78: they go in start order; the caller takes them from the end.
            below.extend(children.iter().rev().cloned());
        }
        self.tenure.retire();
    }
}

impl ChildFactory for Supervision {
    fn build(node: Arc<ChildNode<Self>>, context: &ProcessContext, above: &Arc<Scope>) -> impl ProcessBody {
        // R36: each run begins with the static list, whatever was added to, or deleted from, the one before.
        let blueprint = node.factory.for_a_run(above).expect("nothing is started after the last incarnation");
        let Blueprint { settings, children } = blueprint;
        SupervisorProcess::new(
            settings,
            children,
            node.factory.tenure.shared().clone(),
            above.clone(),
            context,
            node.own_name().clone(),
        )
    }

    fn is_loaded(&self) -> bool {
        self.lock().as_ref().is_some_and(|blueprint| blueprint.children.iter().any(|child| child.is_loaded()))
    }

    fn shared(&self) -> Option<&Arc<Shared>> {
        Some(self.tenure.shared())
    }

    fn blueprint(&self) -> Option<Blueprint> {
        self.lock().clone()
    }
}
