//! Random trees under random faults, commands and subscribers, and what must hold for them whatever happens.
//!
//! [`Round`] is one tree from its start to its end. All that is random in it comes from its seed; on a simulated executor the
//! whole run does.

#![allow(dead_code, reason = "the soak and the tests each use a part of this")]

mod blueprint;
mod calls;
mod commander;
mod diary;
#[path = "../harness/draw.rs"]
mod draw;
mod faults;
mod invariants;
mod life;
mod limit;
#[path = "../harness/other.rs"]
mod other;
mod scope;
mod script;
mod site;
mod sites;
mod stage;
mod summary;
mod worker;

use std::{cell::RefCell, panic, pin::pin, sync::Once, time::Duration};

use fastrand::Rng;
use futures_lite::future::or;
use supervisor_core::{
    EventKind, Exit, Supervisor, SupervisorError, SupervisorHandle,
    testing::{Entry, Probe},
};

use self::{
    blueprint::{Blueprint, Built, GRACE, Ground},
    calls::Calls,
    commander::Commander,
    diary::Diary,
    invariants::{End, Invariants, Setting},
    sites::{SitePlan, Sites},
};
#[allow(unused_imports, reason = "the soak and the tests each use a part of this")]
pub(crate) use self::{
    other::Family,
    stage::{Main, Stage},
    summary::Summary,
};

const MOMENT: Duration = Duration::from_millis(1);
/// How long what was left behind may take: some polls block for a minute of a simulation, or a second.
const LEFT_BEHIND: [Duration; 2] = [Duration::from_secs(200), Duration::from_secs(20)];

/// One tree, from its start to its end.
pub(crate) struct Round<'a> {
    seed: u64,
    stage: &'a Stage<'a>,
    blueprint: Blueprint,
    sites: Sites,
    probe: Probe,
    diary: Diary,
}

/// The observers of a round while it plays.
struct Watch {
    probe: Probe,
    invariants: Invariants,
    summary: Summary,
    /// Siblings that workers have added since the tree was asked to stop. Nothing knew of them then.
    added_late: u32,
    is_asked: bool,
    keeps_state: bool,
}

impl<'a> Round<'a> {
    pub(crate) fn new(seed: u64, stage: &'a Stage<'a>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let plans = SitePlan::random(&mut rng);
        let (blueprint, probe) = (Blueprint::random(&mut rng, &plans), Probe::default());
        let (sites, diary) = (Sites::new(stage, &plans), Diary::new(probe.clone()));
        Self { seed, stage, blueprint, sites, probe, diary }
    }

    /// Starts the tree, gives it and its callers that much time, and stops it.
    ///
    /// # Panics
    ///
    /// If anything is not as it must be.
    pub(crate) async fn play(self, time: Duration) -> Summary {
        let Self { seed, stage, blueprint, sites, probe, diary } = &self;
        let setting = Setting {
            supervisors: blueprint.supervisors(),
            workers: blueprint.workers(),
            is_simulated: stage.is_simulated(),
            tolerance: stage.tolerance(),
        };
        let invariants = Invariants::new(*seed, setting);
        let watch = RefCell::new(Watch {
            probe: probe.clone(),
            invariants,
            summary: Summary::default(),
            added_late: 0,
            is_asked: false,
            keeps_state: false,
        });
        let ground = Ground { seed: *seed, diary, sites };
        let (root, supervisors) = blueprint.build(&ground);
        let turns = stage.sim().map(|sim| faults::set(sim, blueprint.sites_of_workers(sites)));
        let look = async {
            loop {
                watch.borrow_mut().look(stage.elapsed());
                stage.sleep(MOMENT).await;
            }
        };
        let (outcome, mut calls) = or(self.live(root, &ground, &supervisors, time, &watch), look).await;
        watch.borrow_mut().look(stage.elapsed());
        // What was abandoned may still be on its way out, or on an executor that does not run it.
        sites.end();
        self.wait_for_the_rest("processes are left", &watch, async {
            let mut pause = MOMENT;
            while diary.present() > 0 {
                stage.sleep(pause).await;
                pause = if stage.is_simulated() { 2 * pause } else { pause };
            }
            probe.quiet().await;
        })
        .await;
        self.wait_for_the_rest("there are calls without an answer", &watch, calls.all_answered()).await;
        for Built { handle, .. } in &supervisors {
            let answer = handle.count().await;
            assert!(matches!(answer, Err(SupervisorError::NotRunning { .. })), "seed {seed}: {answer:?}");
        }
        self.wait_for_the_rest("specifications are left", &watch, async {
            while !diary.specifications().is_empty() {
                stage.sleep(MOMENT).await;
            }
        })
        .await;
        drop(supervisors);
        let mut watch = watch.into_inner();
        watch.look(stage.elapsed());
        watch.invariants.finish(&End { diary, outcome: &outcome });
        watch.summary.conclude(diary, sites, &outcome);
        drop(turns);
        watch.summary
    }

