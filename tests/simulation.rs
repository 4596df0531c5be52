//! Thousands of random trees, under random faults, in random orders: each from its seed.

mod chaos;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use chaos::{Round, Summary, silence_scripted_panics};
use executor_sim::{Fault, Sim, sweep};
use fastrand::Rng;

const TREES: u64 = 10_000;
const MOMENT: Duration = Duration::from_millis(1);

/// One tree with its faults.
fn play(sim: &Sim) -> Summary {
    silence_scripted_panics();
    let round = Round::new(sim.seed(), Arc::new(sim.spawner()), true);
    let mut rng = Rng::with_seed(sim.seed());
    for worker in round.workers() {
        let time = rng.u32(1..40) * MOMENT;
        let fault = match rng.u8(..16) {
            0 => Fault::panic(worker).within(time),
            1 => Fault::lose(worker).within(time),
            2 => Fault::refuse(worker).one_in(2),
            3 => Fault::fail_start(worker).until(time),
            4 => Fault::stall(worker).within(time).lasting(time),
            5 => Fault::delay_wakes(worker, 3 * MOMENT),
            _ => continue,
        };
        sim.fault(fault);
    }
    let summary = sim.run_until(round.play(50 * MOMENT));
    sim.run_until_idle();
    assert_eq!(sim.processes(), 0, "a process is left");
    summary
}

#[test]
fn whatever_goes_wrong_in_a_tree_what_must_hold_holds() {
    let total = Mutex::new(Summary::default());
    sweep(0..TREES, |sim| total.lock().unwrap().add(play(sim)));
    let total = total.into_inner().unwrap();
    // Or else nothing was tried.
    for what in ["panics", "aborts", "restarts", "supervisors that gave up", "stuck", "processes lost"] {
        assert!(total.of(what) as u64 > TREES / 200 || total.of("trees") == 1, "only {} {what}", total.of(what));
    }
}

#[test]
fn a_tree_under_faults_is_the_same_tree_again_with_the_same_seed() {
    for seed in 0..20 {
        Sim::check_determinism(seed, |sim| drop(play(sim)));
    }
}
