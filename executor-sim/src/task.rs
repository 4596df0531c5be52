use std::{
    collections::BTreeMap,
    fmt,
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

use crate::{
    clock::Clock,
    fault::Fault,
    plan::{Intervention, Plan},
    trace::{Moment, Recorder},
};

/// The processes of a simulation, on all its executors, and which of them can go on.
pub(crate) struct Tasks {
    state: Mutex<State>,
    /// Something became ready.
    woken: Condvar,
    pub(crate) clock: Arc<Clock>,
}

struct State {
    rng: Rng,
    ready: Vec<Arc<Task>>,
    /// Their number is the order in which they were spawned.
    all: BTreeMap<u64, Arc<Task>>,
    spawned: u64,
    /// The future that the caller waits for can go on.
    is_main_ready: bool,
    faults: Vec<Fault>,
    /// How many processes of each name there were.
    incarnations: BTreeMap<String, u32>,
    recorder: Recorder,
}

pub(crate) struct Task {
    number: u64,
    executor: u32,
    name: String,
    /// The how manieth process of its name.
    incarnation: u32,
    process: Mutex<Option<Process>>,
    plan: Mutex<Plan>,
    is_ready: AtomicBool,
    tasks: Weak<Tasks>,
}

/// Who goes next.
pub(crate) enum Next {
    Main,
    Task(Arc<Task>),
}

impl Tasks {
    pub(crate) fn new(seed: u64, clock: Arc<Clock>, recorder: Recorder) -> Arc<Self> {
        let state = State {
            rng: Rng::with_seed(seed),
            ready: Vec::new(),
            all: BTreeMap::new(),
            spawned: 0,
            is_main_ready: false,
            faults: Vec::new(),
            incarnations: BTreeMap::new(),
            recorder,
        };
        Arc::new(Self { state: Mutex::new(state), woken: Condvar::new(), clock })
    }

    pub(crate) fn spawn(self: &Arc<Self>, process: Process, executor: u32) {
        let name = process.name().unwrap_or_default();
        let now = self.clock.elapsed();
        let mut state = self.lock();
        let count = state.incarnations.entry(name.clone()).or_default();
        *count += 1;
        let incarnation = *count;
        let State { faults, rng, .. } = &mut *state;
        let faults = faults.iter().filter(|fault| fault.strikes(&name, incarnation, now, rng));
        let plan = Plan::new(faults.cloned().collect());
        let number = state.spawned;
        state.spawned += 1;
        state.recorder.record(Moment::Spawned { number, name: &name });
        if plan.is_refused() {
            drop(state);
            drop(process);
            return;
        }
        let task = Arc::new(Task {
            number,
            executor,
            name,
            incarnation,
            process: Mutex::new(Some(process)),
            plan: Mutex::new(plan),
            is_ready: AtomicBool::new(true),
            tasks: Arc::downgrade(self),
        });
        state.all.insert(number, task.clone());
        state.ready.push(task);
        drop(state);
        self.woken.notify_one();
    }

    /// From now on this goes wrong, also for those who are there already.
    pub(crate) fn add_fault(&self, fault: Fault) {
        let now = self.clock.elapsed();
        let mut state = self.lock();
        let State { all, rng, .. } = &mut *state;
        let stricken: Vec<_> = match fault.is_for_starts() {
            true => Vec::new(),
            false => {
                let is_stricken = |task: &&Arc<Task>| fault.strikes(&task.name, task.incarnation, now, rng);
                all.values().filter(is_stricken).cloned().collect()
            }
        };
        state.faults.push(fault.clone());
        drop(state);
        for task in stricken {
            task.lock_plan().add(fault.clone());
            task.wake_now();
        }
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
            let task = state.ready.swap_remove(chosen);
            state.recorder.record(Moment::Polled { number: task.number, name: &task.name });
            return Some(Next::Task(task));
        }
        state.is_main_ready = false;
        state.recorder.record(Moment::Main);
        Some(Next::Main)
    }

    /// Lets the clock jump to the next timer, but not beyond `limit` since the start. Whether there was one.
    pub(crate) fn jump(&self, limit: Option<Duration>) -> bool {
        let has_jumped = self.clock.jump(limit);
        if has_jumped {
            let elapsed = self.clock.elapsed();
            self.lock().recorder.record(Moment::Jumped { to: elapsed });
        }
        has_jumped
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

    pub(crate) fn count(&self) -> usize {
        self.lock().all.len()
    }

    pub(crate) fn random(&self) -> u64 {
        self.lock().rng.u64(..)
    }

    fn random_up_to(&self, limit: Duration) -> Duration {
        limit.mul_f64(self.lock().rng.f64())
    }

    pub(crate) fn with_recorder<R>(&self, look: impl FnOnce(&mut Recorder) -> R) -> R {
        look(&mut self.lock().recorder)
    }

    /// Drops all processes of an executor, or of all, as the end of one does.
    pub(crate) fn end(&self, executor: Option<u32>) {
        // A process that is dropped may bring about that another one is spawned.
        loop {
            let ended: Vec<_> = {
                let mut state = self.lock();
                let all = mem::take(&mut state.all).into_iter();
                let (ended, rest) =
                    all.partition(|(_, task)| executor.is_none_or(|executor| task.executor == executor));
                state.all = rest;
                BTreeMap::into_values(ended).collect()
            };
            if ended.is_empty() {
                return;
            }
            for task in ended {
                let process = task.lock().take();
                drop(process);
            }
        }
    }

    fn forget(&self, task: &Task) {
        let mut state = self.lock();
        state.recorder.record(Moment::Ended { number: task.number, name: &task.name });
        let task = state.all.remove(&task.number);
        drop(state);
        drop(task);
    }

    fn push(&self, task: Arc<Task>) {
        self.lock().ready.push(task);
        self.woken.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Task {
    /// Polls the process, unless something else is to happen to it.
    pub(crate) fn poll(self: &Arc<Self>) {
        let Some(tasks) = self.tasks.upgrade() else { return };
        self.is_ready.store(false, SeqCst);
        let Some(mut process) = self.lock().take() else { return };
        let now = tasks.clock.elapsed();
        self.lock_plan().notice_ready(&process, now, |limit| tasks.random_up_to(limit));
        let intervention = self.lock_plan().intervention(now);
        match intervention {
            Some(Intervention::Drop) => drop(process),
            Some(Intervention::BreakOff(exit)) => process.break_off(exit),
            // It is polled when that is over.
            Some(Intervention::Stall) => return self.put_back(process, &tasks),
            None => {
                let waker = Waker::from(self.clone());
                if Pin::new(&mut process).poll(&mut Context::from_waker(&waker)).is_pending() {
                    self.lock_plan().notice_ready(&process, now, |limit| tasks.random_up_to(limit));
                    return self.put_back(process, &tasks);
                }
            }
        }
        tasks.forget(self);
    }

    fn put_back(self: &Arc<Self>, process: Process, tasks: &Tasks) {
        *self.lock() = Some(process);
        let due = self.lock_plan().take_alarms();
        for at in due {
            tasks.clock.set_after_start(at, Waker::from(Arc::new(Alarm(self.clone()))));
        }
    }

    fn wake_now(self: &Arc<Self>) {
        if !self.is_ready.swap(true, SeqCst) {
            if let Some(tasks) = self.tasks.upgrade() {
                tasks.push(self.clone());
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        let late_by = self.lock_plan().wakes_late_by();
        let (Some(late_by), Some(tasks)) = (late_by, self.tasks.upgrade()) else { return self.wake_now() };
        let at = tasks.clock.elapsed() + tasks.random_up_to(late_by);
        tasks.clock.set_after_start(at, Waker::from(Arc::new(Alarm(self))));
    }
}

/// Wakes a process at a time that its plan names, whatever the plan says about wakes.
struct Alarm(Arc<Task>);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.0.wake_now();
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").finish_non_exhaustive()
    }
}
