//! The rules, tested on the engine alone. Each test that checks a rule of OTP names it (`docs/otp.md` has the list).

mod adding;
mod calls;
mod dynamic;
mod exits;
mod final_failures;
mod groups;
mod intensity;
mod invariants;
mod lifecycle;
mod lockstep;
mod model;
mod random;
mod reload;
mod retries;
mod significant;
mod start;
mod stopping;
mod strategies;
mod stuck;
mod timing;
mod watchdog;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use super::*;
use crate::{
    error::Failure,
    incarnation::ReportKind,
    observe::ChildState,
    shutdown::{ShutdownOrder, ShutdownStrategy},
    strategy::{AutoShutdown, Backoff, ChildKind, ChildSettings, RestartMode, RestartStrategy, RestartType},
};

const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
struct Child {
    name: &'static str,
    settings: ChildSettings,
}

impl Spec for Child {
    fn name(&self) -> &str {
        self.name
    }

    fn settings(&self) -> &ChildSettings {
        &self.settings
    }
}

fn child(name: &'static str) -> Child {
    Child { name, settings: ChildSettings::worker(ShutdownStrategy::default()) }
}

fn supervisor(name: &'static str) -> Child {
    Child { name, settings: ChildSettings::supervisor() }
}

impl Child {
    fn transient(mut self) -> Self {
        self.settings.restart = Some(RestartType::Transient);
        self
    }

    fn temporary(mut self) -> Self {
        self.settings.restart = Some(RestartType::Temporary);
        self
    }

    fn significant(mut self) -> Self {
        self.settings.significant = true;
        self
    }

    fn shutdown(mut self, shutdown: ShutdownStrategy) -> Self {
        self.settings.set_shutdown(shutdown);
        self
    }

    fn start_timeout(mut self, limit: Duration) -> Self {
        self.settings.rare_mut().start_timeout = Some(limit);
        self
    }

    fn watchdog(mut self, within: Duration) -> Self {
        self.settings.rare_mut().watchdog = Some(within);
        self
    }

    fn backoff(mut self, backoff: Backoff) -> Self {
        self.settings.rare_mut().backoff = Some(backoff);
        self
    }
}

fn one_for_one(intensity: usize) -> SupervisorSettings {
    settings(RestartStrategy::one_for_one(), intensity)
}

fn one_for_all(intensity: usize) -> SupervisorSettings {
    settings(RestartStrategy::one_for_all(), intensity)
}

fn rest_for_one(intensity: usize) -> SupervisorSettings {
    settings(RestartStrategy::rest_for_one(), intensity)
}

fn settings(strategy: RestartStrategy, intensity: usize) -> SupervisorSettings {
    SupervisorSettings { strategy: strategy.with_intensity_and_period(intensity, 5 * SECOND), ..Default::default() }
}

fn error() -> Exit {
    Exit::Failed(Failure::new("boom"))
}

/// Returns the exit of a process that failed, and that no restart helps.
fn final_error() -> Exit {
    Exit::Failed(Failure::new("no peer").with_finality())
}

/// An engine with children that play along: they become ready, and stop when asked, unless they were told otherwise.
struct World {
    engine: Engine<Child>,
    now: Instant,
    /// What the engine wanted done since it was last looked at.
    log: Vec<String>,
    names: BTreeMap<&'static str, ChildId>,
    incarnations: BTreeMap<ChildId, u32>,
    inbox: VecDeque<(ProcessKey, ReportKind)>,
    /// What the next starts of a child come to, instead of becoming ready. `None` hangs.
    starts: BTreeMap<&'static str, VecDeque<Option<Exit>>>,
    /// Does nothing when asked to stop.
    deaf: Vec<&'static str>,
    /// Does nothing when aborted.
    stuck: Vec<&'static str>,
    /// The children that have sent a heartbeat since the last check.
    alive: Vec<&'static str>,
    /// The calls that were made, in words; the key of a caller is its place in here.
    calls: Vec<String>,
    /// What callers were told since it was last looked at.
    answers: Vec<String>,
    /// The child in which the next calls are made.
    within: Option<&'static str>,
    /// Who was removed for good.
    forgotten: Vec<&'static str>,
}

impl World {
    /// Makes the root of a tree, not started yet.
    fn new<const N: usize>(settings: SupervisorSettings, children: [Child; N]) -> Self {
        let specs: Vec<_> = children.into_iter().map(|child| (ChildId::next(), child)).collect();
        Self {
            names: specs.iter().map(|(id, child)| (child.name, *id)).collect(),
            engine: Engine::new(settings, specs.into_iter(), 1),
            now: Instant::now(),
            log: Vec::new(),
            incarnations: BTreeMap::new(),
            inbox: VecDeque::new(),
            starts: BTreeMap::new(),
            deaf: Vec::new(),
            stuck: Vec::new(),
            alive: Vec::new(),
            calls: Vec::new(),
            answers: Vec::new(),
            within: None,
            forgotten: Vec::new(),
        }
    }

