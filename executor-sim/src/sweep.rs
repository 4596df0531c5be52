//! Runs of one test with many seeds.

use std::{env, iter, thread};

use crate::{sim::Sim, trace::Recorder};

/// The variable that names the one seed to run.
const SEED: &str = "SIM_SEED";

/// Runs a test once for each seed, each in a simulation of its own.
///
/// A run that fails prints its seed, and the command that replays it alone: with `SIM_SEED=17` in the environment a
/// sweep runs only seed 17.
///
/// ```
/// use std::time::Duration;
/// use supervision::sim::{Fault, sweep};
/// use supervision::{worker, EventKind, Supervisor};
///
/// sweep(0..50, |sim| {
///     sim.fault(Fault::panic("root.spool").nth(1).within(Duration::from_secs(60)));
///     let mut root = Supervisor::new("root").unwrap();
///     root.add_worker(worker("spool", |shutdown| shutdown));
///     let record = sim.run_for(root, Duration::from_secs(3600));
///     assert!(record.outcome.is_ok());
///     let restarts = record.of("root.spool").filter(|event| matches!(event.kind, EventKind::Restarting { .. }));
///     assert_eq!(restarts.count(), 1);
/// });
/// ```
///
/// # Panics
///
/// If the test panics, or if `SIM_SEED` is set to something that is no number.
pub fn sweep(seeds: impl IntoIterator<Item = u64>, test: impl Fn(&Sim)) {
    match env::var(SEED) {
        Ok(seed) => {
            let seed = seed.parse().unwrap_or_else(|_| panic!("{SEED} must be a number, but is {seed:?}"));
            test(&Sim::with_seed(seed));
        }
        Err(_) => seeds.into_iter().for_each(|seed| test(&Sim::with_seed(seed))),
    }
}

impl Sim {
    /// Runs a test twice with the same seed, and compares everything that happens. A difference means that the test
    /// depends on more than the seed, such as the time of day, other threads, or the order in a `HashMap`.
    ///
    /// ```
    /// # use supervision::sim::Sim;
    /// # use supervision::{worker, Supervisor};
    /// Sim::check_determinism(7, |sim| {
    ///     let mut root = Supervisor::new("root").unwrap();
    ///     root.add_worker(worker("spool", |shutdown| shutdown));
    ///     sim.run_for(root, std::time::Duration::from_secs(60));
    /// });
    /// ```
    ///
    /// # Panics
    ///
    /// If the two runs differ; the message names the first difference.
    pub fn check_determinism(seed: u64, test: impl Fn(&Self)) {
        let [first, second] = [(), ()].map(|()| {
            let sim = Self::recorded(seed, Recorder::full());
            test(&sim);
            sim.take_steps()
        });
        let steps =
            first.iter().map(Some).chain(iter::repeat(None)).zip(second.iter().map(Some).chain(iter::repeat(None)));
        let steps = steps.take(first.len().max(second.len()));
        for (number, (first, second)) in steps.enumerate() {
            let [first, second] = [first, second].map(|step| step.map_or("was over", String::as_str));
            assert!(
                first == second,
                "two runs with seed {seed} differ at step {number}: the first {first}, the second {second}"
            );
        }
    }
}

/// Returns the command that runs the test of this thread again, with this seed alone.
pub(crate) fn replay(seed: u64) -> String {
    let test = thread::current().name().filter(|name| *name != "main").map(|name| format!(" '{name}' -- --exact"));
    format!("{SEED}={seed} cargo test{}", test.unwrap_or_default())
}
