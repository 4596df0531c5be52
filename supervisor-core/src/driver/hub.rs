use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_channel::{Receiver, Sender};

use super::command::{Call, Command};
use crate::{
    child::{ChildSpec, check},
    error::SupervisorError,
    observe::{Events, Subscribers},
    process::{ChildId, Control, Flags, Name},
    quiet::Token,
    scope::{Envelope, Scope},
    strategy::AutoShutdown,
};

/// Where the handles of a supervisor find it: over its restarts, and also when it does not run.
pub(crate) struct Hub {
    state: Mutex<State>,
    subscribers: Arc<Subscribers>,
}

struct State {
    /// As far as it is known.
    path: String,
    running: Option<Running>,
}

struct Running {
    scope: Arc<Scope>,
    control: Arc<dyn Control>,
    commands: Sender<Envelope<Command>>,
    auto_shutdown: AutoShutdown,
    /// It was asked to stop, and has not seen it yet.
    asked: Token,
}

impl Hub {
    pub(crate) fn new(name: &Name) -> Arc<Self> {
        let state = State { path: name.as_str().to_owned(), running: None };
        Arc::new(Self { state: Mutex::new(state), subscribers: Arc::default() })
    }

    /// The supervisor runs.
    pub(super) fn open(
        &self,
        scope: &Arc<Scope>,
        control: &Arc<dyn Control>,
        auto_shutdown: AutoShutdown,
    ) -> Receiver<Envelope<Command>> {
        let (commands, receiver) = async_channel::unbounded();
        let (scope, control) = (scope.clone(), control.clone());
        let path = scope.path();
        let running = Running { scope, control, commands, auto_shutdown, asked: Token::none() };
        let before = {
            let mut state = self.lock();
            state.path = path;
            state.running.replace(running)
        };
        drop(before);
        receiver
    }

    /// That run of the supervisor is over. Nothing is sent to it after this.
    pub(super) fn close(&self, scope: &Arc<Scope>) {
        let mut state = self.lock();
        let ended = state.running.take_if(|running| Arc::ptr_eq(&running.scope, scope));
        drop(state);
        drop(ended);
    }

    /// The supervisor is not going to run again.
    pub(crate) fn retire(&self) {
        self.subscribers.close();
    }

    /// Sends a command to the supervisor, if it runs. What `make` puts together is sent in the order in which it was made.
    pub(crate) fn send<R>(&self, make: impl FnOnce() -> (Command, R)) -> Result<R, SupervisorError> {
        let state = self.lock();
        let Some(running) = &state.running else {
            drop(state);
            return Err(self.not_running());
        };
        let (command, result) = make();
        let sent = running.commands.try_send(running.scope.envelope(command));
        let scope = running.scope.clone();
        drop(state);
        sent.map_err(|_| self.not_running())?;
        scope.waker.wake();
        Ok(result)
    }

    /// Has the supervisor start another child, if it runs and the child can work there.
    pub(crate) fn start(&self, spec: ChildSpec, call: Option<Call>) -> Result<ChildId, SupervisorError> {
        let running = self.lock().running.as_ref().map(|running| (running.scope.clone(), running.auto_shutdown));
        let (scope, auto_shutdown) = running.ok_or_else(|| self.not_running())?;
        check(spec.as_child(), &scope.path(), auto_shutdown)?;
        self.send(|| {
            let child = spec.into_child();
            let id = child.id();
            (Command::Start { child, call }, id)
        })
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
