use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use atomic_waker::AtomicWaker;

use super::{BoxError, node::Node, supervisor::NotRunning, task::Process};

/// What waits for the supervisor.
#[derive(Default)]
pub(super) struct Inbox {
    waiting: Mutex<Waiting>,
    supervisor: AtomicWaker,
}

#[derive(Default)]
struct Waiting {
    exits: Vec<Exit>,
    commands: Vec<Command>,
    has_to_stop: bool,
    is_closed: bool,
}

/// The key of a child, and how it has ended.
pub(super) type Exit = (usize, Result<(), BoxError>);

/// A child to add.
pub(super) struct Command {
    pub(super) node: Arc<Node>,
    pub(super) process: Process,
    pub(super) answer: Option<oneshot::Sender<usize>>,
}

impl Inbox {
    pub(super) fn exited(&self, key: usize, outcome: Result<(), BoxError>) {
        self.lock().exits.push((key, outcome));
        self.supervisor.wake();
    }

    pub(super) fn command(&self, command: Command) -> Result<(), NotRunning> {
        let mut waiting = self.lock();
        if waiting.is_closed || waiting.has_to_stop {
            return Err(NotRunning);
        }
        waiting.commands.push(command);
        drop(waiting);
        self.supervisor.wake();
        Ok(())
    }

    pub(super) fn stop(&self) {
        self.lock().has_to_stop = true;
        self.supervisor.wake();
    }

    pub(super) fn has_to_stop(&self) -> bool {
        self.lock().has_to_stop
    }

    /// Waits for exits. They take the place of the empty `exits`, so that both buffers are used again and again.
    pub(super) fn poll_exits(&self, cx: &mut Context<'_>, exits: &mut Vec<Exit>) -> Poll<()> {
        self.supervisor.register(cx.waker());
        mem::swap(&mut self.lock().exits, exits);
        if exits.is_empty() { Poll::Pending } else { Poll::Ready(()) }
    }

    /// Waits for exits, commands, or the request to stop, and returns whether it is there.
    pub(super) fn poll(&self, cx: &mut Context<'_>, exits: &mut Vec<Exit>, commands: &mut Vec<Command>) -> Poll<bool> {
        self.supervisor.register(cx.waker());
        let mut waiting = self.lock();
        mem::swap(&mut waiting.exits, exits);
        mem::swap(&mut waiting.commands, commands);
        if exits.is_empty() && commands.is_empty() && !waiting.has_to_stop {
            return Poll::Pending;
        }
        Poll::Ready(waiting.has_to_stop)
    }

    /// Refuses what comes from now on, and drops the commands that wait, so that their callers are told.
    pub(super) fn close(&self) {
        let mut waiting = self.lock();
        waiting.is_closed = true;
        let commands = mem::take(&mut waiting.commands);
        drop(waiting);
        drop(commands);
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
