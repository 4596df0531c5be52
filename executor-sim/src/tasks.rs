use std::{
    collections::BTreeMap,
    fmt, mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use supervisor_core::Process;

use crate::{
    clock::{Clock, Hearing, Jump},
    current::{self, Hand},
    fault::Fault,
    fault_plan::FaultPlan,
    pool::Pool,
    state::{Next, State},
    task::Task,
    threads::Threads,
    trace::{Moment, Recorder},
};

/// The processes of a simulation, on all its executors, and which of them can go on.
pub(crate) struct Tasks {
    state: Mutex<State>,
    /// Notified when something became ready.
    woken: Condvar,
    pub(crate) clock: Arc<Clock>,
}

impl Tasks {
    pub(crate) fn new(seed: u64, clock: Arc<Clock>, recorder: Recorder) -> Arc<Self> {
        let state = State::new(seed, recorder);
        Arc::new(Self { state: Mutex::new(state), woken: Condvar::new(), clock })
    }

    /// Gives an executor threads, before anything is spawned on it.
    pub(crate) fn set_threads(&self, executor: u32, threads: Threads) {
        let mut state = self.lock();
        assert!(
            executor > 0 || state.spawned == 0,
            "the threads of a simulation must be set before a process is spawned"
        );
        match Pool::new(threads) {
            Some(pool) => state.pools.insert(executor, pool),
            None => state.pools.remove(&executor),
        };
    }

    pub(crate) fn spawn(self: &Arc<Self>, process: Process, executor: u32) {
        let name = process.path().unwrap_or_default();
        let (now, by) = (self.clock.elapsed(), current::hand(self));
        let mut state = self.lock();
        // A process that makes an executor spawns the one that continues it there: both are the same incarnation.
        let maker = by.and_then(|hand| state.all.get(&hand.task?)).filter(|task| task.id == process.id());
        let incarnation = maker.map(|task| task.incarnation).unwrap_or_else(|| {
            let count = state.incarnations.entry(name.clone()).or_default();
            *count += 1;
            *count
        });
        let State { faults, rng, .. } = &mut *state;
        let faults = faults.iter().filter(|fault| fault.strikes(&name, incarnation, now, rng));
        let plan = FaultPlan::new(faults.cloned().collect());
        let number = state.spawned;
        state.spawned += 1;
        state.recorder.record(Moment::Spawned { number, name: &name });
        if plan.is_refused() {
            // Outside the lock: the process drops user code, which may wake and spawn.
            drop(state);
            drop(process);
            return;
        }
        let task = Arc::new(Task::new(self, (number, executor), (name, incarnation), process, plan));
        state.all.insert(number, task.clone());
        state.push(task, by);
        drop(state);
        self.woken.notify_one();
    }

    /// Adds a fault, also for processes that exist already.
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
            task.add_fault(fault.clone());
        }
    }

    pub(crate) fn next(&self) -> Option<Next> {
        self.lock().next()
    }

    /// Lets the clock jump to the next timer that is heard, but not beyond `limit` since the start. Returns whether
    /// there was one.
    pub(crate) fn jump(self: &Arc<Self>, limit: Option<Duration>) -> bool {
        let unheard = self.lock().rest();
        let hearing = |executor: Option<u32>| {
            let unheard = unheard.iter().find(|(number, _)| Some(*number) == executor);
            unheard.map_or(Hearing::All, |(_, hearing)| *hearing)
        };
        let Some(jump) = self.clock.jump(limit, hearing) else { return false };
        match jump {
            Jump::Wake(woken) => self.wake_by_timers(woken),
            Jump::Nudge(executor) => {
                self.nudge(executor);
                self.lock().recorder.record(Moment::Nudged { executor });
            }
        }
        let elapsed = self.clock.elapsed();
        self.lock().recorder.record(Moment::Jumped { to: elapsed });
        true
    }

    fn wake_by_timers(self: &Arc<Self>, woken: Vec<(Option<u32>, Waker)>) {
        // One thread hears all timers of an executor that are due.
        let mut listeners = BTreeMap::new();
        for (executor, waker) in woken {
            let thread = executor
                .and_then(|executor| *listeners.entry(executor).or_insert_with(|| self.lock().draw_listener(executor)));
            let hand = executor.filter(|_| thread.is_some());
            let hand = hand.map(|executor| Hand { executor, thread, task: None, is_timer: true });
            let _entered = hand.map(|hand| current::enter(self, hand));
            waker.wake();
        }
    }

    /// Nudges an executor: see [`Spawner::nudge`](supervisor_core::Spawner::nudge).
    pub(crate) fn nudge(&self, executor: u32) {
        let by = current::hand(self).filter(|hand| hand.executor == executor);
        let mut state = self.lock();
        let Some(pool) = state.pools.get_mut(&executor) else { return };
        pool.nudge(by);
        state.is_nudged = true;
        drop(state);
        self.woken.notify_one();
    }

    /// Pauses an executor: see [`SimExecutor::pause`](crate::SimExecutor::pause).
    pub(crate) fn pause(&self, executor: u32) {
        self.lock().pause(executor);
    }

    pub(crate) fn resume_executor(&self, executor: u32) {
        self.lock().resume(executor);
        self.woken.notify_one();
    }

    /// Notes that the poll of this process blocks this thread until this time.
    pub(crate) fn block(&self, task: &Task, thread: usize, until: Option<Duration>) {
        let mut state = self.lock();
        let Some(pool) = state.pools.get_mut(&task.executor) else { return };
        let unready = pool.block(thread, task.number);
        state.recorder.record(Moment::Blocked { number: task.number, name: &task.name, thread, until });
        drop(state);
        drop(unready);
    }

    /// Resumes the poll that blocked this thread.
    pub(crate) fn resume(&self, task: Arc<Task>, thread: usize) {
        let mut state = self.lock();
        if let Some(pool) = state.pools.get_mut(&task.executor) {
            pool.resume(thread, task);
        }
    }

    pub(crate) fn wake_main(&self) {
        self.lock().is_main_ready = true;
        self.woken.notify_one();
    }

    /// Waits, in real time, until another thread has woken something. Returns whether one has.
    pub(crate) fn wait_for_foreign_wake(&self, limit: Duration) -> bool {
        let nothing = |state: &mut State| state.candidates() == 0 && !state.is_nudged;
        let waited = self.woken.wait_timeout_while(self.lock(), limit, nothing);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().all.len()
    }

    pub(crate) fn random(&self) -> u64 {
        self.lock().rng.u64(..)
    }

    pub(crate) fn random_up_to(&self, limit: Duration) -> Duration {
        limit.mul_f64(self.lock().rng.f64())
    }

    pub(crate) fn with_recorder<R>(&self, look: impl FnOnce(&mut Recorder) -> R) -> R {
        look(&mut self.lock().recorder)
    }

    /// Drops all processes of one executor, or of all, as the end of an executor does.
    pub(crate) fn end(&self, executor: Option<u32>) {
        // Dropping a process may spawn another one.
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
                break;
            }
            ended.iter().for_each(|task| task.end());
        }
        let mut state = self.lock();
        let pools = state.pools.iter_mut().filter(|(number, _)| executor.is_none_or(|executor| **number == executor));
        let rest: Vec<_> = pools.map(|(_, pool)| pool.end()).collect();
        let paused = match executor {
            Some(executor) => state.paused.remove(&executor).into_iter().collect(),
            None => mem::take(&mut state.paused).into_values().collect::<Vec<_>>(),
        };
        drop(state);
        drop((rest, paused));
    }

    pub(crate) fn forget(&self, task: &Task) {
        let mut state = self.lock();
        state.recorder.record(Moment::Ended { number: task.number, name: &task.name });
        let task = state.all.remove(&task.number);
        drop(state);
        drop(task);
    }

    /// Adds a process that was woken: by the poll on this thread, or by the driver of its executor.
    pub(crate) fn push(&self, task: Arc<Task>, is_by_driver: bool) {
        let mut state = self.lock();
        let executor = task.executor;
        let hand = match is_by_driver {
            true => {
                let thread = state.draw_listener(executor);
                thread.is_some().then_some(Hand { executor, thread, task: None, is_timer: true })
            }
            false => current::hand(self),
        };
        state.push(task, hand);
        drop(state);
        self.woken.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Tasks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tasks").finish_non_exhaustive()
    }
}
