use std::time::Instant;

use crate::{
    executor::Executor,
    measure::{Tally, median},
    subject::{Failing, Family, Order, Strategy, Subject},
};

/// Failures in each sample, one after the other.
const FAILURES: usize = 3;

pub(super) fn sample<S: Subject>(strategy: Strategy, children: usize) -> Vec<f64> {
    S::Executor::run(move |executor| async move {
        let arrivals = Tally::default();
        let failing = Failing::new(&arrivals);
        let family = Family::parked(children - 1, &arrivals)
            .with_failing(&failing)
            .with_strategy(strategy)
            .with_order(Order::Reverse);
        let supervisor = S::start(executor, family).await;
        arrivals.reach(children).await;
        let mut taken = Vec::with_capacity(FAILURES);
        for failure in 1..=FAILURES {
            let begin = Instant::now();
            failing.fail(1);
            arrivals.reach(children * (failure + 1)).await;
            taken.push(begin.elapsed().as_nanos() as f64 / children as f64);
        }
        supervisor.stop().await;
        vec![median(taken)]
    })
}
