//! The actors of a scenario: workers that do as their script says, and who finds them there.

use std::{
    collections::{BTreeMap, BTreeSet},
    panic::panic_any,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_channel::{Receiver, Sender};
use futures_lite::future::or;
use supervisor_core::{
    InitializationError, ProcessId, ProcessShutdown, ShutdownStrategy, Supervisable, SupervisorFuture,
    SupervisorHandle, process,
    testing::{Busy, HeldUp, Probe},
};

use super::scenario::{How, Node, OnShutdown, Shutdown, Start};

pub(crate) const SCRIPTED_PANIC: &str = "as the script says";

/// The actors, by path.
#[derive(Default)]
pub(crate) struct Stage {
    workers: Mutex<BTreeMap<String, (ProcessId, Sender<Cue>)>>,
    gates: Mutex<BTreeMap<String, Sender<Busy>>>,
    supervisors: Mutex<BTreeMap<String, Lead>>,
    /// Workers whose start, asked for by a call, found nothing to run.
    ignored: Mutex<BTreeSet<String>>,
    /// Workers whose normal end is what OTP calls `shutdown`.
    orderly: Mutex<Vec<ProcessId>>,
}

/// A supervisor of the scenario.
#[derive(Clone)]
pub(crate) struct Lead {
    pub(crate) handle: SupervisorHandle,
    /// Of a dynamic one.
    pub(crate) template: Option<Node>,
}

/// A cue for a worker; until it is done, something is in flight.
struct Cue {
    how: How,
    _busy: Busy,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Stage {
    /// Gives a cue. Returns whether there is a worker for it.
    pub(crate) fn cue(&self, path: &str, how: How, busy: Busy) -> bool {
        match lock(&self.workers).get(path) {
            Some((_, worker)) => worker.try_send(Cue { how, _busy: busy }).is_ok(),
            None => false,
        }
    }

    pub(crate) fn is_alive(&self, path: &str) -> bool {
        lock(&self.workers).contains_key(path)
    }

    /// Lets a gated start go on. A gate whose start was aborted is gone.
    pub(crate) fn release(&self, path: &str, busy: Busy) {
        if let Some(gate) = lock(&self.gates).remove(path) {
            let _ = gate.try_send(busy);
        }
    }

    pub(crate) fn ended_orderly(&self, process: Option<ProcessId>) -> bool {
        process.is_some_and(|process| lock(&self.orderly).contains(&process))
    }

    /// Returns the supervisor that is, or was, at this path.
    pub(crate) fn supervisor(&self, path: &str) -> Option<Lead> {
        lock(&self.supervisors).get(path).cloned()
    }

    pub(crate) fn enter(&self, supervisors: Vec<(String, Lead)>) {
        lock(&self.supervisors).extend(supervisors);
    }

    /// Returns whether a worker's last start found nothing to run, since the last call.
    pub(crate) fn was_ignored(&self, path: &str) -> bool {
        lock(&self.ignored).remove(path)
    }
}

/// A worker of a scenario.
pub(crate) struct Actor {
    pub(crate) id: String,
    pub(crate) path: String,
    pub(crate) start: Vec<Start>,
    pub(crate) on_shutdown: OnShutdown,
    pub(crate) shutdown: Option<Shutdown>,
    pub(crate) attempts: AtomicUsize,
    pub(crate) stage: Arc<Stage>,
    pub(crate) probe: Probe,
}

impl Supervisable for Actor {
    fn name(&self) -> &str {
        &self.id
    }

    fn shutdown_strategy(&self) -> ShutdownStrategy {
        match self.shutdown {
            None => ShutdownStrategy::default(),
            Some(Shutdown::Brutal) => ShutdownStrategy::Brutal,
            Some(Shutdown::Infinity) => ShutdownStrategy::UNLIMITED,
            Some(Shutdown::GracefulMs(ms)) => ShutdownStrategy::Graceful(Duration::from_millis(ms)),
        }
    }

    async fn initialize(&self, shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        let attempt = self.attempts.fetch_add(1, SeqCst);
        let last = self.start.len().saturating_sub(1);
        let mut outcome = self.start.get(attempt.min(last)).unwrap_or(&Start::Ok);
        if let Start::Gated(behind) = outcome {
            self.gate().await;
            outcome = behind;
        }
        match outcome {
            Start::Error => Err("as the script says".into()),
            Start::Panic => panic_any(SCRIPTED_PANIC),
            Start::Ignore => {
                lock(&self.stage.ignored).insert(self.path.clone());
                Err(InitializationError::ignore())
            }
            Start::Ok | Start::Gated(_) => {
                let (sender, cues) = async_channel::unbounded();
                let entrance = Entrance::new(&self.path, &self.stage, sender);
                Ok(Box::pin(act(entrance, cues, shutdown, self.on_shutdown)))
            }
        }
    }
}

impl Actor {
    async fn gate(&self) {
        let (sender, released) = async_channel::bounded(1);
        lock(&self.stage.gates).insert(self.path.clone(), sender);
        self.probe.note(format!("gated {}", self.path));
        let held_up: HeldUp = self.probe.held_up();
        let _busy = released.recv().await;
        drop(held_up);
    }
}

async fn act(
    entrance: Entrance,
    cues: Receiver<Cue>,
    mut shutdown: ProcessShutdown,
    on_shutdown: OnShutdown,
) -> Result<(), supervisor_core::BoxError> {
    let asked = async {
        shutdown.wait_for_shutdown().await;
        None
    };
    let cued = async { cues.recv().await.ok() };
    let cue = match or(cued, asked).await {
        Some(cue) => Some(cue),
        None => match on_shutdown {
            OnShutdown::Exit => return entrance.orderly(),
            OnShutdown::Normal => return Ok(()),
            OnShutdown::Error => return Err("as the script says".into()),
            OnShutdown::Panic => panic_any(SCRIPTED_PANIC),
            OnShutdown::AfterMs(ms) => {
                process::sleep(Duration::from_millis(ms)).await;
                return entrance.orderly();
            }
            OnShutdown::Ignore => cues.recv().await.ok(),
        },
    };
    match cue.as_ref().map(|cue| cue.how) {
        Some(How::Error) => Err("as the script says".into()),
        Some(How::Panic) => panic_any(SCRIPTED_PANIC),
        Some(How::Shutdown) => entrance.orderly(),
        Some(How::Normal | How::Kill) | None => Ok(()),
    }
}

/// A worker that is on stage: it can be found there until it is dropped.
struct Entrance {
    path: String,
    process: ProcessId,
    stage: Arc<Stage>,
}

impl Entrance {
    fn new(path: &str, stage: &Arc<Stage>, cues: Sender<Cue>) -> Self {
        let process = process::current().expect("a worker runs in its process").id();
        lock(&stage.workers).insert(path.to_owned(), (process, cues));
        Self { path: path.to_owned(), process, stage: stage.clone() }
    }

    /// Returns the end that OTP calls `shutdown`.
    fn orderly(&self) -> Result<(), supervisor_core::BoxError> {
        lock(&self.stage.orderly).push(self.process);
        Ok(())
    }
}

impl Drop for Entrance {
    fn drop(&mut self) {
        let mut workers = lock(&self.stage.workers);
        if workers.get(&self.path).is_some_and(|(process, _)| *process == self.process) {
            workers.remove(&self.path);
        }
    }
}
