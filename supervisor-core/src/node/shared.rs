use std::{
    ops::Deref,
    panic::Location,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{AskedBy, Call, ChildSpec, Command, LockedEngine, Scope, check};
use crate::{
    error::SupervisorError,
    incarnation::{ChildId, Control, Flags, Name},
    mailbox::Mailbox,
    observe::{Events, Subscribers},
    quiescence::InFlight,
    spawner::nudge,
    strategy::{AutoShutdown, SupervisorSettings},
    trace,
    waits::Waiting,
};

/// The state of a supervisor that its handles share: over its restarts, and also while it does not run.
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
    /// The engine; after the supervisor's end, with its last state.
    engine: Option<Arc<LockedEngine>>,
    is_lost_root: bool,
}

struct Running {
    scope: Arc<Scope>,
    control: Arc<dyn Control>,
    commands: Arc<Mailbox<Command>>,
    auto_shutdown: AutoShutdown,
    /// Held for a request to stop that the supervisor has not seen yet.
    asked: InFlight,
}

/// The fact that a supervisor runs.
pub(crate) struct Working {
    pub(crate) unread_since: Option<Instant>,
}

impl Running {
    /// Fails if the supervisor has too many unread messages.
    fn check_room(&self) -> Result<(), SupervisorError> {
        match self.commands.len() {
            // A7: a refused message is an error. Without a limit, a supervisor that does not get to run would take all
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

/// The state that handles share, as the owner that can run the supervisor holds it. When it is dropped, the supervisor
/// is not going to run any more.
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
    /// The largest number of unread messages. Well above a usual burst, and some 100 MB of small children.
    pub(crate) const MAX_UNREAD: usize = 1 << 18;

    fn new(name: &Name) -> Arc<Self> {
        let state = State { path: name.as_str().to_owned(), running: None, engine: None, is_lost_root: false };
        Arc::new(Self { state: Mutex::new(state), subscribers: Arc::default() })
    }

    /// Marks that the supervisor runs.
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

    /// Marks that this run of the supervisor is over. Nothing is sent to it after this.
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

    /// Returns the engine, and, if the supervisor runs, since when it has left messages unread.
    pub(crate) fn look(&self) -> Option<(Arc<LockedEngine>, Option<Working>)> {
        let state = self.lock();
        let working = state.running.as_ref().map(|running| {
            let waiting = [running.scope.unread_since(), running.commands.waiting_since()];
            Working { unread_since: waiting.into_iter().flatten().min() }
        });
        Some((state.engine.clone()?, working))
    }

    /// Marks that the supervisor is not going to run again. For a lost root, the streams end with the last process of
    /// the tree.
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
            // N7: nothing is queued for a run that may never come, or that would not expect it. R70: the caller gets an
            // error.
            return Err(self.not_running());
        };
        if let Err(full) = running.check_room() {
            drop(state);
            return Err(full);
        }
        let scope = running.post(command);
        drop(state);
        // Outside the lock: a waker is foreign code, and may call this handle.
        scope.wake();
        Ok(())
    }

    /// Sends another child to the supervisor, if it runs and the child can work there. Also returns what the caller
    /// keeps for as long as it waits.
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
        // R58, R62: checked before it is sent, so an invalid child changes nothing.
        let checked = check(spec.as_child(), &path, running.auto_shutdown, &**scope.home, &**scope.spawner, depth);
        if let Err(refused) = checked.and_then(|()| running.check_room()) {
            drop(state);
            return Err(refused);
        }
        // R20, N5: ids are given under the lock, so they are in the order in which children come to the supervisor. The
        // last id is added last, and starts last.
        let child = spec.into_child();
        let id = child.id();
        let waiting = call.as_mut().and_then(|call| call.awaits(id));
        let scope = running.post(Command::Start { child, call });
        drop(state);
        scope.wake();
        Ok((id, waiting))
    }

    /// Asks the supervisor itself to stop, if it runs. `place`: where that is called, for the log.
    pub(crate) fn shutdown(&self, place: &'static Location<'static>) -> Result<(), SupervisorError> {
        let running = self.lock().running.as_mut().map(|running| {
            running.asked = running.scope.quiescence.in_flight();
            (running.control.clone(), running.scope.clone())
        });
        let (control, scope) = running.ok_or_else(|| self.not_running())?;
        // Logged before the request, because the supervisor may end at once.
        if trace::hears_info() && control.cell().is_unasked() {
            let cause = AskedBy { call: "SupervisorHandle::shutdown", place: Some(place) };
            trace::tell_stop((&scope.path(), control.cell().latest()), cause);
        }
        // N1: a flag, which takes precedence over all messages in a mailbox. This waits for nothing, so N6 needs no
        // check.
        control.cell().request(Flags::SHUTDOWN);
        nudge(&**scope.home);
        Ok(())
    }

    /// Notes that the supervisor has seen the request to stop.
    pub(crate) fn acknowledge(&self) {
        if let Some(running) = &mut self.lock().running {
            running.asked = InFlight::none();
        }
    }

    pub(crate) fn subscribers(&self) -> &Arc<Subscribers> {
        &self.subscribers
    }

    /// Subscribes to what happens to the supervisor and below it, from now on.
    pub(crate) fn events(&self, subtree: Option<String>) -> Events {
        self.subscribers.add(subtree.map(|name| [format!("{}.{name}", self.path()), name]))
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