    /// Makes a supervisor that runs, without a record of what it did so far.
    fn up<const N: usize>(settings: SupervisorSettings, children: [Child; N]) -> Self {
        let mut world = Self::new(settings, children);
        world.start();
        assert!(world.take().ends_with(&["ready".to_owned()]));
        world
    }

    /// Makes a supervisor that starts beside processes of an earlier run of it. They do not yield before the test says
    /// so.
    fn left_behind<const N: usize>(settings: SupervisorSettings, children: [Child; N], left: &[&'static str]) -> Self {
        let mut world = Self::new(settings, children);
        world.stuck.extend(left);
        for name in left {
            let key = world.engine.handle_left_behind(world.id(name), world.now).expect("a child of that name");
            world.incarnations.insert(key.id, 0);
        }
        world.engine.handle_start(false);
        world.settle();
        world.stuck.clear();
        world
    }

    fn start(&mut self) {
        self.engine.handle_start(true);
        self.settle();
    }

    fn id(&self, name: &str) -> ChildId {
        self.names[name]
    }

    fn process_key(&self, name: &str) -> ProcessKey {
        let key = self.engine.children.find(self.id(name)).expect("a child that is still there");
        ProcessKey::new(key, self.incarnations[&key.id])
    }

    /// Plans the results of the child's next starts.
    fn plan<const N: usize>(&mut self, name: &'static str, starts: [Option<Exit>; N]) {
        self.starts.entry(name).or_default().extend(starts);
    }

    /// Ends the child by itself, and lets everything follow.
    fn exit(&mut self, name: &str, exit: Exit) {
        self.report(name, ReportKind::Exited(exit));
        self.settle();
    }

    /// Sends a report, and does nothing else.
    fn report(&mut self, name: &str, kind: ReportKind) {
        self.inbox.push_back((self.process_key(name), kind));
    }

    fn shutdown(&mut self) {
        self.engine.handle_shutdown(StopRequest::default(), self.now);
        self.settle();
    }

    /// Adds a child, and waits for the answer.
    fn start_child(&mut self, child: Child) {
        let caller = self.call("start", child.name);
        self.add(child, Some(caller));
    }

    /// Adds a child. No caller waits.
    fn spawn(&mut self, child: Child) {
        self.add(child, None);
    }

    fn add(&mut self, child: Child, caller: Option<Caller>) {
        let id = ChildId::next();
        self.names.insert(child.name, id);
        self.engine.handle_start_child(id, child, caller, self.now);
        self.settle();
    }

    fn terminate(&mut self, name: &str) {
        let caller = self.call("terminate", name);
        self.engine.handle_terminate_child(self.id(name), None, caller, self.now);
        self.settle();
    }

    fn terminate_within(&mut self, name: &str, limit: Duration) {
        let caller = self.call("terminate", name);
        self.engine.handle_terminate_child(self.id(name), Some(limit), caller, self.now);
        self.settle();
    }

    fn restart(&mut self, name: &str) {
        let caller = self.call("restart", name);
        self.engine.handle_restart_child(self.id(name), caller, self.now);
        self.settle();
    }

    fn delete(&mut self, name: &str) {
        let caller = self.call("delete", name);
        self.engine.handle_delete_child(self.id(name), caller);
        self.settle();
    }

    fn kill(&mut self, name: &str) {
        let caller = self.call("kill", name);
        self.engine.handle_kill_child(self.id(name), caller, self.now);
        self.settle();
    }

    fn reload(&mut self, name: &str) {
        let caller = self.call("reload", name);
        self.engine.handle_reload_child(self.id(name), caller, self.now);
        self.settle();
    }

    fn call(&mut self, call: &str, name: &str) -> Caller {
        self.calls.push(format!("{call} {name}"));
        Caller { key: self.calls.len() - 1, within: self.within.map(|name| self.id(name)), is_in_circle: false }
    }

    /// Checks the answers to callers since the last time, with the calls that they made.
    #[track_caller]
    fn told(&mut self, expected: &str) {
        assert_eq!(mem::take(&mut self.answers).join(", "), expected);
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.engine.handle_deadline(self.now, self.now);
        self.settle();
    }

    /// Continues until nothing more happens by itself.
    fn settle(&mut self) {
        loop {
            while let Some((process_key, kind)) = self.inbox.pop_front() {
                match kind {
                    ReportKind::Ready => self.engine.handle_ready(process_key, self.now),
                    ReportKind::Acknowledged => self.engine.handle_acknowledged(process_key),
                    ReportKind::Exited(exit) => self.engine.handle_exit(process_key, exit, self.now),
                    ReportKind::Unclean(unclean) => self.engine.handle_unclean_below(process_key, unclean),
                    ReportKind::Held => self.engine.handle_held(process_key, self.now),
                    ReportKind::Vacated => unreachable!("a driver makes an exit of it"),
                }
            }
            while let Some(effect) = self.engine.poll_effect() {
                self.play(effect);
            }
            if !self.engine.advance(self.now) && self.inbox.is_empty() {
                return;
            }
        }
    }

    fn play(&mut self, effect: Effect<Child>) {
        let name = |key: ChildKey| self.names.iter().find(|(_, id)| **id == key.id).map(|(name, _)| *name).unwrap();
        match effect {
            Effect::Start { key, incarnation, .. } => {
                let name = name(key);
                self.log.push(format!("start {name}"));
                self.incarnations.insert(key.id, incarnation);
                match self.starts.get_mut(name).and_then(VecDeque::pop_front) {
                    None => self.report(name, ReportKind::Ready),
                    Some(Some(exit)) => self.report(name, ReportKind::Exited(exit)),
                    Some(None) => {}
                }
            }
            Effect::Ask { child, .. } => {
                let name = child.name;
                self.log.push(format!("ask {name}"));
                if !self.deaf.contains(&name) {
                    self.report(name, ReportKind::Exited(Exit::Normal));
                }
            }
            Effect::Abort { child, .. } => {
                let name = child.name;
                self.log.push(format!("abort {name}"));
                if !self.stuck.contains(&name) {
                    self.report(name, ReportKind::Exited(Exit::Aborted));
                }
            }
            Effect::SampleHeartbeat { key, incarnation } => {
                let name = name(key);
                let sign_of_life = self.alive.contains(&name);
                self.alive.retain(|alive| *alive != name);
                self.engine.handle_heartbeat(ProcessKey::new(key, incarnation), sign_of_life, self.now);
            }
            Effect::Emit { child, kind, .. } => match *kind {
                EventKind::Stuck => self.log.push(format!("stuck {}", child.name)),
                EventKind::Unresponsive { .. } => self.log.push(format!("unresponsive {}", child.name)),
                EventKind::Abandoned => self.log.push(format!("abandoned {}", child.name)),
                EventKind::Restarting { delay, .. } if !delay.is_zero() => {
                    self.log.push(format!("delay {} {}", child.name, delay.as_millis()));
                }
                EventKind::LeftDown { siblings } => {
                    self.log.push(format!("{} leaves down {}", child.name, siblings.join(" ")));
                }
                _ => {}
            },
            Effect::Answer { caller, answer, .. } => {
                let answer = answer.map_or_else(|refusal| format!("{refusal:?}"), |()| "ok".into());
                self.answers.push(format!("{}: {answer}", self.calls[caller.key]));
            }
            Effect::Refuse { child, caller, refusal } => {
                let call =
                    caller.map_or_else(|| format!("spawn {}", child.name), |caller| self.calls[caller.key].clone());
                self.answers.push(format!("{call}: {refusal:?}"));
            }
            Effect::Keep { .. } => {}
            Effect::Forget { child, .. } => self.forgotten.push(child.name),
            Effect::Ready => self.log.push("ready".into()),
            Effect::GaveUp => self.log.push("gave up".into()),
            Effect::Finish => self.log.push("finish".into()),
        }
    }

    fn take(&mut self) -> Vec<String> {
        mem::take(&mut self.log)
    }

    #[track_caller]
    fn did(&mut self, expected: &str) {
        assert_eq!(self.take().join(", "), expected);
    }

    /// Checks the children and their states, in start order.
    #[track_caller]
    fn shows(&self, expected: &str) {
        let show = |(_, child, state): (ChildId, &Child, ChildState)| match state {
            ChildState::Starting => format!("{}?", child.name),
            ChildState::Running => child.name.to_owned(),
            ChildState::Restarting => format!("{}~", child.name),
            ChildState::Stopping => format!("{}!", child.name),
            ChildState::Stopped => format!("{}-", child.name),
        };
        assert_eq!(self.engine.children().map(show).collect::<Vec<_>>().join(" "), expected);
    }

    /// Returns the names of the children that did not stop well, and how.
    fn unclean(&mut self) -> Vec<String> {
        let unclean = self.engine.poll_outcome().unclean;
        unclean.iter().map(|(child, unclean)| format!("{} {unclean:?}", child.name)).collect()
    }
}
