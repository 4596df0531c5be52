use std::{future::Future, sync::Arc, time::Instant};

use futures_lite::future::yield_now;
use tokio::sync::{Semaphore, oneshot};

use crate::{
    executor::Executor,
    subject::{Pool, Subject},
};

/// The number of children alive at a time.
const ALIVE: usize = 64;

pub(super) fn sample<S: Subject>(children: usize) -> Vec<f64> {
    S::Executor::run(move |executor| async move {
        let pool = S::pool(executor).await;
        let begin = Instant::now();
        short_children(&pool, children).await;
        let rate = children as f64 / begin.elapsed().as_secs_f64();
        pool.close().await;
        vec![rate]
    })
}

/// Spawns children that yield once each. Returns when all have ended.
pub(super) async fn short_children(pool: &impl Pool, children: usize) {
    let alive = Arc::new(Semaphore::new(ALIVE));
    for _ in 0..children {
        let place = alive.clone().acquire_owned().await.expect("open");
        let child = async move {
            yield_now().await;
            drop(place);
        };
        pool.spawn(child).await;
    }
    let _all = alive.acquire_many(ALIVE as u32).await.expect("open");
}

pub(super) fn with_reply<S: Subject>(children: usize) -> Vec<f64> {
    by_callers::<S, _>(children, |pool| async move { answered_child(&pool).await })
}

pub(super) fn with_result<S: Subject>(children: usize) -> Vec<f64> {
    by_callers::<S, _>(children, |pool| async move {
        let result = pool.result(async {
            yield_now().await;
            1
        });
        assert_eq!(result.await, 1_u64);
    })
}

pub(super) fn with_sent_result<S: Subject>(children: usize) -> Vec<f64> {
    by_callers::<S, _>(children, |pool| async move {
        let (send, result) = oneshot::channel::<u64>();
        let child = async move {
            yield_now().await;
            let _ = send.send(1);
        };
        pool.spawn(child).await;
        assert_eq!(result.await, Ok(1));
    })
}

/// Has as many tasks as may be alive call this again and again.
fn by_callers<S: Subject, F>(children: usize, call: impl Fn(S::Pool) -> F + Copy + Send + Sync + 'static) -> Vec<f64>
where
    F: Future<Output = ()> + Send,
{
    S::Executor::run(move |executor| async move {
        let pool = S::pool(executor.clone()).await;
        let done = Arc::new(Semaphore::new(0));
        let begin = Instant::now();
        for _ in 0..ALIVE {
            let (pool, done) = (pool.clone(), done.clone());
            S::Executor::detach(executor.spawn(async move {
                for _ in 0..children / ALIVE {
                    call(pool.clone()).await;
                }
                done.add_permits(1);
            }));
        }
        let _all = done.acquire_many(ALIVE as u32).await.expect("open");
        let rate = (children / ALIVE * ALIVE) as f64 / begin.elapsed().as_secs_f64();
        pool.close().await;
        vec![rate]
    })
}

/// Spawns a child. Returns when it has ended.
async fn answered_child(pool: &impl Pool) {
    let (end, ended) = oneshot::channel::<()>();
    let child = async move {
        yield_now().await;
        drop(end);
    };
    pool.start_child(child).await;
    let _ = ended.await;
}
