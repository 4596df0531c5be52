use std::{
    future::{Future, poll_fn},
    sync::Arc,
    task::Poll,
    time::{Duration, Instant},
};

use executor_sim::{Sim, Threads};
use fastrand::Rng;
use futures_lite::future::or;
use supervisor_core::Spawner;

use super::{
    other::{Family, Other},
    site::Site,
};

/// How many threads the main executor has where it is a real one.
const THREADS: usize = 4;

/// The stage of a round: the main executor, on which the root runs, and the means to make others beside it.
pub(crate) struct Stage<'a> {
    pub(crate) main: Arc<Site>,
    pub(crate) spawner: Arc<dyn Spawner>,
    sim: Option<&'a Sim>,
    family: Family,
    begun: Instant,
}

/// A real main executor, for several rounds at once.
pub(crate) struct Main {
    site: Arc<Site>,
    family: Family,
    other: Other,
}

impl Main {
    pub(crate) fn new(family: Family) -> Self {
        Self { site: Site::new(THREADS, false), family, other: Other::real(family, THREADS) }
    }
}

impl<'a> Stage<'a> {
    /// Sets a simulated stage. The seed decides which threads the main executor has.
    pub(crate) fn simulated(sim: &'a Sim) -> Self {
        let count = [2, 3, 4, usize::MAX][Rng::with_seed(sim.seed()).usize(..4)];
        let threads = if count == usize::MAX { Threads::unlimited() } else { Threads::like_tokio(count) };
        sim.set_threads(threads.with_strict_timers());
        Self {
            main: Site::new(count, true),
            spawner: Arc::new(sim.spawner()),
            sim: Some(sim),
            family: Family::Tokio,
            begun: Instant::now(),
        }
    }

    /// Sets a stage with real threads.
    pub(crate) fn real(Main { site, family, other }: &Main) -> Self {
        let (main, spawner) = (site.clone(), other.spawner.clone());
        Self { main, spawner, sim: None, family: *family, begun: Instant::now() }
    }

    /// Returns whether one thread does everything, so that everything happens in one order.
    pub(crate) fn is_simulated(&self) -> bool {
        self.sim.is_some()
    }

    pub(crate) fn sim(&self) -> Option<&'a Sim> {
        self.sim
    }

    /// Makes another executor.
    pub(crate) fn other(&self, threads: usize, like_tokio: bool) -> Other {
        match self.sim {
            Some(sim) => {
                let threads = if like_tokio { Threads::like_tokio(threads) } else { Threads::new(threads) };
                Other::simulated(sim, threads)
            }
            None => Other::real(self.family, threads),
        }
    }

    /// Returns the kind of executors that can be made at any time, unless this is a simulation.
    pub(crate) fn family(&self) -> Option<Family> {
        (!self.is_simulated()).then_some(self.family)
    }

    /// Returns the time since the stage was set, on a clock that nothing blocks.
    pub(crate) fn elapsed(&self) -> Duration {
        self.sim.map_or_else(|| self.begun.elapsed(), Sim::elapsed)
    }

    pub(crate) async fn sleep(&self, time: Duration) {
        match self.sim {
            Some(sim) => sim.sleep(time).await,
            None => drop(smol::Timer::after(time).await),
        }
    }

    /// Returns how much later than its limit something may be.
    pub(crate) fn tolerance(&self) -> Duration {
        Duration::from_millis(if self.is_simulated() { 100 } else { 5000 })
    }

    /// Waits for a future; `None` if it takes longer than that.
    pub(crate) async fn within<T>(&self, limit: Duration, future: impl Future<Output = T>) -> Option<T> {
        or(async { Some(future.await) }, async {
            self.sleep(limit).await;
            None
        })
        .await
    }

    /// Checks that what needs no answer takes no time.
    ///
    /// # Panics
    ///
    /// If it does.
    pub(crate) async fn at_once<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        let mut future = std::pin::pin!(future);
        let begun = self.elapsed();
        let value = poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Pending if self.is_simulated() => panic!("{what} has to wait"),
            poll => poll,
        });
        let value = value.await;
        let took = self.elapsed() - begun;
        assert!(took < Duration::from_secs(1), "{what} took {took:?}");
        value
    }
}
