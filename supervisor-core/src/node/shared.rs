use std::{
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{Call, ChildSpec, Command, LockedEngine, Scope, check};
use crate::{
    error::SupervisorError,
    incarnation::{ChildId, Control, Flags, Name},
    mailbox::Mailbox,
    observe::{Events, Subscribers},
    quiescence::InFlight,
    spawner::nudge,
    strategy::{AutoShutdown, SupervisorSettings},
    waits::Waiting,
};

/// Where the handles of a supervisor find it: over its restarts, and also when it does not run.
///
/// Under the lock no task is woken, no user code is dropped, and no engine is locked.
pub(crate) struct Shared {
    state: Mutex<State>,
    subscribers: Arc<Subscribers>,
}

struct State {
    /// As far as it is known.
    path: String,
    running: Option<Running>,
    /// What it knows; after its end, what it knew then.
    engine: Option<Arc<LockedEngine>>,
    is_lost_root: bool,
}

struct Running {
    scope: Arc<Scope>,
    control: Arc<dyn Control>,
    commands: Arc<Mailbox<Command>>,
    auto_shutdown: AutoShutdown,
    /// It was asked to stop, and has not seen it yet.
    asked: InFlight,
}

/// That a supervisor runs.
pub(crate) struct Working {
    pub(crate) unread_since: Option<Instant>,
}

impl Running {
    /// Whether another message is taken.
    fn check_room(&self) -> Result<(), SupervisorError> {
        match self.commands.len() {
            // A7: what is refused is said to be. Without a limit, a supervisor that does not run would take all
            // memory.
            unread if unread < Shared::MAX_UNREAD => Ok(()),
            unread => Err(SupervisorError::Overloaded { path: self.scope.path(), unread }),
        }
    }

    /// Sends a command. Returns the scope that the caller has to wake, once it has released the lock.
    fn post(&self, command: Command) -> Arc<Scope> {
        // A7: it is never closed: as long as it can be found here, a supervisor is going to read it.
        let _ = self.commands.put(self.scope.envelope(command), || self.scope.now());
        self.scope.clone()
    }
}

/// What handles share with a supervisor, as the one who can run it has it. Let go of, the supervisor is not going to run any
/// more.
pub(crate) struct Tenure(Arc<Shared>);

impl Tenure {
    pub(crate) fn new(name: &Name) -> Self {
        Self(Shared::new(name))
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.0
    }
}

impl Deref for Tenure {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl Drop for Tenure {
    fn drop(&mut self) {
        self.retire();
    }
}

impl Shared {
    /// How many messages a supervisor may leave unread. Well above what a burst comes to, and some 100 MB of small children.
    pub(crate) const MAX_UNREAD: usize = 1 << 18;

    fn new(name: &Name) -> Arc<Self> {
        let state = State { path: name.as_str().to_owned(), running: None, engine: None, is_lost_root: false };
        Arc::new(Self { state: Mutex::new(state), subscribers: Arc::default() })
    }

    /// The supervisor runs.
    pub(crate) fn open(
        &self,
        scope: &Arc<Scope>,
        control: &Arc<dyn Control>,
        settings: &SupervisorSettings,
        engine: &Arc<LockedEngine>,
    ) -> Arc<Mailbox<Command>> {
        let commands = Arc::new(Mailbox::new());
        let (scope, control) = (scope.clone(), control.clone());
        let path = scope.path();
        let running = Running {
            scope,
            control,
            commands: commands.clone(),
            auto_shutdown: settings.auto_shutdown,
            asked: InFlight::none(),
        };
        let before = {
            let mut state = self.lock();
            state.path = path;
            (state.running.replace(running), state.engine.replace(engine.clone()))
        };
        drop(before);
        commands
    }

    /// That run of the supervisor is over. Nothing is sent to it after this.
    pub(crate) fn close(&self, scope: &Arc<Scope>) {
        let mut state = self.lock();
        // P5: only that run. A later one may have opened it anew.
        let ended = state.running.take_if(|running| Arc::ptr_eq(&running.scope, scope));
        drop(state);
        drop(ended);
    }

    pub(crate) fn is_running(&self) -> bool {
        self.lock().running.is_some()
    }

    /// The root of the tree that the supervisor runs in, if it runs.
    pub(super) fn root(&self) -> Option<Arc<Self>> {
        let mut scope = self.lock().running.as_ref()?.scope.clone();
        while let Some(parent) = scope.parent.clone().filter(|parent| !parent.is_outside()) {
            scope = parent;
        }
        Some(scope.shared())
    }

    /// What the supervisor knows, and since when it has left messages unread, if it runs.
    pub(crate) fn look(&self) -> Option<(Arc<LockedEngine>, Option<Working>)> {
        let state = self.lock();
        let working = state.running.as_ref().map(|running| {
            let waiting = [running.scope.unread_since(), running.commands.waiting_since()];
            Working { unread_since: waiting.into_iter().flatten().min() }
        });
        Some((state.engine.clone()?, working))
    }

    /// The supervisor is not going to run again. Where it was a root that is lost, its streams end with the last process of the
    /// tree.
    pub(crate) fn retire(&self) {
        if !self.lock().is_lost_root {
            self.subscribers.close();
        }
    }

    pub(crate) fn outlive_root(&self) {
        self.lock().is_lost_root = true;
    }

    /// Sends a command to the supervisor, if it runs.
    pub(crate) fn send(&self, command: Command) -> Result<(), SupervisorError> {
        let state = self.lock();
        let Some(running) = &state.running else {
            drop(state);
            // N7: nothing is queued for a run that may never come, or for one that would not expect it. R70: the
            // caller is told.
            return Err(self.not_running());
        };
        if let Err(full) = running.check_room() {
            drop(state);
            return Err(full);
        }
        let scope = running.post(command);
        drop(state);
        // Not under the lock: a waker is foreign code, and may call this handle.
        scope.wake();
        Ok(())
    }

    /// Has the supervisor start another child, if it runs and the child can work there.
    /// With what the caller keeps for as long as it waits.
    pub(crate) fn start(
        &self,
        spec: ChildSpec,
        mut call: Option<Call>,
    ) -> Result<(ChildId, Option<Waiting>), SupervisorError> {
        let state = self.lock();
        let Some(running) = &state.running else {
            drop(state);
            // N7, R70: as for any call.
            return Err(self.not_running());
        };
        let scope = &running.scope;
        let (path, depth) = (|| scope.path(), || scope.depth());
        // R58, R62: checked before it is sent, so a child that cannot work changes nothing.
        let checked = check(spec.as_child(), &path, running.auto_shutdown, &**scope.home, &**scope.spawner, depth);
        if let Err(refused) = checked.and_then(|()| running.check_room()) {
            drop(state);
            return Err(refused);
        }
        // R20, N5: ids are given under the lock, so they are in the order in which children come to the supervisor.
        // The last one is added last, and starts last.
        let child = spec.into_child();
        let id = child.id();
        let waiting = call.as_mut().and_then(|call| call.awaits(id));
        let scope = running.post(Command::Start { child, call });
        drop(state);
        scope.wake();
        Ok((id, waiting))
    }

    /// Asks the supervisor itself to stop, if it runs.
    pub(crate) fn shutdown(&self) -> Result<(), SupervisorError> {
        let running = self.lock().running.as_mut().map(|running| {
            running.asked = running.scope.quiescence.in_flight();
            (running.control.clone(), running.scope.clone())
        });
        let (control, scope) = running.ok_or_else(|| self.not_running())?;
        // N1: a flag, which goes before all that waits in a mailbox. It waits for nothing, so N6 needs no look.
        control.cell().request(Flags::SHUTDOWN);
        nudge(&**scope.home);
        Ok(())
    }

    /// The supervisor has seen that it is asked to stop.
    pub(crate) fn acknowledge(&self) {
        if let Some(running) = &mut self.lock().running {
            running.asked = InFlight::none();
        }
    }

    pub(crate) fn subscribers(&self) -> &Arc<Subscribers> {
        &self.subscribers
    }

    /// What happens to the supervisor and below it, from now on.
    pub(crate) fn events(&self, subtree: Option<String>) -> Events {
        self.subscribers.add(subtree)
    }

    pub(crate) fn not_running(&self) -> SupervisorError {
        SupervisorError::NotRunning { path: self.path() }
    }

    pub(crate) fn path(&self) -> String {
        self.lock().path.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
