//! The rows: what is done, and how often.

use std::{fmt, future::Future, time::Duration};

use futures_lite::future::yield_now;
use serde::{Deserialize, Serialize};

use crate::{
    executor::{AsyncExecutor, Executor, Spawn as _, TokioCurrent},
    floor::{Order, Strategy},
    meter::{Heap, counted},
    signals::{Baton, Failures, Tally},
    subject::{Family, Floor, JoinSetByHand, Ours, Pool as _, Subject},
};

/// The restarts that are allowed within the period: all of them, and a supervisor has to remember each.
pub const INTENSITY: usize = 100_000_000;
/// The period in which restarts count.
pub const PERIOD: Duration = Duration::from_secs(3600);

/// The children that are alive at a time where children come and go, and those beside the one that is restarted.
const ALIVE: usize = 64;

/// An operation that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Row {
    /// One more child from its specification to its first poll, in a supervisor that starts.
    Start,
    /// The graceful stop of one more child, when all are asked together.
    StopAtOnce,
    /// The graceful stop of one more child, when each has to be gone before the next is asked.
    StopInOrder,
    /// A failure of one child, until its successor runs.
    Restart,
    /// A child that is added without an answer, runs, yields once, and ends.
    Spawn,
    /// The same child, added by a task that waits for the answer that it has started.
    StartChild,
    /// The stop and the start of one more sibling of a child that failed: one-for-all, in order.
    OneForAll,
    /// A poll of a child that yields.
    Poll,
    /// A wake of one child by another one.
    Wake,
}

impl Row {
    /// All rows, in the order of the table.
    pub const ALL: [Self; 9] = [
        Self::Start,
        Self::StopAtOnce,
        Self::StopInOrder,
        Self::Restart,
        Self::Spawn,
        Self::StartChild,
        Self::OneForAll,
        Self::Poll,
        Self::Wake,
    ];

    /// Returns the two sizes: the numbers of operations. Powers of two, so that a buffer which doubles is as full after the one
    /// as after the other.
    #[must_use]
    pub fn sizes(self) -> [usize; 2] {
        match self {
            Self::Poll | Self::Wake => [4096, 16384],
            _ => [1024, 4096],
        }
    }

