use std::{
    borrow::Cow,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

#[cfg(feature = "serde")]
use crate::strategy::SupervisorConfig;
use crate::{
    driver::SupervisorProcess,
    error::SupervisorError,
    handle::SupervisorHandle,
    incarnation::{ChildId, Name, ProcessBody, ProcessContext},
    node::{self, Blueprint, Child, ChildFactory, ChildNode, ChildSpec, IntoChildSpec, Release, Scope, Shared, Tenure},
    placement::Placement,
    shutdown::ShutdownOrder,
    spawner::{Executor, Spawner},
    strategy::{AutoShutdown, Backoff, ChildSettings, RestartStrategy, SupervisorSettings},
    text::limit,
};

/// A supervisor of a set of children: it starts them in order, restarts them when they fail, and stops them in reverse
/// order.
///
/// A supervisor is built first, and then run, as the root of a tree or as a child of another supervisor. An error in
/// its settings, or in anything below it, is reported when the tree is run, before anything is started; an invalid name
/// is reported at once.
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
    /// The largest number of supervisors from the root of a tree down to the lowest one, both counted. A deeper tree is
    /// refused before anything of it starts. No program of a manageable size comes near it; a runaway recursion does.
    pub const MAX_DEPTH: usize = SupervisorSettings::MAX_DEPTH;

    /// Makes a supervisor without children. It is one-for-one, and gives up at the second restart within 5 seconds.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::InvalidName`] if the name has neither a letter nor a digit. Any other character in a name
    /// becomes `_`: dots separate the segments of dotted names.
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

    /// Makes a supervisor of children that come and go while it runs: connections, jobs, sessions. It is one-for-one,
    /// and gives up at the second restart within 5 seconds.
    ///
    /// It starts without children; they are added through its [`handle`](Self::handle). It stops them all at once. A
    /// child that has ended and is not restarted is not kept, so there is nothing to restart by hand or to delete. Each
    /// child has its own specification. OTP calls this `simple_one_for_one`.
    ///
    /// One is enough for a server: it adds about a million children in a second, whichever threads ask for them, and a
    /// connection costs a server many times what it costs the supervisor. A program whose children do next to nothing
    /// can start several below one root, and take them in turn.
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
    ///     println!("{refused}"); // here: `connections` is not running: it has not started, ..
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As for [`new`](Self::new). Static children, another strategy, a shutdown order or auto-shutdown are invalid
    /// specifications, which are reported when the tree is run.
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

    /// Sets which children are restarted when one fails, and how often. By default one-for-one, once in 5 seconds.
    pub fn with_restart_strategy(mut self, strategy: RestartStrategy) -> Self {
        self.settings.strategy = strategy;
        self
    }

    /// Sets whether the supervisor stops by itself when significant children have ended. By default never.
    pub fn with_auto_shutdown(mut self, auto_shutdown: AutoShutdown) -> Self {
        self.settings.auto_shutdown = auto_shutdown;
        self
    }

    /// Sets the order in which children are stopped, by a shutdown or in a group restart. By default in reverse.
    pub fn with_shutdown_order(mut self, order: ShutdownOrder) -> Self {
        self.settings.shutdown_order = order;
        self
    }

    /// Limits how long a whole stop may take, with everything below. When the budget is over, all processes that are
    /// left are aborted at once. By default there is no such limit: each child has its own, and those of children that
    /// stop in turn add up.
    ///
    /// Within the budget each child has the time that its own strategy gives it. Children that do not yield when they
    /// are aborted have their [grace](Self::with_abort_grace) in addition, all of them the same one. `Duration::MAX` is
    /// no limit.
    pub fn with_shutdown_budget(mut self, budget: Duration) -> Self {
        // A4: without a limit there is no deadline to keep.
        self.settings.shutdown_budget = limit(budget);
        self
    }

    /// Sets the executor for this supervisor's children and their descendants, unless they set their own. By default it
    /// is the executor that the supervisor itself runs on.
    pub fn with_child_placement(mut self, placement: impl Into<Placement>) -> Self {
        self.settings.placement = placement.into().into();
        self
    }

    /// Limits the number of children, in whatever state they are: one that waits for its restart counts. Beyond the
    /// limit, [`start_child`](SupervisorHandle::start_child) answers [`SupervisorError::AtCapacity`]. By default, and
    /// with `usize::MAX`, there is no limit.
    pub fn with_max_children(mut self, max: usize) -> Self {
        // A8: a number that no supervisor reaches is no limit, and shown as none.
        self.settings.max_children = Some(max).filter(|max| *max != usize::MAX);
        self
    }

    /// Sets how long an aborted child may take to yield. By default 5 seconds.
    ///
    /// An abort takes effect when the child's future next yields, so only a future that does not yield needs this time.
    /// After it, a shutdown no longer waits for the child and names it in the outcome; a restart goes on waiting,
    /// because two incarnations of a child must never overlap, and names the child in log and events. All this needs a
    /// free thread to run the supervisor: on an executor with a single thread, a future that does not yield stops
    /// everything.
    ///
    /// A grace below a millisecond is an invalid specification. If the supervisor itself is late to see that the grace
    /// is over, the child has as much time again, once: the cause of the delay (a pause of the program, a blocked
    /// thread) may have delayed the child, too.
    pub fn with_abort_grace(mut self, grace: Duration) -> Self {
        self.settings.abort_grace = grace;
        self
    }

    /// Sets the backoff of children that have none of their own. By default they restart without a wait.
    pub fn with_default_backoff(mut self, backoff: Backoff) -> Self {
        self.settings.backoff = Some(backoff);
        self
    }

    /// Counts what the polls of this supervisor take, and of everything below it, however it gets there. By default nothing is
    /// counted. Does the same as [`ChildSpec::with_accounting`], which explains it, and also works for a root.
    pub fn with_accounting(mut self) -> Self {
        self.settings.accounting = true;
        self
    }

    /// Applies the settings of a configuration. For each setting, the method of the same name explains it.
    #[cfg(feature = "serde")]
    pub fn with_config(mut self, config: &SupervisorConfig) -> Self {
        let &SupervisorConfig {
            strategy,
            backoff,
            auto_shutdown,
            shutdown_order,
            shutdown_budget,
            abort_grace,
            max_children,
            unique_names,
        } = config;
        let settings = &mut self.settings;
        settings.strategy = strategy.unwrap_or(settings.strategy);
        settings.backoff = backoff.or(settings.backoff);
        settings.auto_shutdown = auto_shutdown.unwrap_or(settings.auto_shutdown);
        settings.shutdown_order = shutdown_order.unwrap_or(settings.shutdown_order);
        settings.shutdown_budget = shutdown_budget.map_or(settings.shutdown_budget, limit);
        settings.abort_grace = abort_grace.unwrap_or(settings.abort_grace);
        settings.max_children = max_children.or(settings.max_children);
        settings.unique_names = unique_names.unwrap_or(settings.unique_names);
        self
    }

    /// Requires that no two children have the same name. By default names need not be unique: a child's [`ChildId`]
    /// identifies it.
    pub fn with_unique_names(mut self) -> Self {
        self.settings.unique_names = true;
        self
    }

    /// Adds a child after the others: it starts after them, and stops before them.
    pub fn add_worker(&mut self, child: impl IntoChildSpec) -> ChildId {
        // R1, R20: added after the others, so it starts after them and stops before them (R39).
        let child = child.into().into_child();
        let id = child.id();
        self.children.push(child);
        id
    }

    /// Adds a child as [`add_worker`](Self::add_worker) does, and returns the supervisor, so that one expression can
    /// build it.
    ///
    /// For children whose id is not needed later; [`SupervisorHandle::find`] finds them by name.
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

    /// Returns the supervisor's own segment of its dotted name.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Returns a handle on this supervisor. It works while the supervisor runs, and over its restarts.
    pub fn handle(&self) -> SupervisorHandle {
        SupervisorHandle::new(self.tenure.shared().clone())
    }

    /// Makes the supervisor of a scope, with the name of its owner. Its children run on `executor` if they have no other.
    /// If the owner is counted, they are, too.
    pub(crate) fn into_scope(self, owner: &str, executor: Option<Executor>, is_counted: bool) -> Arc<dyn Child> {
        let Self { mut settings, children, tenure, .. } = self;
        // S1: whatever supervisor the settings come from.
        (settings.dynamic, settings.is_scope) = (true, true);
        if let (Placement::Inherit, Some(executor)) = (&*settings.placement, executor) {
            settings.placement = Placement::On(Arc::clone(&executor)).into();
        }
        settings.accounting |= is_counted;
        let is_counted = settings.accounting;
        let spec = ChildSpec::from(Self { name: Name::new(owner.to_owned()), settings, children, tenure });
        // No snapshot shows the supervisor of a scope.
        let spec = if is_counted { spec.without_own_accounting() } else { spec };
        spec.into_child()
    }

    /// Takes out the static children, to be added later instead.
    #[cfg(feature = "testing")]
    pub(crate) fn take_children(&mut self) -> Vec<ChildSpec> {
        self.children.drain(..).map(ChildSpec::of).collect()
    }

    /// Makes the root of a tree, if the whole tree is valid.
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

/// A child that is permanent, and stopped without a limit of its own: its children have limits.
impl From<Supervisor> for ChildSpec {
    fn from(supervisor: Supervisor) -> Self {
        let Supervisor { name, settings, children, tenure } = supervisor;
        let is_counted = settings.accounting;
        let blueprint = Blueprint { settings, children: children.into() };
        let factory = Supervision { blueprint: Mutex::new(Some(blueprint)), tenure };
        // R8: permanent, not significant, and no limit of its own to its stop (R42).
        let spec = Self::new(name, ChildSettings::supervisor(), factory);
        if is_counted { spec.with_accounting() } else { spec }
    }
}

struct Supervision {
    blueprint: Mutex<Option<Blueprint>>,
    tenure: Tenure,
}

impl Supervision {
    /// Returns the blueprint for a run. A root runs once, and takes the blueprint along, so its children are kept in
    /// one place only. If an executor has still to be made, that may fail, so the blueprint stays here.
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
            // R78: they are dropped in start order; the caller takes them from the end.
            below.extend(children.iter().rev().cloned());
        }
        self.tenure.retire();
    }
}

impl ChildFactory for Supervision {
    fn build(node: Arc<ChildNode<Self>>, context: &ProcessContext, above: &Arc<Scope>) -> impl ProcessBody {
        // R36: each run begins with the static list, whatever was added or deleted in the run before.
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

    fn count_below(&mut self) -> Vec<&mut (dyn Child + 'static)> {
        let blueprint = self.blueprint.get_mut().unwrap_or_else(PoisonError::into_inner);
        let Some(Blueprint { settings, children }) = blueprint else { return Vec::new() };
        settings.accounting = true;
        let children = Arc::get_mut(children).expect(UNSHARED);
        children.iter_mut().map(|child| Arc::get_mut(child).expect(UNSHARED)).collect()
    }
}

const UNSHARED: &str = "nothing shares the children of a supervisor before it runs";
