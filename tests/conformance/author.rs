//! Writes scenarios that nobody has seen, in which starts are held up while anything comes in.

use fastrand::Rng;
use serde_json::{Value, json};

use super::scenario::Scenario;

/// A tree, a script, and no trace: only the reference model can judge it.
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
        let period = *self.pick(&[1000, 5000, 60_000]);
        let mut node = json!({"id": id, "type": "supervisor", "intensity": self.rng.usize(0..6), "period_ms": period});
        if depth > 0 && self.rng.u8(..4) == 0 {
            self.supervisors.push((path, None));
            node["strategy"] = "dynamic".into();
            let start = self.starts(false);
            node["template"] = self.worker("w", "never", start);
        } else {
            let ends = *self.pick(&["never", "never", "any_significant", "all_significant"]);
            self.supervisors.push((path.clone(), Some(ends)));
            node["strategy"] = (*self.pick(&["one_for_one", "one_for_all", "rest_for_one"])).into();
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
        if depth < 2 && self.rng.u8(..4) == 0 {
            return self.supervisor(id, above, ends, depth + 1);
        }
        self.workers.push(join(above, id));
        let start = self.starts(false);
        self.worker(id, ends, start)
    }

    fn worker(&mut self, id: &str, ends: &str, start: Vec<Value>) -> Value {
        let mut node = json!({"id": id, "start": start});
        // Never in doubt which comes first: the limit, or the end.
        let (shutdown, on_shutdown) = match self.rng.u8(..10) {
            0 => (json!("brutal"), json!("exit")),
            1 => (json!({"graceful_ms": 2000}), json!("ignore")),
            2 => (json!("infinity"), json!({"after_ms": 20})),
            3 => (json!({"graceful_ms": 20}), json!({"after_ms": 3000})),
            4 => (json!({"graceful_ms": 3000}), json!("error")),
            5 => (json!({"graceful_ms": 3000}), json!("normal")),
            _ => (json!({"graceful_ms": 5000}), json!("exit")),
        };
        (node["shutdown"], node["on_shutdown"]) = (shutdown, on_shutdown);
        self.mark(node, ends)
    }

    /// What every child has.
    fn mark(&mut self, mut node: Value, ends: &str) -> Value {
        let restart = *self.pick(&["permanent", "permanent", "transient", "temporary"]);
        node["restart"] = restart.into();
        node["significant"] = (restart != "permanent" && ends != "never" && self.rng.bool()).into();
        node
    }

    /// What the attempts to start come to. With a gate before the first one, nobody may wait for the start of the tree.
    fn starts(&mut self, may_begin_with_gate: bool) -> Vec<Value> {
        let first = match self.rng.u8(..20) {
            0 => json!("ignore"),
            1..8 if may_begin_with_gate => json!({"gated": self.pick(&["ok", "ok", "error", "panic", "ignore"])}),
            2 if may_begin_with_gate => json!("error"),
            _ => json!("ok"),
        };
        let mut starts = vec![first];
        for _ in 0..self.rng.usize(..4) {
            starts.push(match self.rng.u8(..8) {
                0 => json!("error"),
                1 => json!("panic"),
                2 => json!("ignore"),
                3 => json!("ok"),
                _ => json!({"gated": self.pick(&["ok", "ok", "error", "panic", "ignore"])}),
            });
        }
        starts.push("ok".into());
        starts
    }

    fn step(&mut self) -> Value {
        let worker = self.workers.get(self.rng.usize(..self.workers.len().max(1))).cloned();
        let (supervisor, ends) = self.pick(&self.supervisors.clone()).clone();
        let nested = if supervisor == "root" { None } else { Some(supervisor.clone()) };
        let target = if self.rng.u8(..5) == 0 { nested.or(worker) } else { worker.or(nested) };
        let op = *self.pick(&[
            "exit",
            "exit",
            "exit",
            "exit",
            "exit",
            "exit",
            "release",
            "release",
            "release",
            "start_child",
            "start_child",
            "terminate_child",
            "terminate_child",
            "restart_child",
            "restart_child",
            "delete_child",
            "which_children",
            "count_children",
            "get_childspec",
            "wait_ms",
            "stop",
        ]);
        match (op, target) {
            ("start_child", _) => self.start_child(&supervisor, ends),
            ("which_children" | "count_children", _) => json!({"op": op, "target": supervisor}),
            ("wait_ms", _) => json!({"op": op, "ms": self.pick(&[500, 7000, 70_000])}),
            // Few scripts go on for long after it.
            ("stop", _) if self.rng.u8(..3) == 0 => json!({"op": op, "async": true}),
            ("exit", Some(target)) if self.workers.contains(&target) => {
                let how = self.pick(&["normal", "error", "error", "panic", "shutdown", "kill"]);
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
        let mut spec = if self.rng.u8(..5) == 0 {
            self.supervisor(&id, supervisor, ends, 1)
        } else {
            if self.rng.u8(..5) == 0 {
                id = "a".into();
            }
            self.workers.push(join(supervisor, &id));
            self.worker(&id, ends, start)
        };
        if self.rng.u8(..20) == 0 {
            // Not valid under most.
            spec["significant"] = true.into();
        }
        json!({"op": "start_child", "target": supervisor, "spec": spec, "async": true})
    }

    fn pick<'a, T>(&mut self, choice: &'a [T]) -> &'a T {
        &choice[self.rng.usize(..choice.len())]
    }
}

fn join(above: &str, id: &str) -> String {
    if above.is_empty() { id.to_owned() } else { format!("{above}/{id}") }
}
