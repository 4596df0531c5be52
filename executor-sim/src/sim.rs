use std::{
    fmt,
    future::Future,
    pin::pin,
    sync::{Arc, Weak},
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use crate::{
    clock::Clock,
    spawner::SimSpawner,
    task::{Next, Tasks},
};

/// How long a standstill lasts in real time before it is one: another thread may be about to wake something.
const FOREIGN_THREAD: Duration = Duration::from_secs(1);

/// A simulation: one thread, a virtual clock, and an order of events that a seed decides.
///
/// Its end, when it is dropped, drops every process that is still there, as the end of any executor does.
pub struct Sim {
    seed: u64,
    tasks: Arc<Tasks>,
    clock: Arc<Clock>,
    begin: Instant,
}

impl Sim {
    /// A simulation in which this seed decides who goes next.
    pub fn with_seed(seed: u64) -> Self {
        let clock = Arc::new(Clock::new());
        Self { seed, tasks: Tasks::with_seed(seed), begin: clock.now(), clock }
    }

    /// Spawns onto this simulation.
    pub fn spawner(&self) -> SimSpawner {
        SimSpawner::new(&self.tasks, &self.clock)
    }

    /// The virtual time that has passed since the simulation was made.
    pub fn elapsed(&self) -> Duration {
        self.clock.now() - self.begin
    }

    /// Runs everything until the future resolves. While nothing can go on, the clock jumps to the next timer.
    ///
    /// # Panics
    ///
    /// If nothing can ever go on any more: no process, no timer, and no wake from another thread within a second.
    pub fn run_until<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        let waker = Waker::from(Arc::new(Main(Arc::downgrade(&self.tasks))));
        self.tasks.wake_main();
        loop {
            match self.tasks.next() {
                Some(Next::Task(task)) => task.poll(),
                Some(Next::Main) => {
                    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return output;
                    }
                }
                None if self.clock.jump(None) => {}
                None if self.tasks.wait_for_foreign_wake(FOREIGN_THREAD) => {}
                None => panic!(
                    "the simulation (seed {}) has come to a standstill after {:?}: no process can go on, and no timer is set",
                    self.seed,
                    self.elapsed()
                ),
            }
        }
    }

    /// Runs everything until no process can go on and no timer is set. What ticks for ever is never idle.
    pub fn run_until_idle(&self) {
        loop {
            match self.tasks.next() {
                Some(Next::Task(task)) => task.poll(),
                Some(Next::Main) => {}
                None if self.clock.jump(None) => {}
                None => return,
            }
        }
    }

    /// Lets this much time pass, and everything happen that happens in it.
    pub fn advance(&self, duration: Duration) {
        let end = self.clock.now().checked_add(duration);
        loop {
            match self.tasks.next() {
                Some(Next::Task(task)) => task.poll(),
                Some(Next::Main) => {}
                None if self.clock.jump(end) => {}
                None => break,
            }
        }
        if let Some(end) = end {
            self.clock.set_now(end);
        }
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        self.tasks.end();
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("seed", &self.seed).field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

/// Wakes the future that the caller of `run_until` waits for.
struct Main(Weak<Tasks>);

impl Wake for Main {
    fn wake(self: Arc<Self>) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.wake_main();
        }
    }
}
