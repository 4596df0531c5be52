//! The crate `task-supervisor`: futures that are told apart by name, restarted one by one.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use task_supervisor::{CancellationToken, SupervisedTask, SupervisorBuilder, SupervisorHandle, TaskResult};

use super::{Failing, Family, Order, Pool, Subject};
use crate::{executor::TokioMulti, measure::Tally, workload::Workload};

/// A supervisor of static children.
#[derive(Debug)]
pub struct TaskSupervisor(SupervisorHandle);

impl Subject for TaskSupervisor {
    type Executor = TokioMulti;
    type Pool = TaskPool;

    const NAME: &'static str = "task-supervisor";

    fn cannot(workload: Workload) -> Option<&'static str> {
        match workload {
            Workload::Group { .. } => Some("it restarts one by one"),
            Workload::Stop { order: Order::Reverse, .. } => Some("it stops all at once"),
            _ => None,
        }
    }

    async fn start(_: TokioMulti, family: Family) -> Self {
        let mut builder = builder();
        if let Some(failing) = family.failing {
            builder = builder.with_task("failing", Fails(failing));
        }
        for nth in 0..family.parked {
            builder = builder.with_task(&format!("child-{nth}"), Parks(family.arrivals.clone()));
        }
        Self(builder.spawn())
    }

    async fn stop(self) {
        self.0.shutdown().await.expect("a clean stop");
    }

    async fn pool(_: TokioMulti) -> TaskPool {
        TaskPool { supervisor: builder().spawn(), next: Arc::default() }
    }
}

/// Builds a supervisor that restarts without limit, and at once.
fn builder() -> SupervisorBuilder {
    SupervisorBuilder::new()
        .with_unlimited_restarts()
        .with_base_restart_delay(Duration::ZERO)
        .with_max_restart_delay(Duration::ZERO)
        .with_restart_jitter(0.0)
}

#[derive(Clone)]
struct Parks(Tally);

impl SupervisedTask for Parks {
    async fn run(self, stop: CancellationToken) -> TaskResult {
        self.0.count();
        stop.cancelled().await;
        Ok(())
    }
}

#[derive(Clone)]
struct Fails(Failing);

impl SupervisedTask for Fails {
    async fn run(self, stop: CancellationToken) -> TaskResult {
        Ok(self.0.run(stop.cancelled()).await?)
    }
}

/// A supervisor, and the next name. The name of a task that has ended stays taken.
#[derive(Clone, Debug)]
pub struct TaskPool {
    supervisor: SupervisorHandle,
    next: Arc<AtomicUsize>,
}

impl Pool for TaskPool {
    async fn spawn<F>(&self, child: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let name = format!("child-{}", self.next.fetch_add(1, Relaxed));
        self.supervisor.add_task(&name, Once(Arc::new(Mutex::new(Some(child))))).await.expect("added");
    }

    async fn close(self) {
        self.supervisor.shutdown().await.expect("a clean stop");
    }
}

struct Once<F>(Arc<Mutex<Option<F>>>);

impl<F> Clone for Once<F> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<F: Future<Output = ()> + Send + 'static> SupervisedTask for Once<F> {
    async fn run(self, _: CancellationToken) -> TaskResult {
        let child = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(child) = child {
            child.await;
        }
        Ok(())
    }
}
