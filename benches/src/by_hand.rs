//! Supervision as one writes it today: a `JoinSet`, a `CancellationToken` for each child, a panic guard around each future,
//! a message when it has ended, and a table of how to make it again.

use std::{any::Any, collections::HashMap, future::Future, panic::AssertUnwindSafe, pin::Pin};

use futures_lite::FutureExt as _;
use tokio::{sync::mpsc, task::JoinSet};
use tokio_util::sync::CancellationToken;

type BoxFuture = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;
type Factory = Box<dyn Fn(CancellationToken) -> BoxFuture + Send + Sync>;

struct Child {
    name: &'static str,
    factory: Factory,
    token: CancellationToken,
    restarts: usize,
}

struct Exit {
    id: u64,
    result: Result<Result<(), String>, Box<dyn Any + Send>>,
}

/// A hand-rolled supervisor.
pub struct Supervisor {
    children: HashMap<u64, Child>,
    tasks: JoinSet<()>,
    token: CancellationToken,
    exits: (mpsc::UnboundedSender<Exit>, mpsc::UnboundedReceiver<Exit>),
}

impl Supervisor {
    /// Without children.
    pub fn new(children: usize) -> Self {
        Self {
            children: HashMap::with_capacity(children),
            tasks: JoinSet::new(),
            token: CancellationToken::new(),
            exits: mpsc::unbounded_channel(),
        }
    }

    /// Adds a child and starts it.
    pub fn add<F, Fut>(&mut self, name: &'static str, factory: F)
    where
        F: Fn(CancellationToken) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), String>> + Send + 'static,
    {
        let id = self.children.len() as u64;
        let factory: Factory = Box::new(move |token| Box::pin(factory(token)));
        self.children.insert(id, Child { name, factory, token: self.token.child_token(), restarts: 0 });
        self.spawn(id);
    }

    fn spawn(&mut self, id: u64) {
        let Some(child) = self.children.get(&id) else { return };
        let future = (child.factory)(child.token.clone());
        let exits = self.exits.0.clone();
        self.tasks.spawn(async move {
            let result = AssertUnwindSafe(future).catch_unwind().await;
            let _ = exits.send(Exit { id, result });
        });
    }

    /// Restarts whoever fails, until the token is cancelled; then waits for all.
    pub async fn run(mut self) {
        loop {
            tokio::select! {
                () = self.token.cancelled() => break,
                Some(exit) = self.exits.1.recv() => {
                    // Let go of the task.
                    while self.tasks.try_join_next().is_some() {}
                    if let Some(child) = self.children.get_mut(&exit.id) {
                        child.restarts += 1;
                        if exit.result.is_err() && child.name.is_empty() {
                            continue;
                        }
                        self.spawn(exit.id);
                    }
                }
            }
        }
        while self.tasks.join_next().await.is_some() {}
    }

    /// Stops everything.
    pub fn token(&self) -> CancellationToken {
        self.token.clone()
    }
}

impl std::fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Supervisor").field("children", &self.children.len()).finish_non_exhaustive()
    }
}
