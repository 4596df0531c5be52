use std::{future::Future, marker::PhantomData};

use supervisor_core::{
    RestartStrategy, ShutdownOrder, Spawner, SupervisionTree, Supervisor, SupervisorHandle, one_shot, worker,
};

use super::{Failed, Family, Pool, Subject};
use crate::{
    executor::{Executor, Spawn as _},
    floor::{Order, Strategy},
    rows::{INTENSITY, PERIOD},
};

/// Supervision with this project.
#[derive(Debug)]
pub struct Ours<E> {
    tree: SupervisionTree,
    executor: PhantomData<E>,
}

impl<E: Executor> Subject for Ours<E> {
    type Executor = E;
    type Pool = Dynamic;

    const NAME: &'static str = "ours";

    async fn start(executor: &E, family: Family) -> Self {
        let tree = supervisor(family).start_on(executor.spawner()).await.expect("a start without failure");
        Self { tree, executor: PhantomData }
    }

    async fn stop(self) {
        self.tree.shutdown().await.expect("a clean stop");
    }

    async fn pool(executor: &E) -> Dynamic {
        let (handle, mut tree) = dynamic(executor.spawner()).await;
        // It runs until the handle stops it.
        executor.handle().spawn(async move { tree.wait().await.expect("a clean stop") });
        Dynamic(handle)
    }
}

/// Makes a supervisor that may restart as often as it likes, but has to remember each restart.
///
/// # Panics
///
/// Never: the name is valid.
pub fn root(strategy: RestartStrategy, order: Order) -> Supervisor {
    let order = match order {
        Order::Reverse => ShutdownOrder::Reverse,
        Order::Concurrent => ShutdownOrder::Concurrent,
    };
    Supervisor::new("root")
        .expect("a valid name")
        .with_restart_strategy(strategy.with_intensity_and_period(INTENSITY, PERIOD))
        .with_shutdown_order(order)
}

/// Starts a supervisor of children that come and go.
///
/// # Panics
///
/// If it does not start.
pub async fn dynamic(spawner: impl Spawner) -> (SupervisorHandle, SupervisionTree) {
    let pool = Supervisor::dynamic("pool").expect("a valid name");
    let handle = pool.handle();
    (handle, pool.start_on(spawner).await.expect("a start without failure"))
}

/// Makes the supervisor, in a function of its own, so that it is not built for each executor.
fn supervisor(family: Family) -> Supervisor {
    let strategy = match family.strategy {
        Strategy::OneForOne => RestartStrategy::one_for_one(),
        Strategy::OneForAll => RestartStrategy::one_for_all(),
    };
    let mut root = root(strategy, family.order);
    if let Some(failures) = family.failing {
        let starts = family.starts.clone();
        root.add_worker(worker("failing", move |shutdown| {
            starts.count();
            let failures = failures.clone();
            async move { if failures.or(shutdown).await { Err(Failed) } else { Ok(()) } }
        }));
    }
    for _ in 0..family.parked {
        let starts = family.starts.clone();
        root.add_worker(worker("child", move |shutdown| {
            starts.count();
            shutdown
        }));
    }
    root
}

/// A handle on a dynamic supervisor.
#[derive(Clone, Debug)]
pub struct Dynamic(SupervisorHandle);

impl Pool for Dynamic {
    fn spawn(&self, child: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(one_shot("child", child)).expect("accepted");
    }

    async fn start_child(&self, child: impl Future<Output = ()> + Send + 'static) {
        self.0.start_child(one_shot("child", child)).await.expect("started");
    }

    fn close(self) {
        self.0.shutdown().expect("it runs");
    }
}
