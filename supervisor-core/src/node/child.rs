use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{PlacedParent, Scope, Shared, fresh_executor::FreshExecutor};
use crate::{
    engine::Spec,
    incarnation::{
        ChildId, Control, ControlCell, Exit, Flags, Name, Process, ProcessBody, ProcessContext, ProcessId, ProcessKey,
        Step, guard,
    },
    placement::Placement,
    spawner::{Executor, spawn},
    strategy::{ChildSettings, SupervisorSettings},
};

/// A child, type-erased: all that stays the same over its incarnations, in one allocation.
pub(crate) trait Child: Control {
    /// Whether its name can be one.
    fn has_valid_name(&self) -> bool;

    fn settings(&self) -> &ChildSettings;

    fn settings_mut(&mut self) -> &mut ChildSettings;

    /// Gives it the id that puts it behind all that were added before.
    fn enlist(&mut self);

    /// Begins a new incarnation.
    fn begin(self: Arc<Self>, process_key: ProcessKey, scope: &Arc<Scope>, flags: Flags) -> ProcessContext;

    /// Spawns the process of an incarnation, where the child is placed.
    fn start(self: Arc<Self>, context: ProcessContext, scope: &Arc<Scope>);

    /// Spawns the process of an incarnation on that executor, instead of its supervisor's.
    fn embody_on(self: Arc<Self>, spawner: Executor, context: ProcessContext, scope: &Arc<Scope>);

    /// Has a process drop the user code that is left here.
    fn dispose(self: Arc<Self>, scope: &Arc<Scope>);

    /// Whether there is anything left to start.
    fn can_start(&self) -> bool;

    /// Whether there is user code left whose destructor would run.
    fn is_loaded(&self) -> bool;

    /// Drops the user code that is left here; what is below it goes into `below`.
    fn release_into(&self, below: &mut Vec<Arc<dyn Child>>);

    /// What it is begun with, if it is a supervisor.
    fn blueprint(&self) -> Option<Blueprint>;

    /// What handles on it hold, if it is a supervisor.
    fn shared(&self) -> Option<&Arc<Shared>>;
}

/// What owns a user's code.
pub(crate) trait Release {
    /// Drops it. There is none after that. The children of a supervisor are put into `below`, the first of them last: released
    /// one in another, the stack would decide how deep a tree may be.
    fn release(&self, below: &mut Vec<Arc<dyn Child>>);
}

/// Drops a user's code, and after that all that is below it, each under a guard of its own.
fn release_all(factory: &impl Release) {
    let mut below = Vec::new();
    factory.release(&mut below);
    while let Some(child) = below.pop() {
        // What still runs, somewhere else, does it itself when it ends. Otherwise it is done here.
        child.cell().request(Flags::NO_SUCCESSOR);
        if child.cell().process().is_none() {
            // P1, P3: one guard for each child. Two destructors that panic under one guard, the second while the
            // first unwinds, end the program.
            let _ = guard(|| child.release_into(&mut below));
        }
    }
}

/// What every incarnation of a supervisor begins with.
#[derive(Clone)]
pub(crate) struct Blueprint {
    pub(crate) settings: SupervisorSettings,
    pub(crate) children: Arc<[Arc<dyn Child>]>,
}

/// What is different between one kind of child and another.
pub(crate) trait ChildFactory: Release + Send + Sync + Sized + 'static {
    /// What a new incarnation does.
    fn build(node: Arc<ChildNode<Self>>, context: &ProcessContext, above: &Arc<Scope>) -> impl ProcessBody;

    /// An incarnation has ended like this.
    fn on_exit(&self, exit: &Exit) {
        let _ = exit;
    }

    /// Whether there is anything left to start.
    fn can_start(&self) -> bool {
        true
    }

    /// Whether there is user code left whose destructor would run.
    fn is_loaded(&self) -> bool;

    /// What it is begun with, if it is a supervisor.
    fn blueprint(&self) -> Option<Blueprint> {
        None
    }

    /// What handles on it hold, if it is a supervisor.
    fn shared(&self) -> Option<&Arc<Shared>> {
        None
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

    /// The name with what it is made of, to be kept by others.
    pub(crate) fn own_name(&self) -> &Name {
        &self.name
    }

    fn embody(self: Arc<Self>, context: ProcessContext, scope: &Arc<Scope>) -> Process {
        let body = F::build(self, &context, scope);
        Process::new(context, body)
    }
}

/// Wherever the last owner of a child lets go of it, what it still has of a user's is dropped under a guard. So the destructors
/// of two children never panic together, which would be the end of the program.
impl<F: Release> Drop for ChildNode<F> {
    fn drop(&mut self) {
        // P1, P3: the last owner may be anything, and must not unwind.
        let _ = guard(|| release_all(&self.factory));
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
    }

    fn begin(self: Arc<Self>, process_key: ProcessKey, scope: &Arc<Scope>, flags: Flags) -> ProcessContext {
        // P5: a number for this incarnation alone. All that is said or asked later with the number of an earlier one
        // changes nothing.
        let id = ProcessId::next();
        // A2: ready from the beginning, or when it says so, or when its set-up is done. The flag is there before the
        // process can run.
        let flags = match &self.settings {
            settings if settings.is_ready_at_once() => flags | Flags::READY,
            settings if settings.explicit_ready() => flags | Flags::SAYS_READY,
            _ => flags,
        };
        self.cell.begin(id, flags);
        ProcessContext { id, process_key, control: self, parent: scope.clone(), quiescence: scope.quiescence.clone() }
    }

    fn start(self: Arc<Self>, context: ProcessContext, scope: &Arc<Scope>) {
        match self.settings.placement() {
            Placement::Inherit => spawn(self.embody(context, scope), &**scope.spawner, &**scope.home),
            Placement::On(spawner) => self.clone().embody_on(Executor::new(spawner.clone()), context, scope),
            Placement::Fresh(factory) => {
                // P3, D1: to make an executor is code of a user and may take long, so that is done in a process
                // beside the other children, and not here, in the supervisor.
                let (factory, scope) = (factory.clone(), scope.clone());
                let (spawner, home) = (scope.spawner.clone(), scope.home.clone());
                let process = Process::new(context.clone(), FreshExecutor { child: self, factory, context, scope });
                spawn(process, &**spawner, &**home);
            }
        }
    }

    fn embody_on(self: Arc<Self>, spawner: Executor, context: ProcessContext, scope: &Arc<Scope>) {
        // The process reports to the same supervisor. But it runs, and sleeps, on an executor of its own, and has to
        // find that.
        let parent = Arc::new(PlacedParent { scope: scope.clone(), spawner: spawner.clone() });
        spawn(self.embody(ProcessContext { parent, ..context }, scope), &**spawner, &**scope.home);
    }

    fn dispose(self: Arc<Self>, scope: &Arc<Scope>) {
        // P3: a destructor is user code and may block. So it gets a process, for which no supervisor waits.
        let context =
            self.clone().begin(ProcessKey::of_disposal(self.id), scope, Flags::NO_SUCCESSOR | Flags::ABANDONED);
        let spawner = match self.settings.placement() {
            Placement::On(spawner) => spawner,
            _ => &*scope.spawner,
        };
        spawn(Process::new(context, Nothing), &**spawner, &**scope.home);
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
