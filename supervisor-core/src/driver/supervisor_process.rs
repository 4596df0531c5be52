use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{Driver, Own, Shared, outcome::tell_end};
use crate::{
    discard,
    error::{Failure, InvalidSpec, StartFailure},
    incarnation::{Exit, Flags, Name, Parent, ProcessBody, ProcessContext, Step, StopReason, Termination, guard},
    node::{Child, Scope},
    placement::{Placement, SpawnerFactory, is_out_of_time},
    spawner::{Executor, Spawner},
    strategy::SupervisorSettings,
};

/// A supervisor's process: it makes an executor for its children, if it is set to, and then it drives them.
pub(crate) enum SupervisorProcess {
    Placing(Option<(Box<DriverParts>, SpawnerFactory)>),
    Driving(Box<Driver>),
}

/// The parts that are needed to run a supervisor.
pub(crate) struct DriverParts {
    pub(super) settings: SupervisorSettings,
    pub(super) children: Arc<[Arc<dyn Child>]>,
    pub(super) shared: Arc<Shared>,
    pub(super) parent: Arc<Scope>,
    pub(super) name: Name,
    pub(super) own: Own,
}

impl SupervisorProcess {
    pub(crate) fn new(
        settings: SupervisorSettings,
        children: Arc<[Arc<dyn Child>]>,
        shared: Arc<Shared>,
        parent: Arc<Scope>,
        context: &ProcessContext,
        name: Name,
    ) -> Self {
        let spawner = Scope::executor(&context.parent).unwrap_or_else(|| parent.spawner.clone());
        let own = Own {
            id: context.id,
            process_key: context.process_key,
            control: context.control.clone(),
            parent: context.parent.clone(),
            spawner: spawner.clone(),
        };
        let placement = Placement::clone(&settings.placement);
        let parts = DriverParts { settings, children, shared, parent, name, own };
        match placement {
            // D3: whatever the placement, the supervisor itself stays on the executor that its process was given to.
            // Only its children move.
            Placement::Inherit => Self::Driving(Box::new(Driver::new(parts, spawner))),
            Placement::On(spawner) => Self::Driving(Box::new(Driver::new(parts, Executor::new(spawner)))),
            // P3: a factory is the code of a user. It runs in the process of the supervisor, when that is polled, and
            // not in the one above.
            Placement::Fresh(factory) => Self::Placing(Some((Box::new(parts), factory))),
        }
    }
}

impl DriverParts {
    fn path(&self) -> String {
        self.parent.path_of(self.name.as_str())
    }

    fn is_asked_to_stop(&self) -> bool {
        let flags = self.own.control.cell().flags(self.own.id);
        flags.is_none_or(|flags| flags.contains(Flags::SHUTDOWN) || flags.contains(Flags::ABORT))
    }
}

/// Makes an executor. `home` is the supervisor's own: its time limits have to hold for the new executor.
fn make(factory: &SpawnerFactory, path: &str, home: &dyn Spawner) -> Result<Executor, StartFailure> {
    // P3, P4: a panic is a failed start, too. The error is rendered to text here, in the process.
    match guard(|| factory(path).map_err(|error| Failure::from_error(&*error))) {
        Ok(Ok(made)) if is_out_of_time(&*made, home) => {
            Err(StartFailure::Failed(Failure::new(InvalidSpec::RealBelowVirtual.to_string())))
        }
        Ok(made) => made.map(Executor::new).map_err(StartFailure::Failed),
        Err(panic) => Err(StartFailure::Panicked(panic)),
    }
}

/// Ends a supervisor that has started nothing.
fn end(parts: &DriverParts, reason: StopReason) -> Poll<Step> {
    if parts.parent.is_outside() {
        tell_end((&parts.path(), Some(parts.own.id)), &reason, &[]);
    }
    Poll::Ready(Step::Ended(Exit::Shutdown(Arc::new(Termination { reason, unclean: Vec::new() }))))
}

/// Nothing in here is pinned.
impl Unpin for SupervisorProcess {}

impl ProcessBody for SupervisorProcess {
    // N8: see `Driver`. Before there is one, nothing needs an abort: the process itself checks for a request.
    const ABORTABLE: bool = false;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        if let Self::Placing(parts) = &mut *self {
            let Some((parts, factory)) = parts.take() else { return Poll::Pending };
            // N1: no executor is made after a shutdown.
            if parts.is_asked_to_stop() {
                return end(&parts, StopReason::Requested);
            }
            // A3: an executor that cannot be made is a failed start of the supervisor.
            match make(&factory, &parts.path(), &**parts.own.spawner) {
                Ok(spawner) => *self = Self::Driving(Box::new(Driver::new(*parts, spawner))),
                Err(cause) => return end(&parts, StopReason::FailedToStart { path: parts.path(), cause }),
            }
        }
        match &mut *self {
            Self::Driving(driver) => discard::after(driver.discards_elsewhere, || Pin::new(&mut **driver).poll(cx)),
            Self::Placing(_) => Poll::Pending,
        }
    }

    fn cut_short(self: Pin<&mut Self>, exit: &Exit) {
        // Before it drives, no process is below it.
        if let Self::Driving(driver) = self.get_mut() {
            discard::after(driver.discards_elsewhere, || Pin::new(&mut **driver).cut_short(exit));
        }
    }
}
