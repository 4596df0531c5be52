//! One test, on every executor.
//!
//! A test is an `async fn(World)`. It waits on events and on the tree being quiet, and where it needs time to pass it
//! sleeps on the executor's own clock, which is virtual wherever the executor has one.

#![allow(dead_code, reason = "each test binary uses a part of this")]

pub(crate) mod census;
pub(crate) mod children;
pub(crate) mod counting;
pub(crate) mod draw;

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    thread,
    time::{Duration, Instant, SystemTime},
};

use executor_sim::{Sim, SimSpawner};
use executor_smol::Smol;
use executor_tokio::Tokio;
use supervisor_core::{Process, Spawner, SupervisionTree, Supervisor, SupervisorError, Timer, testing::Probe};
use tokio::runtime::Builder;

/// The executor and the tools of a test.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) spawner: Arc<dyn Spawner>,
    pub(crate) probe: Probe,
    children: Children,
    simulated: bool,
}

/// The time at which the children of a test's root are added.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Children {
    /// From the beginning.
    Static,
    /// They are added one by one when the root runs.
    Added,
}

impl World {
    fn new(spawner: impl Spawner, children: Children, simulated: bool) -> Self {
        Self { spawner: Arc::new(spawner), probe: Probe::default(), children, simulated }
    }

    /// Starts a tree that the probe watches.
    pub(crate) async fn start(&self, root: Supervisor) -> Result<SupervisionTree, SupervisorError> {
        match self.children {
            Children::Static => self.probe.start(root, self.spawner.clone()).await,
            Children::Added => self.probe.start_and_add(root, self.spawner.clone()).await,
        }
    }

    /// Returns whether one thread does everything, in an order that a seed decides.
    pub(crate) fn is_simulated(&self) -> bool {
        self.simulated
    }

    pub(crate) async fn sleep(&self, time: Duration) {
        let mut timer = self.spawner.timer();
        timer.as_mut().reset(self.spawner.now().checked_add(time));
        poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
    }
}

/// An executor to run tests on.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Executor {
    /// In virtual time, in several of the orders in which things may happen.
    Sim,
    /// On one thread of Tokio, with a clock that jumps when there is nothing to do.
    TokioCurrentThread,
    /// On one thread of Tokio, in real time.
    TokioInRealTime,
    /// On two threads of Tokio, in real time.
    TokioMultiThread,
    /// On smol's global executor, which has one thread, in real time.
    Smol,
    /// On an `async-executor` that the test's own thread runs, in real time.
    Own,
    /// The same, with a clock that jumps when there is nothing to do.
    OwnInVirtualTime,
    /// On an `async-executor` that two threads run, in real time.
    OwnOnTwoThreads,
}

/// A test, so that what runs it is compiled once and not for each.
type Boxed<'a> = &'a dyn Fn(World) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Executor {
    pub(crate) fn run(self, children: Children, test: impl AsyncFn(World)) {
        self.run_boxed(children, &|world| Box::pin(test(world)));
    }

    fn run_boxed(self, children: Children, test: Boxed<'_>) {
        let mut builder = match self {
            Self::Sim => {
                (0..8).for_each(|seed| simulate_boxed(seed, children, test));
                return;
            }
            Self::TokioCurrentThread | Self::TokioInRealTime => Builder::new_current_thread(),
            Self::TokioMultiThread => Builder::new_multi_thread(),
            Self::Smol => {
                smol::block_on(test(World::new(Smol::global(), children, false)));
                return;
            }
            Self::Own => {
                let executor = Arc::new(async_executor::Executor::new());
                let world = World::new(Smol::on(&executor), children, false);
                smol::block_on(executor.run(test(world)));
                return;
            }
            Self::OwnInVirtualTime => {
                let (executor, sim) = (Arc::new(async_executor::Executor::new()), Sim::with_seed(0));
                let spawner = InVirtualTime { smol: Smol::on(&executor), clock: sim.spawner() };
                sim.run_until(executor.run(test(World::new(spawner, children, false))));
                return;
            }
            Self::OwnOnTwoThreads => {
                let executor = Arc::new(async_executor::Executor::new());
                let world = World::new(Smol::on(&executor), children, false);
                let (stop, stopped) = async_channel::bounded::<()>(1);
                thread::scope(|scope| {
                    // A test that fails drops it, too.
                    let _stop = stop;
                    for _ in 0..2 {
                        scope.spawn(|| smol::block_on(executor.run(stopped.recv())));
                    }
                    smol::block_on(test(world));
                });
                return;
            }
        };
        let is_virtual = matches!(self, Self::TokioCurrentThread);
        let runtime = builder.worker_threads(2).enable_all().start_paused(is_virtual).build().expect("a runtime");
        let spawner = Tokio::try_from(runtime.handle().clone()).expect("a runtime with a clock");
        runtime.block_on(test(World::new(spawner, children, false)));
    }
}

