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
use supervisor_core::worker;
use tokio::runtime::{Builder, Runtime};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Restarts of the child that ends again and again, in each sample.
const RESTARTS: usize = 100_000;

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
