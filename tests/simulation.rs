//! Thousands of random trees, under random faults, in random orders: each from its seed.

mod chaos;

use std::{sync::Mutex, time::Duration};

use chaos::{Round, Stage, Summary, silence_scripted_panics};
use executor_sim::{Sim, sweep};

const TREES: u64 = 2_500;
const MOMENT: Duration = Duration::from_millis(1);

/// Plays one tree with its faults.
fn play(sim: &Sim) -> Summary {
    silence_scripted_panics();
    let summary = sim.run_until(Round::new(sim.seed(), &Stage::simulated(sim)).play(50 * MOMENT));
    sim.run_until_idle();
    assert_eq!(sim.processes(), 0, "a process is left");
    summary
}

#[test]
fn the_invariants_of_a_tree_hold_under_faults() {
    let total = Mutex::new(Summary::default());
    sweep(0..TREES, |sim| total.lock().unwrap().add(play(sim)));
    let total = total.into_inner().unwrap();
    // Or else nothing was tried.
    for what in ["panics", "aborts", "restarts", "supervisors that gave up", "stuck", "processes lost", "scopes"] {
        assert!(total.of(what) as u64 > TREES / 200 || total.of("trees") == 1, "only {} {what}", total.of(what));
    }
}

#[test]
fn a_tree_under_faults_is_the_same_again_with_its_seed() {
    for seed in 0..20 {
        Sim::check_determinism(seed, |sim| drop(play(sim)));
    }
}
