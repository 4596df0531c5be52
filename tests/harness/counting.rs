//! An executor that counts what is asked of it.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::{Instant, SystemTime},
};

use supervisor_core::{Process, Spawner, Timer};

/// An executor that passes everything on to another executor, and counts it.
#[derive(Clone, Debug)]
pub(crate) struct Counting {
    on: Arc<dyn Spawner>,
    counts: Arc<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    processes: AtomicUsize,
    timers: AtomicUsize,
    nudges: AtomicUsize,
}

impl Counting {
    pub(crate) fn new(on: impl Spawner) -> Self {
        Self { on: Arc::new(on), counts: Arc::default() }
    }

    pub(crate) fn processes(&self) -> usize {
        self.counts.processes.load(SeqCst)
    }

    pub(crate) fn timers(&self) -> usize {
        self.counts.timers.load(SeqCst)
    }

    pub(crate) fn nudges(&self) -> usize {
        self.counts.nudges.load(SeqCst)
    }
}

impl Spawner for Counting {
    fn spawn(&self, process: Process) {
        self.counts.processes.fetch_add(1, SeqCst);
        self.on.spawn(process);
    }

    fn now(&self) -> Instant {
        self.on.now()
    }

    fn system_time(&self) -> SystemTime {
        self.on.system_time()
    }

    fn is_virtual(&self) -> bool {
        self.on.is_virtual()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.counts.timers.fetch_add(1, SeqCst);
        self.on.timer()
    }

    fn seed(&self) -> u64 {
        self.on.seed()
    }

    fn nudge(&self) {
        self.counts.nudges.fetch_add(1, SeqCst);
        self.on.nudge();
    }

    fn discard(&self, process: Process) {
        self.on.discard(process);
    }
}
