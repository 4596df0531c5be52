use std::{future::Future, marker::PhantomData};

use supervision_instructions::subject::{dynamic, root};
use supervisor_core::{RestartStrategy, SupervisionTree, SupervisorHandle, one_shot, worker};

use super::{Family, Pool, Strategy, Subject};
use crate::{executor::Executor, workload::Workload};

/// Supervision with this project.
#[derive(Debug)]
pub struct Supervision<E> {
    tree: SupervisionTree,
    executor: PhantomData<E>,
}

impl<E: Executor> Subject for Supervision<E> {
    type Executor = E;
    type Pool = SupervisionPool;

    const NAME: &'static str = "supervision";

    async fn start(executor: E, family: Family) -> Self {
        let strategy = match family.strategy {
            Strategy::OneForOne => RestartStrategy::one_for_one(),
            Strategy::OneForAll => RestartStrategy::one_for_all(),
            Strategy::RestForOne => RestartStrategy::rest_for_one(),
        };
        let mut root = root(strategy, family.order);
        if let Some(failing) = family.failing {
            root.add_worker(worker("failing", move |shutdown| failing.clone().run(shutdown)));
        }
        for _ in 0..family.parked {
            let arrivals = family.arrivals.clone();
            root.add_worker(worker("child", move |shutdown| {
                arrivals.count();
                shutdown
            }));
        }
        let tree = root.start_on(executor.spawner()).await.expect("a start without failure");
        Self { tree, executor: PhantomData }
    }

    async fn stop(self) {
        self.tree.shutdown().await.expect("a clean stop");
    }

    async fn pool(executor: E) -> SupervisionPool {
        let (handle, mut tree) = dynamic(executor.spawner()).await;
        // It runs until the handle stops it.
        E::detach(executor.spawn(async move { tree.wait().await.expect("a clean stop") }));
        SupervisionPool { handle, is_counted: false }
    }
}

/// Supervision with this project, of children whose polls are counted.
#[derive(Debug)]
pub struct Accounting<E>(Supervision<E>);

impl<E: Executor> Subject for Accounting<E> {
    type Executor = E;
    type Pool = SupervisionPool;

    const NAME: &'static str = "supervision with accounting";

    fn cannot(workload: Workload) -> Option<&'static str> {
        match workload {
            Workload::Poll { .. } | Workload::Wake { .. } => None,
            _ => Some("only polls and wakes are counted"),
        }
    }

    async fn start(executor: E, family: Family) -> Self {
        Self(Supervision::start(executor, family).await)
    }

    async fn stop(self) {
        self.0.stop().await;
    }

    async fn pool(executor: E) -> SupervisionPool {
        SupervisionPool { is_counted: true, ..Supervision::pool(executor).await }
    }
}

/// A handle on a dynamic supervisor.
#[derive(Clone, Debug)]
pub struct SupervisionPool {
    handle: SupervisorHandle,
    is_counted: bool,
}

impl Pool for SupervisionPool {
    async fn spawn<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let child = one_shot("child", child);
        let child = if self.is_counted { child.with_accounting() } else { child };
        self.handle.spawn(child).expect("accepted");
    }

    async fn start_child<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.handle.start_child(one_shot("child", child)).await.expect("started");
    }

    async fn result<F>(&self, child: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.handle.spawn_task("child", child).expect("accepted").await.expect("a result")
    }

    async fn close(self) {
        self.handle.shutdown().expect("it runs");
    }
}
