use std::{future::Future, marker::PhantomData};

use super::{Failed, Family, Pool, Subject};
use crate::{
    executor::Executor,
    floor::{Handle, Order, Running, Settings, Strategy, Supervisor},
    rows::{INTENSITY, PERIOD},
};

/// The floor on some executor.
#[derive(Debug)]
pub struct Floor<E> {
    running: Running,
    executor: PhantomData<E>,
}

impl<E: Executor> Subject for Floor<E> {
    type Executor = E;
    type Pool = Handle;

    const NAME: &'static str = "floor";

    async fn start(executor: &E, family: Family) -> Self {
        let mut supervisor = Supervisor::new(executor.handle(), settings(family.strategy, family.order));
        if let Some(failures) = family.failing {
            let starts = family.starts.clone();
            supervisor.add(move |stop| {
                let (starts, failures) = (starts.clone(), failures.clone());
                async move {
                    starts.count();
                    if failures.or(stop).await { Err(Failed.into()) } else { Ok(()) }
                }
            });
        }
        for _ in 0..family.parked {
            let starts = family.starts.clone();
            supervisor.add(move |stop| {
                let starts = starts.clone();
                async move {
                    starts.count();
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

    async fn pool(executor: &E) -> Handle {
        Supervisor::new(executor.handle(), settings(Strategy::OneForOne, Order::Concurrent)).start().handle
    }
}

/// Returns settings with which it may restart as often as it likes, but has to remember each restart.
#[must_use]
pub fn settings(strategy: Strategy, order: Order) -> Settings {
    Settings { strategy, order, intensity: INTENSITY, period: PERIOD }
}

impl Pool for Handle {
    fn spawn(&self, child: impl Future<Output = ()> + Send + 'static) {
        let child = |_| async {
            child.await;
            Ok(())
        };
        Self::spawn(self, child).expect("accepted");
    }

    async fn start_child(&self, child: impl Future<Output = ()> + Send + 'static) {
        let child = |_| async {
            child.await;
            Ok(())
        };
        Self::start_child(self, child).await.expect("started");
    }

    fn close(self) {
        self.stop();
    }
}
