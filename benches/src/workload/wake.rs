use std::{sync::Arc, time::Instant};

use tokio::sync::{Notify, oneshot};

use crate::{
    executor::Executor,
    subject::{Pool, Subject},
};

pub(super) fn sample<S: Subject>(wakes: usize) -> Vec<f64> {
    S::Executor::run(move |executor| async move {
        let pool = S::pool(executor).await;
        let [first, second] = [Arc::new(Notify::new()), Arc::new(Notify::new())];
        let (done, taken) = oneshot::channel();
        let turns = wakes / 2;
        let (own, other) = (second.clone(), first.clone());
        let answering = async move {
            for _ in 0..turns {
                own.notified().await;
                other.notify_one();
            }
        };
        let asking = async move {
            let begin = Instant::now();
            for _ in 0..turns {
                second.notify_one();
                first.notified().await;
            }
            let _ = done.send(begin.elapsed());
        };
        pool.spawn(answering).await;
        pool.spawn(asking).await;
        let taken = taken.await.expect("the child sends it");
        pool.close().await;
        vec![taken.as_nanos() as f64 / (2 * turns) as f64]
    })
}
