use super::*;
use crate::{engine::slot::Slot, error::StartFailure};

/// An engine with one child to look at, and children around it. None does anything unless the scene says so.
pub(super) struct Scene {
    pub(super) engine: Engine<Child>,
    pub(super) now: Instant,
    pub(super) subject: ChildId,
    /// The child, where it is to be added to the supervisor.
    pub(super) added: Option<Child>,
    process_keys: BTreeMap<ChildId, ProcessKey>,
    calls: Vec<&'static str>,
    outcome: Outcome,
}

/// The outcome of an event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Outcome {
    pub(super) next: String,
    pub(super) effects: Vec<String>,
    pub(super) told: Vec<String>,
    pub(super) answers: Vec<String>,
    /// Nothing has come of it.
    pub(super) is_nothing: bool,
}

impl Scene {
    /// Sets the scene. The child is `subject`, the others are named.
    pub(super) fn new(settings: SupervisorSettings, children: Vec<Child>) -> Self {
        let specs: Vec<_> = children.into_iter().map(|child| (ChildId::next(), child)).collect();
        let subject = specs.iter().find(|(_, child)| child.name == "subject").map(|(id, _)| *id);
        Self {
            engine: Engine::new(settings, specs.into_iter(), 1),
            now: Instant::now(),
            subject: subject.unwrap_or_else(ChildId::next),
            added: None,
            process_keys: BTreeMap::new(),
            calls: Vec::new(),
            outcome: Outcome::default(),
        }
    }

    /// Returns the state of the child, in words.
    pub(super) fn state(&self) -> String {
        let Some(slot) = self.slot() else { return "removed".into() };
        match &slot.state {
            State::Stopped => "Stopped".into(),
            State::PendingStart => "PendingStart".into(),
            State::Delayed { .. } => "Delayed".into(),
            State::Starting { .. } => "Starting".into(),
            State::Running { .. } => "Running".into(),
            State::Stopping(stopping) => {
                let phase = match stopping.phase {
                    StopPhase::Asked { .. } => "asked",
                    StopPhase::Aborted { .. } => "aborted",
                    StopPhase::Stuck => "stuck",
                };
                let then = match stopping.then {
                    AfterStop::ApplyPolicy { .. } => "apply policy",
                    AfterStop::FailStart { .. } => "fail start",
                    AfterStop::Restart => "restart",
                    AfterStop::Start => "start",
                    AfterStop::StayDown => "stay",
                    AfterStop::SupervisorStops(_) => "end",
                };
                format!("Stopping ({phase}, then {then})")
            }
        }
    }

    fn slot(&self) -> Option<&Slot<Child>> {
        self.engine.children.get(self.engine.children.find(self.subject)?)
    }

    /// Returns whether the child's current process has ever been ready.
    pub(super) fn was_ready(&self) -> Option<bool> {
        match &self.slot()?.state {
            State::Starting { .. } => Some(false),
            State::Running { .. } => Some(true),
            State::Stopping(stopping) => Some(!stopping.unready),
            State::Stopped | State::PendingStart | State::Delayed { .. } => None,
        }
    }

    pub(super) fn is_supervisor(&self) -> bool {
        self.slot().is_some_and(|slot| slot.settings().kind == ChildKind::Supervisor)
    }

    /// Returns whether the child is in the situation.
    pub(super) fn is_in(&self, situation: Situation) -> bool {
        self.state() == situation.state()
    }

    /// Begins the first start.
    pub(super) fn start(&mut self) {
        self.engine.handle_start(false);
        self.settle();
    }

    /// Leaves a process of the child behind, from an earlier run of the supervisor, and begins the first start.
    pub(super) fn adopt(&mut self) {
        if let Some(key) = self.engine.handle_left_behind(self.subject, self.now) {
            self.process_keys.insert(self.subject, ProcessKey::new(key, 0));
        }
        self.start();
    }

    /// Starts the child, and all others.
    pub(super) fn come_up(&mut self) {
        self.start();
        self.add();
        while let Some(starting) = self.starting() {
            self.ready(starting);
            self.settle();
        }
    }

    /// Adds the child, if the situation has an added one.
    pub(super) fn add(&mut self) {
        let Some(child) = self.added.take() else { return };
        let caller = self.caller("start");
        self.engine.handle_start_child(self.subject, child, Some(caller), self.now);
        self.settle();
    }

    /// Makes its restarts wait.
    pub(super) fn delay(&mut self, backoff: Backoff) {
        let added = self.added.as_mut();
        if let Some(key) = self.engine.children.find(self.subject) {
            self.engine.children.edit(key, |slot| slot.child = slot.child.clone().backoff(backoff));
        } else if let Some(child) = added {
            *child = child.clone().backoff(backoff);
        }
    }

