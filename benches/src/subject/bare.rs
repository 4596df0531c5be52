use std::future::{Future, pending};

use super::{Family, Pool, Subject};
use crate::{executor::Executor, workload::Workload};

/// The executor's own spawn, without supervision: the floor.
#[derive(Debug)]
pub struct Bare<E: Executor>(Vec<E::Task>);

impl<E: Executor> Subject for Bare<E> {
    type Executor = E;
    type Pool = BarePool<E>;

    const NAME: &'static str = "bare spawn";

    fn cannot(workload: Workload) -> Option<&'static str> {
        match workload {
            Workload::Restart { .. } | Workload::RestartAllocations { .. } | Workload::Group { .. } => {
                Some("a bare task is not restarted")
            }
            Workload::Stop { .. } => Some("a bare task cannot be asked to stop"),
            Workload::Reply { .. } => Some("a bare spawn has no answer to wait for"),
            _ => None,
        }
    }

    async fn start(executor: E, family: Family) -> Self {
        let task = |_| {
            let arrivals = family.arrivals.clone();
            executor.spawn(async move {
                arrivals.count();
                pending().await
            })
        };
        Self((0..family.parked).map(task).collect())
    }

    async fn stop(self) {
        self.0.into_iter().for_each(E::abort);
    }

    async fn pool(executor: E) -> BarePool<E> {
        BarePool(executor)
    }
}

/// The executor itself.
#[derive(Clone, Debug)]
pub struct BarePool<E>(E);

impl<E: Executor> Pool for BarePool<E> {
    async fn spawn<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        E::detach(self.0.spawn(child));
    }

    async fn close(self) {}
}
