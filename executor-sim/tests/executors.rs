//! Executors with threads in a simulation: faults that block them, their ends, and what the seed decides.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Waker},
    time::Duration,
};

use executor_sim::{Fault, Sim, Threads, block_for};
use supervisor_core::{
    ChildSpec, Exit, RestartStrategy, Spawner, Supervisor, Timer, contract::TestProcess, one_shot, process, worker,
};

const SECOND: Duration = Duration::from_secs(1);

/// Returns when the ticker of this tree ticked, with a quiet worker beside it that has a fault.
fn ticks(seed: u64, threads: Threads, fault: Fault) -> Vec<u64> {
    let sim = Sim::with_threads(seed, threads);
    sim.fault(fault);
    let begin = sim.spawner().now();
    let ticks = Arc::new(Mutex::new(Vec::new()));
    let (ticked, spawner) = (ticks.clone(), sim.spawner());
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(worker("ticker", move |_| {
        let (ticked, spawner) = (ticked.clone(), spawner.clone());
        async move {
            loop {
                process::sleep(2 * SECOND).await;
                ticked.lock().unwrap().push((spawner.now() - begin).as_secs());
            }
        }
    }));
    root.add_worker(worker("quiet", |shutdown| shutdown));
    let tree = sim.start(root).unwrap();
    sim.advance(11 * SECOND);
    drop(tree);
    let ticks = ticks.lock().unwrap();
    ticks.clone()
}

#[test]
fn a_blocking_fault_occupies_its_thread_a_stall_does_not() {
    let block = || Fault::block("root.quiet").after(3 * SECOND).lasting(4 * SECOND);
    let stall = || Fault::stall("root.quiet").after(3 * SECOND).lasting(4 * SECOND);
    for seed in 0..20 {
        assert_eq!(ticks(seed, Threads::new(1), stall()), [2, 4, 6, 8, 10]);
        assert_eq!(ticks(seed, Threads::new(1), block()), [2, 7, 9, 11]);
        assert_eq!(ticks(seed, Threads::new(2), block()), [2, 4, 6, 8, 10]);
        assert_eq!(ticks(seed, Threads::unlimited(), block()), [2, 4, 6, 8, 10]);
    }
}

#[test]
fn a_fault_that_blocks_for_good_never_gives_its_thread_back() {
    let block = Fault::block("root.quiet").after(3 * SECOND);
    assert_eq!(ticks(1, Threads::new(1), block), [2]);
}

#[test]
fn a_blocking_fault_after_the_start_takes_the_driver_away() {
    let block = || Fault::block("root.quiet").after(3 * SECOND).lasting(4 * SECOND);
    for seed in 0..20 {
        assert_eq!(ticks(seed, Threads::like_tokio(2), block()), [2, 7, 9, 11]);
    }
}

fn poll(timer: &mut Pin<Box<dyn Timer>>) -> bool {
    timer.as_mut().poll_elapsed(&mut Context::from_waker(Waker::noop())).is_ready()
}

#[test]
fn a_timer_of_an_ended_executor_never_elapses() {
    for threads in [Threads::unlimited(), Threads::like_tokio(2)] {
        let sim = Sim::with_seed(1);
        let elsewhere = sim.executor_with(threads);
        let spawner = elsewhere.spawner();
        let [mut waiting, mut elapsed] = [spawner.timer(), spawner.timer()];
        waiting.as_mut().reset(Some(spawner.now() + 5 * SECOND));
        elapsed.as_mut().reset(Some(spawner.now()));
        assert!(!poll(&mut waiting) && poll(&mut elapsed));
        elsewhere.end();
        sim.run_until_idle();
        assert_eq!(sim.elapsed(), Duration::ZERO, "no task waits for it any more");
        sim.advance(10 * SECOND);
        assert!(!poll(&mut waiting) && !poll(&mut elapsed));
        waiting.as_mut().reset(Some(spawner.now()));
        assert!(!poll(&mut waiting));
    }
}

