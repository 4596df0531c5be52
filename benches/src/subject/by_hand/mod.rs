//! Supervision as a good engineer writes it today, on Tokio and without a crate for it: a `JoinSet`, a
//! `CancellationToken` for each child, `catch_unwind` around each future, and a table of how to make it again. The
//! budgets compare with this, so it does only what it has to do: no names, no log, no limit to restarts.

mod pool;
mod supervisor;

use std::marker::PhantomData;

use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use self::{pool::JoinSetPool, supervisor::Supervisor};
use super::{Family, Subject};
use crate::executor::Executor;

/// A hand-rolled supervisor, in a task of its own.
#[derive(Debug)]
pub struct ByHand<E> {
    stop: CancellationToken,
    running: JoinHandle<()>,
    executor: PhantomData<E>,
}

/// For executors of Tokio only: a `JoinSet` works with no other.
impl<E: Executor<Task = JoinHandle<()>>> Subject for ByHand<E> {
    type Executor = E;
    type Pool = JoinSetPool;

    const NAME: &'static str = "by hand";

    async fn start(executor: E, family: Family) -> Self {
        let stop = CancellationToken::new();
        let mut supervisor = Supervisor::new(family.strategy, family.order);
        if let Some(failing) = family.failing {
            supervisor.add(move |stop| {
                let failing = failing.clone();
                async move { Ok(failing.run(stop.cancelled_owned()).await?) }
            });
        }
        for _ in 0..family.parked {
            let arrivals = family.arrivals.clone();
            supervisor.add(move |stop| {
                let arrivals = arrivals.clone();
                async move {
                    arrivals.count();
                    stop.cancelled_owned().await;
                    Ok(())
                }
            });
        }
        let running = executor.spawn(supervisor.run(stop.clone()));
        Self { stop, running, executor: PhantomData }
    }

    async fn stop(self) {
        self.stop.cancel();
        self.running.await.expect("it does not panic");
    }

    async fn pool(_: E) -> JoinSetPool {
        JoinSetPool::default()
    }
}
