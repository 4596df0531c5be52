use std::{
    mem,
    sync::atomic::{AtomicBool, Ordering::SeqCst},
    time::{Duration, Instant},
};

use crate::{clock::Clock, spawner::SimSpawner};

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

    /// Stops the executor, as SIGSTOP or the sleep of a machine stops a program: nothing on it runs, and its timers do not elapse.
    /// Time goes on. What is spawned and woken meanwhile waits.
    pub fn pause(&self) {
        self.0.pause();
    }

    /// Lets a stopped executor go on. Timers that were due elapse now.
    pub fn resume(&self) {
        self.0.resume();
    }

    /// Stops the executor for good, as SIGKILL or a power failure stops a program: nothing on it runs any more, and no destructor.
    /// Its processes are dropped with the simulation.
    pub fn crash(self) {
        self.0.pause();
        mem::forget(self);
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
    ahead: Duration,
    /// How fast its clock runs, in millionths of the simulation's own.
    rate: u32,
    /// Whether its timers panic after its end.
    pub(crate) is_strict: AtomicBool,
    /// Whether it drops what is spawned.
    is_closed: AtomicBool,
    /// Whether its processes are dropped, and its timers are gone.
    has_ended: AtomicBool,
}

impl Identity {
    pub(crate) fn new(number: u32, ahead: Duration, rate: u32, is_strict: bool) -> Self {
        let is_strict = AtomicBool::new(is_strict);
        Self { number, ahead, rate, is_strict, is_closed: AtomicBool::new(false), has_ended: AtomicBool::new(false) }
    }

    /// Makes the facts of an executor for a local worker. All of these share a number, because none of them counts threads,
    /// and none ends before the simulation.
    pub(crate) fn of_local_workers(&self) -> Self {
        Self::new(u32::MAX, self.ahead, self.rate, false)
    }

    /// Returns the time on its own clock.
    pub(crate) fn now(&self, clock: &Clock) -> Instant {
        clock.begin() + self.ahead + scaled(clock.elapsed(), self.rate, MILLION, false)
    }

    /// Returns the time of the simulation at which its own clock shows this. A time before the start has passed.
    pub(crate) fn outside(&self, own: Instant, clock: &Clock) -> Instant {
        let elapsed = own.saturating_duration_since(clock.begin() + self.ahead);
        clock.at(scaled(elapsed, MILLION, self.rate, true)).unwrap_or(own)
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

/// The rate of a clock that runs as fast as the simulation's own.
pub(crate) const MILLION: u32 = 1_000_000;

/// Returns this time, `by` / `of` times as long. Rounded so that a deadline has come on the own clock, too, when it has come outside.
fn scaled(time: Duration, by: u32, of: u32, is_up: bool) -> Duration {
    if by == of {
        return time;
    }
    let product = time.as_nanos() * u128::from(by);
    let nanos = if is_up { product.div_ceil(u128::from(of)) } else { product / u128::from(of) };
    // A time beyond 584 years never comes.
    u64::try_from(nanos).map_or(Duration::MAX, Duration::from_nanos)
}
