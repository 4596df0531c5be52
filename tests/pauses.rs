//! The whole program stands still, or its only thread is blocked: no innocent process is blamed for that.

use std::time::Duration;

use executor_sim::{Sim, Threads, block_for, sweep};
use executor_tokio::Tokio;
use futures_lite::future::{poll_once, yield_now};
use supervisor_core::{
    ChildSpec, EventKind, Events, ProcessShutdown, RestartStrategy, ShutdownOrder, ShutdownStrategy, Supervisor,
    process, worker,
};

const SECOND: Duration = Duration::from_secs(1);
const SEEDS: u64 = 200;

fn root() -> Supervisor {
    let generous = RestartStrategy::one_for_one().with_intensity_and_period(1000, 5 * SECOND);
    Supervisor::new("root").unwrap().with_restart_strategy(generous)
}

/// Sends a heartbeat this often, some polls after it was woken.
fn beating(name: String, every: Duration) -> ChildSpec {
    worker(name, move |_| async move {
        loop {
            process::sleep(every).await;
            yield_now().await;
            yield_now().await;
            process::heartbeat();
        }
    })
}

/// Blocks the thread for so long, time and again, and never quite as long as before: so no block ends in the very moment of a look.
fn blocking(every: Duration, time: Duration) -> ChildSpec {
    worker("blocks", move |_| async move {
        for odd in 1.. {
            process::sleep(every).await;
            block_for(time + Duration::from_micros(13 * odd)).await;
        }
    })
}

/// Returns which processes were found unresponsive.
async fn blamed(events: &mut Events) -> Vec<String> {
    let mut blamed = Vec::new();
    while let Some(Some(event)) = poll_once(events.next()).await {
        if let EventKind::Unresponsive { .. } = event.kind {
            blamed.push(event.path.clone());
        }
    }
    blamed
}

#[tokio::test(start_paused = true)]
async fn b2_a_paused_program_makes_no_worker_unresponsive() {
    let mut root = root();
    for n in 0..50 {
        root.add_worker(beating(format!("w{n}"), 7 * SECOND).with_watchdog(30 * SECOND));
    }
    let mut events = root.handle().events();
    let tree = root.start_on(Tokio::current().unwrap()).await.unwrap();
    for pause in [20 * SECOND, 31 * SECOND, 8 * 3600 * SECOND, 40 * SECOND] {
        tokio::time::sleep(61 * SECOND).await;
        tokio::time::advance(pause).await;
        tokio::time::sleep(61 * SECOND).await;
    }
    assert_eq!(blamed(&mut events).await, [""; 0]);
    drop(tree);
}

#[tokio::test(start_paused = true)]
async fn b2_a_hanging_worker_is_found_soon_after_a_pause() {
    let mut root = root();
    root.add_worker(worker("hangs", |_| std::future::pending::<()>()).with_watchdog(30 * SECOND));
    let mut events = root.handle().events();
    let tree = root.start_on(Tokio::current().unwrap()).await.unwrap();
    tokio::time::sleep(10 * SECOND).await;
    tokio::time::advance(8 * 3600 * SECOND).await;
    tokio::time::sleep(31 * SECOND).await;
    assert_eq!(blamed(&mut events).await, ["root.hangs"]);
    drop(tree);
}

#[test]
fn b2_a_blocked_thread_makes_no_sibling_unresponsive() {
    // However the blocks fall between the heartbeats and the checks.
    sweep(0..SEEDS, |sim| {
        sim.set_threads(Threads::new(1));
        let block = Duration::from_millis(200 + 50 * (sim.seed() % 60));
        let mut root = root();
        root.add_worker(blocking(Duration::from_millis(700 + sim.seed()), block));
        for (n, within) in [550, 800, 1300].into_iter().enumerate() {
            let beating = beating(format!("w{n}"), SECOND / 5);
            root.add_worker(beating.with_watchdog(Duration::from_millis(within)));
        }
        let mut events = root.handle().events();
        let tree = sim.start(root).unwrap();
        sim.run_until(async {
            sim.sleep(60 * SECOND).await;
            assert_eq!(blamed(&mut events).await, [""; 0], "blocked for {block:?} at a time");
        });
        drop(tree);
    });
}

