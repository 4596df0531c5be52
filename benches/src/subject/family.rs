//! The children of a supervisor, the same for every subject.

use std::{
    future::Future,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use futures_lite::FutureExt as _;
use serde::{Deserialize, Serialize};
use supervision_instructions::{floor::Order, subject::Failed};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::measure::Tally;

/// The children that are restarted when one fails.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the field's words")]
pub enum Strategy {
    OneForOne,
    OneForAll,
    RestForOne,
}

/// The settings of a supervisor. All children are permanent: restarted whenever they end without having been asked to.
#[derive(Clone, Debug)]
pub struct Family {
    /// Which children are restarted when one fails.
    pub strategy: Strategy,
    /// In which order they stop.
    pub order: Order,
    /// The first child, if it is one that fails.
    pub failing: Option<Failing>,
    /// The number of other children. They arrive, and wait until they are asked to stop.
    pub parked: usize,
    /// The counter at which they arrive, at each start.
    pub arrivals: Tally,
}

impl Family {
    /// Makes a family of children that only wait.
    #[must_use]
    pub fn parked(parked: usize, arrivals: &Tally) -> Self {
        Self {
            strategy: Strategy::OneForOne,
            order: Order::Concurrent,
            failing: None,
            parked,
            arrivals: arrivals.clone(),
        }
    }

    /// Adds a first child that fails.
    #[must_use]
    pub fn with_failing(mut self, failing: &Failing) -> Self {
        self.failing = Some(failing.clone());
        self
    }

    /// Sets another strategy.
    #[must_use]
    pub fn with_strategy(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Sets another order.
    #[must_use]
    pub fn with_order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }
}

/// A child that arrives and fails, as often as it is told to, and waits otherwise.
#[derive(Clone, Debug)]
pub struct Failing(Arc<Script>);

#[derive(Debug)]
struct Script {
    arrivals: Tally,
    failures: Semaphore,
    is_timed: AtomicBool,
    failed_at: Mutex<Option<Instant>>,
    gaps: Mutex<Vec<Duration>>,
}

impl Failing {
    /// Makes a child that has not been told to fail yet.
    #[must_use]
    pub fn new(arrivals: &Tally) -> Self {
        Self(Arc::new(Script {
            arrivals: arrivals.clone(),
            failures: Semaphore::new(0),
            is_timed: AtomicBool::new(false),
            failed_at: Mutex::default(),
            gaps: Mutex::default(),
        }))
    }

    /// Tells it to fail this many times more.
    pub fn fail(&self, times: usize) {
        self.0.failures.add_permits(times);
    }

    /// Tells it to fail, as [`fail`](Self::fail), and takes the time from each last instruction to the successor's
    /// first.
    pub fn fail_timed(&self, times: usize) {
        lock(&self.0.gaps).reserve(times);
        self.0.is_timed.store(true, Relaxed);
        self.fail(times);
    }

    /// Returns those times.
    #[must_use]
    pub fn gaps(&self) -> Vec<Duration> {
        lock(&self.0.gaps).clone()
    }

    /// Marks the first instruction of an incarnation.
    pub fn begin(&self) {
        let failed_at = if self.0.is_timed.load(Relaxed) { lock(&self.0.failed_at).take() } else { None };
        if let Some(failed_at) = failed_at {
            lock(&self.0.gaps).push(failed_at.elapsed());
        }
        self.0.arrivals.count();
    }

    /// Waits until it has to fail.
    pub async fn failure(&self) {
        self.0.failures.acquire().await.expect("open").forget();
    }

    /// Returns whether it has to fail already. An actor asks before it waits elsewhere.
    #[must_use]
    pub fn has_failure(&self) -> bool {
        self.0.failures.try_acquire().map(SemaphorePermit::forget).is_ok()
    }

    /// Marks the last instruction of an incarnation.
    pub fn end(&self) -> Failed {
        if self.0.is_timed.load(Relaxed) {
            *lock(&self.0.failed_at) = Some(Instant::now());
        }
        Failed
    }

    /// Runs a whole incarnation.
    pub async fn run(self, stop: impl Future<Output = ()>) -> Result<(), Failed> {
        self.begin();
        let has_to_fail = async {
            self.failure().await;
            true
        };
        let is_asked = async {
            stop.await;
            false
        };
        if has_to_fail.or(is_asked).await { Err(self.end()) } else { Ok(()) }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
