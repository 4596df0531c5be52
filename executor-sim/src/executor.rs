use std::{
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::Duration,
};

use crate::spawner::SimSpawner;

/// One more executor in a simulation, with a clock of its own: for a subtree that is placed elsewhere, and for an
/// executor that ends while the rest goes on. Dropping it ends it.
#[must_use = "dropping the executor ends it"]
#[derive(Debug)]
pub struct SimExecutor(SimSpawner);

impl SimExecutor {
    pub(crate) fn new(spawner: SimSpawner) -> Self {
        Self(spawner)
    }

    /// Returns a spawner for this executor.
    pub fn spawner(&self) -> SimSpawner {
        self.0.clone()
    }

    /// Ends the executor: drops every process on it, and later every process that is spawned on it, inside of `spawn`.
    /// Its timers never elapse again; see also [`Threads::with_strict_timers`](crate::Threads::with_strict_timers).
    pub fn end(self) {
        drop(self);
    }
}

impl Drop for SimExecutor {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// The facts that the spawners and the timers of an executor know of it.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) number: u32,
    /// How far its clock is ahead of the simulation's own.
    pub(crate) ahead: Duration,
    /// Whether its timers panic after its end.
    pub(crate) is_strict: AtomicBool,
    /// Whether it drops what is spawned.
    is_closed: AtomicBool,
    /// Whether its processes are dropped, and its timers are gone.
    has_ended: AtomicBool,
}

impl Identity {
    pub(crate) fn new(number: u32, ahead: Duration, is_strict: bool) -> Self {
        let is_strict = AtomicBool::new(is_strict);
        Self { number, ahead, is_strict, is_closed: AtomicBool::new(false), has_ended: AtomicBool::new(false) }
    }

    pub(crate) fn close(&self) {
        self.is_closed.store(true, SeqCst);
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.is_closed.load(SeqCst)
    }

    /// Ends the timers. Called after [`close`](Self::close), and after the destructors of its processes, which may
    /// still use them.
    pub(crate) fn end(&self) {
        self.has_ended.store(true, SeqCst);
    }

    /// Returns whether the timers are gone.
    ///
    /// # Panics
    ///
    /// If they are, and the executor is strict.
    pub(crate) fn has_ended(&self, used: &str) -> bool {
        let has_ended = self.has_ended.load(SeqCst);
        assert!(
            !has_ended || !self.is_strict.load(SeqCst),
            "a timer of simulated executor {} was {used} after the end of that executor",
            self.number
        );
        has_ended
    }
}
