//! Restarts, calls, subscriptions and runtimes by the million, in one tree: at the end, memory and threads have to be
//! what they were at the beginning. Fails if they are not.
//!
//! `cargo run --release -p supervision-benches --bin soak [-- --smoke]`: with `--smoke` a small part of all that, in
//! seconds.
//!
//! All workers have watchdogs. Each part is judged by itself, and then all of them together. One round of each runs
//! first and is not counted: after it, queues and pools have grown to the capacity that they keep.

use std::{
    alloc::System,
    env,
    future::pending,
    process::ExitCode,
    sync::Arc,
    time::{Duration, Instant},
};

use executor_tokio::RuntimeConfiguration;
use futures_lite::future::poll_once;
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use supervision_benches::{
    executor::{Executor, Smol, TokioMulti},
    measure::{Heap, Tally, thread_count},
    subject::Failing,
};
use supervisor_core::{
    Backoff, ChildId, ChildSpec, ProcessShutdown, RestartStrategy, SupervisionTree, Supervisor, SupervisorHandle,
    process, worker,
};
use tokio::sync::Semaphore;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The bytes that may be left, whatever the amount of work. Executors keep room for the largest number of tasks at a
/// time. A leak of 16 bytes for each of the 5,000 restarts of a smoke run is more.
const SLACK: f64 = 64.0 * 1024.0;
/// How long memory and threads may take to go: the restarts of the last period are remembered, and runtimes end in the
/// background.
const PATIENCE: Duration = Duration::from_secs(10);
const PERIOD: Duration = Duration::from_millis(100);
/// Never due: no worker hangs. Its state is kept for as long as the soak takes.
const WATCHDOG: Duration = Duration::from_secs(24 * 3600);
/// The number of callers at the same time.
const CALLERS: usize = 64;

/// The amount of each part.
#[derive(Clone, Copy)]
struct Size {
    restarts: usize,
    calls: usize,
    subscriptions: usize,
    nested: usize,
    runtimes: usize,
}

const FULL: Size =
    Size { restarts: 10_000_000, calls: 1_000_000, subscriptions: 100_000, nested: 100_000, runtimes: 1_000 };
const SMOKE: Size = Size { restarts: 10_000, calls: 10_000, subscriptions: 1_000, nested: 1_000, runtimes: 20 };

