//! Judges a run by the reference model, where OTP's own trace does not bind: OTP blocks while a start is held up, and we do
//! not (D1).
//!
//! A tree of models takes the same steps. What is on its way in it, a worker that starts or stops, a supervisor that is ready
//! or has ended, is an event that the run may have next; where several are on their way, the run decides on the order. An
//! event that is not on its way is a difference, and so is one that is and does not come. The judge never sees the engine.

mod calls;
mod part;
mod process;
mod supervisor;

use std::{collections::BTreeMap, mem, rc::Rc};

use serde_json::{Value, json};

use self::{
    part::Part,
    process::Report,
    supervisor::{Live, World},
};
use super::scenario::{Entry, Scenario};

/// Judges whether this is a trace of the scenario, with the root in this state before the stop at the end.
pub(crate) fn judge(scenario: &Scenario, trace: &[Entry], root: &str) -> Result<(), String> {
    let mut judge = Judge::default();
    let mut entries = trace.iter();
    judge.start(scenario);
    judge.compare(entries.next())?;
    for step in &scenario.script {
        judge.step += 1;
        judge.perform(step);
        judge.compare(entries.next())?;
    }
    let expected = match judge.root {
        _ if !judge.has_started => "start_failed",
        Some(_) if judge.stopped_by.is_none() => "running",
        _ => "stopped",
    };
    if expected == "running" {
        judge.step += 1;
        judge.stop();
        judge.compare(entries.next())?;
    }
    match entries.next() {
        Some(entry) => Err(format!("nothing more should happen, but it does: {entry:?}")),
        None if root == expected => Ok(()),
        None => Err(format!("the root is {root}, not {expected}")),
    }
}

#[derive(Default)]
struct Judge {
    world: World,
    /// As long as it lives.
    root: Option<Live>,
    has_started: bool,
    /// It is not even started.
    is_invalid: bool,
    /// The step that has asked it to stop.
    stopped_by: Option<usize>,
    /// What steps add, by their numbers.
    added: BTreeMap<usize, Rc<Part>>,
    step: usize,
    /// What the steps are answered, by their numbers.
    replies: BTreeMap<usize, Value>,
}

impl Judge {
    fn start(&mut self, scenario: &Scenario) {
        let root = Part::new(&scenario.tree, None);
        if root.is_valid_below(None) {
            root.become_known();
            self.root = Some(Live::new(&root, &mut self.world));
        } else {
            self.is_invalid = true;
        }
    }

    /// Compares the outcome of the step.
    fn compare(&mut self, entry: Option<&Entry>) -> Result<(), String> {
        let step = self.step;
        let Some(entry) = entry else { return Err(format!("the trace ends before step {step}")) };
        self.look_at(entry).map_err(|difference| format!("step {step}, {difference}"))
    }

    fn look_at(&mut self, entry: &Entry) -> Result<(), String> {
        for event in flat(&entry.events) {
            self.happen(event)?;
        }
        while self.pass_on() {}
        let missing = self.on_its_way();
        if !missing.is_empty() {
            return Err(format!("events: one of these should follow: {missing:?}\n    but got  {:?}", entry.events));
        }
        let mut replies = mem::take(&mut self.replies);
        let reply = replies.remove(&self.step);
        let late: Vec<_> = replies.into_iter().map(|(step, reply)| json!({"step": step, "reply": reply})).collect();
        let (mut causes, mut expected_causes) = (entry.causes.clone(), mem::take(&mut self.world.causes));
        // Supervisors may end beside each other.
        causes.sort_unstable();
        expected_causes.sort_unstable();
        let differs = |what: &str, ours: Value, theirs: Value| {
            if ours == theirs { Ok(()) } else { Err(format!("{what}:\n    expected {theirs}\n    but got  {ours}")) }
        };
        differs("reply", json!(entry.reply), json!(reply))?;
        differs("late replies", json!(entry.late_replies), json!(late))?;
        differs("causes", json!(causes), json!(expected_causes))
    }

    /// Handles an event.
    fn happen(&mut self, event: &str) -> Result<(), String> {
        loop {
            let on_its_way = self.on_its_way();
            if on_its_way.iter().any(|other| other == event) {
                break;
            }
            // A child may have had its time to stop.
            if !self.pass_on() {
                return Err(format!("events:\n    expected one of {on_its_way:?}\n    but got  {event}"));
            }
        }
        if self.own_event().as_deref() == Some(event) {
            self.root_has_report();
        } else if let Some(root) = &mut self.root {
            root.happen(event, &mut self.world);
        }
        self.take_answers();
        Ok(())
    }

    /// Moves the time to when the next thing is due. Returns whether there is one.
    fn pass_on(&mut self) -> bool {
        let Some(root) = &mut self.root else { return false };
        let Some(due) = root.next_deadline() else { return false };
        self.world.now = self.world.now.max(due);
        root.tick(&mut self.world);
        true
    }

    fn on_its_way(&self) -> Vec<String> {
        let Some(root) = &self.root else { return self.own_event().into_iter().collect() };
        root.on_its_way().into_iter().chain(self.own_event()).collect()
    }

    /// Returns what happens to the root next.
    fn own_event(&self) -> Option<String> {
        let event = match self.root.as_ref().map(|root| root.reports.front()) {
            None if self.is_invalid => "start_failed root error",
            Some(Some(Report::Ready)) => "started root",
            Some(Some(Report::Ended)) if self.has_started => "stopped root shutdown",
            Some(Some(Report::Ended)) => "start_failed root error",
            None | Some(None) => return None,
        };
        Some(event.into())
    }

    fn root_has_report(&mut self) {
        let Some(root) = &mut self.root else {
            self.is_invalid = false;
            self.replies.insert(0, "error:invalid_spec".into());
            return;
        };
        match root.reports.pop_front() {
            Some(Report::Ready) => {
                self.has_started = true;
                self.replies.insert(0, "ok".into());
            }
            Some(Report::Ended) => {
                self.root = None;
                if !self.has_started {
                    self.replies.insert(0, "error:start_failed".into());
                } else if let Some(step) = self.stopped_by {
                    self.replies.insert(step, "ok".into());
                }
            }
            None => {}
        }
    }
}

/// Returns the events in one of the orders in which they may come.
fn flat(events: &[Value]) -> Vec<&str> {
    events.iter().flat_map(one_by_one).collect()
}

fn one_by_one(entry: &Value) -> Vec<&str> {
    match entry {
        Value::String(event) => vec![event],
        Value::Object(group) => group.values().flat_map(one_by_one).collect(),
        Value::Array(strand) => flat(strand),
        _ => Vec::new(),
    }
}
