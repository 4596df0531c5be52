//! Writes scenarios of its own, in which starts are held up while anything comes in.

use fastrand::Rng;
use serde_json::{Value, json};

use super::{
    harness::draw::{draw, one_in, pick},
    scenario::Scenario,
};

/// What a script does, and how often.
const OPERATIONS: [(&str, u32); 11] = [
    ("exit", 6),
    ("release", 3),
    ("start_child", 2),
    ("terminate_child", 2),
    ("restart_child", 2),
    ("delete_child", 1),
    ("which_children", 1),
    ("count_children", 1),
    ("get_childspec", 1),
    ("wait_ms", 1),
    ("stop", 1),
];

const RESTARTS: [(&str, u32); 3] = [("permanent", 2), ("transient", 1), ("temporary", 1)];
const AUTO_SHUTDOWNS: [(&str, u32); 3] = [("never", 2), ("any_significant", 1), ("all_significant", 1)];
const EXITS: [(&str, u32); 5] = [("normal", 1), ("error", 2), ("panic", 1), ("shutdown", 1), ("kill", 1)];

/// What becomes of a start when its gate opens.
const GATED_STARTS: [(&str, u32); 4] = [("ok", 2), ("error", 1), ("panic", 1), ("ignore", 1)];

/// What the first attempt to start comes to, where its supervisor starts without a gate and where it may have one.
const FIRST_STARTS: [(Attempt, u32); 2] = [(Attempt::Plain("ignore"), 1), (Attempt::Plain("ok"), 19)];
const FIRST_STARTS_WITH_GATE: [(Attempt, u32); 3] =
    [(Attempt::Plain("ignore"), 1), (Attempt::Gated, 7), (Attempt::Plain("ok"), 12)];

/// What later attempts to start come to.
const LATER_STARTS: [(Attempt, u32); 5] = [
    (Attempt::Plain("error"), 1),
    (Attempt::Plain("panic"), 1),
    (Attempt::Plain("ignore"), 1),
    (Attempt::Plain("ok"), 1),
    (Attempt::Gated, 4),
];

/// How workers stop, and how often. Never in doubt which comes first: the limit, or the end.
const STOPS: [(Stop, u32); 7] = [
    (Stop::Brutal, 1),
    (Stop::Deaf, 1),
    (Stop::SlowWithoutLimit, 1),
    (Stop::TooSlow, 1),
    (Stop::WithError, 1),
    (Stop::Normal, 1),
    (Stop::Plain, 4),
];

#[derive(Clone, Copy)]
enum Attempt {
    Plain(&'static str),
    Gated,
}

#[derive(Clone, Copy)]
enum Stop {
    Brutal,
    Deaf,
    SlowWithoutLimit,
    TooSlow,
    WithError,
    Normal,
    Plain,
}

/// Writes a tree, a script, and no trace: only the reference model can judge it.
pub(crate) fn write(seed: u64) -> Value {
    let mut author = Author { rng: Rng::with_seed(seed), workers: Vec::new(), supervisors: Vec::new(), added: 0 };
    let tree = author.supervisor("root", "", "never", 0);
    let script: Vec<_> = (0..author.rng.usize(4..24)).map(|_| author.step()).collect();
    json!({"name": format!("seed {seed}"), "needs": ["gate"], "tree": tree, "script": script, "trace": [], "root": ""})
}

pub(crate) fn read(scenario: &Value) -> Scenario {
    serde_json::from_value(scenario.clone()).expect("a scenario")
}

struct Author {
    rng: Rng,
    /// Their paths.
    workers: Vec<String>,
    /// Their paths, and how they end by themselves. `None` is a dynamic one.
    supervisors: Vec<(String, Option<&'static str>)>,
    /// How many children the script adds.
    added: usize,
}

impl Author {
    fn supervisor(&mut self, id: &str, above: &str, ends_above: &str, depth: usize) -> Value {
        let path = join(above, id);
        let period = *pick(&mut self.rng, &[1000, 5000, 60_000]);
        let mut node = json!({"id": id, "type": "supervisor", "intensity": self.rng.usize(0..6), "period_ms": period});
        if depth > 0 && one_in(&mut self.rng, 4) {
            self.supervisors.push((path, None));
            node["strategy"] = "dynamic".into();
            let start = self.starts(false);
            node["template"] = self.worker("w", "never", start);
        } else {
            let ends = draw(&mut self.rng, &AUTO_SHUTDOWNS);
            self.supervisors.push((path.clone(), Some(ends)));
            node["strategy"] = (*pick(&mut self.rng, &["one_for_one", "one_for_all", "rest_for_one"])).into();
            node["auto_shutdown"] = ends.into();
            let children: Vec<_> = ["a", "b", "c", "d"][..self.rng.usize(..5)]
                .iter()
                .map(|id| self.child(id, &path, ends, depth))
                .collect();
            node["children"] = children.into();
        }
        self.mark(node, ends_above)
    }