/// An executor with processes on smol's, and the time of a simulator that runs it.
#[derive(Debug)]
struct InVirtualTime {
    smol: Smol,
    clock: SimSpawner,
}

impl Spawner for InVirtualTime {
    fn spawn(&self, process: Process) {
        self.smol.spawn(process);
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }

    fn system_time(&self) -> SystemTime {
        self.clock.system_time()
    }

    fn is_virtual(&self) -> bool {
        true
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.clock.timer()
    }
}

/// Runs a test in virtual time, in the order that the seed decides.
pub(crate) fn simulate(seed: u64, children: Children, test: impl AsyncFn(World)) {
    simulate_boxed(seed, children, &|world| Box::pin(test(world)));
}

fn simulate_boxed(seed: u64, children: Children, test: Boxed<'_>) {
    let sim = Sim::with_seed(seed);
    sim.run_until(test(World::new(sim.spawner(), children, true)));
}

/// Mounts tests on the executors: `everywhere`; `with other threads`, for tests whose processes run on threads that no paused
/// clock of Tokio waits for; in `virtual time`, for tests that wait for a long time; or on `two
/// threads`, for tests that block one of them, or take all of the stack of a thread. `also added at run time` runs them
/// again with children that are added to a running root.
#[macro_export]
macro_rules! mount {
    (everywhere: $($test:ident)*) => {
        $crate::mount!(sim, Sim, Static: $($test)*);
        $crate::mount!(tokio_current_thread, TokioCurrentThread, Static: $($test)*);
        $crate::mount!(tokio_multi_thread, TokioMultiThread, Static: $($test)*);
        $crate::mount!(smol, Smol, Static: $($test)*);
        $crate::mount!(async_executor, Own, Static: $($test)*);
    };
    (everywhere, also added at run time: $($test:ident)*) => {
        $crate::mount!(everywhere: $($test)*);
        $crate::mount!(sim_added, Sim, Added: $($test)*);
        $crate::mount!(tokio_current_thread_added, TokioCurrentThread, Added: $($test)*);
        $crate::mount!(tokio_multi_thread_added, TokioMultiThread, Added: $($test)*);
        $crate::mount!(smol_added, Smol, Added: $($test)*);
        $crate::mount!(async_executor_added, Own, Added: $($test)*);
    };
    (with other threads: $($test:ident)*) => {
        $crate::mount!(sim_alone, Sim, Static: $($test)*);
        $crate::mount!(tokio_in_real_time, TokioInRealTime, Static: $($test)*);
        $crate::mount!(tokio_with_threads, TokioMultiThread, Static: $($test)*);
        $crate::mount!(smol_with_threads, Smol, Static: $($test)*);
        $crate::mount!(async_executor_with_threads, Own, Static: $($test)*);
    };
    (virtual time: $($test:ident)*) => {
        $crate::mount!(sim_in_virtual_time, Sim, Static: $($test)*);
        $crate::mount!(tokio_in_virtual_time, TokioCurrentThread, Static: $($test)*);
        $crate::mount!(smol_in_virtual_time, OwnInVirtualTime, Static: $($test)*);
    };
    (virtual time, also added at run time: $($test:ident)*) => {
        $crate::mount!(virtual time: $($test)*);
        $crate::mount!(sim_in_virtual_time_added, Sim, Added: $($test)*);
        $crate::mount!(tokio_in_virtual_time_added, TokioCurrentThread, Added: $($test)*);
        $crate::mount!(smol_in_virtual_time_added, OwnInVirtualTime, Added: $($test)*);
    };
    (two threads: $($test:ident)*) => {
        $crate::mount!(tokio_on_two_threads, TokioMultiThread, Static: $($test)*);
        $crate::mount!(async_executor_on_two_threads, OwnOnTwoThreads, Static: $($test)*);
    };
    (two threads, also added at run time: $($test:ident)*) => {
        $crate::mount!(two threads: $($test)*);
        $crate::mount!(tokio_on_two_threads_added, TokioMultiThread, Added: $($test)*);
        $crate::mount!(async_executor_on_two_threads_added, OwnOnTwoThreads, Added: $($test)*);
    };
    ($module:ident, $executor:ident, $children:ident: $($test:ident)*) => {
        mod $module {
            use $crate::harness::{Children, Executor};
            $(#[test] fn $test() { Executor::$executor.run(Children::$children, super::$test); })*
        }
    };
}
