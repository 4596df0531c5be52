//! Scenarios as they are written down.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) needs: Vec<String>,
    pub(crate) tree: Node,
    pub(crate) script: Vec<Step>,
    pub(crate) trace: Vec<Entry>,
    pub(crate) root: String,
    /// The trace is our own, and this is why it is not OTP's.
    #[serde(default)]
    pub(crate) departs_because: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Node {
    pub(crate) id: Option<String>,
    #[serde(default = "worker")]
    pub(crate) r#type: String,
    #[serde(default = "permanent")]
    pub(crate) restart: String,
    #[serde(default)]
    pub(crate) significant: bool,
    pub(crate) shutdown: Option<Shutdown>,
    #[serde(default)]
    pub(crate) start: Vec<Start>,
    #[serde(default)]
    pub(crate) on_shutdown: OnShutdown,
    pub(crate) strategy: Option<String>,
    pub(crate) intensity: Option<usize>,
    pub(crate) period_ms: Option<u64>,
    pub(crate) auto_shutdown: Option<String>,
    #[serde(default)]
    pub(crate) children: Vec<Node>,
    /// Of a dynamic supervisor: what its instances are like.
    pub(crate) template: Option<Box<Node>>,
}

fn worker() -> String {
    "worker".into()
}

fn permanent() -> String {
    "permanent".into()
}

#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Shutdown {
    Brutal,
    Infinity,
    GracefulMs(u64),
}

/// The result of a start.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Start {
    Ok,
    Error,
    Panic,
    Ignore,
    Gated(Box<Start>),
}

/// The reaction of a worker when it is asked to stop.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum OnShutdown {
    #[default]
    Exit,
    Ignore,
    AfterMs(u64),
    Normal,
    Error,
    Panic,
}

/// The end of a worker by itself.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum How {
    Normal,
    Error,
    Panic,
    Shutdown,
    Kill,
}

#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Step {
    pub(crate) op: String,
    #[serde(default)]
    pub(crate) target: String,
    pub(crate) how: Option<How>,
    pub(crate) ms: Option<u64>,
    /// A child to add.
    pub(crate) spec: Option<Node>,
    /// An instance to add, after the template, with these instead.
    pub(crate) instance: Option<String>,
    pub(crate) start: Option<Vec<Start>>,
    pub(crate) on_shutdown: Option<OnShutdown>,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Entry {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reply: Option<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) late_replies: Vec<Value>,
    pub(crate) events: Vec<Value>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) causes: Vec<String>,
}

impl Scenario {
    /// Returns why this scenario cannot be run, if it cannot.
    pub(crate) fn why_not(&self) -> Option<String> {
        const ABILITIES: [&str; 8] = [
            "auto_shutdown",
            "dynamic",
            "exit_kill",
            "exit_shutdown",
            "gate",
            "ignore_start",
            "timed_shutdown",
            "wait",
        ];
        if let Some(need) = self.needs.iter().find(|need| !ABILITIES.contains(&need.as_str())) {
            return Some(format!("needs {need}"));
        }
        None
    }

    /// Returns whether the reference model judges, at least in the end.
    pub(crate) fn is_left_to_the_model(&self) -> bool {
        self.trace.is_empty() || self.bound_by_its_trace() < self.trace.len()
    }

    /// Returns how many entries of its trace are binding. OTP's trace is binding until something comes in while OTP
    /// blocks in a start, which our supervisors do not (D1).
    pub(crate) fn bound_by_its_trace(&self) -> usize {
        let mut closed = BTreeSet::new();
        for (at, (entry, step)) in self.trace.iter().zip(&self.script).enumerate() {
            closed.extend(entry.events.iter().filter_map(|event| event.as_str()?.strip_prefix("gated ")));
            if step.op == "release" {
                closed.remove(step.target.as_str());
            } else if !closed.is_empty() && self.departs_because.is_none() {
                return at + 1;
            }
        }
        self.trace.len()
    }
}
