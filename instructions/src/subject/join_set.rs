use std::{
    future::{Future, pending},
    mem,
    sync::{Arc, Mutex, PoisonError},
};

use futures_lite::FutureExt as _;
use tokio::{
    sync::Notify,
    task::{JoinHandle, JoinSet},
};

use super::{Family, Pool, Subject};
use crate::{
    executor::{Executor as _, TokioCurrent},
    floor::Strategy,
    rows::Row,
};

/// A `JoinSet` and a loop that spawns again what has ended: what one writes first. A child is stopped by an abort.
#[derive(Debug)]
pub struct JoinSetByHand {
    stop: Arc<Notify>,
    running: JoinHandle<()>,
}

impl Subject for JoinSetByHand {
    type Executor = TokioCurrent;
    type Pool = SharedJoinSet;

    const NAME: &'static str = "JoinSet";
    // An abort waits for no answer, and a spawn has none.
    const CANNOT: &[Row] = &[Row::StopInOrder, Row::StartChild];

    async fn start(executor: &TokioCurrent, family: Family) -> Self {
        let stop = Arc::new(Notify::new());
        let asked = stop.clone();
        let (size, strategy) = (family.size(), family.strategy);
        let child = move |index| {
            let (starts, failures) = (family.starts.clone(), family.failing.clone().filter(|_| index == 0));
            async move {
                starts.count();
                match failures {
                    Some(failures) => drop(failures.or(pending::<()>()).await),
                    None => pending().await,
                }
                index
            }
        };
        let running = executor.handle().spawn(supervise(size, strategy, asked, child));
        Self { stop, running }
    }

    async fn stop(self) {
        self.stop.notify_one();
        self.running.await.expect("it does not panic");
    }

    async fn pool(_: &TokioCurrent) -> SharedJoinSet {
        SharedJoinSet::default()
    }
}

/// Spawns children, and spawns again what has ended, until it is asked to stop. Aborts what runs then. Each child returns its index.
///
/// # Panics
///
/// If a child does.
pub async fn supervise<F>(size: usize, strategy: Strategy, asked: Arc<Notify>, child: impl Fn(usize) -> F)
where
    F: Future<Output = usize> + Send + 'static,
{
    let mut children = JoinSet::new();
    let start = |children: &mut JoinSet<usize>, index| drop(children.spawn(child(index)));
    (0..size).for_each(|index| start(&mut children, index));
    let mut asked = Box::pin(asked.notified());
    loop {
        let is_asked = async {
            asked.as_mut().await;
            None
        };
        let Some(ended) = is_asked.or(children.join_next()).await else { break };
        match strategy {
            Strategy::OneForOne => start(&mut children, ended.expect("no panic")),
            Strategy::OneForAll => {
                children.shutdown().await;
                (0..size).for_each(|index| start(&mut children, index));
            }
        }
    }
    children.shutdown().await;
}

/// A `JoinSet` to which each clone can add.
#[derive(Clone, Debug, Default)]
pub struct SharedJoinSet(Arc<Mutex<JoinSet<()>>>);

impl SharedJoinSet {
    /// Takes the children out, and leaves none.
    #[must_use]
    pub fn take(&self) -> JoinSet<()> {
        mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Pool for SharedJoinSet {
    fn spawn(&self, child: impl Future<Output = ()> + Send + 'static) {
        let mut children = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while children.try_join_next().is_some() {}
        children.spawn(child);
    }

    async fn start_child(&self, child: impl Future<Output = ()> + Send + 'static) {
        self.spawn(child);
    }

    fn close(self) {
        drop(self.take());
    }
}
