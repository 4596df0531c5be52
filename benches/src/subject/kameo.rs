//! The crate `kameo`: actors, supervised by an actor.

use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use kameo::{
    actor::{Actor, ActorRef, Spawn},
    error::Infallible,
    message::{Context, Message},
    supervision::{RestartPolicy, SupervisionStrategy},
};

use super::{Failed, Failing, Family, Order, Pool, Strategy, Subject};
use crate::{executor::TokioMulti, measure::Tally, workload::Workload};

const PERIOD: Duration = Duration::from_secs(3600);

/// A supervisor for each strategy, which is one of the type.
#[derive(Debug)]
pub enum Kameo {
    /// One-for-one.
    One(ActorRef<Root<0>>),
    /// One-for-all.
    All(ActorRef<Root<1>>),
    /// Rest-for-one.
    Rest(ActorRef<Root<2>>),
}

impl Subject for Kameo {
    type Executor = TokioMulti;
    type Pool = KameoPool;

    const NAME: &'static str = "kameo";

    fn cannot(workload: Workload) -> Option<&'static str> {
        match workload {
            Workload::Stop { order: Order::Reverse, .. } => Some("it stops all at once"),
            _ => None,
        }
    }

    async fn start(_: TokioMulti, family: Family) -> Self {
        match family.strategy {
            Strategy::OneForOne => Self::One(start(family).await),
            Strategy::OneForAll => Self::All(start(family).await),
            Strategy::RestForOne => Self::Rest(start(family).await),
        }
    }

    async fn stop(self) {
        match self {
            Self::One(root) => stop(root).await,
            Self::All(root) => stop(root).await,
            Self::Rest(root) => stop(root).await,
        }
    }

    async fn pool(_: TokioMulti) -> KameoPool {
        KameoPool(Root::spawn(Root))
    }
}

async fn start<const STRATEGY: u8>(family: Family) -> ActorRef<Root<STRATEGY>> {
    let root = Root::spawn(Root);
    if let Some(failing) = family.failing {
        Fails::supervise(&root, failing).restart_limit(u32::MAX, PERIOD).spawn().await;
    }
    for _ in 0..family.parked {
        Parks::supervise(&root, family.arrivals.clone()).restart_limit(u32::MAX, PERIOD).spawn().await;
    }
    root
}

async fn stop<const STRATEGY: u8>(root: ActorRef<Root<STRATEGY>>) {
    root.stop_gracefully().await.expect("it runs");
    root.wait_for_shutdown().await;
}

/// A supervisor.
#[derive(Debug)]
pub struct Root<const STRATEGY: u8>;

impl<const STRATEGY: u8> Actor for Root<STRATEGY> {
    type Args = Self;
    type Error = Infallible;

    fn supervision_strategy() -> SupervisionStrategy {
        match STRATEGY {
            0 => SupervisionStrategy::OneForOne,
            1 => SupervisionStrategy::OneForAll,
            _ => SupervisionStrategy::RestForOne,
        }
    }

    async fn on_start(root: Self, _: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(root)
    }
}

struct Parks;

impl Actor for Parks {
    type Args = Tally;
    type Error = Infallible;

    async fn on_start(arrivals: Tally, _: ActorRef<Self>) -> Result<Self, Infallible> {
        arrivals.count();
        Ok(Self)
    }
}

struct Fails(Failing);

impl Actor for Fails {
    type Args = Failing;
    type Error = Infallible;

    async fn on_start(failing: Failing, myself: ActorRef<Self>) -> Result<Self, Infallible> {
        failing.begin();
        if failing.has_failure() {
            let _ = myself.tell(Fail).await;
        } else {
            // An actor that waited for it here would receive nothing else.
            let failing = failing.clone();
            tokio::spawn(async move {
                failing.failure().await;
                let _ = myself.tell(Fail).await;
            });
        }
        Ok(Self(failing))
    }
}

struct Fail;

impl Message<Fail> for Fails {
    type Reply = Result<(), Failed>;

    async fn handle(&mut self, _: Fail, _: &mut Context<Self, Self::Reply>) -> Self::Reply {
        Err(self.0.end())
    }
}

/// A supervisor of actors each of which carries out one future, and stops.
#[derive(Clone, Debug)]
pub struct KameoPool(ActorRef<Root<0>>);

impl Pool for KameoPool {
    async fn spawn<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let child = Arc::new(Mutex::new(Some(child)));
        Once::supervise(&self.0, child).restart_policy(RestartPolicy::Never).spawn().await;
    }

    async fn close(self) {
        stop(self.0).await;
    }
}

struct Once<F>(std::marker::PhantomData<fn(F)>);

impl<F: Future<Output = ()> + Send + 'static> Actor for Once<F> {
    type Args = Arc<Mutex<Option<F>>>;
    type Error = Infallible;

    async fn on_start(child: Self::Args, myself: ActorRef<Self>) -> Result<Self, Infallible> {
        let child = child.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(child) = child {
            child.await;
        }
        let _ = myself.stop_gracefully().await;
        Ok(Self(std::marker::PhantomData))
    }
}
