//! Prints what supervision costs as a ratio to what one would write by hand, on the same runtime and in the same run.
//!
//! `cargo run --release -p supervision-benches --bin ratios [-- children rounds]`

use std::{
    alloc::System,
    env,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Instant,
};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use supervision_benches::{Arrivals, by_hand, supervised};
use supervisor_core::{Supervisor, SupervisorHandle, one_shot, worker};
use tokio::{
    runtime::{Builder, Runtime},
    sync::{Semaphore, mpsc},
    task::{JoinSet, yield_now},
};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Restarts of the child that ends again and again, in each sample.
const RESTARTS: usize = 100_000;

/// Short children, in each sample.
const CHURN: usize = 200_000;
/// How many of them are alive at a time.
const ALIVE: usize = 64;
/// Restarts in front of subscribers, in each sample.
const EVENTFUL: usize = 2_000;
const SUBSCRIBERS: usize = 1_000;
/// Exited, restarting, started, ready.
const EVENTS_PER_RESTART: usize = 4;

fn main() {
    let mut arguments = env::args().skip(1).map(|argument| argument.parse().expect("a number"));
    let children = arguments.next().unwrap_or(100_000);
    let rounds = arguments.next().unwrap_or(7);
    println!("{children} children, {rounds} rounds, medians; Tokio with 2 worker threads\n");
    println!("| workload | by hand | supervision | ratio |");
    println!("|---|---|---|---|");

    let [by_hand, ours] = samples(rounds, [&|| start_by_hand(children), &|| start_supervised(children)]);
    let per_child = |times: &Sample| times.nanoseconds / children as f64;
    row("start, ns per child", per_child(&by_hand), per_child(&ours));
    let bytes = |sample: &Sample| sample.bytes / children as f64;
    row("heap, bytes per live child", bytes(&by_hand), bytes(&ours));
    let allocations = |sample: &Sample| sample.allocations / children as f64;
    row("heap, allocations per live child", allocations(&by_hand), allocations(&ours));

    for siblings in [1, children] {
        let [by_hand, ours] = samples(rounds, [&|| restart_by_hand(siblings), &|| restart_supervised(siblings)]);
        let rate = |sample: &Sample| 1e9 * RESTARTS as f64 / sample.nanoseconds;
        row(&format!("restarts per second beside {siblings}"), rate(&by_hand), rate(&ours));
        let allocations = |sample: &Sample| sample.allocations / RESTARTS as f64;
        row(&format!("allocations per restart beside {siblings}"), allocations(&by_hand), allocations(&ours));
    }

    let rate = |sample: &Sample| 1e9 * CHURN as f64 / sample.nanoseconds;
    for producer in [Producer::Main, Producer::Task] {
        let [by_hand, ours] = samples(rounds, [&|| churn_by_hand(producer), &|| churn_supervised(producer)]);
        let workload = format!("short children per second, {ALIVE} alive, spawned from {producer:?}");
        row(&workload, rate(&by_hand), rate(&ours));
        let allocations = |sample: &Sample| sample.allocations / CHURN as f64;
        row(
            &format!("allocations per short child, spawned from {producer:?}"),
            allocations(&by_hand),
            allocations(&ours),
        );
    }
    let [by_hand, ours] = samples(rounds, [&|| churn_by_hand(Producer::Task), &churn_with_reply]);
    row(&format!("short children per second, {ALIVE} alive, `start_child`"), rate(&by_hand), rate(&ours));

    println!("\n| workload | without | with | ratio |");
    println!("|---|---|---|---|");
    let [without, with] = samples(rounds, [&|| reaction(0), &|| reaction(10 * children)]);
    let flood = format!("{} spawns queued", 10 * children);
    row(&format!("shutdown seen after, us; {flood}"), without.nanoseconds / 1e3, with.nanoseconds / 1e3);
    row(&format!("failed child restarted after, us; {flood}"), without.bytes / 1e3, with.bytes / 1e3);
    let rate = |sample: &Sample| 1e9 * EVENTFUL as f64 / sample.nanoseconds;
    let [without, with] = samples(rounds, [&|| eventful(0), &|| eventful(1)]);
    row("restarts per second; one silent subscriber", rate(&without), rate(&with));
    let [_, with] = samples(rounds, [&|| eventful(0), &|| eventful(SUBSCRIBERS)]);
    let push = (with.nanoseconds - without.nanoseconds) / (EVENTFUL * SUBSCRIBERS * EVENTS_PER_RESTART) as f64;
    println!("\n{SUBSCRIBERS} silent subscribers: {push:.0} ns for each event and subscriber");

    let short = 100 * children;
    let before_and_after = residue(short);
    println!("heap after {} short children: {before_and_after:?} bytes before and after {short} more", short / 10);
}

