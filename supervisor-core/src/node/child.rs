use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use super::{PlacedParent, Scope, Shared, fresh_executor::FreshExecutor};
use crate::{
    engine::Spec,
    error::ErrorHandling,
    incarnation::{
        ChildId, Control, ControlCell, Exit, Flags, Meter, Name, Process, ProcessBody, ProcessContext, ProcessId,
        ProcessKey, Step, guard,
    },
    placement::{Placement, SpawnerFactory},
    shutdown::ShutdownStrategy,
    spawner::{Executor, spawn},
    strategy::{ChildKind, ChildSettings, SupervisorSettings},
};

/// A child, type-erased: everything that stays the same over its incarnations, in one allocation.
pub(crate) trait Child: Control {
    /// Returns whether its name is valid.
    fn has_valid_name(&self) -> bool;

    fn settings(&self) -> &ChildSettings;

    fn settings_mut(&mut self) -> &mut ChildSettings;

    /// Gives it the id that places it after all that were added before.
    fn enlist(&mut self);

    /// Begins a new incarnation.
    fn begin(self: Arc<Self>, process_key: ProcessKey, scope: &Arc<Scope>, flags: Flags) -> ProcessContext;

    /// Makes the process of an incarnation, which counts nothing.
    fn embody_uncounted(self: Arc<Self>, context: ProcessContext, scope: &Arc<Scope>) -> Process;

    /// Returns whether there is anything left to start.
    fn can_start(&self) -> bool;

    /// Returns whether there is user code left whose destructor would run.
    fn is_loaded(&self) -> bool;

    /// Drops the user code that is left here; the children below it go into `below`.
    fn release_into(&self, below: &mut Vec<Arc<dyn Child>>);

    /// Returns what a run begins with, if it is a supervisor.
    fn blueprint(&self) -> Option<Blueprint>;

    /// Returns what handles on it hold, if it is a supervisor.
    fn shared(&self) -> Option<&Arc<Shared>>;

    /// Makes a supervisor count its children, before it runs. Returns those that it has.
    fn count_below(&mut self) -> Vec<&mut (dyn Child + 'static)>;
}

/// What is the same for each type of a child: here, and not in the trait, so that each further closure of a user does not cost the
/// binary this code once more.
impl dyn Child {
    /// Spawns the process of an incarnation on the child's executor.
    #[inline]
    pub(crate) fn start(self: Arc<Self>, context: ProcessContext, scope: &Arc<Scope>) {
        let settings = self.settings();
        match settings.placement() {
            // P13: a thread of its own for each incarnation.
            placement if settings.is_local => {
                let factory = placement.local(&scope.spawner);
                self.embody_on_fresh(factory, context, scope);
            }
            Placement::Inherit => {
                let is_counted = settings.meter().is_some();
                spawn(self.embody(is_counted, context, scope), &**scope.spawner, &**scope.home);
            }
            Placement::On(spawner) => self.clone().embody_on(Executor::new(spawner.clone()), context, scope),
            Placement::Fresh(factory) => self.clone().embody_on_fresh(factory.clone(), context, scope),
        }
    }

    /// Makes the process of an incarnation.
    #[inline]
    fn embody(self: Arc<Self>, is_counted: bool, context: ProcessContext, scope: &Arc<Scope>) -> Process {
        if is_counted { self.embody_counted(context, scope) } else { self.embody_uncounted(context, scope) }
    }

    #[cold]
    fn embody_counted(self: Arc<Self>, context: ProcessContext, scope: &Arc<Scope>) -> Process {
        let meter = self.settings().meter().cloned().unwrap_or_default();
        let (control, parent) = (context.control.clone(), context.parent.clone());
        self.embody_uncounted(context, scope).counted(meter, control, parent)
    }

    /// Spawns a process that makes an executor, and then continues on that.
    #[cold]
    fn embody_on_fresh(self: Arc<Self>, factory: SpawnerFactory, context: ProcessContext, scope: &Arc<Scope>) {
        // P3, D1: making an executor runs code of a user and may take long, so a process beside the other children does it, and
        // not the supervisor itself.
        let (spawner, home) = (&**scope.spawner, &**scope.home);
        let fresh = FreshExecutor { child: self, factory, context: context.clone(), scope: scope.clone() };
        spawn(Process::new(context, fresh), spawner, home);
    }

