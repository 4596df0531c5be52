//! Another language reads what is written here: Python, with the JSON of its standard library.

use std::{
    io::Write,
    process::{Command, Stdio},
};

use serde_json::{Value, json};
use supervision::{ChildState, EventKind};

use crate::stage::{Stage, milliseconds};

/// What a program in Python prints for this input, as JSON.
fn python(program: &str, input: &str) -> Value {
    let child = Command::new("python3").args(["-c", program]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("this test needs `python3` in the PATH: install it (Debian: apt-get install python3)");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "the program in Python failed");
    serde_json::from_slice(&output.stdout).unwrap()
}

const READ_SNAPSHOT: &str = r#"
import json, sys
from datetime import datetime, timezone

snapshot = json.load(sys.stdin)
assert snapshot["schema"] == 1

def walk(node):
    yield node
    for child in node["children"]:
        yield from walk(child)

nodes = list(walk(snapshot))
ended = [node for node in nodes if node["last_exit"]]
print(json.dumps({
    "captured": datetime.fromtimestamp(snapshot["captured_at"] / 1000, timezone.utc).isoformat(),
    "not_ready": [node["path"] for node in nodes if not node["ready"] and node["state"] != "stopped"],
    "restarts": sum(node["restarts"] for node in nodes),
    "stuck": [node["path"] for node in nodes if node["stuck"] or node["abandoned"]],
    "blocked": [node["path"] for node in nodes if node["supervisor"] and (node["supervisor"]["unread_for_seconds"] or 0) > 0.5],
    "messages": {node["path"]: node["last_exit"]["message"] for node in ended if "message" in node["last_exit"]},
    "ended_seconds_ago": sum(node["last_exit"]["ago_seconds"] or 0 for node in ended),
}))
"#;

#[test]
fn a_program_in_python_reads_a_snapshot() {
    let snapshot = Stage::set().snapshot();
    let read = python(READ_SNAPSHOT, &serde_json::to_string(&snapshot).unwrap());
    let paths = |is_one: &dyn Fn(&supervision::Snapshot) -> bool| -> Vec<String> {
        snapshot.iter().filter(|node| is_one(node)).map(|node| node.path.clone()).collect()
    };
    let not_ready = paths(&|node| !node.ready && node.state != ChildState::Stopped);
    assert!(not_ready.contains(&"root.waiting".to_owned()), "{not_ready:?}");
    assert_eq!(read["not_ready"], json!(not_ready));
    let restarts: u32 = snapshot.iter().map(|node| node.restarts).sum();
    assert!(restarts > 0);
    assert_eq!(read["restarts"], json!(restarts));
    assert_eq!(read["stuck"], json!(["root.gone.hog", "root.hung"]));
    assert_eq!(read["blocked"], json!(["root.stalled"]));
    assert_eq!(read["captured"], "1970-01-01T00:00:39+00:00");
    assert_eq!(read["messages"]["root.waiting"], "no peer");
    assert_eq!(read["messages"]["root.api.listener"], "boom");
    let ago: f64 = snapshot.iter().filter_map(|node| node.last_exit.as_ref()?.ago).map(|ago| ago.as_secs_f64()).sum();
    assert!((read["ended_seconds_ago"].as_f64().unwrap() - ago).abs() < 1e-6);
}

const READ_EVENTS: &str = r#"
import json, sys

begun, lived = {}, []
for line in sys.stdin:
    event = json.loads(line)
    if event["kind"] == "started":
        begun[event["process_id"]] = event["at"]
    if event["kind"] == "exited" and event["process_id"] in begun:
        lived.append([event["path"], event["at"] - begun.pop(event["process_id"]), event["data"]["kind"]])
print(json.dumps(lived))
"#;

#[test]
fn a_program_in_python_pairs_starts_and_exits() {
    let events = Stage::set().events;
    let lines: String = events.iter().map(|event| serde_json::to_string(&**event).unwrap() + "\n").collect();
    let lived = python(READ_EVENTS, &lines);
    let expected: Vec<_> = events
        .iter()
        .filter(|event| matches!(event.kind, EventKind::Exited(_)))
        .map(|exited| {
            let is_its = |event: &&std::sync::Arc<_>| {
                let event: &supervision::Event = event;
                event.process == exited.process && event.kind == EventKind::Started
            };
            let started = events.iter().find(is_its).expect("it has started");
            (exited.path.clone(), milliseconds(exited.at) - milliseconds(started.at))
        })
        .collect();
    assert!(expected.iter().any(|(path, lived)| path == "root.flaky" && *lived == 20_000), "{expected:?}");
    let lived: Vec<_> = lived.as_array().unwrap().iter().map(|row| json!([row[0], row[1]])).collect();
    assert_eq!(json!(lived), json!(expected));
}