fn row(workload: &str, by_hand: f64, ours: f64) {
    println!("| {workload} | {by_hand:.1} | {ours:.1} | {:.2} |", ours / by_hand);
}

#[derive(Clone, Copy, Debug, Default)]
struct Sample {
    nanoseconds: f64,
    bytes: f64,
    allocations: f64,
}

/// The medians of what each subject measures, the subjects taking turns.
fn samples(rounds: usize, subjects: [&dyn Fn() -> Sample; 2]) -> [Sample; 2] {
    let mut taken = [Vec::new(), Vec::new()];
    for _ in 0..rounds {
        for (subject, taken) in subjects.iter().zip(&mut taken) {
            taken.push(subject());
        }
    }
    taken.map(|samples| Sample {
        nanoseconds: median(&samples, |sample| sample.nanoseconds),
        bytes: median(&samples, |sample| sample.bytes),
        allocations: median(&samples, |sample| sample.allocations),
    })
}

fn median(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<_> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

struct Meter<'a> {
    begin: Instant,
    region: Region<'a, System>,
}

impl Meter<'_> {
    fn start() -> Self {
        Self { begin: Instant::now(), region: Region::new(ALLOCATOR) }
    }

    fn stop(&self) -> Sample {
        let nanoseconds = self.begin.elapsed().as_nanos() as f64;
        let change = self.region.change();
        // What is still allocated, of what was allocated since.
        let bytes = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
        Sample { nanoseconds, bytes, allocations: change.allocations as f64 }
    }

    /// Counts what lives, not what came and went.
    fn stop_with_live_allocations(&self) -> Sample {
        let change = self.region.change();
        let live = change.allocations as f64 - change.deallocations as f64;
        Sample { allocations: live, ..self.stop() }
    }
}

fn start_by_hand(children: usize) -> Sample {
    runtime().block_on(async {
        let arrivals = Arrivals::new(children);
        let meter = Meter::start();
        let mut supervisor = by_hand::Supervisor::new(children);
        for _ in 0..children {
            let arrivals = arrivals.clone();
            supervisor.add("child", move |token| {
                arrivals.arrive();
                async move {
                    token.cancelled().await;
                    Ok(())
                }
            });
        }
        let token = supervisor.token();
        let running = tokio::spawn(supervisor.run());
        arrivals.wait().await;
        let sample = meter.stop_with_live_allocations();
        token.cancel();
        running.await.expect("stopped");
        sample
    })
}

fn start_supervised(children: usize) -> Sample {
    runtime().block_on(async {
        let arrivals = Arrivals::new(children);
        let meter = Meter::start();
        let mut root = supervised::root();
        for _ in 0..children {
            let arrivals = arrivals.clone();
            root.add_worker(worker("child", move |shutdown| {
                arrivals.arrive();
                shutdown
            }));
        }
        let tree = supervised::start(root).await;
        arrivals.wait().await;
        let sample = meter.stop_with_live_allocations();
        tree.shutdown().await.expect("stopped");
        sample
    })
}

