//! Statistics of times, by criterion: whether a change has made something slower since the last run. It finishes one
//! subject before it begins the next, so two of its subjects cannot be compared; the other benches let them take turns.
//!
//! `cargo bench -p supervision-benches --features criterion --bench timings [-- filter]`

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, SamplingMode};
use supervision_benches::{
    Contestant, executors, peers,
    subject::{Order, Strategy},
    workload::Workload,
};

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    for (name, workload) in [
        ("start", Workload::Start { children: 10_000 }),
        ("restart", Workload::Restart { siblings: 0, before: 0, restarts: 10_000 }),
        ("group, one-for-all", Workload::Group { strategy: Strategy::OneForAll, children: 1_000 }),
        ("group, rest-for-one", Workload::Group { strategy: Strategy::RestForOne, children: 1_000 }),
        ("stop, concurrent", Workload::Stop { order: Order::Concurrent, children: 10_000 }),
        ("stop, in order", Workload::Stop { order: Order::Reverse, children: 10_000 }),
        ("churn, spawn", Workload::Churn { children: 10_000 }),
        ("churn, with the answer", Workload::Reply { children: 10_000 }),
        ("poll", Workload::Poll { polls: 100_000 }),
        ("wake", Workload::Wake { wakes: 10_000 }),
    ] {
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20).sampling_mode(SamplingMode::Flat).measurement_time(Duration::from_secs(2));
        let others = peers().into_iter().filter(|peer| peer.subject() != "supervision");
        let all = executors().into_iter().chain(others);
        for contestant in all.filter(|contestant| contestant.cannot(workload).is_none()) {
            let id = BenchmarkId::from_parameter(contestant.name());
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|times| (0..times).map(|_| time_of_one(&contestant, workload)).sum());
            });
        }
        group.finish();
    }
}

/// Returns the time of one child, restart, poll or wake.
fn time_of_one(contestant: &Contestant, workload: Workload) -> Duration {
    let first = contestant.sample(workload)[0];
    let is_rate = workload.figures()[0].is_rate;
    Duration::from_secs_f64(if is_rate { 1.0 / first } else { first / 1e9 })
}
