use std::{
    collections::HashMap,
    future::Future,
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use futures_lite::FutureExt as _;
use tokio::task::{AbortHandle, JoinSet};

use crate::subject::Pool;

/// A `JoinSet` to which each clone can add, with a table of how to stop each child.
#[derive(Clone, Debug, Default)]
pub struct JoinSetPool(Arc<Mutex<Children>>);

#[derive(Debug, Default)]
struct Children {
    tasks: JoinSet<u64>,
    by_id: HashMap<u64, AbortHandle>,
    next: u64,
}

impl Children {
    fn add(&mut self, child: impl Future<Output = ()> + Send + 'static) {
        while let Some(ended) = self.tasks.try_join_next() {
            if let Ok(id) = ended {
                self.by_id.remove(&id);
            }
        }
        let id = self.next;
        self.next += 1;
        let task = self.tasks.spawn(async move {
            let _ = AssertUnwindSafe(child).catch_unwind().await;
            id
        });
        self.by_id.insert(id, task);
    }
}

impl JoinSetPool {
    fn lock(&self) -> MutexGuard<'_, Children> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pool for JoinSetPool {
    async fn spawn<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.lock().add(child);
    }

    async fn close(self) {
        let mut tasks = std::mem::take(&mut self.lock().tasks);
        while tasks.join_next().await.is_some() {}
    }
}
