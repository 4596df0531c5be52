use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{
    command::{Call, Command},
    view::{Remains, View},
};
use crate::{
    child::{ChildSpec, check},
    error::SupervisorError,
    mailbox::Mailbox,
    observe::{Events, Source, Subscribers, SupervisorInfo},
    process::{ChildId, Control, Flags, Name, ProcessId},
    quiet::Token,
    scope::Scope,
    spawner::Spawner,
    strategy::{AutoShutdown, SupervisorSettings},
};

/// Where the handles of a supervisor find it: over its restarts, and also when it does not run.
///
/// Nobody is woken, and nothing of a user's is dropped, under the lock.
pub(crate) struct Hub {
    state: Mutex<State>,
    subscribers: Arc<Subscribers>,
}

struct State {
    /// As far as it is known.
    path: String,
    running: Option<Running>,
    /// What is left of its last run.
    remains: Option<Arc<Remains>>,
}

struct Running {
    scope: Arc<Scope>,
    control: Arc<dyn Control>,
    commands: Arc<Mailbox<Command>>,
    auto_shutdown: AutoShutdown,
    info: SupervisorInfo,
    /// It was asked to stop, and has not seen it yet.
    asked: Token,
}

impl Running {
    /// Who has to be woken, once the lock is let go of.
    fn post(&self, command: Command) -> Arc<Scope> {
        // It is never closed: as long as it can be found here, somebody is going to look into it.
        let _ = self.commands.put(self.scope.envelope(command));
        self.scope.clone()
    }
}

impl Hub {
    pub(crate) fn new(name: &Name) -> Arc<Self> {
        let state = State { path: name.as_str().to_owned(), running: None, remains: None };
        Arc::new(Self { state: Mutex::new(state), subscribers: Arc::default() })
    }

    /// The supervisor runs.
    pub(super) fn open(
        &self,
        scope: &Arc<Scope>,
        control: &Arc<dyn Control>,
        settings: &SupervisorSettings,
    ) -> Arc<Mailbox<Command>> {
        let commands = Arc::new(Mailbox::new());
        let (scope, control) = (scope.clone(), control.clone());
        let path = scope.path();
        let running = Running {
            scope,
            control,
            commands: commands.clone(),
            auto_shutdown: settings.auto_shutdown,
            info: SupervisorInfo::new(Source::Unreachable, settings),
            asked: Token::none(),
        };
        let before = {
            let mut state = self.lock();
            state.path = path;
            (state.running.replace(running), state.remains.take())
        };
        drop(before);
        commands
    }

    /// That run of the supervisor is over. Nothing is sent to it after this.
    pub(super) fn close(&self, scope: &Arc<Scope>) {
        let mut state = self.lock();
        let ended = state.running.take_if(|running| Arc::ptr_eq(&running.scope, scope));
        drop(state);
        drop(ended);
    }

    /// The supervisor has ended. What is left of it can be looked at.
    pub(super) fn bury(&self, remains: Remains) {
        let before = self.lock().remains.replace(Arc::new(remains));
        drop(before);
    }

    pub(super) fn last_view(&self) -> Option<View> {
        let remains = self.lock().remains.clone()?;
        Some(remains.view())
    }

    /// The executor of its children, while it runs.
    pub(super) fn spawner(&self) -> Option<Arc<dyn Spawner>> {
        self.lock().running.as_ref().map(|running| running.scope.spawner.clone())
    }

    /// Its process and its settings, while it runs.
    pub(super) fn known(&self) -> Option<(Option<ProcessId>, SupervisorInfo)> {
        let state = self.lock();
        let running = state.running.as_ref()?;
        Some((running.control.cell().process(), running.info.clone()))
    }

    /// The supervisor is not going to run again.
    pub(crate) fn retire(&self) {
        self.subscribers.close();
    }

    /// Sends a command to the supervisor, if it runs.
    pub(crate) fn send(&self, command: Command) -> Result<(), SupervisorError> {
        let state = self.lock();
        let Some(running) = &state.running else {
            drop(state);
            return Err(self.not_running());
        };
        let scope = running.post(command);
        drop(state);
        scope.waker.wake();
        Ok(())
    }

    /// Has the supervisor start another child, if it runs and the child can work there.
    pub(crate) fn start(&self, spec: ChildSpec, call: Option<Call>) -> Result<ChildId, SupervisorError> {
        let state = self.lock();
        let Some(running) = &state.running else {
            drop(state);
            return Err(self.not_running());
        };
        if let Err(invalid) = check(spec.as_child(), &|| running.scope.path(), running.auto_shutdown) {
            drop(state);
            return Err(invalid);
        }
        // Under the lock, so that children come in the order of their ids.
        let child = spec.into_child();
        let id = child.id();
        let scope = running.post(Command::Start { child, call });
        drop(state);
        scope.waker.wake();
        Ok(id)
    }

    /// Asks the supervisor itself to stop, if it runs.
    pub(crate) fn shutdown(&self) -> Result<(), SupervisorError> {
        let control = self.lock().running.as_mut().map(|running| {
            running.asked = running.scope.quiet.token();
            running.control.clone()
        });
        control.ok_or_else(|| self.not_running())?.cell().request(Flags::SHUTDOWN);
        Ok(())
    }

    /// The supervisor has seen that it is asked to stop.
    pub(super) fn acknowledge(&self) {
        if let Some(running) = &mut self.lock().running {
            running.asked = Token::none();
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