    /// Returns its name in the tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::StopAtOnce => "stop at once",
            Self::StopInOrder => "stop in order",
            Self::Restart => "restart",
            Self::Spawn => "`spawn`",
            Self::StartChild => "`start_child`",
            Self::OneForAll => "one-for-all in order",
            Self::Poll => "poll",
            Self::Wake => "wake",
        }
    }

    fn run<S: Subject>(self, size: usize) -> Heap {
        match self {
            Self::Start => start::<S>(size),
            Self::StopAtOnce => stop::<S>(Order::Concurrent, size),
            Self::StopInOrder => stop::<S>(Order::Reverse, size),
            Self::Restart => restart::<S>(size),
            Self::Spawn => spawn::<S>(size),
            Self::StartChild => start_child::<S>(size),
            Self::OneForAll => one_for_all::<S>(size),
            Self::Poll => poll::<S>(size),
            Self::Wake => wake::<S>(size),
        }
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A subject on an executor.
#[derive(Clone, Copy, Debug)]
pub struct Contestant {
    /// The name of the executor.
    pub executor: &'static str,
    /// The name of the subject.
    pub subject: &'static str,
    cannot: &'static [Row],
    run: fn(Row, usize) -> Heap,
}

impl Contestant {
    fn of<S: Subject>() -> Self {
        let (executor, subject, cannot) = (S::Executor::NAME, S::NAME, S::CANNOT);
        Self { executor, subject, cannot, run: |row, size| row.run::<S>(size) }
    }

    /// Returns all of them.
    #[must_use]
    pub fn all() -> Vec<Self> {
        vec![
            Self::of::<Floor<TokioCurrent>>(),
            Self::of::<Ours<TokioCurrent>>(),
            Self::of::<JoinSetByHand>(),
            Self::of::<Floor<AsyncExecutor>>(),
            Self::of::<Ours<AsyncExecutor>>(),
        ]
    }

    /// Returns whether it can carry a row out.
    #[must_use]
    pub fn can(&self, row: Row) -> bool {
        !self.cannot.contains(&row)
    }

    /// Carries a row out, with this many operations.
    #[must_use]
    pub fn run(&self, row: Row, size: usize) -> Heap {
        (self.run)(row, size)
    }
}

fn start<S: Subject>(children: usize) -> Heap {
    let (executor, family) = (S::Executor::new(), family(Strategy::OneForOne, Order::Concurrent, children));
    let (subject, heap) = counted(&executor, running::<S>(&executor, &family));
    assert_eq!(family.starts.total(), children);
    executor.block_on(subject.stop());
    assert_empties(&executor);
    heap
}

fn stop<S: Subject>(order: Order, children: usize) -> Heap {
    let (executor, family) = (S::Executor::new(), family(Strategy::OneForOne, order, children));
    let subject = executor.block_on(running::<S>(&executor, &family));
    assert!(!executor.is_empty(), "the children run");
    let ((), heap) = counted(&executor, subject.stop());
    assert_empties(&executor);
    assert_eq!(family.starts.total(), children, "none was restarted");
    heap
}

fn restart<S: Subject>(failures: usize) -> Heap {
    failing::<S>(family(Strategy::OneForOne, Order::Concurrent, ALIVE), failures, failures)
}

fn one_for_all<S: Subject>(siblings: usize) -> Heap {
    failing::<S>(family(Strategy::OneForAll, Order::Reverse, siblings), 1, siblings + 1)
}

/// Has the first child fail, and waits for this many starts.
fn failing<S: Subject>(mut family: Family, failures: usize, starts: usize) -> Heap {
    let (executor, order) = (S::Executor::new(), Failures::default());
    family.failing = Some(order.clone());
    let subject = executor.block_on(running::<S>(&executor, &family));
    let all = family.size() + starts;
    let ((), heap) = counted(&executor, async {
        order.order(failures);
        family.starts.reach(all).await;
    });
    executor.block_on(subject.stop());
    assert_empties(&executor);
    assert_eq!(family.starts.total(), all, "each start was counted, and there was none too many");
    heap
}

fn spawn<S: Subject>(children: usize) -> Heap {
    pool::<S, _>(children, async |_, pool, ends| {
        for burst in 1..=children / ALIVE {
            (0..ALIVE).for_each(|_| pool.spawn(short_child(ends)));
            ends.reach(burst * ALIVE).await;
        }
    })
}

fn start_child<S: Subject>(children: usize) -> Heap {
    pool::<S, _>(children, async |executor, pool, ends| {
        for _ in 0..ALIVE {
            let (pool, ends) = (pool.clone(), ends.clone());
            executor.handle().spawn(async move {
                for _ in 0..children / ALIVE {
                    pool.start_child(short_child(&ends)).await;
                }
            });
        }
        ends.reach(children).await;
    })
}

fn poll<S: Subject>(polls: usize) -> Heap {
    pool::<S, _>(1, async |_, pool, ends| {
        pool.spawn(yielding_child(polls, ends));
        ends.reach(1).await;
    })
}

fn wake<S: Subject>(wakes: usize) -> Heap {
    pool::<S, _>(2, async |_, pool, ends| {
        let [first, second] = [Baton::default(), Baton::default()];
        first.pass();
        for (own, other) in [(first.clone(), second.clone()), (second, first)] {
            pool.spawn(waking_child(own, other, wakes / 2, ends));
        }
        ends.reach(2).await;
    })
}

/// Counts what is done with a supervisor of children that come and go, of which this many count their end.
fn pool<S: Subject, W>(children: usize, work: W) -> Heap
where
    W: AsyncFnOnce(&S::Executor, &S::Pool, &Tally),
{
    let (executor, ends) = (S::Executor::new(), Tally::default());
    let pool = executor.block_on(S::pool(&executor));
    let ((), heap) = counted(&executor, work(&executor, &pool, &ends));
    executor.block_on(async { pool.close() });
    assert_empties(&executor);
    assert_eq!(ends.total(), children, "each child has run to its end");
    heap
}

// Children are the same types for all subjects and executors: each type takes time to build.

/// Makes a child that yields once, and counts its end.
pub fn short_child(ends: &Tally) -> impl Future<Output = ()> + Send + 'static {
    let ends = ends.clone();
    async move {
        yield_now().await;
        ends.count();
    }
}

fn yielding_child(polls: usize, ends: &Tally) -> impl Future<Output = ()> + Send + 'static {
    let ends = ends.clone();
    async move {
        for _ in 0..polls {
            yield_now().await;
        }
        ends.count();
    }
}

fn waking_child(own: Baton, other: Baton, times: usize, ends: &Tally) -> impl Future<Output = ()> + Send + 'static {
    let ends = ends.clone();
    async move {
        for _ in 0..times {
            own.take().await;
            other.pass();
        }
        ends.count();
    }
}

fn family(strategy: Strategy, order: Order, parked: usize) -> Family {
    Family { strategy, order, failing: None, parked, starts: Tally::default() }
}

/// Starts a supervisor. Returns when each child has run.
async fn running<S: Subject>(executor: &S::Executor, family: &Family) -> S {
    let subject = S::start(executor, family.clone()).await;
    family.starts.reach(family.size()).await;
    subject
}

/// Waits until the tasks that have ended are gone, and checks that none is left.
fn assert_empties(executor: &impl Executor) {
    for _ in 0..100 {
        if executor.is_empty() {
            return;
        }
        executor.block_on(yield_now());
    }
    panic!("tasks are left behind");
}
