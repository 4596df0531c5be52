//! What a simulation promises: one seed, one order; and time that passes only when there is nothing to do.

use std::{
    cell::RefCell,
    sync::{Arc, Mutex},
    time::Duration,
};

use executor_sim::Sim;
use supervisor_core::{Supervisor, process, worker};

const SECOND: Duration = Duration::from_secs(1);

/// Returns the order in which a few workers speak, twice each.
fn order(seed: u64) -> Vec<usize> {
    let sim = Sim::with_seed(seed);
    let spoken = Arc::new(Mutex::new(Vec::new()));
    sim.run_until(async {
        let mut root = Supervisor::new("root").unwrap();
        for number in 0..6 {
            let spoken = spoken.clone();
            root.add_worker(worker("speaker", move |shutdown| {
                let spoken = spoken.clone();
                async move {
                    spoken.lock().unwrap().push(number);
                    process::sleep(SECOND).await;
                    spoken.lock().unwrap().push(number);
                    shutdown.await;
                }
            }));
        }
        let tree = root.start_on(sim.spawner()).await.unwrap();
        while spoken.lock().unwrap().len() < 12 {
            sleep(&sim, SECOND).await;
        }
        tree.shutdown().await.unwrap();
    });
    let spoken = spoken.lock().unwrap();
    spoken.clone()
}

async fn sleep(sim: &Sim, time: Duration) {
    use supervisor_core::Spawner;

    let spawner = sim.spawner();
    let mut timer = spawner.timer();
    timer.as_mut().reset(spawner.now().checked_add(time));
    std::future::poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
}

#[test]
fn the_same_seed_gives_the_same_order_and_others_give_others() {
    let first = order(1);
    assert_eq!(first, order(1));
    assert!((2..10).any(|seed| order(seed) != first));
}

#[test]
fn the_clock_jumps_to_the_next_timer_and_no_further() {
    let sim = Sim::with_seed(1);
    let seen = RefCell::new(Vec::new());
    sim.run_until(async {
        for hours in [1, 2, 3] {
            sleep(&sim, hours * 3600 * SECOND).await;
            seen.borrow_mut().push(sim.elapsed().as_secs() / 3600);
        }
    });
    assert_eq!(*seen.borrow(), [1, 3, 6]);
}

#[test]
fn advance_lets_everything_happen_that_happens_in_that_time() {
    let sim = Sim::with_seed(1);
    let ticks = Arc::new(Mutex::new(0));
    let mut root = Supervisor::new("root").unwrap();
    let counted = ticks.clone();
    root.add_worker(worker("ticker", move |_| {
        let ticks = counted.clone();
        async move {
            loop {
                process::sleep(SECOND).await;
                *ticks.lock().unwrap() += 1;
            }
        }
    }));
    let tree = sim.run_until(root.start_on(sim.spawner())).unwrap();
    sim.advance(10 * SECOND + SECOND / 2);
    assert_eq!(*ticks.lock().unwrap(), 10);
    assert_eq!(sim.elapsed(), 10 * SECOND + SECOND / 2);
    drop(tree);
    sim.run_until_idle();
    assert_eq!(sim.elapsed(), 15 * SECOND + SECOND / 2, "the ticker was given its five seconds");
}

#[test]
#[should_panic = "simulation deadlocked (seed 7, after 0ns): no runnable process, no timer"]
fn a_deadlock_panics_and_names_the_seed() {
    Sim::with_seed(7).run_until(std::future::pending::<()>());
}
