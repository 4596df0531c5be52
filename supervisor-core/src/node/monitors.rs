use std::{
    collections::BTreeMap,
    fmt,
    future::Future,
    pin::Pin,
    sync::PoisonError,
    task::{Context, Poll},
};

use oneshot::{AsyncReceiver, Sender};

use crate::{
    incarnation::{ControlCell, Exit, ProcessId, guard},
    sync::{Mutex, MutexGuard},
};

/// A wait for the exit of one incarnation of a child: a future of the [`Exit`].
///
/// It comes from [`SupervisorHandle::monitor`](crate::SupervisorHandle::monitor), and resolves after the process's future was
/// dropped, and before a successor starts. It watches one incarnation: a restart of the child ends it. If the child never
/// gets a process, because it is refused or its supervisor ends first, it resolves with [`Exit::Aborted`].
///
/// It may be kept and awaited anywhere, also after the supervisor has ended. Dropping it changes nothing for the process.
/// Cancel-safe: await it by reference, and a `select!` may drop that wait and begin another one.
#[must_use = "futures do nothing unless they are awaited"]
pub struct Monitor {
    process: Option<ProcessId>,
    exit: AsyncReceiver<Exit>,
}

impl Monitor {
    /// Makes a monitor of the first process of a child, with its other end.
    pub(super) fn of_first() -> (Sender<Exit>, Self) {
        let (sender, exit) = oneshot::async_channel();
        (sender, Self { process: None, exit })
    }

    /// Returns the process that it watches. `None` if the child had no process yet when the monitor was made: then it watches
    /// the first one.
    pub fn process(&self) -> Option<ProcessId> {
        self.process
    }
}

impl Future for Monitor {
    type Output = Exit;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Exit> {
        // The other end is dropped without an exit only together with the process.
        Pin::new(&mut self.exit).poll(cx).map(|exit| exit.unwrap_or(Exit::Lost))
    }
}

impl fmt::Debug for Monitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monitor").field("process", &self.process).finish_non_exhaustive()
    }
}

/// The monitors of a supervisor's children, by their processes.
///
/// While the lock is held, no task is woken.
#[derive(Default)]
pub(crate) struct Monitors(Mutex<BTreeMap<ProcessId, Vec<Sender<Exit>>>>);

impl Monitors {
    /// Begins to monitor the current incarnation of a child; `None` if none runs.
    pub(crate) fn add(&self, cell: &ControlCell) -> Option<Monitor> {
        let (sender, exit) = oneshot::async_channel();
        // P11: the cell is marked under the lock. So a process that finds the mark as it ends finds the sender, too.
        let mut monitors = self.lock();
        let process = cell.monitor()?;
        let senders = monitors.entry(process).or_default();
        // Cleaned when it is full: so monitors that were dropped do not pile up.
        if senders.len() == senders.capacity() {
            senders.retain(|sender| !sender.is_closed());
        }
        senders.push(sender);
        Some(Monitor { process: Some(process), exit })
    }

    /// Adds monitors of the current incarnation of a child, which does not run yet.
    pub(super) fn extend(&self, cell: &ControlCell, senders: Vec<Sender<Exit>>) {
        let mut monitors = self.lock();
        if let Some(process) = cell.monitor() {
            monitors.entry(process).or_default().extend(senders);
        }
    }

    /// Tells the monitors of a process how it has ended.
    pub(crate) fn tell(&self, process: ProcessId, exit: &Exit) {
        let senders = self.lock().remove(&process);
        for sender in senders.into_iter().flatten() {
            // P9: this wakes a task, and a waker is foreign code.
            let _ = guard(|| sender.send(exit.clone()));
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProcessId, Vec<Sender<Exit>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