#[test]
fn a_strict_timer_of_an_ended_executor_panics_when_used() {
    fn reset(timer: &mut Pin<Box<dyn Timer>>) -> bool {
        timer.as_mut().reset(None);
        false
    }

    for threads in [Threads::unlimited(), Threads::like_tokio(2)] {
        for usage in [reset, poll] {
            let sim = Sim::with_threads(1, threads.with_strict_timers());
            let elsewhere = sim.executor_with(threads.with_strict_timers());
            for (mut timer, end) in [
                (elsewhere.spawner().timer(), Box::new(|| elsewhere.end()) as Box<dyn FnOnce()>),
                (sim.spawner().timer(), Box::new(|| drop(sim))),
            ] {
                usage(&mut timer);
                end();
                let panic = catch_unwind(AssertUnwindSafe(|| usage(&mut timer))).unwrap_err();
                let text = panic.downcast_ref::<String>().unwrap();
                assert!(text.contains("after the end of that executor"), "{text}");
                drop(timer);
            }
        }
    }
}

#[test]
fn destructors_of_an_ended_executor_may_use_its_timers() {
    struct Uses(Pin<Box<dyn Timer>>, Arc<Mutex<bool>>);

    impl Drop for Uses {
        fn drop(&mut self) {
            self.0.as_mut().reset(None);
            *self.1.lock().unwrap() = true;
        }
    }

    let sim = Sim::with_seed(1);
    let elsewhere = sim.executor_with(Threads::new(1).with_strict_timers());
    let is_done = Arc::new(Mutex::new(false));
    let uses = Uses(elsewhere.spawner().timer(), is_done.clone());
    let (process, outcome) = TestProcess::new(async move {
        let _uses = uses;
        std::future::pending::<()>().await;
    })
    .into_parts();
    elsewhere.spawner().spawn(process);
    sim.run_until_idle();
    elsewhere.end();
    assert!(matches!(outcome.try_exit(), Some(Exit::Lost)));
    assert!(*is_done.lock().unwrap());
}

#[test]
fn an_ended_executor_drops_a_process_inside_of_spawn() {
    for threads in [Threads::unlimited(), Threads::none(), Threads::like_tokio(2)] {
        let sim = Sim::with_seed(1);
        let elsewhere = sim.executor_with(threads);
        let spawner = elsewhere.spawner();
        elsewhere.end();
        let (process, outcome) = TestProcess::new(async {}).into_parts();
        spawner.spawn(process);
        assert!(matches!(outcome.try_exit(), Some(Exit::Lost)));
    }
}

/// Blocks on every executor of a tree.
fn busy_hour(sim: &Sim) -> String {
    sim.fault(Fault::block("root.pool.*").one_in(3).within(100 * SECOND).lasting(3 * SECOND));
    sim.fault(Fault::block("root.ticker").within(1000 * SECOND).lasting(20 * SECOND));
    sim.fault(Fault::fail("root.pool.a").within(100 * SECOND));
    let elsewhere = sim.executor_with(Threads::like_tokio(2).with_strict_timers());
    let patient = || RestartStrategy::one_for_all().with_intensity_and_period(10_000, SECOND);
    let mut pool = Supervisor::new("pool").unwrap().with_restart_strategy(patient());
    for name in ["a", "b", "c"] {
        pool.add_worker(worker(name, |shutdown| shutdown));
    }
    let mut root = Supervisor::new("root").unwrap().with_restart_strategy(patient());
    root.add_worker(ChildSpec::from(pool).with_placement(elsewhere.spawner()));
    root.add_worker(worker("ticker", |_| async {
        loop {
            process::sleep(10 * SECOND).await;
            let _ = process::spawn(one_shot("job", async {
                process::sleep(SECOND).await;
                block_for(2 * SECOND).await;
            }));
        }
    }));
    sim.run_for(root, 3600 * SECOND).to_string()
}

#[test]
fn the_seed_decides_what_threads_leave_open() {
    for seed in 0..5 {
        Sim::check_determinism(seed, |sim| {
            sim.set_threads(Threads::like_tokio(3));
            busy_hour(sim);
        });
    }
    let run = |seed| {
        let sim = Sim::with_threads(seed, Threads::like_tokio(3));
        (busy_hour(&sim), sim.fingerprint())
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3).1, run(4).1);
}
