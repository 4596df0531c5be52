//! A simulation with one executor, for tests of its threads.

#![allow(dead_code, unreachable_pub, reason = "each test binary uses a part of it")]

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use executor_sim::{Sim, SimSpawner, Threads, block_for};
use supervisor_core::{
    Spawner,
    contract::{Outcome, TestProcess},
};

pub const SECOND: Duration = Duration::from_secs(1);
const SEEDS: u64 = 30;

/// A simulation with one executor, and what its processes said, in seconds.
pub struct World {
    pub sim: Sim,
    pub spawner: SimSpawner,
    said: Said,
}

#[derive(Clone, Default)]
pub struct Said(Arc<Mutex<Vec<String>>>);

impl World {
    pub fn new(seed: u64, threads: Threads) -> Self {
        let sim = Sim::with_threads(seed, threads);
        Self { spawner: sim.spawner(), sim, said: Said::default() }
    }

    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Outcome {
        spawn(&self.spawner, future)
    }

    /// Spawns a process, and lets it run until it waits.
    pub fn run(&self, future: impl Future<Output = ()> + Send + 'static) -> Outcome {
        let outcome = self.spawn(future);
        self.sim.advance(Duration::ZERO);
        outcome
    }

    /// Returns a future that records this name and the time.
    pub fn say(&self, name: &'static str) -> impl Future<Output = ()> + Send + use<> {
        let (said, spawner, begin) = (self.said.clone(), self.spawner.clone(), self.begin());
        async move {
            said.0.lock().unwrap().push(format!("{name} {:?}", spawner.now() - begin));
        }
    }

    pub fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        sleep(&self.spawner, time, false)
    }

    /// Sleeps as a supervisor does.
    pub fn sleep_insistently(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        sleep(&self.spawner, time, true)
    }

    /// Makes a process that records its name once it was woken by hand.
    pub fn waiter(&self, name: &'static str) -> async_channel::Sender<()> {
        let (sender, receiver) = async_channel::bounded(1);
        let say = self.say(name);
        self.run(async move {
            receiver.recv().await.unwrap();
            say.await;
        });
        sender
    }

    /// Makes a process that a timer wakes after a second, and that then blocks for ten.
    pub fn blocks_when_a_timer_wakes_it(&self) -> Outcome {
        let sleep = self.sleep(SECOND);
        self.run(async move {
            sleep.await;
            block_for(10 * SECOND).await;
        })
    }

    /// Makes a process that records its name after this many seconds.
    pub fn says_after(&self, name: &'static str, seconds: u32) -> Outcome {
        let (sleep, say) = (self.sleep(seconds * SECOND), self.say(name));
        self.run(async move {
            sleep.await;
            say.await;
        })
    }

    pub fn begin(&self) -> std::time::Instant {
        self.spawner.now() - self.sim.elapsed()
    }

    pub fn said(&self) -> Vec<String> {
        let mut said = self.said.0.lock().unwrap().clone();
        said.sort();
        said
    }

    /// Returns the records after this much more time.
    pub fn said_after(&self, time: Duration) -> Vec<String> {
        self.sim.advance(time);
        self.said()
    }
}

pub fn spawn(spawner: &SimSpawner, future: impl Future<Output = ()> + Send + 'static) -> Outcome {
    let (process, outcome) = TestProcess::new(future).into_parts();
    spawner.spawn(process);
    outcome
}

fn sleep(spawner: &SimSpawner, time: Duration, insists: bool) -> impl Future<Output = ()> + Send + use<> {
    let spawner = spawner.clone();
    async move {
        let mut timer = spawner.timer();
        if insists {
            timer.as_mut().insist();
        }
        timer.as_mut().reset(Some(spawner.now() + time));
        std::future::poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
    }
}

/// Checks that this holds for every seed.
pub fn always(threads: Threads, test: impl Fn(&World)) {
    for seed in 0..SEEDS {
        test(&World::new(seed, threads));
    }
}
