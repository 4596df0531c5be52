use crate::{
    executor::Executor,
    measure::{Heap, Tally, resident, settled_heap},
    subject::{Family, Subject},
};

pub(super) fn sample<S: Subject>(children: usize) -> Vec<f64> {
    S::Executor::run(move |executor| async move {
        // The allocations that an executor makes once, for its first tasks, do not count for a child.
        start_and_stop::<S>(executor.clone(), 100).await;
        let (empty, before) = (settled_heap().await, resident());
        let (live, memory) = start_and_stop::<S>(executor, children).await;
        let left = settled_heap().await.since(empty).bytes;
        let (live, memory) = (live.since(empty), memory - before);
        let per_child = |value: f64| value / children as f64;
        vec![per_child(live.bytes), per_child(live.live), per_child(memory), left]
    })
}

/// Starts and stops. Returns what there is in between.
async fn start_and_stop<S: Subject>(executor: S::Executor, children: usize) -> (Heap, f64) {
    let arrivals = Tally::default();
    let supervisor = S::start(executor, Family::parked(children, &arrivals)).await;
    arrivals.reach(children).await;
    let between = (settled_heap().await, resident());
    supervisor.stop().await;
    between
}
