use std::{
    cell::Cell,
    fmt,
    future::{Future, pending},
    pin::{Pin, pin},
    sync::{Arc, Weak, atomic::Ordering::SeqCst},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::Duration,
};

use futures_lite::future::{block_on, or, poll_once};
use supervisor_core::{Event, Events, Snapshot, SupervisionTree, Supervisor, SupervisorError, SupervisorHandle, Timer};

use crate::{
    clock::Clock,
    executor::{Identity, MILLION, SimExecutor},
    fault::Fault,
    record::Record,
    spawner::SimSpawner,
    state::Next,
    sweep,
    tasks::Tasks,
    threads::Threads,
    timer::SimTimer,
    trace::Recorder,
};

/// How long a standstill lasts in real time before it counts: another thread may be about to wake something.
const FOREIGN_THREAD: Duration = Duration::from_secs(1);
/// The largest difference between the clocks of two executors: half a year.
const CLOCKS_APART: u64 = 180 * 24 * 60 * 60;

/// A simulation: one thread, a virtual clock, and an order of events that a seed decides.
///
/// Dropping it drops every process that is still there, as the end of any executor does. If a panic drops it, it prints
/// the seed, and how to replay it.
#[must_use = "a simulation does nothing until something is run in it"]
pub struct Sim {
    seed: u64,
    tasks: Arc<Tasks>,
    main: SimSpawner,
    executors: Cell<u32>,
    /// How long after a snapshot the next one is taken.
    snapshots_every: Cell<Option<Duration>>,
}

impl Sim {
    /// Makes a simulation in which this seed decides which process goes next, and everything else that is random.
    pub fn with_seed(seed: u64) -> Self {
        Self::recorded(seed, Recorder::brief())
    }

    /// Makes a simulation whose main executor has these threads and no more. The main executor is the one of
    /// [`spawner`](Self::spawner), on which [`run`](Self::run) and [`start`](Self::start) run a root. The future of
    /// [`run_until`](Self::run_until) needs none of the threads.
    pub fn with_threads(seed: u64, threads: Threads) -> Self {
        let sim = Self::with_seed(seed);
        sim.set_threads(threads);
        sim
    }

    pub(crate) fn recorded(seed: u64, recorder: Recorder) -> Self {
        let tasks = Tasks::new(seed, Arc::new(Clock::new()), recorder);
        let main = SimSpawner::new(&tasks, Identity::new(0, Duration::ZERO, MILLION, false));
        Self { seed, main, tasks, executors: Cell::new(0), snapshots_every: Cell::new(None) }
    }

    /// Gives the main executor these threads and no more, as [`with_threads`](Self::with_threads) does. For a
    /// simulation made by [`sweep`](crate::sweep) or [`check_determinism`](Self::check_determinism).
    ///
    /// # Panics
    ///
    /// If a process was spawned before, on any executor.
    pub fn set_threads(&self, threads: Threads) {
        self.tasks.set_threads(0, threads);
        self.main.executor().is_strict.store(threads.has_strict_timers, SeqCst);
    }

    /// Returns the seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// Returns a spawner for the main executor of this simulation.
    pub fn spawner(&self) -> SimSpawner {
        self.main.clone()
    }

    /// Makes another executor in this simulation. Its clock runs at the same speed, and shows another time.
    pub fn executor(&self) -> SimExecutor {
        self.executor_with(Threads::unlimited())
    }

    /// Makes another executor in this simulation, with these threads and no more.
    pub fn executor_with(&self, threads: Threads) -> SimExecutor {
        self.executor_at_rate(threads, 1.0)
    }