    fn child(&mut self, id: &str, above: &str, ends: &str, depth: usize) -> Value {
        if depth < 2 && one_in(&mut self.rng, 4) {
            return self.supervisor(id, above, ends, depth + 1);
        }
        self.workers.push(join(above, id));
        let start = self.starts(false);
        self.worker(id, ends, start)
    }

    fn worker(&mut self, id: &str, ends: &str, start: Vec<Value>) -> Value {
        let mut node = json!({"id": id, "start": start});
        let (shutdown, on_shutdown) = match draw(&mut self.rng, &STOPS) {
            Stop::Brutal => (json!("brutal"), json!("exit")),
            Stop::Deaf => (json!({"graceful_ms": 2000}), json!("ignore")),
            Stop::SlowWithoutLimit => (json!("infinity"), json!({"after_ms": 20})),
            Stop::TooSlow => (json!({"graceful_ms": 20}), json!({"after_ms": 3000})),
            Stop::WithError => (json!({"graceful_ms": 3000}), json!("error")),
            Stop::Normal => (json!({"graceful_ms": 3000}), json!("normal")),
            Stop::Plain => (json!({"graceful_ms": 5000}), json!("exit")),
        };
        (node["shutdown"], node["on_shutdown"]) = (shutdown, on_shutdown);
        self.mark(node, ends)
    }

    /// Draws the settings that every child has.
    fn mark(&mut self, mut node: Value, ends: &str) -> Value {
        let restart = draw(&mut self.rng, &RESTARTS);
        node["restart"] = restart.into();
        node["significant"] = (restart != "permanent" && ends != "never" && self.rng.bool()).into();
        node
    }

    /// Draws the results of the attempts to start. With a gate before the first one, no step may wait for the start of
    /// the tree.
    fn starts(&mut self, may_begin_with_gate: bool) -> Vec<Value> {
        let first: &[_] = if may_begin_with_gate { &FIRST_STARTS_WITH_GATE } else { &FIRST_STARTS };
        let mut starts = vec![self.start(first)];
        for _ in 0..self.rng.usize(..4) {
            starts.push(self.start(&LATER_STARTS));
        }
        starts.push("ok".into());
        starts
    }

    fn start(&mut self, table: &[(Attempt, u32)]) -> Value {
        match draw(&mut self.rng, table) {
            Attempt::Plain(start) => start.into(),
            Attempt::Gated => json!({"gated": draw(&mut self.rng, &GATED_STARTS)}),
        }
    }

    fn step(&mut self) -> Value {
        let worker = self.workers.get(self.rng.usize(..self.workers.len().max(1))).cloned();
        let (supervisor, ends) = pick(&mut self.rng, &self.supervisors.clone()).clone();
        let nested = if supervisor == "root" { None } else { Some(supervisor.clone()) };
        let target = if one_in(&mut self.rng, 5) { nested.or(worker) } else { worker.or(nested) };
        let op = draw(&mut self.rng, &OPERATIONS);
        match (op, target) {
            ("start_child", _) => self.start_child(&supervisor, ends),
            ("which_children" | "count_children", _) => json!({"op": op, "target": supervisor}),
            ("wait_ms", _) => json!({"op": op, "ms": pick(&mut self.rng, &[500, 7000, 70_000])}),
            // Few scripts go on for long after it.
            ("stop", _) if one_in(&mut self.rng, 3) => json!({"op": op, "async": true}),
            ("exit", Some(target)) if self.workers.contains(&target) => {
                let how = draw(&mut self.rng, &EXITS);
                json!({"op": op, "target": target, "how": how})
            }
            ("release" | "terminate_child" | "restart_child" | "delete_child" | "get_childspec", Some(target)) => {
                json!({"op": op, "target": target, "async": true})
            }
            _ => json!({"op": "which_children", "target": supervisor}),
        }
    }

    fn start_child(&mut self, supervisor: &str, ends: Option<&'static str>) -> Value {
        self.added += 1;
        let (mut id, start) = (format!("n{}", self.added), self.starts(true));
        let Some(ends) = ends else {
            self.workers.push(join(supervisor, &id));
            return json!({"op": "start_child", "target": supervisor, "instance": id, "start": start, "async": true});
        };
        let mut spec = if one_in(&mut self.rng, 5) {
            self.supervisor(&id, supervisor, ends, 1)
        } else {
            if one_in(&mut self.rng, 5) {
                id = "a".into();
            }
            self.workers.push(join(supervisor, &id));
            self.worker(&id, ends, start)
        };
        if one_in(&mut self.rng, 20) {
            // Not valid under most.
            spec["significant"] = true.into();
        }
        json!({"op": "start_child", "target": supervisor, "spec": spec, "async": true})
    }
}

fn join(above: &str, id: &str) -> String {
    if above.is_empty() { id.to_owned() } else { format!("{above}/{id}") }
}
