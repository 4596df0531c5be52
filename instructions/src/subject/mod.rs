//! The subjects: they carry the rows out. One file each.

mod floor;
mod join_set;
mod ours;

pub use self::{
    floor::{Floor, settings},
    join_set::{JoinSetByHand, SharedJoinSet, supervise},
    ours::{Ours, dynamic, root},
};

use std::{error::Error, fmt, future::Future};

use crate::{
    executor::Executor,
    floor::{Order, Strategy},
    rows::Row,
    signals::{Failures, Tally},
};

/// A supervisor on one executor, running.
pub trait Subject: Sized {
    /// The executor.
    type Executor: Executor;
    /// A supervisor of children that come and go.
    type Pool: Pool;

    /// Its name in the tables.
    const NAME: &'static str;
    /// The rows that it cannot carry out.
    const CANNOT: &[Row] = &[];

    /// Starts a supervisor with its children. They need not run yet when this returns.
    fn start(executor: &Self::Executor, family: Family) -> impl Future<Output = Self>;

    /// Stops all children gracefully. Returns when all have ended.
    fn stop(self) -> impl Future<Output = ()>;

    /// Starts a supervisor without children.
    fn pool(executor: &Self::Executor) -> impl Future<Output = Self::Pool>;
}

/// A supervisor of children that come and go: a handle on it.
pub trait Pool: Clone + Send + Sync + 'static {
    /// Adds a temporary child. It need not run yet when this returns.
    fn spawn(&self, child: impl Future<Output = ()> + Send + 'static);

    /// Adds a temporary child, and waits for the answer that it is there.
    fn start_child(&self, child: impl Future<Output = ()> + Send + 'static) -> impl Future<Output = ()> + Send;

    /// Takes the supervisor down.
    fn close(self);
}

/// The children of a supervisor, the same for every subject. All are permanent.
#[derive(Clone, Debug)]
pub struct Family {
    /// Which children are restarted when one fails.
    pub strategy: Strategy,
    /// In which order they stop.
    pub order: Order,
    /// The first child: one that fails when it is told to.
    pub failing: Option<Failures>,
    /// The number of other children. They wait until they are asked to stop.
    pub parked: usize,
    /// The counter of starts: each child counts once in each incarnation, as the first thing that it does.
    pub starts: Tally,
}

impl Family {
    /// Returns the number of children.
    #[must_use]
    pub fn size(&self) -> usize {
        self.parked + usize::from(self.failing.is_some())
    }
}

/// The failure of a child.
#[derive(Clone, Copy, Debug)]
pub struct Failed;

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("told to fail")
    }
}

impl Error for Failed {}