fn restart_by_hand(siblings: usize) -> Sample {
    runtime().block_on(async {
        let (arrivals, ends) = (Arrivals::new(siblings), Arrivals::new(RESTARTS + 1));
        let begun = Arc::new(AtomicUsize::new(0));
        let go = Arc::new(tokio::sync::Notify::new());
        let mut supervisor = by_hand::Supervisor::new(siblings);
        for _ in 0..siblings {
            let arrivals = arrivals.clone();
            supervisor.add("child", move |token| {
                arrivals.arrive();
                async move {
                    token.cancelled().await;
                    Ok(())
                }
            });
        }
        let (counted, gate) = (ends.clone(), go.clone());
        supervisor.add("restarting", move |token| {
            let (counted, gate, nth) = (counted.clone(), gate.clone(), begun.fetch_add(1, Relaxed));
            async move {
                if nth == 0 {
                    gate.notified().await;
                }
                counted.arrive();
                if nth == RESTARTS {
                    token.cancelled().await;
                }
                Ok(())
            }
        });
        let token = supervisor.token();
        let running = tokio::spawn(supervisor.run());
        arrivals.wait().await;
        let meter = Meter::start();
        go.notify_one();
        ends.wait().await;
        let sample = meter.stop();
        token.cancel();
        running.await.expect("stopped");
        sample
    })
}

fn restart_supervised(siblings: usize) -> Sample {
    runtime().block_on(async {
        let (arrivals, ends) = (Arrivals::new(siblings), Arrivals::new(RESTARTS + 1));
        let mut begun = 0;
        let go = Arc::new(tokio::sync::Notify::new());
        let mut root = supervised::root();
        for _ in 0..siblings {
            let arrivals = arrivals.clone();
            root.add_worker(worker("child", move |shutdown| {
                arrivals.arrive();
                shutdown
            }));
        }
        let (counted, gate) = (ends.clone(), go.clone());
        root.add_worker(worker("restarting", move |shutdown| {
            let (counted, gate, nth) = (counted.clone(), gate.clone(), begun);
            begun += 1;
            async move {
                if nth == 0 {
                    gate.notified().await;
                }
                counted.arrive();
                if nth == RESTARTS {
                    shutdown.await;
                }
            }
        }));
        let tree = supervised::start(root).await;
        arrivals.wait().await;
        let meter = Meter::start();
        go.notify_one();
        ends.wait().await;
        let sample = meter.stop();
        tree.shutdown().await.expect("stopped");
        sample
    })
}

/// Who makes the short children.
#[derive(Clone, Copy, Debug)]
enum Producer {
    /// The thread that has built the runtime, in `block_on`.
    Main,
    /// A task of the runtime.
    Task,
}

impl Producer {
    fn run(self, runtime: &Runtime, work: impl Future<Output = Sample> + Send + 'static) -> Sample {
        match self {
            Self::Main => runtime.block_on(work),
            Self::Task => runtime.block_on(async { tokio::spawn(work).await.expect("a sample") }),
        }
    }
}

/// A bare `JoinSet`: no names, no panics, no stop of one child.
fn churn_by_hand(producer: Producer) -> Sample {
    producer.run(&runtime(), async {
        let meter = Meter::start();
        let mut set = JoinSet::new();
        for _ in 0..CHURN {
            if set.len() == ALIVE {
                set.join_next().await;
            }
            set.spawn(yield_now());
        }
        while set.join_next().await.is_some() {}
        meter.stop()
    })
}

fn churn_supervised(producer: Producer) -> Sample {
    let runtime = runtime();
    let pool = Supervisor::dynamic("pool").expect("a valid name");
    let handle = pool.handle();
    let tree = runtime.block_on(supervised::start(pool));
    let sample = producer.run(&runtime, async move {
        let meter = Meter::start();
        short_children(&handle, CHURN).await;
        meter.stop()
    });
    runtime.block_on(tree.shutdown()).expect("stopped");
    sample
}

async fn short_children(pool: &SupervisorHandle, count: usize) {
    let alive = Arc::new(Semaphore::new(ALIVE));
    for _ in 0..count {
        let place = alive.clone().acquire_owned().await.expect("open");
        let child = one_shot("child", async move {
            yield_now().await;
            drop(place);
        });
        pool.spawn(child).expect("started");
    }
    let _all = alive.acquire_many(ALIVE as u32).await.expect("open");
}