#[test]
fn d3_a_process_that_a_sibling_holds_up_is_not_called_stuck() {
    sweep(0..SEEDS, |sim| {
        sim.set_threads(Threads::new(1));
        let mut root = root().with_abort_grace(SECOND);
        root.add_worker(worker("blocks", |shutdown| async {
            shutdown.await;
            block_for(5 * SECOND).await;
        }));
        for name in ["a", "b"] {
            let spec = worker(name, |shutdown| shutdown);
            root.add_worker(spec.with_shutdown_strategy(ShutdownStrategy::Brutal));
        }
        let tree = sim.start(root.with_shutdown_order(ShutdownOrder::Concurrent)).unwrap();
        let unclean = sim.run_until(tree.shutdown()).map_or_else(|error| error.to_string(), |()| String::new());
        assert!(!unclean.contains("root.a") && !unclean.contains("root.b"), "{unclean}");
    });
}

/// The supervisor comes late to see that start limits have passed, and has more reports to read than it takes at a time.
#[test]
fn a2_a_child_that_was_ready_in_time_has_not_failed_to_start() {
    for seed in 0..5 {
        let sim = Sim::with_threads(seed, Threads::like_tokio(1));
        let other = sim.executor();
        let pool = Supervisor::dynamic("pool").unwrap().with_child_placement(other.spawner());
        let handle = pool.handle();
        let mut root = root();
        root.add_worker(pool);
        root.add_worker(blocking(SECOND / 10, 3 * SECOND));
        let mut events = handle.events();
        let tree = sim.start(root).unwrap();
        for n in 0..1000 {
            let child = worker(format!("w{n}"), |shutdown: ProcessShutdown| async move {
                process::sleep(SECOND / 2).await;
                process::ready();
                shutdown.await;
            });
            handle.spawn(child.with_explicit_ready().with_start_timeout(SECOND)).unwrap();
        }
        sim.advance(4 * SECOND);
        let (mut ready, mut failed) = (0, 0);
        while let Some(Some(event)) = sim.run_until(poll_once(events.next())) {
            match event.kind {
                EventKind::Ready => ready += 1,
                EventKind::StartFailed(_) => failed += 1,
                _ => {}
            }
        }
        assert_eq!((ready, failed), (1000, 0), "seed {seed}");
        drop(tree);
    }
}

/// Another limit passes while the supervisor reads what had come before the first one was seen to have passed.
#[test]
fn a2_a_limit_that_passes_meanwhile_waits_for_its_own_reports() {
    for seed in 0..5 {
        let sim = Sim::with_threads(seed, Threads::like_tokio(1));
        let other = sim.executor();
        let pool = Supervisor::dynamic("pool").unwrap().with_child_placement(other.spawner());
        let handle = pool.handle();
        let mut root = root();
        root.add_worker(pool);
        root.add_worker(worker("blocks", |_| async {
            process::sleep(SECOND / 10).await;
            block_for(3 * SECOND).await;
            loop {
                yield_now().await;
                block_for(3 * SECOND / 10).await;
            }
        }));
        let mut events = handle.events();
        let tree = sim.start(root).unwrap();
        let spawn = |name: String, ready: Duration, limit: Duration| {
            let child = worker(name, move |shutdown: ProcessShutdown| async move {
                process::sleep(ready).await;
                process::ready();
                shutdown.await;
            });
            handle.spawn(child.with_explicit_ready().with_start_timeout(limit)).unwrap();
        };
        spawn("never".into(), 1000 * SECOND, SECOND);
        // Four times what is read in a turn.
        (0..1024).for_each(|n| spawn(format!("w{n}"), SECOND / 2, SECOND));
        (0..300).for_each(|n| spawn(format!("v{n}"), 32 * SECOND / 10, 35 * SECOND / 10));
        sim.advance(8 * SECOND);
        let mut failed = Vec::new();
        while let Some(Some(event)) = sim.run_until(poll_once(events.next())) {
            if let EventKind::StartFailed(_) = event.kind {
                failed.push(event.path.clone());
            }
        }
        assert_eq!(failed, ["root.pool.never"], "seed {seed}");
        drop(tree);
    }
}
