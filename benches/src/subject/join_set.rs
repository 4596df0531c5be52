use std::{
    future::{Future, pending},
    marker::PhantomData,
    sync::Arc,
};

use supervision_instructions::{
    floor,
    subject::{SharedJoinSet, supervise},
};
use tokio::{sync::Notify, task::JoinHandle};

use super::{Family, Order, Pool, Strategy, Subject};
use crate::{executor::Executor, workload::Workload};

/// A `JoinSet` and a loop that spawns again what has ended. It aborts where the others ask.
#[derive(Debug)]
pub struct BareJoinSet<E> {
    stop: Arc<Notify>,
    running: JoinHandle<()>,
    executor: PhantomData<E>,
}

impl<E: Executor<Task = JoinHandle<()>>> Subject for BareJoinSet<E> {
    type Executor = E;
    type Pool = SharedJoinSet;

    const NAME: &'static str = "bare JoinSet";

    fn cannot(workload: Workload) -> Option<&'static str> {
        match workload {
            Workload::Group { strategy: Strategy::RestForOne, .. } => Some("it has no order"),
            Workload::Stop { order: Order::Reverse, .. } => Some("it aborts all at once"),
            _ => None,
        }
    }

    async fn start(executor: E, family: Family) -> Self {
        let strategy = match family.strategy {
            Strategy::OneForOne => floor::Strategy::OneForOne,
            _ => floor::Strategy::OneForAll,
        };
        let stop = Arc::new(Notify::new());
        let size = family.parked + usize::from(family.failing.is_some());
        let child = move |index| {
            let (arrivals, failing) = (family.arrivals.clone(), family.failing.clone().filter(|_| index == 0));
            async move {
                match failing {
                    Some(failing) => drop(failing.run(pending()).await),
                    None => {
                        arrivals.count();
                        pending().await
                    }
                }
                index
            }
        };
        let running = executor.spawn(supervise(size, strategy, stop.clone(), child));
        Self { stop, running, executor: PhantomData }
    }

    async fn stop(self) {
        self.stop.notify_one();
        self.running.await.expect("it does not panic");
    }

    async fn pool(_: E) -> SharedJoinSet {
        SharedJoinSet::default()
    }
}

/// A spawn has no answer to wait for: so an answered one is a spawn.
impl Pool for SharedJoinSet {
    async fn spawn<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        supervision_instructions::subject::Pool::spawn(self, child);
    }

    async fn close(self) {
        let mut children = self.take();
        while children.join_next().await.is_some() {}
    }
}
