use std::time::Instant;

use crate::{
    executor::Executor,
    measure::Tally,
    subject::{Family, Order, Subject},
};

pub(super) fn sample<S: Subject>(order: Order, children: usize) -> Vec<f64> {
    S::Executor::run(move |executor| async move {
        let arrivals = Tally::default();
        let supervisor = S::start(executor, Family::parked(children, &arrivals).with_order(order)).await;
        arrivals.reach(children).await;
        let begin = Instant::now();
        supervisor.stop().await;
        vec![begin.elapsed().as_nanos() as f64 / children as f64]
    })
}
