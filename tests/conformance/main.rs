//! The behaviour of OTP's own supervisor, scenario by scenario.
//!
//! `scenarios/` holds trees, scripts and the traces that the real thing printed; `departures/` those in which we differ on
//! purpose, each with the reason and the trace that we expect of ourselves. With `CONFORMANCE_DIR=path` the scenarios of
//! that folder are run instead of both. Whether a scenario can be run is decided by what is in it, never by its name.
//!
//! Where something comes in while OTP blocks in a start, its trace binds us no longer: from there on the reference model
//! judges (`judge/`). That it is right is shown by the traces of OTP itself, which it has to agree with wherever OTP does not
//! block, and by the departures.

mod author;
#[path = "../harness/mod.rs"]
mod harness;
mod judge;
mod runner;
mod scenario;
mod stage;
mod trace;

use std::{
    cell::RefCell,
    collections::BTreeMap,
    env, fs,
    io::{self, Write as _},
    num::NonZeroUsize,
    panic,
    path::{Path, PathBuf},
    sync::{Mutex, Once},
    thread,
};

use self::{
    harness::{Children, Executor, simulate},
    scenario::Scenario,
};

/// Under how many orders of things a simulated scenario is run.
const SEEDS: u64 = 100;
/// How many scenarios are written, and under how many orders each is run.
const WRITTEN: u64 = 1_000;
const SEEDS_OF_WRITTEN: u64 = 3;

#[test]
fn sim() {
    every_scenario(Executor::Sim);
}

#[test]
fn tokio_current_thread() {
    every_scenario(Executor::TokioCurrentThread);
}

#[test]
fn tokio_multi_thread() {
    every_scenario(Executor::TokioMultiThread);
}

#[test]
fn smol() {
    every_scenario(Executor::Smol);
}

#[test]
fn async_executor() {
    every_scenario(Executor::Own);
}

#[test]
fn the_model_agrees_with_otp_where_that_does_not_block() {
    let mut differing = Vec::new();
    let scenarios: Vec<_> = read_scenarios().into_iter().filter(|scenario| scenario.why_not().is_none()).collect();
    for scenario in scenarios.iter().filter(|scenario| !scenario.is_left_to_the_model()) {
        if let Err(difference) = judge::judge(scenario, &scenario.trace, &scenario.root) {
            differing.push(format!("{}: {difference}", scenario.name));
        }
    }
    assert!(differing.is_empty(), "{} differ\n{}", differing.len(), differing.join("\n"));
}

#[test]
fn a_generated_scenario_is_as_the_reference_model_says() {
    silence_scripted_panics();
    for number in 0..WRITTEN {
        let written = author::write(number);
        let scenario = author::read(&written);
        let difference = (0..SEEDS_OF_WRITTEN).find_map(|seed| difference_with_seed(seed, &scenario));
        assert_eq!(difference, None, "{written}");
    }
}

fn every_scenario(executor: Executor) {
    silence_scripted_panics();
    let mut skipped: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut differing = BTreeMap::new();
    let mut to_run = Vec::new();
    for scenario in read_scenarios() {
        match scenario.why_not() {
            Some(reason) => skipped.entry(reason).or_default().push(scenario.name),
            None => to_run.push(scenario),
        }
    }
    let run = to_run.len();
    let judged = to_run.iter().filter(|scenario| scenario.is_left_to_the_model()).count();
    differing.extend(run_all(executor, to_run));

    // Past the test harness, which shows only what failing tests print.
    let mut out = io::stderr().lock();
    let in_all: usize = skipped.values().map(Vec::len).sum();
    let differ = differing.len();
    let _ = writeln!(out, "conformance, {executor:?}: {run} run, {judged} of them judged by the reference model");
    let _ = writeln!(out, "  {differ} differ, {in_all} skipped");
    for (reason, names) in skipped {
        let _ = writeln!(out, "  skipped {:3}, {reason}", names.len());
    }
    drop(out);
    assert!(run > 0, "no scenario could be run");
    let report: Vec<_> = differing.iter().map(|(name, difference)| format!("{name}: {difference}")).collect();
    assert!(report.is_empty(), "{} of {run} scenarios differ\n{}", report.len(), report.join("\n"));
}

/// Returns the names of the scenarios that differ, and how.
fn run_all(executor: Executor, scenarios: Vec<Scenario>) -> Vec<(String, String)> {
    let Executor::Sim = executor else {
        let differ = |scenario: Scenario| Some((difference(executor, &scenario)?, scenario.name));
        return scenarios.into_iter().filter_map(differ).map(|(difference, name)| (name, difference)).collect();
    };
    let scenarios = Mutex::new(scenarios);
    let differing = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZeroUsize::get) {
            scope.spawn(|| {
                while let Some(scenario) = { scenarios.lock().unwrap().pop() } {
                    let difference = (0..SEEDS).find_map(|seed| difference_with_seed(seed, &scenario));
                    differing.lock().unwrap().extend(difference.map(|difference| (scenario.name, difference)));
                }
            });
        }
    });
    differing.into_inner().unwrap()
}

fn difference(executor: Executor, scenario: &Scenario) -> Option<String> {
    let difference = RefCell::new(None);
    executor.run(Children::Static, async |world| *difference.borrow_mut() = runner::run(scenario, world).await.err());
    difference.take()
}

fn difference_with_seed(seed: u64, scenario: &Scenario) -> Option<String> {
    let difference = RefCell::new(None);
    simulate(seed, Children::Static, async |world| {
        *difference.borrow_mut() = runner::run(scenario, world).await.err();
    });
    difference.take().map(|difference| format!("with seed {seed}: {difference}"))
}

fn read_scenarios() -> Vec<Scenario> {
    let folders = match env::var_os("CONFORMANCE_DIR") {
        Some(folder) => vec![PathBuf::from(folder)],
        None => {
            let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
            vec![own.join("scenarios"), own.join("departures")]
        }
    };
    let mut files: Vec<_> = folders
        .iter()
        .flat_map(|folder| fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())))
        .map(|entry| entry.expect("a readable folder").path())
        .collect();
    files.sort();
    files.iter().flat_map(|file| read(file)).collect()
}

fn read(file: &Path) -> Vec<Scenario> {
    let parse = |text: &str| {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("{} is not a scenario: {error}", file.display()))
    };
    let text = || fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    match file.extension().and_then(|extension| extension.to_str()) {
        Some("json") => vec![parse(&text())],
        Some("jsonl") => text().lines().filter(|line| !line.trim().is_empty()).map(parse).collect(),
        _ => vec![],
    }
}

/// Thousands of processes panic because their script says so. Only what else panics is worth a line.
fn silence_scripted_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&stage::SCRIPTED_PANIC) {
                loud(info);
            }
        }));
    });
}
