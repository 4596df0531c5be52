//! The subjects: they carry the workloads out. One file each.

mod bare;
mod by_hand;
mod family;
mod floor;
mod join_set;
mod supervision;

#[cfg(feature = "peers")]
mod kameo;
#[cfg(feature = "peers")]
mod ractor;
#[cfg(feature = "peers")]
mod task_supervisor;

pub use self::{
    bare::Bare,
    by_hand::ByHand,
    family::{Failing, Family, Strategy},
    floor::Floor,
    join_set::BareJoinSet,
    supervision::{Accounting, Supervision},
};
#[cfg(feature = "peers")]
pub use self::{kameo::Kameo, ractor::Ractor, task_supervisor::TaskSupervisor};

/// Shared with the rows in instructions.
pub use supervision_instructions::{floor::Order, subject::Failed};

use std::future::Future;

use tokio::sync::oneshot;

use crate::{executor::Executor, workload::Workload};

/// A supervisor of children on one executor. A value is such a supervisor, running.
pub trait Subject: Sized + Send + 'static {
    /// The executor.
    type Executor: Executor;
    /// A supervisor of children that come and go.
    type Pool: Pool;

    /// Its name in the tables, without the executor's.
    const NAME: &'static str;

    /// Returns why it cannot carry a workload out, if it cannot.
    fn cannot(_: Workload) -> Option<&'static str> {
        None
    }

    /// Starts a supervisor with its children. They need not run yet when this returns.
    fn start(executor: Self::Executor, family: Family) -> impl Future<Output = Self> + Send;

    /// Stops all children gracefully. Returns when all have ended.
    fn stop(self) -> impl Future<Output = ()> + Send;

    /// Starts a supervisor without children.
    fn pool(executor: Self::Executor) -> impl Future<Output = Self::Pool> + Send;
}

/// A supervisor of children that come and go: a handle on it.
pub trait Pool: Clone + Send + Sync + 'static {
    /// Adds a temporary child. It need not run yet when this returns.
    fn spawn<F>(&self, child: F) -> impl Future<Output = ()> + Send
    where
        F: Future<Output = ()> + Send + 'static;

    /// Adds a temporary child, and waits for the answer that it is there.
    fn start_child<F>(&self, child: F) -> impl Future<Output = ()> + Send
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.spawn(child)
    }

    /// Adds a temporary child, and waits for what it returns. Without a way of its own, the child sends that by a channel.
    fn result<F>(&self, child: F) -> impl Future<Output = F::Output> + Send
    where
        F: Future<Output: Send> + Send + 'static,
    {
        async move {
            let (send, result) = oneshot::channel();
            let child = async move {
                let _ = send.send(child.await);
            };
            self.spawn(child).await;
            result.await.expect("it returns")
        }
    }

    /// Takes the supervisor down when its children have ended.
    fn close(self) -> impl Future<Output = ()> + Send;
}
