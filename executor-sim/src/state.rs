use std::{collections::BTreeMap, sync::Arc};

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
        let State { pools, rng, recorder, .. } = self;
        for pool in pools.values_mut() {
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
        let pools: usize = self.pools.values().map(Pool::choices).sum();
        self.ready.len() + usize::from(self.is_main_ready) + pools
    }

    pub(crate) fn push(&mut self, task: Arc<Task>, by: Option<Hand>) {
        match self.pools.get_mut(&task.executor) {
            Some(pool) => pool.push(task, by),
            None => self.ready.push(task),
        }
    }

    /// Notes that no process can go on. Returns the executors that do not hear all their timers.
    pub(crate) fn rest(&mut self) -> Vec<(u32, Hearing)> {
        self.is_nudged = false;
        self.pools.values_mut().for_each(Pool::rest);
        let hearing = self.pools.iter().map(|(executor, pool)| (*executor, pool.hearing()));
        hearing.filter(|(_, hearing)| *hearing != Hearing::All).collect()
    }

    pub(crate) fn draw_listener(&mut self, executor: u32) -> Option<usize> {
        self.pools.get(&executor)?.draw_listener(&mut self.rng)
    }
}
