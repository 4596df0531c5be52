use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use async_channel::{Receiver, Sender};

use crate::{
    child::Child,
    engine::Engine,
    error::SupervisorError,
    observe::{ChildInfo, Counts},
    process::{ChildId, Control, Flags, Link, Name},
    quiet::Token,
    scope::{Envelope, Scope},
};

/// What a running supervisor is asked by whoever holds a handle. Dropped unanswered, it answers by that.
pub(crate) enum Command {
    Children(Sender<Vec<ChildInfo>>),
    Count(Sender<Counts>),
    Kill(ChildId, Sender<Result<(), SupervisorError>>),
}

impl Command {
    pub(super) fn carry_out(self, engine: &mut Engine<Arc<dyn Child>>, scope: &Scope, now: Instant) {
        // Whoever does not wait for the answer any longer does not get one.
        match self {
            Self::Children(reply) => {
                let _ = reply.try_send(engine.children().map(info).collect());
            }
            Self::Count(reply) => {
                let _ = reply.try_send(engine.counts());
            }
            Self::Kill(child, reply) => {
                let answer = match engine.kill_child(child, now) {
                    Some(true) => Ok(()),
                    Some(false) => Err(SupervisorError::ChildNotRunning {
                        path: engine.find(child).map_or_else(String::new, |spec| scope.path_of(spec.name().as_str())),
                    }),
                    None => Err(SupervisorError::NotFound { path: scope.path() }),
                };
                let _ = reply.try_send(answer);
            }
        }
    }
}

fn info((id, spec, state): (ChildId, &Arc<dyn Child>, crate::observe::ChildState)) -> ChildInfo {
    ChildInfo {
        id,
        name: spec.name().as_str().to_owned(),
        process: spec.cell().process(),
        state,
        kind: spec.settings().kind,
    }
}

/// Where the handles of a supervisor find it: over its restarts, and also when it does not run.
pub(crate) struct Hub(Mutex<State>);

struct State {
    /// As far as it is known.
    path: String,
    running: Option<Running>,
}

struct Running {
    scope: Arc<Scope>,
    control: Arc<dyn Control>,
    commands: Sender<Envelope<Command>>,
    /// It was asked to stop, and has not seen it yet.
    asked: Token,
}

impl Hub {
    pub(crate) fn new(name: &Name) -> Arc<Self> {
        Arc::new(Self(Mutex::new(State { path: name.as_str().to_owned(), running: None })))
    }

    /// The supervisor runs.
    pub(super) fn open(&self, scope: &Arc<Scope>, control: &Arc<dyn Control>) -> Receiver<Envelope<Command>> {
        let (commands, receiver) = async_channel::unbounded();
        let running = Running { scope: scope.clone(), control: control.clone(), commands, asked: Token::none() };
        let before = {
            let mut state = self.lock();
            state.path = scope.path();
            state.running.replace(running)
        };
        drop(before);
        receiver
    }

    /// That run of the supervisor is over.
    pub(super) fn close(&self, scope: &Arc<Scope>) {
        let mut state = self.lock();
        let ended = state.running.take_if(|running| Arc::ptr_eq(&running.scope, scope));
        drop(state);
        drop(ended);
    }

    /// Sends a command to the supervisor, if it runs.
    pub(crate) fn send(&self, command: Command) -> Result<(), SupervisorError> {
        let running = self.lock().running.as_ref().map(|running| (running.commands.clone(), running.scope.clone()));
        let (commands, scope) = running.ok_or_else(|| self.not_running())?;
        commands.try_send(scope.envelope(command)).map_err(|_| self.not_running())?;
        scope.waker.wake();
        Ok(())
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

    pub(crate) fn not_running(&self) -> SupervisorError {
        SupervisorError::NotRunning { path: self.path() }
    }

    pub(crate) fn path(&self) -> String {
        self.lock().path.clone()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
