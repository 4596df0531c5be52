use std::{future::Future, marker::PhantomData};

use supervision_instructions::{
    executor::Spawn,
    floor::{self, Handle, Running, Supervisor},
    subject::settings,
};

use super::{Family, Order, Pool, Strategy, Subject};
use crate::{executor::Executor, workload::Workload};

/// The least that a correct supervisor does. The rows of instructions compare with the same.
#[derive(Debug)]
pub struct Floor<E> {
    running: Running,
    executor: PhantomData<E>,
}

impl<E: Executor> Subject for Floor<E> {
    type Executor = E;
    type Pool = Handle;

    const NAME: &'static str = "floor";

    fn cannot(workload: Workload) -> Option<&'static str> {
        match workload {
            Workload::Group { strategy: Strategy::RestForOne, .. } => Some("it has no rest-for-one"),
            _ => None,
        }
    }

    async fn start(executor: E, family: Family) -> Self {
        let strategy = match family.strategy {
            Strategy::OneForOne => floor::Strategy::OneForOne,
            _ => floor::Strategy::OneForAll,
        };
        let mut supervisor = Supervisor::new(On(executor), settings(strategy, family.order));
        if let Some(failing) = family.failing {
            supervisor.add(move |stop| {
                let failing = failing.clone();
                async move { Ok(failing.run(stop).await?) }
            });
        }
        for _ in 0..family.parked {
            let arrivals = family.arrivals.clone();
            supervisor.add(move |stop| {
                let arrivals = arrivals.clone();
                async move {
                    arrivals.count();
                    stop.await;
                    Ok(())
                }
            });
        }
        Self { running: supervisor.start(), executor: PhantomData }
    }

    async fn stop(self) {
        self.running.handle.stop();
        self.running.end.await.expect("it tells its end").expect("a clean stop");
    }

    async fn pool(executor: E) -> Handle {
        let settings = settings(floor::Strategy::OneForOne, Order::Concurrent);
        Supervisor::new(On(executor), settings).start().handle
    }
}

/// An executor, as the floor needs one.
#[derive(Clone, Debug)]
struct On<E>(E);

impl<E: Executor> Spawn for On<E> {
    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        E::detach(self.0.spawn(future));
    }
}

impl Pool for Handle {
    async fn spawn<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        supervision_instructions::subject::Pool::spawn(self, child);
    }

    async fn start_child<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        supervision_instructions::subject::Pool::start_child(self, child).await;
    }

    async fn close(self) {
        self.stop();
    }
}
