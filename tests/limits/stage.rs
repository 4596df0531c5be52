//! Where a test plays: a main executor with several threads, others beside it, and polls that block them.

use std::{
    future::Future,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use executor_sim::{Sim, Threads, block_for};
use executor_tokio::Tokio;
use futures_lite::future::or;
use supervisor_core::{
    ChildSpec, Event, EventKind, Events, ProcessShutdown, RestartStrategy, ShutdownStrategy, Spawner, Supervisor,
    worker,
};
use tokio::runtime::Builder;

use crate::{
    children,
    other::{Family, Other},
};

pub(crate) use crate::children::idle;

/// What supervisors and children are limited to.
pub(crate) const LIMIT: Duration = Duration::from_millis(100);
/// For how long polls block: much longer than any limit.
pub(crate) const BLOCK: Duration = Duration::from_secs(4);
/// Limits of one thing after the other, and a machine that is busy; but less than the block.
pub(crate) const IN_TIME: Duration = Duration::from_secs(2);
/// A limit that is never reached.
pub(crate) const HOUR: Duration = Duration::from_secs(3600);

/// The executors of a test.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) spawner: Arc<dyn Spawner>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Sim(Rc<Sim>),
    Tokio,
    Smol,
}

impl Stage {
    /// Runs a test under many seeds, on an executor like Tokio's: some threads, a slot for each, one driver.
    pub(crate) fn sim(seeds: u64, test: impl AsyncFn(Self)) {
        for seed in 0..seeds {
            let sim = Rc::new(Sim::with_threads(seed, Threads::like_tokio(4).with_strict_timers()));
            let stage = Self { spawner: Arc::new(sim.spawner()), kind: Kind::Sim(sim.clone()) };
            sim.run_until(test(stage));
        }
    }

    pub(crate) fn tokio(test: impl AsyncFn(Self)) {
        let runtime = Builder::new_multi_thread().worker_threads(4).enable_all().build().expect("a runtime");
        let spawner = Tokio::try_from(runtime.handle().clone()).expect("a clock");
        runtime.block_on(test(Self { spawner: Arc::new(spawner), kind: Kind::Tokio }));
        // Who blocks is not waited for.
        runtime.shutdown_background();
    }

    /// Runs a test on a single thread. For tests in which only others block.
    pub(crate) fn tokio_current_thread(test: impl AsyncFn(Self)) {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let spawner = Tokio::try_from(runtime.handle().clone()).expect("a clock");
        runtime.block_on(test(Self { spawner: Arc::new(spawner), kind: Kind::Tokio }));
        runtime.shutdown_background();
    }

    pub(crate) fn smol(test: impl AsyncFn(Self)) {
        let main = Other::real(Family::Smol, 4);
        smol::block_on(test(Self { spawner: main.spawner.clone(), kind: Kind::Smol }));
    }

    pub(crate) fn is_simulated(&self) -> bool {
        matches!(self.kind, Kind::Sim(_))
    }

    /// Returns the seed of the simulation, if it is one.
    pub(crate) fn seed(&self) -> u64 {
        match &self.kind {
            Kind::Sim(sim) => sim.seed(),
            Kind::Tokio | Kind::Smol => 0,
        }
    }

    /// Returns all of them; under many seeds, one with each.
    pub(crate) fn some_of<T: Copy>(&self, all: &[T]) -> Vec<T> {
        match self.is_simulated() {
            true => vec![all[self.seed() as usize % all.len()]],
            false => all.to_vec(),
        }
    }

    /// Makes another executor, with this many threads.
    pub(crate) fn other(&self, threads: usize) -> Other {
        match &self.kind {
            Kind::Sim(sim) => Other::simulated(sim, Threads::new(threads)),
            Kind::Smol => Other::real(Family::Smol, threads),
            Kind::Tokio => Other::real(Family::Tokio, threads),
        }
    }

    /// Makes a worker that blocks in its first poll, and reports before that it does. It has little time to stop.
    pub(crate) fn blocker(&self, name: &'static str) -> (ChildSpec, async_channel::Receiver<()>) {
        let (say, begun) = async_channel::unbounded();
        let stage = self.blocks();
        let child = worker(name, move |_: ProcessShutdown| {
            let (say, block) = (say.clone(), stage());
            async move {
                let _ = say.try_send(());
                block.await;
            }
        });
        (child.with_shutdown_strategy(ShutdownStrategy::Graceful(LIMIT)), begun)
    }

    /// Makes futures that block the poll in which they are first polled.
    pub(crate) fn blocks(&self) -> impl Fn() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + 'static + use<> {
        let is_simulated = matches!(self.kind, Kind::Sim(_));
        move || match is_simulated {
            true => Box::pin(block_for(BLOCK)),
            false => Box::pin(async { thread::sleep(BLOCK) }),
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.spawner.now()
    }

    /// Sleeps on a clock that nothing here blocks.
    pub(crate) async fn sleep(&self, time: Duration) {
        match &self.kind {
            Kind::Sim(sim) => sim.sleep(time).await,
            Kind::Tokio | Kind::Smol => drop(smol::Timer::after(time).await),
        }
    }

    /// Fails if it takes longer than all limits together.
    pub(crate) async fn in_time<T>(&self, what: &str, future: impl Future<Output = T>) -> T {
        let done = or(async { Some(future.await) }, async {
            self.sleep(IN_TIME).await;
            None
        });
        done.await.unwrap_or_else(|| panic!("{what}: not within {IN_TIME:?}"))
    }

    /// Waits until something is true.
    pub(crate) async fn until(&self, what: &str, mut is: impl FnMut() -> bool) {
        self.in_time(what, async {
            while !is() {
                self.sleep(Duration::from_millis(1)).await;
            }
        })
        .await;
    }
}

/// Makes a supervisor with a budget that no test uses up, and short limits.
pub(crate) fn supervisor(name: &'static str) -> Supervisor {
    children::supervisor(name, RestartStrategy::one_for_one()).with_abort_grace(LIMIT)
}

/// Waits for the next event that is one of these.
pub(crate) async fn event(events: &mut Events, is_it: impl Fn(&EventKind) -> bool) -> Arc<Event> {
    loop {
        let event = events.next().await.expect("the tree still runs");
        if is_it(&event.kind) {
            return event;
        }
    }
}

/// Mounts tests: `everywhere` but on Tokio's current thread, or also there where only other executors block.
macro_rules! stage {
    (everywhere: $($test:ident)*) => {
        mod sim { $(#[test] fn $test() { $crate::stage::Stage::sim(1000, super::$test); })* }
        mod tokio { $(#[test] fn $test() { $crate::stage::Stage::tokio(super::$test); })* }
        mod smol { $(#[test] fn $test() { $crate::stage::Stage::smol(super::$test); })* }
    };
    (also on one thread: $($test:ident)*) => {
        stage! { everywhere: $($test)* }
        mod tokio_current_thread {
            $(#[test] fn $test() { $crate::stage::Stage::tokio_current_thread(super::$test); })*
        }
    };
}
