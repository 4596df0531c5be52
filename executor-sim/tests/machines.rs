//! Programs on machines of their own: a clock that runs at another rate, a program that is stopped and goes on, and one that is killed.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use executor_sim::{Sim, SimExecutor, Threads, sweep};
use supervisor_core::{ProcessShutdown, SupervisionTree, Supervisor, process, worker};

const SECOND: Duration = Duration::from_secs(1);

type Beats = Arc<Mutex<Vec<Duration>>>;

/// Tells when it is dropped.
struct Falls(Beats);

impl Drop for Falls {
    fn drop(&mut self) {
        self.0.lock().unwrap().clear();
    }
}

/// Starts a tree on the executor whose worker notes the simulation's time in each second of its own clock.
fn beats_on(sim: &Sim, executor: &SimExecutor) -> (SupervisionTree, Beats) {
    let beats = Beats::default();
    let (noted, elapsed) = (beats.clone(), sim.clock());
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(worker("beat", move |_: ProcessShutdown| {
        let (noted, elapsed) = (noted.clone(), elapsed.clone());
        async move {
            let _falls = Falls(noted.clone());
            loop {
                let before = process::now();
                process::sleep(SECOND).await;
                assert!(process::now() - before >= SECOND);
                noted.lock().unwrap().push(elapsed());
            }
        }
    }));
    let tree = sim.run_until(root.start_on(executor.spawner())).unwrap();
    (tree, beats)
}

fn seconds(beats: &Beats) -> Vec<f64> {
    beats.lock().unwrap().iter().map(|at| (at.as_secs_f64() * 1000.0).round() / 1000.0).collect()
}

#[test]
fn a_clock_at_another_rate_reaches_its_deadlines_at_that_rate() {
    sweep(0..20, |sim| {
        let fast = sim.executor_at_rate(Threads::unlimited(), 1.25);
        let slow = sim.executor_at_rate(Threads::unlimited(), 0.5);
        let (_fast_tree, of_fast) = beats_on(sim, &fast);
        let (_slow_tree, of_slow) = beats_on(sim, &slow);
        sim.advance(5 * SECOND);
        assert_eq!(seconds(&of_fast), [0.8, 1.6, 2.4, 3.2, 4.0, 4.8]);
        assert_eq!(seconds(&of_slow), [2.0, 4.0]);
    });
}

#[test]
fn a_paused_executor_runs_nothing_and_hears_its_timers_late() {
    sweep(0..20, |sim| {
        for threads in [Threads::unlimited(), Threads::like_tokio(2)] {
            let executor = sim.executor_with(threads);
            let begin = sim.elapsed();
            let (_tree, beats) = beats_on(sim, &executor);
            sim.advance(2 * SECOND);
            executor.pause();
            sim.advance(5 * SECOND);
            assert_eq!(beats.lock().unwrap().len(), 2);
            executor.resume();
            sim.advance(SECOND);
            let since: Vec<_> = beats.lock().unwrap().iter().map(|at| (*at - begin).as_secs()).collect();
            assert_eq!(since, [1, 2, 7, 8]);
        }
    });
}

#[test]
fn what_happens_to_a_paused_executor_waits() {
    sweep(0..20, |sim| {
        let executor = sim.executor();
        let (tree, _beats) = beats_on(sim, &executor);
        executor.pause();
        tree.handle().shutdown().unwrap();
        sim.advance(60 * SECOND);
        assert_eq!(sim.processes(), 2);
        executor.resume();
        sim.advance(60 * SECOND);
        assert_eq!(sim.processes(), 0);
    });
}

#[test]
fn a_crash_runs_no_destructor() {
    sweep(0..20, |sim| {
        let executor = sim.executor();
        let (tree, beats) = beats_on(sim, &executor);
        sim.advance(3 * SECOND);
        executor.crash();
        drop(tree);
        sim.advance(60 * SECOND);
        assert_eq!(beats.lock().unwrap().len(), 3);
    });
}
