//! The same seed gives the same run: again, in a sweep, and on every machine.

use std::{
    env,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use executor_sim::{Fault, Sim, sweep};
use supervisor_core::{Backoff, RestartStrategy, Supervisor, one_shot, process, worker};

const SECOND: Duration = Duration::from_secs(1);

/// Simulates a busy hour: faults, jitter, children that come and go, and two executors.
fn busy_hour(sim: &Sim) -> String {
    sim.fault(Fault::panic("root.pool.*").one_in(3).within(100 * SECOND));
    sim.fault(Fault::lose("root.ticker").within(1000 * SECOND));
    sim.fault(Fault::stall("root.pool.b").nth(2).within(50 * SECOND).lasting(7 * SECOND));
    sim.fault(Fault::delay_wakes("root.pool.a", SECOND));
    let elsewhere = sim.executor();
    let patient = RestartStrategy::one_for_all().with_intensity_and_period(10_000, SECOND);
    let mut pool = Supervisor::new("pool").unwrap().with_restart_strategy(patient);
    for name in ["a", "b", "c"] {
        let backoff = Backoff::exponential(SECOND, 60 * SECOND);
        pool.add_worker(worker(name, |shutdown| shutdown).with_backoff(backoff));
    }
    let patient = RestartStrategy::one_for_one().with_intensity_and_period(10_000, SECOND);
    let mut root = Supervisor::new("root").unwrap().with_restart_strategy(patient);
    root.add_worker(supervisor_core::ChildSpec::from(pool).with_placement(elsewhere.spawner()));
    root.add_worker(worker("ticker", |_| async {
        loop {
            process::sleep(10 * SECOND).await;
            let _ = process::spawn(one_shot("job", process::sleep(SECOND)));
        }
    }));
    sim.run_for(root, 3600 * SECOND).to_string()
}

#[test]
fn two_runs_with_one_seed_are_the_same_in_every_step() {
    for seed in 0..5 {
        Sim::check_determinism(seed, |sim| drop(busy_hour(sim)));
    }
    let [first, second] = [(); 2].map(|()| busy_hour(&Sim::with_seed(3)));
    assert_eq!(first, second);
    assert_ne!(first, busy_hour(&Sim::with_seed(4)));
}

#[test]
fn a_seed_gives_the_same_run_on_every_machine() {
    let fingerprint = |seed| {
        let sim = Sim::with_seed(seed);
        busy_hour(&sim);
        sim.fingerprint()
    };
    // What these were on the machine that ran them first. Another order of things is another number.
    assert_eq!([fingerprint(1), fingerprint(2)], [16_891_545_366_930_624_038, 8_844_929_864_312_814_510]);
}

#[test]
fn snapshots_do_not_change_a_run() {
    let hour = |every: Option<Duration>| {
        let sim = Sim::with_seed(3);
        if let Some(every) = every {
            sim.take_snapshots(every);
        }
        (busy_hour(&sim), sim.fingerprint())
    };
    assert_eq!(hour(Some(SECOND)), hour(None));
}

#[test]
#[should_panic = "two runs with seed 1 differ at step"]
fn a_run_that_depends_on_more_than_its_seed_is_found() {
    static RUNS: AtomicU64 = AtomicU64::new(0);
    Sim::check_determinism(1, |sim| {
        let run = RUNS.fetch_add(1, SeqCst);
        sim.run_until(sim.sleep((1 + run) as u32 * SECOND));
    });
}

/// Run by the tests below, with a seed in its environment. In itself it shows what a sweep does without one.
#[test]
fn a_sweep_runs_every_seed() {
    let seen = Mutex::new(Vec::new());
    sweep(0..5, |sim| {
        seen.lock().unwrap().push(sim.seed());
        sim.advance(SECOND);
        assert_ne!(sim.seed(), 99, "the seed that fails");
    });
    let seen = seen.into_inner().unwrap();
    println!("seeds: {seen:?}");
    assert!(seen == [0, 1, 2, 3, 4] || env::var("SIM_SEED").is_ok());
}

/// Returns the output of the test above, with this seed.
fn replay(seed: &str) -> (bool, String) {
    let output = Command::new(env::current_exe().unwrap())
        .args(["a_sweep_runs_every_seed", "--exact", "--nocapture", "--test-threads=2"])
        .env("SIM_SEED", seed)
        .env("RUST_BACKTRACE", "0")
        .output()
        .unwrap();
    let text = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    (output.status.success(), text)
}

#[test]
fn a_sweep_with_a_seed_in_the_environment_runs_that_one_alone() {
    let (passed, text) = replay("17");
    assert!(passed && text.contains("seeds: [17]"), "{text}");
}

#[test]
fn a_failing_sweep_names_the_seed_and_its_command() {
    let (passed, text) = replay("99");
    assert!(!passed);
    assert!(text.contains("simulation failed (seed 99, after 1s)"), "{text}");
    assert!(text.contains("SIM_SEED=99 cargo test 'a_sweep_runs_every_seed' -- --exact"), "{text}");
}

#[test]
fn a_sweep_with_something_else_in_the_environment_says_so() {
    let (passed, text) = replay("all");
    assert!(!passed && text.contains(r#"SIM_SEED must be a number, but is "all""#), "{text}");
}