    /// Makes another executor in this simulation, with a clock that runs faster or slower than the others: 1.01 is one percent
    /// faster. For programs on machines whose clocks differ.
    ///
    /// # Panics
    ///
    /// If the rate is not between a thousandth and a thousand.
    pub fn executor_at_rate(&self, threads: Threads, rate: f64) -> SimExecutor {
        assert!((0.001..=1000.0).contains(&rate), "a clock cannot run {rate} times as fast");
        // Whole millionths, so that times are exact.
        let rate = (rate * f64::from(MILLION)).round() as u32;
        let number = self.executors.get() + 1;
        self.executors.set(number);
        let ahead = Duration::from_secs(self.tasks.random() % CLOCKS_APART);
        self.tasks.set_threads(number, threads);
        SimExecutor::new(SimSpawner::new(&self.tasks, Identity::new(number, ahead, rate, threads.has_strict_timers)))
    }

    /// Adds a fault, from now on.
    pub fn fault(&self, fault: Fault) {
        self.tasks.add_fault(fault);
    }

    /// Makes [`run`](Self::run) and [`run_for`](Self::run_for) take snapshots of the tree, too: with the first events, at the end,
    /// and in between with events that come so long after the last one. The run stays the same, because a snapshot asks no process.
    pub fn take_snapshots(&self, every: Duration) {
        self.snapshots_every.set(Some(every));
    }

    /// Returns the virtual time since the simulation was made.
    pub fn elapsed(&self) -> Duration {
        self.tasks.clock.elapsed()
    }

    /// Returns the clock of [`elapsed`](Self::elapsed), for code inside of the simulation. It is the one true time, which no
    /// executor's clock shows.
    pub fn clock(&self) -> impl Fn() -> Duration + Clone + Send + Sync + use<> {
        let clock = self.tasks.clock.clone();
        move || clock.elapsed()
    }

    /// Returns how many processes there are, on all executors.
    pub fn processes(&self) -> usize {
        self.tasks.count()
    }

    /// Returns a number that sums up everything that happened so far, and its order: the same for the same seed and the
    /// same test, in all runs and on all machines.
    pub fn fingerprint(&self) -> u64 {
        self.tasks.with_recorder(|recorder| recorder.fingerprint())
    }

    pub(crate) fn take_steps(&self) -> Vec<String> {
        self.tasks.with_recorder(Recorder::take_steps)
    }

    /// Runs a tree until it ends by itself.
    ///
    /// # Panics
    ///
    /// If the tree never ends, because nothing can go on any more. A tree that ticks for ever runs for ever: see
    /// [`run_for`](Self::run_for).
    pub fn run(&self, root: Supervisor) -> Record {
        self.run_with(root, pending())
    }

    /// Runs a tree for this long, and then shuts it down, unless it has ended before.
    pub fn run_for(&self, root: Supervisor, time: Duration) -> Record {
        self.run_with(root, self.sleep(time))
    }

    /// Starts a tree, and returns when every child is ready.
    ///
    /// # Errors
    ///
    /// As [`Supervisor::start_on`].
    pub fn start(&self, root: Supervisor) -> Result<SupervisionTree, SupervisorError> {
        self.run_until(root.start_on(self.spawner()))
    }