fn main() -> ExitCode {
    let size = if env::args().any(|argument| argument == "--smoke") { SMOKE } else { FULL };
    println!("| executor | part | seconds | heap left | threads left | verdict |");
    println!("|---|---|---|---|---|---|");
    let is_met = [soak::<TokioMulti>(size), soak::<Smol>(size)];
    if is_met.iter().all(|is_met| *is_met) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn soak<E: Executor>(size: Size) -> bool {
    E::run(move |executor| async move {
        let soak = Soak::<E>::start(executor).await;
        for part in PARTS {
            soak.carry_out(part, SMOKE).await;
        }
        // For what the last of these drop in the background.
        smol::Timer::after(PATIENCE / 10).await;
        let (first, begin) = (Now::look(), Instant::now());
        let mut is_met = true;
        for part in PARTS {
            let (before, begin) = (Now::look(), Instant::now());
            soak.carry_out(part, size).await;
            is_met &= judge::<E>(&format!("{part:?}"), begin.elapsed(), before).await;
        }
        is_met &= judge::<E>("all of it", begin.elapsed(), first).await;
        soak.tree.shutdown().await.expect("a clean stop");
        is_met
    })
}

/// Reports what is left. Returns whether that is nothing.
async fn judge<E: Executor>(part: &str, took: Duration, before: Now) -> bool {
    let left = before.settled().await;
    let verdict = if left.is_nothing() { "met" } else { "MISSED" };
    let (seconds, Now { bytes, threads }) = (took.as_secs_f64(), left);
    println!("| {} | {part} | {seconds:.1} | {bytes:.0} B | {threads} | {verdict} |", E::NAME);
    left.is_nothing()
}

#[derive(Clone, Copy, Debug)]
enum Part {
    Restarts,
    RestartsWithBackoff,
    Calls,
    CallsDynamic,
    Subscriptions,
    NestedRestarts,
    Runtimes,
}

const PARTS: [Part; 7] = [
    Part::Restarts,
    Part::RestartsWithBackoff,
    Part::Calls,
    Part::CallsDynamic,
    Part::Subscriptions,
    Part::NestedRestarts,
    Part::Runtimes,
];

struct Soak<E> {
    executor: E,
    tree: SupervisionTree,
    prompt: Flaky,
    patient: Flaky,
    nested: Flaky,
    runtime: ChildId,
    on_runtime: Tally,
    ordinary: SupervisorHandle,
    dynamic: SupervisorHandle,
}

/// Workers that fail as often as they are told to.
#[derive(Clone)]
struct Flaky {
    arrivals: Tally,
    failing: Failing,
    /// The number of workers that arrive for each failure.
    group: usize,
}

impl Flaky {
    fn new(group: usize) -> Self {
        let arrivals = Tally::default();
        Self { failing: Failing::new(&arrivals), arrivals, group }
    }

    fn worker(&self) -> ChildSpec {
        let failing = self.failing.clone();
        worker("flaky", move |shutdown| failing.clone().run(shutdown)).with_watchdog(WATCHDOG)
    }

    async fn fail(&self, times: usize) {
        let arrived = self.arrivals.total();
        self.failing.fail(times);
        self.arrivals.reach(arrived + times * self.group).await;
    }
}

fn supervisor(name: &'static str) -> Supervisor {
    let unlimited = RestartStrategy::one_for_one().with_unlimited_restarts();
    Supervisor::new(name).expect("a valid name").with_restart_strategy(unlimited)
}

impl<E: Executor> Soak<E> {
    async fn start(executor: E) -> Self {
        let (prompt, patient, nested) = (Flaky::new(1), Flaky::new(1), Flaky::new(2));
        let mut root = supervisor("root");

        let mut hasty = supervisor("prompt");
        for _ in 0..8 {
            hasty.add_worker(prompt.worker());
        }
        root.add_worker(hasty);

        let brief = Backoff::exponential(Duration::from_micros(100), Duration::from_millis(2));
        let mut slow = supervisor("patient").with_default_backoff(brief);
        for _ in 0..1_000 {
            slow.add_worker(patient.worker());
        }
        root.add_worker(slow);

        // Its first failure ends it, and restarts it together with a worker beside it.
        let mut brittle = Supervisor::new("brittle").expect("a valid name");
        brittle = brittle.with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(0, PERIOD));
        brittle.add_worker(nested.worker());
        let beside = nested.arrivals.clone();
        let mut middle = Supervisor::new("middle").expect("a valid name");
        middle = middle.with_restart_strategy(RestartStrategy::one_for_all().with_intensity_and_period(0, PERIOD));
        middle.add_worker(brittle);
        middle.add_worker(worker("beside", move |shutdown| {
            beside.count();
            shutdown
        }));
        root.add_worker(middle);

        let on_runtime = Tally::default();
        let arrivals = on_runtime.clone();
        let mut apart = supervisor("apart").with_child_placement(RuntimeConfiguration::single_threaded());
        apart.add_worker(worker("leaves", move |shutdown: ProcessShutdown| {
            let (process, kept) = (process::current(), shutdown.clone());
            // It never ends by itself.
            tokio::spawn(async move {
                let _kept = (process, kept);
                pending::<()>().await;
            });
            arrivals.count();
            shutdown
        }));
        let runtime = root.add_worker(apart);

        let ordinary = supervisor("ordinary");
        let dynamic = Supervisor::dynamic("dynamic").expect("a valid name");
        let handles = (ordinary.handle(), dynamic.handle());
        root.add_worker(ordinary);
        root.add_worker(dynamic);

        let tree = root.start_on(executor.spawner()).await.expect("a start without failure");
        prompt.arrivals.reach(8).await;
        patient.arrivals.reach(1_000).await;
        nested.arrivals.reach(2).await;
        on_runtime.reach(1).await;
        Self { executor, tree, prompt, patient, nested, runtime, on_runtime, ordinary: handles.0, dynamic: handles.1 }
    }

    async fn carry_out(&self, part: Part, size: Size) {
        match part {
            Part::Restarts => self.prompt.fail(size.restarts / 2).await,
            Part::RestartsWithBackoff => self.patient.fail(size.restarts / 2).await,
            Part::Calls => self.call(size.calls / 2, self.ordinary.clone(), true).await,
            Part::CallsDynamic => self.call(size.calls / 2, self.dynamic.clone(), false).await,
            Part::Subscriptions => {
                for _ in 0..size.subscriptions {
                    let mut events = self.tree.handle().events_below("root.prompt");
                    self.prompt.fail(1).await;
                    events.next().await.expect("a failure is told");
                }
            }
            Part::NestedRestarts => {
                // One at a time: it takes its worker along.
                for _ in 0..size.nested {
                    self.nested.fail(1).await;
                }
            }
            Part::Runtimes => {
                for _ in 0..size.runtimes {
                    let arrived = self.on_runtime.total();
                    // As long as it starts, it may be no process that can be killed.
                    while self.tree.handle().kill_child(self.runtime).await.is_err() {
                        smol::Timer::after(Duration::from_millis(1)).await;
                    }
                    self.on_runtime.reach(arrived + 1).await;
                }
            }
        }
    }

    /// Adds children and terminates them. Every other call to terminate one is given up, and made again.
    async fn call(&self, times: usize, supervisor: SupervisorHandle, is_kept: bool) {
        let done = Arc::new(Semaphore::new(0));
        for _ in 0..CALLERS {
            let (supervisor, done) = (supervisor.clone(), done.clone());
            E::detach(self.executor.spawn(async move {
                for turn in 0..times / CALLERS {
                    let child = worker("called", |shutdown| shutdown).with_watchdog(WATCHDOG);
                    let child = supervisor.start_child(child).await.expect("it starts");
                    if turn % 2 == 0 {
                        let _given_up = poll_once(supervisor.terminate_child(child)).await;
                    }
                    match supervisor.terminate_child(child).await {
                        Ok(()) if is_kept => supervisor.delete_child(child).await.expect("it has stopped"),
                        outcome => drop(outcome),
                    }
                }
                done.add_permits(1);
            }));
        }
        let _all = done.acquire_many(CALLERS as u32).await.expect("open");
    }
}

#[derive(Clone, Copy)]
struct Now {
    bytes: f64,
    threads: f64,
}

impl Now {
    fn look() -> Self {
        Self { bytes: Heap::now().bytes, threads: thread_count() }
    }

    /// Returns what is left of what was added since, once it no longer changes.
    async fn settled(self) -> Self {
        let begin = Instant::now();
        loop {
            let now = Self::look();
            let left = Self { bytes: now.bytes - self.bytes, threads: now.threads - self.threads };
            if left.is_nothing() || begin.elapsed() > PATIENCE {
                return left;
            }
            smol::Timer::after(Duration::from_millis(10)).await;
        }
    }

    /// Threads are not counted everywhere.
    fn is_nothing(self) -> bool {
        self.bytes <= SLACK && self.threads.max(0.0) <= 0.0
    }
}
