//! A soak: random trees, whose workers open scopes, under random faults, commands and subscribers, with polls that block and
//! executors that end, for any time and on any executor. It checks every invariant continuously; the first violation ends the program, with
//! its seed.
//!
//! ```sh
//! cargo run --release --example chaos -- --seconds 60 --seed 1 --executor tokio   # or smol, or sim
//! ```

#[path = "../tests/chaos/mod.rs"]
mod chaos;

use std::{
    env,
    panic::{self, AssertUnwindSafe},
    process::{self, ExitCode},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::{Duration, Instant},
};

use chaos::{Family, Main, Round, Stage, Summary, silence_scripted_panics};
use executor_sim::Sim;

/// How long one tree lives.
const LIFE: Duration = Duration::from_millis(300);
/// The number of trees at a time.
const AT_ONCE: usize = 8;

#[derive(Clone, Copy, Debug)]
enum Executor {
    Tokio,
    Smol,
    Sim,
}

struct Arguments {
    seconds: u64,
    seed: u64,
    executor: Executor,
}

fn main() -> ExitCode {
    let Arguments { seconds, seed, executor } = match arguments(env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(problem) => {
            eprintln!("{problem}\nusage: chaos [--seconds N] [--seed S] [--executor tokio|smol|sim]");
            return ExitCode::FAILURE;
        }
    };
    silence_scripted_panics();
    let end = Instant::now() + Duration::from_secs(seconds);
    let (next, total) = (AtomicU64::new(seed), Mutex::new(Summary::default()));
    let rounds = |play: &(dyn Fn(u64) -> Summary + Sync)| {
        while Instant::now() < end {
            let summary = play(next.fetch_add(1, Relaxed));
            total.lock().expect("a round that fails ends the program").add(summary);
        }
    };
    match executor {
        Executor::Sim => rounds(&|seed| {
            let sim = Sim::with_seed(seed);
            sim.run_until(Round::new(seed, &Stage::simulated(&sim)).play(LIFE))
        }),
        Executor::Tokio | Executor::Smol => {
            let main = Main::new(if let Executor::Tokio = executor { Family::Tokio } else { Family::Smol });
            at_once(&|| rounds(&|seed| smol::block_on(Round::new(seed, &Stage::real(&main)).play(LIFE))));
        }
    }
    let total = total.into_inner().expect("no run has panicked");
    println!("on {executor:?}, from seed {seed}:\n{total}{:>10}  exits lost", total.exits_lost());
    if total.exits_lost() == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn at_once(play: &(dyn Fn() + Sync)) {
    let play = || {
        // A thread that panics would leave the others running.
        if panic::catch_unwind(AssertUnwindSafe(play)).is_err() {
            process::exit(1);
        }
    };
    thread::scope(|scope| (0..AT_ONCE).for_each(|_| drop(scope.spawn(play))));
}

fn arguments(mut given: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments { seconds: 2, seed: 1, executor: Executor::Tokio };
    while let Some(name) = given.next() {
        let value = given.next().ok_or_else(|| format!("{name} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{name} needs a number, not {value:?}"));
        match name.as_str() {
            "--seconds" => arguments.seconds = number()?,
            "--seed" => arguments.seed = number()?,
            "--executor" => {
                arguments.executor = match value.as_str() {
                    "tokio" => Executor::Tokio,
                    "smol" => Executor::Smol,
                    "sim" => Executor::Sim,
                    _ => return Err(format!("there is no executor {value:?}")),
                };
            }
            _ => return Err(format!("there is no {name}")),
        }
    }
    Ok(arguments)
}
