//! Random trees under random faults, commands and subscribers, and what must hold for them whatever happens.
//!
//! [`Round`] is one tree from its start to its end. All that is random in it comes from its seed; on a simulated executor the
//! whole run does.

#![allow(dead_code, reason = "the soak and the tests each use a part of this")]

mod blueprint;
mod commander;
mod diary;
mod invariants;
mod summary;
mod worker;

use std::{
    future::poll_fn,
    panic,
    sync::{Arc, Once},
    time::Duration,
};

use fastrand::Rng;
use supervisor_core::{Spawner, SupervisorError, testing::Probe};

pub(crate) use self::summary::Summary;
use self::{
    blueprint::Blueprint,
    commander::Commander,
    diary::Diary,
    invariants::{Invariants, Setting},
};

/// One tree, from its start to its end.
pub(crate) struct Round {
    seed: u64,
    spawner: Arc<dyn Spawner>,
    /// One thread does everything, so there is one order of things.
    is_simulated: bool,
    blueprint: Blueprint,
    probe: Probe,
    diary: Diary,
}

impl Round {
    pub(crate) fn new(seed: u64, spawner: Arc<dyn Spawner>, is_simulated: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let (blueprint, probe) = (Blueprint::random(&mut rng), Probe::default());
        let diary = Diary::new(probe.clone());
        Self { seed, spawner, is_simulated, blueprint, probe, diary }
    }

    /// The dotted names of the workers that the tree starts with.
    pub(crate) fn workers(&self) -> Vec<String> {
        self.blueprint.workers()
    }

    /// Starts the tree, gives it and its callers that much time, and stops it.
    ///
    /// # Panics
    ///
    /// If anything is not as it must be.
    pub(crate) async fn play(self, time: Duration) -> Summary {
        let Self { seed, spawner, is_simulated, blueprint, probe, diary } = self;
        let setting = Setting { supervisors: blueprint.supervisors(), is_simulated };
        let mut invariants = Invariants::new(seed, setting);
        let mut summary = Summary::default();
        let mut look = || {
            for entry in probe.take() {
                summary.count(&entry);
                invariants.see(&entry);
            }
        };
        let (root, handles) = blueprint.build(seed, &diary);
        let outcome = match probe.start(root, spawner.clone()).await {
            Err(error) => Err(error),
            Ok(mut tree) => {
                let commander = Commander::new(seed, handles.clone(), diary.clone());
                match commander.command(spawner.clone(), time, &mut tree, &mut look).await {
                    Some(outcome) => outcome,
                    None => {
                        diary.note("shutdown");
                        tree.shutdown().await
                    }
                }
            }
        };
        // What was abandoned may still be on its way out.
        while diary.present() > 0 {
            sleep(&*spawner, Duration::from_millis(1)).await;
        }
        probe.quiet().await;
        look();
        for handle in handles {
            let answer = handle.count().await;
            assert!(matches!(answer, Err(SupervisorError::NotRunning { .. })), "seed {seed}: {answer:?}");
        }
        invariants.finish(&diary);
        summary.conclude(&diary, outcome);
        summary
    }
}

async fn sleep(spawner: &dyn Spawner, time: Duration) {
    let mut timer = spawner.timer();
    timer.as_mut().reset(spawner.now().checked_add(time));
    poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
}

/// Thousands of workers panic because their script says so. Only what else panics is worth a line.
pub(crate) fn silence_scripted_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&worker::SCRIPTED) {
                loud(info);
            }
        }));
    });
}

fn pick<'a, T>(rng: &mut Rng, choice: &'a [T]) -> &'a T {
    &choice[rng.usize(..choice.len())]
}