    /// Spawns the process of an incarnation on this executor, instead of its supervisor's.
    pub(super) fn embody_on(self: Arc<Self>, spawner: Executor, context: ProcessContext, scope: &Arc<Scope>) {
        // The process reports to the same supervisor. But it runs, and sleeps, on an executor of its own, and has to
        // find that.
        let parent = Arc::new(PlacedParent { scope: scope.clone(), spawner: spawner.clone() });
        let is_counted = self.settings().meter().is_some();
        spawn(self.embody(is_counted, ProcessContext { parent, ..context }, scope), &**spawner, &**scope.home);
    }

    /// Makes a process that drops the user code which is left here.
    pub(crate) fn dispose(self: Arc<Self>, scope: &Arc<Scope>) {
        // P3: a destructor is user code and may block. So it gets a process, and no supervisor waits for it.
        let context =
            self.clone().begin(ProcessKey::of_disposal(self.id()), scope, Flags::NO_SUCCESSOR | Flags::ABANDONED);
        let spawner = match self.settings().placement() {
            Placement::On(spawner) => spawner,
            _ => &*scope.spawner,
        };
        spawn(Process::new(context, Nothing), &**spawner, &**scope.home);
    }
}

/// An owner of user code.
pub(crate) trait Release {
    /// Drops the user code. None is left after that. The children of a supervisor are put into `below`, the first of
    /// them last: if they were released recursively, the stack would limit the depth of a tree.
    fn release(&self, below: &mut Vec<Arc<dyn Child>>);
}

/// Drops user code, and after that everything below it, each under a guard of its own.
fn release_all(factory: &impl Release) {
    let mut below = Vec::new();
    factory.release(&mut below);
    while let Some(child) = below.pop() {
        // A process that still runs elsewhere drops its own code when it ends. Otherwise it is done here.
        child.cell().request(Flags::NO_SUCCESSOR);
        if child.cell().process().is_none() {
            // P1, P3: one guard for each child. Two destructors that panic under one guard, the second while the first
            // unwinds, end the program.
            let _ = guard(|| child.release_into(&mut below));
        }
    }
}

/// The state with which every incarnation of a supervisor begins.
#[derive(Clone)]
pub(crate) struct Blueprint {
    pub(crate) settings: SupervisorSettings,
    pub(crate) children: Arc<[Arc<dyn Child>]>,
}

/// The part of a child that differs between the kinds of children.
pub(crate) trait ChildFactory: Release + Send + Sync + Sized + 'static {
    /// Builds the body of a new incarnation.
    fn build(node: Arc<ChildNode<Self>>, context: &ProcessContext, above: &Arc<Scope>) -> impl ProcessBody;

    /// Tells the factory the id of the child, which has become one of a supervisor.
    fn enlisted(&self, id: ChildId) {
        let _ = id;
    }

    /// Tells the factory how an incarnation has ended.
    fn on_exit(&self, exit: &Exit) {
        let _ = exit;
    }

    /// Returns whether there is anything left to start.
    fn can_start(&self) -> bool {
        true
    }

    /// Returns whether there is user code left whose destructor would run.
    fn is_loaded(&self) -> bool;

    /// Returns what a run begins with, if it is a supervisor.
    fn blueprint(&self) -> Option<Blueprint> {
        None
    }

    /// Returns what handles on it hold, if it is a supervisor.
    fn shared(&self) -> Option<&Arc<Shared>> {
        None
    }

    /// Makes a supervisor count its children, before it runs. Returns those that it has.
    fn count_below(&mut self) -> Vec<&mut (dyn Child + 'static)> {
        Vec::new()
    }
}

pub(crate) struct ChildNode<F: Release> {
    id: ChildId,
    name: Name,
    settings: ChildSettings,
    cell: ControlCell,
    pub(crate) factory: F,
}

impl<F: ChildFactory> ChildNode<F> {
    pub(crate) fn new(name: Name, settings: ChildSettings, factory: F) -> Self {
        Self { id: ChildId::FIRST, name, settings, cell: ControlCell::new(), factory }
    }