    /// Plays the life of a tree, with its calls that were not answered before its end.
    async fn live(
        &self,
        root: Supervisor,
        ground: &Ground<'_>,
        supervisors: &[Built],
        time: Duration,
        watch: &RefCell<Watch>,
    ) -> (Result<(), SupervisorError>, Calls) {
        let Self { stage, probe, .. } = self;
        let handle = &supervisors[0].handle;
        let mut start = pin!(probe.start(root, stage.spawner.clone()));
        let mut tree = match stage.within(time, &mut start).await {
            Some(Ok(tree)) => tree,
            Some(Err(error)) => return (Err(error), Calls::default()),
            // It waits for an executor that does nothing.
            None => {
                let stop = async {
                    let _ = handle.shutdown();
                    match start.await {
                        Ok(mut tree) => tree.wait().await,
                        Err(error) => Err(error),
                    }
                };
                return (self.stop(handle, stop, watch).await, Calls::default());
            }
        };
        let mut commander = Commander::new(ground, stage, supervisors);
        let outcome = match commander.command(time, &mut tree).await {
            Some(outcome) => outcome,
            None => self.stop(handle, tree.shutdown(), watch).await,
        };
        (outcome, commander.into_calls())
    }

    /// Stops the whole tree, within a limit.
    async fn stop(
        &self,
        root: &SupervisorHandle,
        stop: impl Future<Output = Result<(), SupervisorError>>,
        watch: &RefCell<Watch>,
    ) -> Result<(), SupervisorError> {
        let stage = self.stage;
        let limit = limit::of_stop(&stage.at_once("a snapshot", root.snapshot()).await);
        let begun = stage.elapsed();
        self.diary.note("shutdown");
        let patience = 2 * limit + 2 * stage.tolerance() + Duration::from_secs(1);
        let Some(outcome) = stage.within(patience, stop).await else {
            let mut watch = watch.borrow_mut();
            watch.look(stage.elapsed());
            watch.invariants.fail(&format!("the tree has not stopped, and its limit is {limit:?}"));
            unreachable!("that fails");
        };
        let mut watch = watch.borrow_mut();
        watch.look(stage.elapsed());
        let (took, limit) = (stage.elapsed() - begun, limit + watch.added_late * GRACE);
        watch.summary.stopped(took, limit);
        if took > limit + stage.tolerance() {
            watch.invariants.fail(&format!("the stop of the tree took {took:?}, and its limit is {limit:?}"));
        }
        outcome
    }

    /// Waits for what is still under way when the tree has ended.
    async fn wait_for_the_rest(&self, problem: &str, watch: &RefCell<Watch>, rest: impl Future<Output = ()>) {
        let Self { stage, diary, .. } = self;
        if stage.within(LEFT_BEHIND[usize::from(!stage.is_simulated())], rest).await.is_none() {
            let (processes, specifications) = (diary.present(), diary.specifications());
            let mut watch = watch.borrow_mut();
            watch.look(stage.elapsed());
            watch.invariants.fail(&format!("{problem}: {processes} processes, {specifications:?}"));
        }
    }
}

impl Watch {
    fn look(&mut self, at: Duration) {
        for entry in self.probe.take() {
            match &entry {
                Entry::Note(note) => self.is_asked |= note == "shutdown",
                Entry::Event(event) => {
                    let is_late = self.is_asked && matches!(event.kind, EventKind::Started);
                    self.keeps_state |= match event.kind {
                        EventKind::Exited(Exit::Lost) => invariants::is_supervisor(&event.path),
                        EventKind::Abandoned => event.path.matches('.').count() > 1,
                        _ => false,
                    };
                    self.added_late += u32::from(is_late && event.path.ends_with(".extra"));
                }
            }
            self.summary.count(&entry);
            self.invariants.see(&entry, at);
        }
    }
}

/// Thousands of workers panic because their script says so. Only what else panics is worth a line.
pub(crate) fn silence_scripted_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let loud = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if info.payload().downcast_ref::<&str>() != Some(&life::SCRIPTED) {
                loud(info);
            }
        }));
    });
}
