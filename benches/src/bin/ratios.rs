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
use supervisor_core::{Supervisor, one_shot, worker};
use tokio::{
    runtime::{Builder, Runtime},
    sync::Semaphore,
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

    let [by_hand, ours] = samples(rounds, [&churn_by_hand, &churn_supervised]);
    let rate = |sample: &Sample| 1e9 * CHURN as f64 / sample.nanoseconds;
    row(&format!("short children per second, {ALIVE} alive, `JoinSet` and `spawn`"), rate(&by_hand), rate(&ours));
    let [by_hand, ours] = samples(rounds, [&churn_by_hand, &churn_with_reply]);
    row(&format!("short children per second, {ALIVE} alive, `JoinSet` and `start_child`"), rate(&by_hand), rate(&ours));
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

/// A bare `JoinSet`: no names, no panics, no stop of one child.
fn churn_by_hand() -> Sample {
    runtime().block_on(async {
        tokio::spawn(async {
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
        .await
        .expect("a sample")
    })
}

fn churn_supervised() -> Sample {
    runtime().block_on(async {
        let pool = Supervisor::dynamic("pool").expect("a valid name");
        let handle = pool.handle();
        let tree = supervised::start(pool).await;
        let sample = tokio::spawn(async move {
            let alive = Arc::new(Semaphore::new(ALIVE));
            let meter = Meter::start();
            for _ in 0..CHURN {
                let place = alive.clone().acquire_owned().await.expect("open");
                let child = one_shot("child", async move {
                    yield_now().await;
                    drop(place);
                });
                handle.spawn(child).expect("started");
            }
            let _all = alive.acquire_many(ALIVE as u32).await.expect("open");
            meter.stop()
        });
        let sample = sample.await.expect("a sample");
        tree.shutdown().await.expect("stopped");
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
