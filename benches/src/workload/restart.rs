use std::time::Instant;

use crate::{
    executor::Executor,
    measure::{Heap, Tally, percentile},
    subject::{Failing, Family, Subject},
};

/// The restarts that are timed one by one, after those that are only counted: reading the clock takes time.
const TIMED: usize = 10_000;

pub(super) fn sample<S: Subject>(siblings: usize, before: usize, restarts: usize) -> Vec<f64> {
    S::Executor::run(move |executor| async move {
        let arrivals = Tally::default();
        let failing = Failing::new(&arrivals);
        let supervisor = S::start(executor, Family::parked(siblings, &arrivals).with_failing(&failing)).await;
        let mut arrived = siblings + 1 + before;
        failing.fail(before);
        arrivals.reach(arrived).await;

        let begin = Instant::now();
        failing.fail(restarts);
        arrived += restarts;
        arrivals.reach(arrived).await;
        let rate = restarts as f64 / begin.elapsed().as_secs_f64();

        let timed = restarts.min(TIMED);
        failing.fail_timed(timed);
        arrivals.reach(arrived + timed).await;
        let gaps = failing.gaps();
        supervisor.stop().await;
        let microseconds = |share| percentile(gaps.iter().map(|gap| gap.as_nanos() as f64), share) / 1e3;
        vec![rate, microseconds(0.5), microseconds(0.99)]
    })
}

pub(super) fn allocations<S: Subject>(restarts: usize) -> Vec<f64> {
    S::Executor::run(move |executor| async move {
        let arrivals = Tally::default();
        let failing = Failing::new(&arrivals);
        let supervisor = S::start(executor, Family::parked(0, &arrivals).with_failing(&failing)).await;
        arrivals.reach(1).await;
        let before = Heap::now();
        failing.fail(restarts);
        arrivals.reach(1 + restarts).await;
        let allocations = Heap::now().since(before).allocations;
        supervisor.stop().await;
        vec![allocations / restarts as f64]
    })
}
