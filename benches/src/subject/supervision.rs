use std::{future::Future, marker::PhantomData};

use supervision_instructions::subject::{dynamic, root};
use supervisor_core::{RestartStrategy, SupervisionTree, SupervisorHandle, one_shot, worker};

use super::{Family, Pool, Strategy, Subject};
use crate::executor::Executor;

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
        SupervisionPool(handle)
    }
}

/// A handle on a dynamic supervisor.
#[derive(Clone, Debug)]
pub struct SupervisionPool(SupervisorHandle);

impl Pool for SupervisionPool {
    async fn spawn<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.spawn(one_shot("child", child)).expect("accepted");
    }

    async fn start_child<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.start_child(one_shot("child", child)).await.expect("started");
    }

    async fn result<F>(&self, child: F) -> F::Output
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.spawn_task("child", child).expect("accepted").await.expect("a result")
    }

    async fn close(self) {
        self.0.shutdown().expect("it runs");
    }
}
