//! The largest cost of supervision in time, as ratios to a bare `JoinSet` and to hand-written code on the same runtime in the
//! same run. Fails if it costs more. Allocations, bytes and growth have their budgets in `instructions`.
//!
//! `cargo bench -p supervision-benches --bench budgets [-- --smoke]`: with `--smoke` small and without a verdict, to
//! check that all of it still runs.

use std::{
    env,
    hint::black_box,
    io,
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use supervision_benches::{
    Contestant, Row,
    alone::Alone,
    executor::{AsyncExecutor, TokioCurrent, TokioMulti},
    rounds,
    subject::{Accounting, Bare, BareJoinSet, ByHand, Order, Strategy, Supervision},
    workload::Workload,
};

fn main() -> io::Result<ExitCode> {
    let is_smoke = env::args().any(|argument| argument == "--smoke");
    let run = if is_smoke { Run { rounds: 1, shrink: 100 } } else { Run { rounds: 21, shrink: 1 } };
    println!("| row | measured | must | aim | verdict |");
    println!("|---|---|---|---|---|");
    let mut missed = 0;
    for row in ROWS {
        let measured = (row.measure)(&run)?;
        let is_met = |limit: f64| if row.is_floor { measured >= limit } else { measured <= limit };
        let verdict = match row.aim {
            _ if measured.is_nan() => "FAILED",
            _ if is_smoke => "not judged",
            _ if !is_met(row.must) => "MISSED",
            Some(aim) if is_met(aim) => "met, with the aim",
            _ => "met",
        };
        missed += usize::from(matches!(verdict, "MISSED" | "FAILED"));
        let sign = if row.is_floor { ">=" } else { "<=" };
        let limit = |limit: f64| format!("{sign} {limit}{}", row.unit);
        let aim = row.aim.map(limit).unwrap_or_default();
        println!("| {} | {measured:.2}{} | {} | {aim} | {verdict} |", row.name, row.unit, limit(row.must));
    }
    println!();
    match missed {
        0 => Ok(ExitCode::SUCCESS),
        _ => {
            println!("{missed} missed");
            Ok(ExitCode::FAILURE)
        }
    }
}

struct Budget {
    name: &'static str,
    unit: &'static str,
    /// Whether less is worse.
    is_floor: bool,
    must: f64,
    aim: Option<f64>,
    measure: fn(&Run) -> io::Result<f64>,
}

const fn at_most(name: &'static str, unit: &'static str, must: f64, measure: fn(&Run) -> io::Result<f64>) -> Budget {
    Budget { name, unit, is_floor: false, must, aim: None, measure }
}

const fn at_least(name: &'static str, unit: &'static str, must: f64, measure: fn(&Run) -> io::Result<f64>) -> Budget {
    Budget { is_floor: true, ..at_most(name, unit, must, measure) }
}

impl Budget {
    const fn aim(mut self, aim: f64) -> Self {
        self.aim = Some(aim);
        self
    }
}

const ROWS: &[Budget] = &[
    at_most("start, 100k, to a JoinSet", "x", 0.95, |run| run.to_join_set(run.start(100_000))),
    at_most("start, 100k, by hand", "x", 1.0, |run| run.to_by_hand(run.start(100_000))).aim(0.75),
    at_most("footprint, residue of an ended child", " B", 0.0, |run| run.ours(run.residue(), 0)),
    at_least("restarts, to a JoinSet", "x", 0.8, |run| run.to_join_set(run.restart())),
    at_least("restarts, to a JoinSet, current thread", "x", 0.6, |run| {
        let turns = [Contestant::of::<BareJoinSet<TokioCurrent>>(), Contestant::of::<Supervision<TokioCurrent>>()];
        Ok(run.rounds(&turns.map(|turn| (turn, run.restart())))?.ratio(1, 0, 0))
    }),
    at_most("group, one-for-all 10k in order, to a JoinSet", "x", 1.2, |run| run.to_join_set(run.one_for_all(10_000))),
    at_most("stop, 100k at once, to a JoinSet", "x", 1.0, |run| run.to_join_set(run.stop(Order::Concurrent))),
    // A JoinSet aborts all at once.
    at_most("stop, 100k in order, to a JoinSet", "x", 1.3, |run| {
        let turns = [(JOIN_SET(), run.stop(Order::Concurrent)), (OURS(), run.stop(Order::Reverse))];
        Ok(run.rounds(&turns)?.ratio(1, 0, 0))
    }),
    at_least("churn, `spawn`, by hand", "x", 0.6, |run| run.to_by_hand(run.churn())).aim(0.8),
    // It has no answer to wait for.
    at_least("churn, `start_child`, to a spawn on a JoinSet", "x", 0.55, |run| {
        let turns = [(JOIN_SET(), run.churn()), (OURS(), run.reply())];
        Ok(run.rounds(&turns)?.ratio(1, 0, 0))
    }),
    // Without one: the same child sends what it returns. So both sides learn the same, by the same number of wakes.
    at_most("churn, a task with a result to a child that sends it", "x", 1.2, |run| {
        let turns = [(OURS(), run.result()), (OURS(), run.sent_result())];
        Ok(run.rounds(&turns)?.ratio(1, 0, 0))
    }),
    at_most("poll, added", " ns", 10.0, |run| {
        let polls = Workload::Poll { polls: run.size(1_000_000) };
        let turns = [Contestant::of::<Bare<TokioCurrent>>(), Contestant::of::<Supervision<TokioCurrent>>()];
        Ok(run.rounds(&turns.map(|turn| (turn, polls)))?.difference(1, 0, 0))
    })
    .aim(5.0),
    at_most("poll, added by accounting, beside two readings of the clock", " ns", 30.0, |run| {
        let polls = Workload::Poll { polls: run.size(1_000_000) };
        let turns =
            [Contestant::of::<Supervision<AsyncExecutor<1>>>(), Contestant::of::<Accounting<AsyncExecutor<1>>>()];
        Ok(run.rounds(&turns.map(|turn| (turn, polls)))?.difference(1, 0, 0) - 2.0 * run.clock())
    }),
    at_most("idle, wakes in 10 s", "", 0.0, |run| {
        let idle = Workload::Idle { children: run.size(100_000), seconds: run.size(1_000) as u64 / 100 };
        Ok(run.once(&[(OURS(), idle)])?.figure(0, 0))
    }),
];

const OURS: fn() -> Contestant = Contestant::of::<Supervision<TokioMulti>>;
const BY_HAND: fn() -> Contestant = Contestant::of::<ByHand<TokioMulti>>;
const JOIN_SET: fn() -> Contestant = Contestant::of::<BareJoinSet<TokioMulti>>;

/// The amount of each workload.
struct Run {
    rounds: usize,
    shrink: usize,
}

impl Run {
    /// Returns a figure in relation to that of a bare `JoinSet`.
    fn to_join_set(&self, workload: Workload) -> io::Result<f64> {
        Ok(self.rounds(&[(JOIN_SET(), workload), (OURS(), workload)])?.ratio(1, 0, 0))
    }

    /// Returns a figure in relation to that of what one would write by hand.
    fn to_by_hand(&self, workload: Workload) -> io::Result<f64> {
        Ok(self.rounds(&[(BY_HAND(), workload), (OURS(), workload)])?.ratio(1, 0, 0))
    }

    /// Returns a figure that does not depend on the load of the machine. The fixed costs of an executor or a
    /// supervisor, and the capacity that a queue keeps, are far less than a hundredth of a byte or an allocation for
    /// each of so many children.
    fn ours(&self, workload: Workload, figure: usize) -> io::Result<f64> {
        Ok((self.once(&[(OURS(), workload)])?.figure(0, figure) * 10.0).round() / 10.0)
    }

    fn rounds(&self, turns: &[(Contestant, Workload)]) -> io::Result<Row> {
        rounds(turns, self.rounds, &alone(), false)
    }

    fn once(&self, turns: &[(Contestant, Workload)]) -> io::Result<Row> {
        rounds(turns, 1, &alone(), false)
    }

    /// Returns how long a reading of the clock takes, in nanoseconds.
    fn clock(&self) -> f64 {
        let readings = self.size(1_000_000);
        let mut rounds: Vec<f64> = (0..self.rounds)
            .map(|_| {
                let begin = Instant::now();
                for _ in 0..readings {
                    black_box(Instant::now());
                }
                begin.elapsed().as_nanos() as f64 / readings as f64
            })
            .collect();
        rounds.sort_by(f64::total_cmp);
        rounds[rounds.len() / 2]
    }

    fn size(&self, size: usize) -> usize {
        size.div_ceil(self.shrink)
    }

    fn start(&self, children: usize) -> Workload {
        Workload::Start { children: self.size(children) }
    }

    fn residue(&self) -> Workload {
        Workload::Residue { children: self.size(200_000) }
    }

    fn restart(&self) -> Workload {
        Workload::Restart { siblings: 0, before: 0, restarts: self.size(100_000) }
    }

    fn one_for_all(&self, children: usize) -> Workload {
        Workload::Group { strategy: Strategy::OneForAll, children: self.size(children) }
    }

    fn stop(&self, order: Order) -> Workload {
        Workload::Stop { order, children: self.size(100_000) }
    }

    fn churn(&self) -> Workload {
        Workload::Churn { children: self.size(200_000) }
    }

    fn result(&self) -> Workload {
        Workload::Result { children: self.size(200_000) }
    }

    fn sent_result(&self) -> Workload {
        Workload::SentResult { children: self.size(200_000) }
    }

    fn reply(&self) -> Workload {
        Workload::Reply { children: self.size(200_000) }
    }
}

fn alone() -> Alone {
    Alone {
        sample: PathBuf::from(env!("CARGO_BIN_EXE_sample")),
        heap: PathBuf::from(env!("CARGO_BIN_EXE_heap")),
        limit: Duration::from_secs(120),
    }
}