    /// Returns the name in its own representation, for other code to keep.
    pub(crate) fn own_name(&self) -> &Name {
        &self.name
    }
}

/// The last owner of a child, whatever it is, drops the user code that is left under a guard. So the destructors of two
/// children never panic together, which would end the program.
impl<F: Release> Drop for ChildNode<F> {
    fn drop(&mut self) {
        if !self.cell.has_released() {
            // P1, P3: any code may be the last owner, and must not unwind.
            let _ = guard(|| release_all(&self.factory));
        }
    }
}

impl<F: ChildFactory> Control for ChildNode<F> {
    fn cell(&self) -> &ControlCell {
        &self.cell
    }

    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn release(&self) {
        release_all(&self.factory);
    }

    fn on_exit(&self, exit: &Exit) {
        self.factory.on_exit(exit);
    }

    fn id(&self) -> ChildId {
        self.id
    }

    fn time_to_stop(&self) -> Option<Duration> {
        match (self.settings.kind, self.settings.shutdown()) {
            (ChildKind::Supervisor, _) => None,
            (ChildKind::Worker, ShutdownStrategy::Brutal) => Some(Duration::ZERO),
            (ChildKind::Worker, ShutdownStrategy::Graceful(time)) => Some(time),
        }
    }

    fn meter(&self) -> Option<&Arc<Meter>> {
        self.settings.meter()
    }

    fn error_handling(&self) -> ErrorHandling {
        self.settings.rare.as_ref().map(|rare| rare.errors.clone()).unwrap_or_default()
    }
}

impl<F: ChildFactory> Child for ChildNode<F> {
    fn has_valid_name(&self) -> bool {
        self.name.is_valid()
    }

    fn settings(&self) -> &ChildSettings {
        &self.settings
    }

    fn settings_mut(&mut self) -> &mut ChildSettings {
        &mut self.settings
    }

    fn enlist(&mut self) {
        self.id = ChildId::next();
        self.factory.enlisted(self.id);
    }

    fn begin(self: Arc<Self>, process_key: ProcessKey, scope: &Arc<Scope>, flags: Flags) -> ProcessContext {
        // P5: a number for this incarnation alone. Messages and requests that come later with the number of an earlier
        // one change nothing.
        let id = ProcessId::next();
        // A2: ready from the beginning, or when it reports so, or when its set-up is done. The flag is set before the
        // process can run.
        let flags = match &self.settings {
            settings if settings.is_ready_at_once() => flags | Flags::READY,
            settings if settings.explicit_ready() => flags | Flags::SAYS_READY,
            _ => flags,
        };
        let flags = if self.settings.children_first() { flags | Flags::CHILDREN_FIRST } else { flags };
        self.cell.begin(id, flags);
        ProcessContext { id, process_key, control: self, parent: scope.clone(), quiescence: scope.quiescence.clone() }
    }

    fn embody_uncounted(self: Arc<Self>, context: ProcessContext, scope: &Arc<Scope>) -> Process {
        let only = self.settings.runs_once
            || self.cell.flags(context.id).is_some_and(|flags| flags.contains(Flags::NO_SUCCESSOR));
        let span = context.span(self.settings.origin(), only);
        let body = F::build(self, &context, scope);
        Process::in_span(span, context, body)
    }

    fn can_start(&self) -> bool {
        self.factory.can_start()
    }

    fn is_loaded(&self) -> bool {
        self.factory.is_loaded()
    }

    fn release_into(&self, below: &mut Vec<Arc<dyn Child>>) {
        self.factory.release(below);
    }

    fn blueprint(&self) -> Option<Blueprint> {
        self.factory.blueprint()
    }

    fn shared(&self) -> Option<&Arc<Shared>> {
        self.factory.shared()
    }

    fn count_below(&mut self) -> Vec<&mut (dyn Child + 'static)> {
        self.factory.count_below()
    }
}

impl Spec for Arc<dyn Child> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn settings(&self) -> &ChildSettings {
        (**self).settings()
    }
}

impl fmt::Debug for dyn Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child").field("id", &self.id()).field("name", &self.name()).finish_non_exhaustive()
    }
}

struct Nothing;

impl ProcessBody for Nothing {
    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Step> {
        Poll::Ready(Step::Ended(Exit::Normal))
    }
}
