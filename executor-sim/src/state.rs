use std::{collections::BTreeMap, mem, sync::Arc};

use fastrand::Rng;

use crate::{
    clock::Hearing,
    current::Hand,
    fault::Fault,
    pool::Pool,
    task::Task,
    trace::{Moment, Recorder},
};

/// The state behind the lock of a simulation.
pub(crate) struct State {
    pub(crate) rng: Rng,
    /// Ready processes of the executors with unlimited threads.
    pub(crate) ready: Vec<Arc<Task>>,
    /// The other executors.
    pub(crate) pools: BTreeMap<u32, Pool>,
    /// The executors that are paused, and their processes that became ready since.
    pub(crate) paused: BTreeMap<u32, Vec<Arc<Task>>>,
    /// All processes, by number, which is the order in which they were spawned.
    pub(crate) all: BTreeMap<u64, Arc<Task>>,
    pub(crate) spawned: u64,
    /// Whether the future that the caller waits for can go on.
    pub(crate) is_main_ready: bool,
    /// Whether timers may be heard that were not, since the clock jumped the last time.
    pub(crate) is_nudged: bool,
    pub(crate) faults: Vec<Fault>,
    /// How many processes of each name there were.
    pub(crate) incarnations: BTreeMap<String, u32>,
    pub(crate) recorder: Recorder,
}

/// The next step.
pub(crate) enum Next {
    Main,
    /// A process, and the thread of its executor that polls it, if that executor counts threads.
    Task(Arc<Task>, Option<usize>),
}

impl State {
    pub(crate) fn new(seed: u64, recorder: Recorder) -> Self {
        Self {
            rng: Rng::with_seed(seed),
            ready: Vec::new(),
            pools: BTreeMap::new(),
            paused: BTreeMap::new(),
            all: BTreeMap::new(),
            spawned: 0,
            is_main_ready: false,
            is_nudged: false,
            faults: Vec::new(),
            incarnations: BTreeMap::new(),
            recorder,
        }
    }

    /// Draws the next step; `None` if nothing can go on.
    pub(crate) fn next(&mut self) -> Option<Next> {
        let candidates = self.candidates();
        if candidates == 0 {
            return None;
        }
        let mut chosen = self.rng.usize(..candidates);
        if chosen < self.ready.len() {
            let task = self.ready.swap_remove(chosen);
            self.recorder.record(Moment::Polled { number: task.number, name: &task.name });
            return Some(Next::Task(task, None));
        }
        chosen -= self.ready.len();
        if self.is_main_ready && chosen == 0 {
            self.is_main_ready = false;
            self.recorder.record(Moment::Main);
            return Some(Next::Main);
        }
        chosen -= usize::from(self.is_main_ready);
        let State { pools, paused, rng, recorder, .. } = self;
        for (_, pool) in pools.iter_mut().filter(|(executor, _)| !paused.contains_key(executor)) {
            let Some(rest) = chosen.checked_sub(pool.choices()) else {
                let (task, thread) = pool.take(chosen, rng);
                recorder.record(Moment::PolledOn { number: task.number, name: &task.name, thread });
                return Some(Next::Task(task, Some(thread)));
            };
            chosen = rest;
        }
        None
    }

    /// Returns how many ways there are to go on.
    pub(crate) fn candidates(&self) -> usize {
        let pools: usize = self.running().map(Pool::choices).sum();
        self.ready.len() + usize::from(self.is_main_ready) + pools
    }

    pub(crate) fn push(&mut self, task: Arc<Task>, by: Option<Hand>) {
        if let Some(waiting) = self.paused.get_mut(&task.executor) {
            waiting.push(task);
            return;
        }
        match self.pools.get_mut(&task.executor) {
            Some(pool) => pool.push(task, by),
            None => self.ready.push(task),
        }
    }

    /// Notes that no process can go on. Returns the executors that do not hear all their timers.
    pub(crate) fn rest(&mut self) -> Vec<(u32, Hearing)> {
        self.is_nudged = false;
        self.pools.values_mut().for_each(Pool::rest);
        let paused = self.paused.keys().map(|executor| (*executor, Hearing::Nothing));
        let hearing = self.pools.iter().map(|(executor, pool)| (*executor, pool.hearing()));
        // The first one for an executor counts.
        paused.chain(hearing.filter(|(_, hearing)| *hearing != Hearing::All)).collect()
    }

    /// Pauses an executor. What is ready on it waits, and what its threads have taken already stays there.
    pub(crate) fn pause(&mut self, executor: u32) {
        let waiting = self.paused.entry(executor).or_default();
        let (paused, ready) = mem::take(&mut self.ready).into_iter().partition(|task| task.executor == executor);
        self.ready = ready;
        let paused: Vec<_> = paused;
        waiting.extend(paused);
    }

    /// Lets a paused executor go on.
    pub(crate) fn resume(&mut self, executor: u32) {
        for task in self.paused.remove(&executor).into_iter().flatten() {
            self.push(task, None);
        }
        // Timers that were not heard may be now.
        self.is_nudged = true;
    }

    /// Returns the pools of the executors that are not paused.
    fn running(&self) -> impl Iterator<Item = &Pool> {
        self.pools.iter().filter(|(executor, _)| !self.paused.contains_key(executor)).map(|(_, pool)| pool)
    }

    pub(crate) fn draw_listener(&mut self, executor: u32) -> Option<usize> {
        self.pools.get(&executor)?.draw_listener(&mut self.rng)
    }
}