/// How many bytes are allocated before and after so many children have come and gone.
fn residue(short: usize) -> [usize; 2] {
    let runtime = runtime();
    let pool = Supervisor::dynamic("pool").expect("a valid name");
    let handle = pool.handle();
    let tree = runtime.block_on(supervised::start(pool));
    let live = |stats: stats_alloc::Stats| stats.bytes_allocated - stats.bytes_deallocated;
    let after = |count| {
        runtime.block_on(async {
            short_children(&handle, count).await;
            while handle.count().await.expect("it runs").specs > 0 {
                yield_now().await;
            }
            // What has ended may hold its last bytes for a moment longer.
            tokio::time::sleep(std::time::Duration::from_millis(100)).await;
        });
        live(ALLOCATOR.stats())
    };
    // Queues keep a block or two once they have been full.
    let bytes = [after(short / 10), after(short)];
    runtime.block_on(tree.shutdown()).expect("stopped");
    bytes
}

/// How long a supervisor takes to see that it is asked to stop (as `nanoseconds`), and to restart a child that has failed (as
/// `bytes`), with so many spawns in its queue.
fn reaction(flood: usize) -> Sample {
    let runtime = runtime();
    runtime.block_on(async {
        let (begun, has_begun) = mpsc::unbounded_channel();
        let (stopped, has_stopped) = mpsc::unbounded_channel();
        let (fail, failing) = mpsc::unbounded_channel::<()>();
        let failing = Arc::new(tokio::sync::Mutex::new(failing));
        let mut root = supervised::root();
        root.add_worker(worker("child", move |shutdown| {
            let (failing, stopped) = (failing.clone(), stopped.clone());
            let _ = begun.send(Instant::now());
            async move {
                let mut failing = failing.lock().await;
                tokio::select! {
                    () = shutdown => drop(stopped.send(Instant::now())),
                    _ = failing.recv() => {}
                }
            }
        }));
        let (mut has_begun, mut has_stopped) = (has_begun, has_stopped);
        let tree = supervised::start(root).await;
        has_begun.recv().await;
        let handle = tree.handle();
        let spawn = |count| {
            for _ in 0..count {
                handle.spawn(one_shot("short", yield_now())).expect("accepted");
            }
        };
        spawn(flood / 2);
        let failed = Instant::now();
        let _ = fail.send(());
        spawn(flood / 2);
        let restarted = has_begun.recv().await.expect("a restart") - failed;
        spawn(flood);
        let asked = Instant::now();
        let (_, outcome) = tokio::join!(async { handle.shutdown() }, async {
            let seen = has_stopped.recv().await.expect("it was asked") - asked;
            (seen, tree.shutdown().await)
        });
        outcome.1.expect("stopped");
        let nanoseconds = |time: std::time::Duration| time.as_nanos() as f64;
        Sample { nanoseconds: nanoseconds(outcome.0), bytes: nanoseconds(restarted), ..Sample::default() }
    })
}

/// Restarts in front of subscribers that never read.
fn eventful(subscribers: usize) -> Sample {
    runtime().block_on(async {
        let ends = Arrivals::new(EVENTFUL + 1);
        let counted = ends.clone();
        let mut begun = 0;
        let mut root = supervised::root();
        root.add_worker(worker("restarting", move |shutdown| {
            let (counted, nth) = (counted.clone(), begun);
            begun += 1;
            async move {
                counted.arrive();
                if nth == EVENTFUL {
                    shutdown.await;
                }
            }
        }));
        let silent: Vec<_> = (0..subscribers).map(|_| root.handle().events()).collect();
        let meter = Meter::start();
        let tree = supervised::start(root).await;
        ends.wait().await;
        let sample = meter.stop();
        tree.shutdown().await.expect("stopped");
        drop(silent);
        sample
    })
}

/// As many callers as children, each of which waits until its child is there.
fn churn_with_reply() -> Sample {
    runtime().block_on(async {
        let pool = Supervisor::dynamic("pool").expect("a valid name");
        let handle = pool.handle();
        let tree = supervised::start(pool).await;
        let meter = Meter::start();
        let callers = (0..ALIVE).map(|_| {
            let handle = handle.clone();
            tokio::spawn(async move {
                for _ in 0..CHURN / ALIVE {
                    let (done, over) = tokio::sync::oneshot::channel::<()>();
                    let child = one_shot("child", async move {
                        yield_now().await;
                        drop(done);
                    });
                    handle.start_child(child).await.expect("started");
                    let _ = over.await;
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.expect("done");
        }
        let sample = meter.stop();
        tree.shutdown().await.expect("stopped");
        sample
    })
}
