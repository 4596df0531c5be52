use std::{
    error::Error,
    future::Future,
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    thread,
    time::Duration,
};

use futures_lite::FutureExt as _;
use tokio::{
    task::{AbortHandle, JoinError, JoinSet},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

use crate::subject::{Order, Strategy};

/// How long a child may take to stop, before it is aborted.
const GRACE: Duration = Duration::from_secs(5);

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;
type BoxFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;
/// The child that has ended, and how.
type End = (usize, thread::Result<Outcome>);

struct Child {
    make: Box<dyn Fn(CancellationToken) -> BoxFuture + Send + Sync>,
    stop: CancellationToken,
    task: AbortHandle,
}

pub(super) struct Supervisor {
    strategy: Strategy,
    order: Order,
    children: Vec<Child>,
    tasks: JoinSet<End>,
}

impl Supervisor {
    pub(super) fn new(strategy: Strategy, order: Order) -> Self {
        Self { strategy, order, children: Vec::new(), tasks: JoinSet::new() }
    }

    /// Adds a child and starts it.
    pub(super) fn add<F, Fut>(&mut self, make: F)
    where
        F: Fn(CancellationToken) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Outcome> + Send + 'static,
    {
        let make = Box::new(move |stop| -> BoxFuture { Box::pin(make(stop)) });
        let stop = CancellationToken::new();
        let future = make(stop.clone());
        let task = spawn(&mut self.tasks, self.children.len(), future);
        self.children.push(Child { make, stop, task });
    }

    /// Restarts children that end, until it is asked to stop.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let mut asked = pin!(stop.cancelled());
        loop {
            tokio::select! {
                () = &mut asked => break,
                Some(joined) = self.tasks.join_next() => match self.strategy {
                    Strategy::OneForOne => {
                        if let Ok((index, _)) = joined {
                            self.start(index);
                        }
                    }
                    Strategy::OneForAll => self.restart_from(0, joined).await,
                    Strategy::RestForOne => {
                        let first = joined.as_ref().map_or(0, |(index, _)| *index);
                        self.restart_from(first, joined).await;
                    }
                }
            }
        }
        match self.order {
            Order::Concurrent => self.stop_together().await,
            Order::Reverse => self.stop_in_turn().await,
        }
    }

    fn start(&mut self, index: usize) {
        let child = &mut self.children[index];
        let future = (child.make)(child.stop.clone());
        child.task = spawn(&mut self.tasks, index, future);
    }

    /// Aborts the rest of the group, waits until it is gone, and starts all of it again.
    async fn restart_from(&mut self, first: usize, joined: Result<End, JoinError>) {
        let mut left = self.children.len() - first;
        for child in &self.children[first..] {
            child.task.abort();
        }
        let mut outside = Vec::new();
        let mut next = Some(joined);
        while let Some(joined) = next {
            match joined {
                Ok((index, _)) if index < first => outside.push(index),
                // A member of the group: it had ended, or it was aborted.
                _ => left -= 1,
            }
            next = if left > 0 { self.tasks.join_next().await } else { None };
        }
        for index in outside.into_iter().chain(first..self.children.len()) {
            self.start(index);
        }
    }

    async fn stop_together(&mut self) {
        for child in &self.children {
            child.stop.cancel();
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if timeout(GRACE, all).await.is_err() {
            self.tasks.shutdown().await;
        }
    }

    async fn stop_in_turn(&mut self) {
        let Self { children, tasks, .. } = self;
        for child in children.iter().rev() {
            child.stop.cancel();
            let gone = async { while !child.task.is_finished() && tasks.join_next().await.is_some() {} };
            if timeout(GRACE, gone).await.is_err() {
                child.task.abort();
            }
        }
        while tasks.join_next().await.is_some() {}
    }
}

fn spawn(tasks: &mut JoinSet<End>, index: usize, future: BoxFuture) -> AbortHandle {
    tasks.spawn(async move { (index, AssertUnwindSafe(future).catch_unwind().await) })
}
