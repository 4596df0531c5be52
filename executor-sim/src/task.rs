use std::{
    collections::BTreeMap,
    future::Future,
    mem,
    pin::Pin,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
    time::Duration,
};

use fastrand::Rng;
use supervisor_core::Process;

/// The processes of a simulation, and which of them can go on.
#[derive(Debug)]
pub(crate) struct Tasks {
    state: Mutex<State>,
    /// Something became ready.
    woken: Condvar,
}

#[derive(Debug)]
struct State {
    rng: Rng,
    ready: Vec<Arc<Task>>,
    /// Their number is the order in which they were spawned.
    all: BTreeMap<u64, Arc<Task>>,
    spawned: u64,
    /// The future that the caller waits for can go on.
    is_main_ready: bool,
}

#[derive(Debug)]
pub(crate) struct Task {
    number: u64,
    process: Mutex<Option<Process>>,
    is_ready: AtomicBool,
    tasks: Weak<Tasks>,
}

/// Who goes next.
pub(crate) enum Next {
    Main,
    Task(Arc<Task>),
}

impl Tasks {
    pub(crate) fn with_seed(seed: u64) -> Arc<Self> {
        let state = State {
            rng: Rng::with_seed(seed),
            ready: Vec::new(),
            all: BTreeMap::new(),
            spawned: 0,
            is_main_ready: false,
        };
        Arc::new(Self { state: Mutex::new(state), woken: Condvar::new() })
    }

    pub(crate) fn spawn(self: &Arc<Self>, process: Process) {
        let mut state = self.lock();
        let task = Arc::new(Task {
            number: state.spawned,
            process: Mutex::new(Some(process)),
            is_ready: AtomicBool::new(true),
            tasks: Arc::downgrade(self),
        });
        state.spawned += 1;
        state.all.insert(task.number, task.clone());
        state.ready.push(task);
    }

    pub(crate) fn next(&self) -> Option<Next> {
        let mut state = self.lock();
        let mains = usize::from(state.is_main_ready);
        let candidates = state.ready.len() + mains;
        if candidates == 0 {
            return None;
        }
        let chosen = state.rng.usize(..candidates);
        if chosen < state.ready.len() {
            return Some(Next::Task(state.ready.swap_remove(chosen)));
        }
        state.is_main_ready = false;
        Some(Next::Main)
    }

    pub(crate) fn wake_main(&self) {
        self.lock().is_main_ready = true;
        self.woken.notify_one();
    }

    /// Waits, in real time, until another thread has woken something. Whether one has.
    pub(crate) fn wait_for_foreign_wake(&self, limit: Duration) -> bool {
        let nothing = |state: &mut State| state.ready.is_empty() && !state.is_main_ready;
        let waited = self.woken.wait_timeout_while(self.lock(), limit, nothing);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(crate) fn random(&self) -> u64 {
        self.lock().rng.u64(..)
    }

    /// Drops all processes, as the end of an executor does.
    pub(crate) fn end(&self) {
        // A process that is dropped may bring about that another one is spawned.
        loop {
            let all = mem::take(&mut self.lock().all);
            if all.is_empty() {
                return;
            }
            for task in all.into_values() {
                let process = task.lock().take();
                drop(process);
            }
        }
    }

    fn forget(&self, number: u64) {
        let task = self.lock().all.remove(&number);
        drop(task);
    }

    fn wake(&self, task: Arc<Task>) {
        self.lock().ready.push(task);
        self.woken.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    pub(crate) fn poll(self: &Arc<Self>) {
        self.is_ready.store(false, SeqCst);
        let Some(mut process) = self.lock().take() else { return };
        let waker = Waker::from(self.clone());
        if Pin::new(&mut process).poll(&mut Context::from_waker(&waker)).is_pending() {
            *self.lock() = Some(process);
            return;
        }
        drop(process);
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.forget(self.number);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        if !self.is_ready.swap(true, SeqCst) {
            if let Some(tasks) = self.tasks.upgrade() {
                tasks.wake(self);
            }
        }
    }
}