    /// Sleeps on the simulation's clock: for the future of a test. The sleep depends on no executor.
    pub fn sleep(&self, time: Duration) -> impl Future<Output = ()> + use<> {
        let clock = self.tasks.clock.clone();
        let deadline = clock.now().checked_add(time);
        async move {
            let mut timer = SimTimer::of_the_simulation(clock);
            Pin::new(&mut timer).reset(deadline);
            std::future::poll_fn(|cx| Pin::new(&mut timer).poll_elapsed(cx)).await;
        }
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
                Some(Next::Task(task, thread)) => task.poll(thread),
                Some(Next::Main) => {
                    if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                        return output;
                    }
                }
                None if self.tasks.jump(None) => {}
                None if self.tasks.wait_for_foreign_wake(FOREIGN_THREAD) => {}
                None => panic!(
                    "simulation deadlocked (seed {}, after {:?}): no runnable process, no timer",
                    self.seed,
                    self.elapsed()
                ),
            }
        }
    }

    /// Runs everything until no process can go on and no timer is set. A tree that ticks for ever is never idle.
    pub fn run_until_idle(&self) {
        self.run_while_busy(None);
    }

    /// Lets this much time pass, and runs everything that happens in it.
    pub fn advance(&self, duration: Duration) {
        let end = self.elapsed().saturating_add(duration);
        self.run_while_busy(Some(end));
        self.tasks.clock.set_elapsed(end);
    }

    fn run_while_busy(&self, until: Option<Duration>) {
        loop {
            match self.tasks.next() {
                Some(Next::Task(task, thread)) => task.poll(thread),
                Some(Next::Main) => {}
                None if self.tasks.jump(until) => {}
                None => return,
            }
        }
    }

    fn run_with(&self, root: Supervisor, end: impl Future<Output = ()>) -> Record {
        let mut listener = Listener::new(self, root.handle());
        let life = async {
            let mut tree = root.start_on(self.spawner()).await?;
            let by_itself = or(async { Some(tree.wait().await) }, async {
                end.await;
                None
            });
            match by_itself.await {
                Some(outcome) => outcome,
                None => tree.shutdown().await,
            }
        };
        let outcome = self.run_until(or(life, listener.listen()));
        listener.end(outcome)
    }
}

impl Drop for Sim {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "simulation failed (seed {}, after {:?}); replay it with\n    {}",
                self.seed,
                self.elapsed(),
                sweep::replay(self.seed)
            );
        }
        self.tasks.end(None);
        self.main.end();
        self.tasks.clock.stop();
    }
}

impl fmt::Debug for Sim {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sim").field("seed", &self.seed).field("elapsed", &self.elapsed()).finish_non_exhaustive()
    }
}

/// What hears a tree that runs, and makes its record.
struct Listener<'a> {
    sim: &'a Sim,
    root: SupervisorHandle,
    told: Events,
    events: Vec<(Duration, Arc<Event>)>,
    snapshots: Vec<(usize, Snapshot)>,
    /// When the last snapshot was taken.
    looked: Option<Duration>,
}

impl<'a> Listener<'a> {
    fn new(sim: &'a Sim, root: SupervisorHandle) -> Self {
        let told = root.events();
        Self { sim, root, told, events: Vec::new(), snapshots: Vec::new(), looked: None }
    }

    /// Takes the events as they come. It never ends.
    async fn listen<T>(&mut self) -> T {
        while let Some(event) = self.told.next().await {
            self.events.push((self.sim.elapsed(), event));
            while let Some(Some(event)) = poll_once(self.told.next()).await {
                self.events.push((self.sim.elapsed(), event));
            }
            if let Some(every) = self.sim.snapshots_every.get() {
                if self.looked.is_none_or(|looked| self.sim.elapsed().saturating_sub(looked) >= every) {
                    self.look();
                }
            }
        }
        pending().await
    }

    /// Takes a snapshot. It is read here, and no process of the simulation has a part in it.
    fn look(&mut self) {
        self.looked = Some(self.sim.elapsed());
        self.snapshots.push((self.events.len(), block_on(self.root.snapshot())));
    }

    fn end(mut self, outcome: Result<(), SupervisorError>) -> Record {
        while let Some(event) = self.sim.run_until(poll_once(self.told.next())).flatten() {
            self.events.push((self.sim.elapsed(), event));
        }
        assert_eq!(self.told.lost(), 0, "events came faster than the record of seed {} could take them", self.sim.seed);
        if self.sim.snapshots_every.get().is_some() {
            self.look();
        }
        let Self { events, snapshots, .. } = self;
        Record { outcome, events, snapshots }
    }
}

/// A waker of the future that the caller of `run_until` waits for.
struct Main(Weak<Tasks>);

impl Wake for Main {
    fn wake(self: Arc<Self>) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.wake_main();
        }
    }
}