    /// Returns the outcome of an event, when all that follows is done.
    pub(super) fn outcome_of(&mut self, event: impl FnOnce(&mut Self)) -> Outcome {
        let before = self.state();
        self.settle_effects();
        self.outcome = Outcome::default();
        event(self);
        self.settle();
        let next = self.state();
        let outcome = mem::take(&mut self.outcome);
        let is_nothing = before == next && outcome == Outcome::default();
        Outcome { next, is_nothing, ..outcome }
    }

    pub(super) fn process_key(&self, child: ChildId) -> Option<ProcessKey> {
        self.process_keys.get(&child).copied()
    }

    pub(super) fn named(&self, name: &str) -> ChildId {
        let found = self.engine.children().find(|(_, child, _)| child.name == name);
        found.map(|(id, ..)| id).expect("a child of that name")
    }

    pub(super) fn ready(&mut self, child: ChildId) {
        if let Some(process_key) = self.process_key(child) {
            self.engine.handle_ready(process_key, self.now);
        }
    }

    pub(super) fn exit(&mut self, child: ChildId, exit: Exit) {
        if let Some(process_key) = self.process_key(child) {
            self.engine.handle_exit(process_key, exit, self.now);
        }
    }

    fn starting(&self) -> Option<ChildId> {
        let starting = |(_, slot): &(ChildKey, &Slot<Child>)| matches!(slot.state, State::Starting { .. });
        self.engine.children.iter().find(starting).map(|(key, _)| key.id)
    }

    pub(super) fn caller(&mut self, call: &'static str) -> Caller {
        self.calls.push(call);
        Caller { key: self.calls.len() - 1, within: None, is_in_circle: false }
    }

    /// Waits until the next deadline, if there is one.
    pub(super) fn wait(&mut self) {
        if let Some(deadline) = self.engine.next_deadline() {
            self.now = deadline;
            self.engine.handle_deadline(deadline, deadline);
        }
    }

    pub(super) fn settle(&mut self) {
        loop {
            self.settle_effects();
            if !self.engine.advance(self.now) {
                return;
            }
        }
    }

    fn settle_effects(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            self.note(effect);
        }
    }

    fn note(&mut self, effect: Effect<Child>) {
        let about = |child: ChildId, what: &str| match self.engine.find(child) {
            Some(other) if child != self.subject => format!("{}: {what}", other.name),
            _ => what.to_owned(),
        };
        match effect {
            Effect::Start { key, incarnation, .. } => {
                self.outcome.effects.push(about(key.id, "start"));
                self.process_keys.insert(key.id, ProcessKey::new(key, incarnation));
            }
            Effect::Ask { child, no_successor } => {
                self.outcome
                    .effects
                    .push(about(self.named(child.name), if no_successor { "ask, last" } else { "ask" }));
            }
            Effect::Abort { child, no_successor } => {
                self.outcome
                    .effects
                    .push(about(self.named(child.name), if no_successor { "abort, last" } else { "abort" }));
            }
            Effect::SampleHeartbeat { .. } => unreachable!("no child in here has a watchdog"),
            Effect::Keep { .. } => self.outcome.effects.push("keep".into()),
            Effect::Forget { .. } => self.outcome.effects.push("forget".into()),
            Effect::Ready => self.outcome.effects.push("supervisor: ready".into()),
            Effect::GaveUp => self.outcome.effects.push("supervisor: gave up".into()),
            Effect::Finish => self.outcome.effects.push("supervisor: finish".into()),
            Effect::Emit { child, kind, .. } => {
                let kind = match *kind {
                    EventKind::Exited(_) => "exited".into(),
                    EventKind::StartFailed(StartFailure::TimedOut(_)) => "failed to start: timed out".into(),
                    EventKind::StartFailed(_) => "failed to start".into(),
                    EventKind::Stuck => "is stuck".into(),
                    EventKind::Abandoned => "abandoned".into(),
                    EventKind::Restarting { delay, .. } if delay.is_zero() => "restarting".into(),
                    EventKind::Restarting { .. } => "restarting after a delay".into(),
                    kind => kind.to_string(),
                };
                let is_subject = child.name == "subject";
                self.outcome.told.push(if is_subject { kind } else { format!("{}: {kind}", child.name) });
            }
            Effect::Answer { caller, answer, .. } => {
                let answer = match answer {
                    Ok(()) => "ok".into(),
                    Err(Refusal::FailedToStart(_)) => "FailedToStart".into(),
                    Err(refusal) => format!("{refusal:?}"),
                };
                self.outcome.answers.push(format!("{}: {answer}", self.calls[caller.key]));
            }
            Effect::Refuse { refusal, .. } => self.outcome.answers.push(format!("{refusal:?}")),
        }
    }
}
