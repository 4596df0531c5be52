use std::time::Instant;

use futures_lite::future::yield_now;
use tokio::sync::oneshot;

use crate::{
    executor::Executor,
    subject::{Pool, Subject},
};

pub(super) fn sample<S: Subject>(polls: usize) -> Vec<f64> {
    S::Executor::run(move |executor| async move {
        let pool = S::pool(executor).await;
        let (done, taken) = oneshot::channel();
        let child = async move {
            let begin = Instant::now();
            for _ in 0..polls {
                yield_now().await;
            }
            let _ = done.send(begin.elapsed());
        };
        pool.spawn(child).await;
        let taken = taken.await.expect("the child sends it");
        pool.close().await;
        vec![taken.as_nanos() as f64 / polls as f64]
    })
}
