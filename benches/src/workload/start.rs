use std::time::Instant;

use crate::{
    executor::Executor,
    measure::Tally,
    subject::{Family, Subject},
};

pub(super) fn sample<S: Subject>(children: usize) -> Vec<f64> {
    S::Executor::run(move |executor| async move {
        let arrivals = Tally::default();
        let begin = Instant::now();
        let supervisor = S::start(executor, Family::parked(children, &arrivals)).await;
        arrivals.reach(children).await;
        let taken = begin.elapsed();
        supervisor.stop().await;
        vec![taken.as_nanos() as f64 / children as f64]
    })
}
