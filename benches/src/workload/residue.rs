use super::churn::short_children;
use crate::{
    executor::Executor,
    measure::settled_heap,
    subject::{Pool, Subject},
};

pub(super) fn sample<S: Subject>(children: usize) -> Vec<f64> {
    S::Executor::run(move |executor| async move {
        let pool = S::pool(executor).await;
        // Queues keep a block or two once they have been full.
        short_children(&pool, children).await;
        let before = settled_heap().await;
        short_children(&pool, children).await;
        let left = settled_heap().await.since(before).bytes;
        pool.close().await;
        vec![left / children as f64]
    })
}
