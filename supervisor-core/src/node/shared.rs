use std::{
    ops::Deref,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Instant,
};

use super::{
    AskedBy, Call, CallOrigin, ChildSpec, Command, LockedEngine, Monitor, Monitors, Room, Scope, Scopes, check,
};
use crate::{
    error::SupervisorError,
    incarnation::{ChildId, Control, Flags, Name},
    mailbox::Mailbox,
    observe::{Changes, ChildState, Events, Subscribers},
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
    /// Of its children. For a root these hold its own, too: what is above it has this.
    monitors: Monitors,
    /// Those that its children, workers, have opened.
    scopes: Scopes,
    /// The tasks that wait until it runs; made for the first one.
    runs: OnceLock<Changes>,
}

struct State {
    /// As far as it is known.
    path: Arc<str>,
    running: Option<Running>,
    /// The engine; after the supervisor's end, with its last state.
    engine: Option<Arc<LockedEngine>>,
    is_lost_root: bool,
    /// It is not going to run again.
    is_retired: bool,
}

struct Running {
    scope: Arc<Scope>,
    control: Arc<dyn Control>,
    commands: Arc<Mailbox<Command>>,
    /// `None` for a scope: there a significant child needs none.
    auto_shutdown: Option<AutoShutdown>,
    /// Held for a request to stop that the supervisor has not seen yet.
    asked: InFlight,
    /// The latest child that it was sent.
    newest: ChildId,
    /// There is a limit to how many children it may have.
    is_bounded: bool,
    /// Whether its children are counted.
    is_counted: bool,
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
        let path = name.as_str().into();
        let state = State { path, running: None, engine: None, is_lost_root: false, is_retired: false };
        Arc::new(Self {
            state: Mutex::new(state),
            subscribers: Arc::default(),
            monitors: Monitors::default(),
            scopes: Scopes::default(),
            runs: OnceLock::new(),
        })
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
        let path = scope.path.clone();
        let running = Running {
            scope,
            control,
            commands: commands.clone(),
            auto_shutdown: (!settings.is_scope).then_some(settings.auto_shutdown),
            asked: InFlight::none(),
            newest: ChildId::FIRST,
            is_bounded: settings.max_children.is_some(),
            is_counted: settings.accounting,
        };
        let before = {
            let mut state = self.lock();
            state.path = path;
            (state.running.replace(running), state.engine.replace(engine.clone()))
        };
        drop(before);
        self.tell_of_runs();
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

    /// Returns the root of the tree that the supervisor runs in, if it runs.
    pub(super) fn root(&self) -> Option<Arc<Self>> {
        let mut scope = self.lock().running.as_ref()?.scope.clone();
        while let Some(parent) = scope.parent.clone().filter(|parent| !parent.is_outside()) {
            scope = parent;
        }
        Some(scope.shared())
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
        let is_lost_root = {
            let mut state = self.lock();
            state.is_retired = true;
            state.is_lost_root
        };
        if !is_lost_root {
            self.subscribers.close();
        }
        self.tell_of_runs();
    }

    /// Returns whether the supervisor is not going to run any more.
    pub(super) fn is_gone_for_good(&self) -> bool {
        let state = self.lock();
        state.running.is_none() && state.is_retired
    }

    /// Returns a future that resolves when the supervisor runs again, or is not going to.
    pub(super) fn listen_for_runs(&self) -> impl Future<Output = ()> + use<> {
        self.runs.get_or_init(Changes::default).listen()
    }

    /// Wakes the tasks that wait until the supervisor runs. Called without the lock, after the change.
    fn tell_of_runs(&self) {
        if let Some(runs) = self.runs.get() {
            runs.notify();
        }
    }

