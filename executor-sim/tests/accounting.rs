//! Accounting in a simulation: the time in polls is virtual, and the same in each run.

use std::time::Duration;

use executor_sim::{Fault, Sim, Threads, block_for};
use futures_lite::future::{block_on, yield_now};
use supervisor_core::{Accounting, RestartStrategy, Supervisor, process, worker};

const SECOND: Duration = Duration::from_secs(1);

/// Starts a parser that blocks for three seconds, then for one, and then for three, with a second in between.
fn tree() -> Supervisor {
    let patient = RestartStrategy::one_for_one().with_intensity_and_period(10, 60 * SECOND);
    let parser = worker("parser", |shutdown| async move {
        for seconds in [3, 1, 3] {
            block_for(seconds * SECOND).await;
            process::sleep(SECOND).await;
        }
        shutdown.await;
    });
    let mut root = Supervisor::new("root").unwrap().with_restart_strategy(patient);
    root.add_worker(parser.with_accounting());
    root.add_worker(worker("idle", |shutdown| shutdown).with_accounting());
    root
}

fn of(root: &supervisor_core::SupervisionTree, path: &str) -> Accounting {
    block_on(root.snapshot()).find(path).unwrap().accounting.unwrap()
}

#[test]
fn a_poll_that_blocks_is_busy_for_as_long() {
    for threads in [Threads::unlimited(), Threads::like_tokio(2)] {
        let sim = Sim::with_threads(1, threads);
        let tree = sim.start(tree()).unwrap();
        let read = |at: u64| {
            sim.advance(Duration::from_millis(at));
            let Accounting { busy, slowest_poll, .. } = of(&tree, "root.parser");
            (busy.as_secs(), slowest_poll.as_secs())
        };
        assert_eq!(read(2_500), (0, 0), "a poll is counted when it returns");
        assert_eq!(read(1_000), (3, 3));
        assert_eq!(read(2_000), (4, 3));
        assert_eq!(read(10_000), (7, 3));
        assert_eq!(of(&tree, "root.idle").busy, Duration::ZERO);
        sim.run_until(tree.shutdown()).unwrap();
    }
}

#[test]
fn a_restart_keeps_the_time_and_the_slowest_poll() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::panic("root.parser").nth(1).after(15 * SECOND));
    let tree = sim.start(tree()).unwrap();
    sim.advance(14 * SECOND);
    let before = of(&tree, "root.parser");
    sim.advance(20 * SECOND);
    let after = of(&tree, "root.parser");
    assert_eq!((before.busy, after.busy), (7 * SECOND, 14 * SECOND));
    assert_eq!(after.slowest_poll, 3 * SECOND);
    assert!(after.polls > before.polls && after.wakes > before.wakes);
    sim.run_until(tree.shutdown()).unwrap();
}

#[test]
fn a_fault_that_holds_a_process_up_is_a_slow_poll() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::stall("root.idle").lasting(5 * SECOND));
    let tree = sim.start(tree()).unwrap();
    sim.advance(30 * SECOND);
    assert_eq!(of(&tree, "root.idle").slowest_poll, 5 * SECOND);
    sim.run_until(tree.shutdown()).unwrap();
}

#[test]
fn the_same_seed_gives_the_same_numbers() {
    let run = |seed| {
        let sim = Sim::with_threads(seed, Threads::like_tokio(2));
        let mut root = tree();
        for name in ["a", "b", "c"] {
            root.add_worker(worker(name, |shutdown| async move {
                for _ in 0..10 {
                    yield_now().await;
                    block_for(SECOND / 10).await;
                }
                shutdown.await;
            }));
        }
        let tree = sim.start(root.with_accounting()).unwrap();
        sim.advance(60 * SECOND);
        let numbers: Vec<_> = block_on(tree.snapshot()).iter().map(|node| node.accounting).collect();
        sim.run_until(tree.shutdown()).unwrap();
        numbers
    };
    assert_eq!(run(7), run(7));
    assert!(run(7).iter().all(Option::is_some));
}