    /// Returns the supervisor as a child, if it runs.
    pub(super) fn running_as(&self) -> Option<ChildId> {
        self.lock().running.as_ref().map(|running| running.control.id())
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

    /// Sends another child to the supervisor. No caller waits for it, so whether there is room is known before it is sent.
    pub(crate) fn spawn(&self, spec: ChildSpec) -> Result<ChildId, SupervisorError> {
        // N7: a child that is refused later is dropped, and all that it owns: a connection, a job.
        let is_bounded = self.lock().running.as_ref().is_some_and(|running| running.is_bounded);
        let room = if is_bounded { Some(self.try_reserve()?) } else { None };
        self.start(spec, None, room).map(|(id, _)| id)
    }

    /// Sends another child to the supervisor, if it runs and the child can work there. `room` is what the child was promised.
    /// Also returns what the caller keeps for as long as it waits.
    pub(crate) fn start(
        &self,
        spec: ChildSpec,
        mut call: Option<Call>,
        room: Option<Room>,
    ) -> Result<(ChildId, Option<Waiting>), SupervisorError> {
        let mut guard = self.lock();
        let state = &mut *guard;
        let is_of_this_run = |room: &Room| state.engine.as_ref().is_some_and(|engine| room.is_in(engine));
        // N7, R70: as for any call. A promise of an earlier run of the supervisor has ended with it.
        let Some(running) = state.running.as_mut().filter(|_| room.as_ref().is_none_or(is_of_this_run)) else {
            drop(guard);
            return Err(self.not_running());
        };
        let scope = &running.scope;
        let (path, depth) = (|| scope.path(), || scope.depth());
        // R58, R62: checked before it is sent, so an invalid child changes nothing.
        let checked = check(spec.as_child(), &path, running.auto_shutdown, &**scope.home, &**scope.spawner, depth);
        if let Err(refused) = checked.and_then(|()| running.check_room()) {
            // First the lock: to give room back, the engine is locked.
            drop(guard);
            return Err(refused);
        }
        // R20, N5: ids are given under the lock, so they are in the order in which children come to the supervisor. The
        // last id is added last, and starts last.
        let spec = if running.is_counted { spec.with_accounting() } else { spec };
        let child = spec.into_child();
        let id = child.id();
        running.newest = id;
        let waiting = call.as_mut().and_then(|call| call.awaits(id));
        let scope = running.post(Command::Start { child, call, room });
        drop(guard);
        scope.wake();
        Ok((id, waiting))
    }

    /// Asks the supervisor itself to stop, if it runs. `cause` is the call that asks for it, for the log.
    pub(crate) fn shutdown(&self, cause: AskedBy) -> Result<(), SupervisorError> {
        let running = self.lock().running.as_mut().map(|running| {
            running.asked = running.scope.quiescence.in_flight();
            (running.control.clone(), running.scope.clone())
        });
        let (control, scope) = running.ok_or_else(|| self.not_running())?;
        // Logged before the request, because the supervisor may end at once.
        if trace::hears_info() && control.cell().is_unasked() {
            let (path, process) = (scope.path(), control.cell().latest());
            // S3: a scope has the name of its owner, which may go on.
            match scope.scope_id {
                Some(_) => trace::tell_scope_stop((&path, process), cause),
                None => trace::tell_stop((&path, process), cause),
            }
        }
        // N1: a flag, which takes precedence over all messages in a mailbox. This waits for nothing, so N6 needs no
        // check.
        control.cell().request(Flags::SHUTDOWN);
        nudge(&**scope.home);
        Ok(())
    }

    /// Asks the supervisor itself to stop, if it runs. Returns a wait for its exit, with what the caller keeps for as long as it
    /// waits.
    pub(crate) fn stop(&self) -> Result<(Monitor, Option<Waiting>), SupervisorError> {
        let running = self.lock().running.as_ref().map(|running| (running.control.clone(), running.scope.clone()));
        let (control, scope) = running.ok_or_else(|| self.not_running())?;
        // Before it is asked: it may end at once. What is above it holds its monitors, as those of any child.
        let above = scope.parent.as_ref().unwrap_or(&scope).shared();
        let monitor = above.monitors.add(control.cell()).ok_or_else(|| self.not_running())?;
        self.shutdown(AskedBy { call: "SupervisorHandle::stop", place: None })?;
        match CallOrigin::current() {
            // N6: it is carried out all the same, and the caller must not wait for its own end.
            Some(caller) => match Waiting::begin(caller.chain(), control.id()) {
                Some(waiting) => Ok((monitor, Some(waiting))),
                None => Err(SupervisorError::WouldDeadlock { path: self.path() }),
            },
            None => Ok((monitor, None)),
        }
    }

    /// Returns the notifications of changes in the tree of the supervisor, if that runs.
    pub(crate) fn changes(&self) -> Result<Changes, SupervisorError> {
        let changes = self.lock().running.as_ref().map(|running| running.scope.changes.clone());
        changes.ok_or_else(|| self.not_running())
    }

    /// Returns whether a child is not going to run any more, as far as its supervisor can tell.
    pub(crate) fn is_gone(&self, id: ChildId) -> bool {
        // N8: a supervisor that has ended leaves no child behind that it would start again.
        let Ok((engine, newest)) = self.running_with_newest() else { return true };
        let engine = engine.lock();
        match engine.state_of(id) {
            Some(state) => state == ChildState::Stopped,
            // N7: sent, and not read yet.
            None => !(engine.newest() < id && id <= newest),
        }
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

    pub(crate) fn monitors(&self) -> &Monitors {
        &self.monitors
    }

    pub(crate) fn scopes(&self) -> &Scopes {
        &self.scopes
    }

    /// Monitors the process that a child has now; its first one, if it has had none.
    pub(crate) fn monitor(&self, id: ChildId) -> Result<Monitor, SupervisorError> {
        let (locked, newest) = self.running_with_newest()?;
        let (child, monitor) = {
            let engine = locked.lock();
            match engine.find(id) {
                Some(child) => {
                    let cell = child.cell();
                    let is_to_start = || engine.state_of(id) != Some(ChildState::Stopped);
                    let now = || self.monitors.add(cell);
                    let monitor = now().or_else(|| {
                        // Its first process may begin meanwhile.
                        is_to_start().then(|| locked.expected.add(id, Some(cell)).or_else(now)).flatten()
                    });
                    (Some(child.clone()), monitor)
                }
                // P11: sent, and not read yet. A supervisor that stops is going to refuse it.
                None if engine.newest() < id && id <= newest && !engine.is_stopping() => {
                    (None, locked.expected.add(id, None))
                }
                None => (None, None),
            }
        };
        monitor.ok_or_else(|| match child {
            Some(child) => SupervisorError::ChildNotRunning { path: format!("{}.{}", self.path(), child.name()) },
            None => SupervisorError::NotFound { path: self.path() },
        })
    }

    /// Returns the engine of a supervisor that runs, and the latest child that it was sent.
    fn running_with_newest(&self) -> Result<(Arc<LockedEngine>, ChildId), SupervisorError> {
        let state = self.lock();
        let found = state.engine.clone().zip(state.running.as_ref().map(|running| running.newest));
        drop(state);
        found.ok_or_else(|| self.not_running())
    }

    /// Subscribes to what happens to the supervisor and below it, from now on.
    pub(crate) fn events(&self, subtree: Option<String>) -> Events {
        self.subscribers.add(subtree.map(|name| [format!("{}.{name}", self.path()), name]))
    }

    pub(crate) fn not_running(&self) -> SupervisorError {
        SupervisorError::NotRunning { path: self.path() }
    }

    pub(crate) fn path(&self) -> String {
        self.lock().path.to_string()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
