use serde_json::{Value, json};

use super::*;

/// Returns the line of a snapshot: of processes with a path, a state, and children.
pub(crate) fn snapshot(root: &Value) -> Line {
    line::read(&json!({"snapshot": root, "summaries": [], "at": 1_000}).to_string()).expect("a snapshot")
}

/// Returns a process as it stands in a snapshot.
pub(crate) fn process(path: &str, id: u64, state: &str, children: &[Value]) -> Value {
    let kind = if children.is_empty() { "worker" } else { "supervisor" };
    json!({
        "schema": 1, "captured_at": 1_764_152_400_123_u64, "path": path, "child_id": id, "process_id": id, "kind": kind, "state": state,
        "stuck": false, "abandoned": false, "ready": state == "running", "since_seconds": 65.0, "restarts": 0,
        "last_exit": null, "spec": null, "supervisor": null, "children": children,
    })
}

/// Returns a process that has failed for two minutes.
pub(crate) fn failing(path: &str, id: u64, state: &str) -> Value {
    let mut child = process(path, id, state, &[]);
    child["restarts"] = 43.into();
    let next = if state == "restarting" { json!(33.5) } else { Value::Null };
    child["failing"] = json!({"since_seconds": 125.0, "attempt": 3, "next_in_seconds": next});
    child["last_exit"] = json!({
        "ago_seconds": 1, "phase": "run", "kind": "failed", "message": "cannot reach db.internal:5432",
        "chain": ["connection refused"], "location": null
    });
    child
}

pub(crate) fn event(path: &str, id: u64, at: u64, kind: &str, data: &Value, text: &str) -> Line {
    let event = json!({"path": path, "child_id": id, "process_id": id, "at": at, "took_seconds": null, "kind": kind, "data": data});
    line::read(&json!({"event": event, "text": text}).to_string()).expect("an event")
}

pub(crate) fn shop() -> Model {
    let mut model = Model::default();
    let web = process(
        "shop.web",
        2,
        "running",
        &[process("shop.web.b", 3, "running", &[]), process("shop.web.a", 4, "restarting", &[])],
    );
    model.apply(snapshot(&process("shop", 1, "running", &[process("shop.api", 5, "running", &[]), web])));
    model
}

fn paths(model: &Model) -> Vec<&str> {
    model.nodes.iter().map(|node| &*node.path).collect()
}

#[test]
fn a_snapshot_is_read_in_start_order_with_its_words() {
    let model = shop();
    assert_eq!(paths(&model), ["shop", "shop.api", "shop.web", "shop.web.b", "shop.web.a"]);
    assert_eq!((model.nodes[1].glyph, &*model.nodes[1].words), ('●', "running for 1m 5s"));
    assert_eq!(model.nodes[4].words, "waiting to restart");
    assert_eq!(model.troubled().iter().map(|node| &*node.path).collect::<Vec<_>>(), ["shop.web.a"]);
    assert!(model.is_within(4, 2) && model.is_within(2, 2) && !model.is_within(1, 2));
}

#[test]
fn the_reason_of_trouble_comes_early() {
    let of = |state: &str, restarts: u32, ago: u32| {
        let mut child = process("shop.a", 2, state, &[]);
        child["restarts"] = restarts.into();
        child["last_exit"] = json!({
            "ago_seconds": ago, "phase": "run", "kind": "failed", "message": "x", "chain": ["y"], "location": null
        });
        let mut model = Model::default();
        model.apply(snapshot(&process("shop", 1, "running", &[child])));
        (model.nodes[1].rank, model.nodes[1].alarm.clone())
    };
    assert_eq!(of("running", 2, 1), (3, "failed: x: y".into()));
    assert_eq!(of("running", 2, 61).0, 0, "that is long ago");
    assert_eq!(of("restarting", 0, 61), (4, "failed: x: y".into()));
    assert_eq!(of("stopped", 1, 61), (4, "failed: x: y".into()));
}

#[test]
fn the_place_of_a_panic_comes_after_its_message() {
    let mut child = failing("shop.a", 2, "running");
    child["last_exit"]["kind"] = "panicked".into();
    child["last_exit"]["location"] = json!({"file": "src/a.rs", "line": 1, "column": 2});
    let mut model = Model::default();
    model.apply(snapshot(&process("shop", 1, "running", &[child])));
    let data = json!({"attempt": 1, "cause": {"location": {"file": "src/a.rs", "line": 1, "column": 2}}});
    let text = "shop.a restarting (attempt 1): panicked at src/a.rs:1:2: oh: no";
    model.apply(event("shop.a", 9, 2_000, "restarting", &data, text));
    assert_eq!(model.events[0].text, "shop.a restarting (attempt 1): panicked: oh: no, at src/a.rs:1:2");
    assert_eq!(model.nodes[1].alarm, "panicked: cannot reach db.internal:5432: connection refused, at src/a.rs:1:2");
}

#[test]
fn a_give_up_and_its_reason_are_one_trouble_at_any_moment() {
    let gave_up = json!({
        "ago_seconds": 1, "phase": "run", "kind": "shutdown", "unclean": [], "reason": {
            "kind": "gave_up", "path": "shop.mail", "intensity": 2, "period_seconds": 10.0,
            "restarts": [{"path": "shop.mail.sender", "ago_seconds": 0.0, "cause": {
                "phase": "run", "kind": "failed", "message": "x", "chain": [], "location": null
            }}],
        },
    });
    for (mail, sender) in
        [("running", "running"), ("running", "restarting"), ("stopping", "stopped"), ("restarting", "stopped")]
    {
        let queue = process("shop.mail.queue", 4, "running", &[]);
        let mut above = process("shop.mail", 2, mail, &[failing("shop.mail.sender", 3, sender), queue]);
        above["restarts"] = 20.into();
        above["failing"] = json!({"since_seconds": 125.0, "attempt": 20, "next_in_seconds": null});
        above["last_exit"] = gave_up.clone();
        let mut model = Model::default();
        model.apply(snapshot(&process("shop", 1, "running", &[above])));
        let troubled: Vec<&str> = model.troubled().iter().map(|node| &*node.path).collect();
        assert_eq!(troubled, ["shop.mail"], "{mail} {sender}");
        if sender == "stopped" {
            assert_eq!(model.nodes[2].timing, format!("its supervisor is {mail}"));
        }
    }
}

#[test]
fn children_of_a_supervisor_that_was_stopped_are_one_trouble_with_it() {
    let permanent = json!({
        "name": "x", "kind": "worker", "restart": "permanent", "shutdown": {"kind": "brutal"},
        "start_timeout_seconds": null, "significant": false, "placement": "inherit", "explicit_ready": false,
        "children_first": false, "readiness": true, "watchdog_seconds": null, "backoff": null,
    });
    let with_settings = |mut child: Value| {
        child["spec"] = permanent.clone();
        child
    };
    let children = [process("shop.web.a", 3, "stopped", &[]), failing("shop.web.b", 4, "stopped")];
    let web = with_settings(process("shop.web", 2, "stopped", &children.map(with_settings)));
    let mut model = Model::default();
    model.apply(snapshot(&process("shop", 1, "running", &[web])));
    assert_eq!(model.troubled().iter().map(|node| &*node.path).collect::<Vec<_>>(), ["shop.web"]);
}

#[test]
fn a_give_up_is_one_event() {
    let mut model = shop();
    for (kind, text) in [
        ("gave_up", "shop.web gave up: x"),
        ("ended", "shop.web supervisor ended: gave up: x"),
        ("exited", "shop.web gave up: x"),
        ("restarting", "shop.web restarting (attempt 1): gave up: x"),
    ] {
        model.apply(event("shop.web", 2, 1_000, kind, &json!({"kind": "gave_up"}), text));
    }
    let said: Vec<&str> = model.events.iter().map(|event| &*event.text).collect();
    assert_eq!(said, ["shop.web gave up: x", "shop.web restarting (attempt 1): gave up: x"]);
}

#[test]
fn a_supervisor_names_the_lowest_for_which_it_waits() {
    let mut parts: Vec<Value> = (10..15).map(|id| process(&format!("shop.web.w{id}"), id, "starting", &[])).collect();
    parts[0]["spec"] = json!({
        "name": "w10", "kind": "worker", "restart": "permanent", "shutdown": {"kind": "brutal"},
        "start_timeout_seconds": null, "significant": false, "placement": "inherit", "explicit_ready": false,
        "children_first": false, "readiness": false, "watchdog_seconds": null, "backoff": null,
    });
    let mut web = process("shop.web", 2, "running", &parts);
    web["ready"] = false.into();
    let mut model = Model::default();
    model.apply(snapshot(&process("shop", 1, "running", &[web])));
    // The first one does not count for readiness.
    assert_eq!(model.waits_for(0).as_deref(), Some("waits for web.w11, web.w12, web.w13 and 1 more"));
    let stopping = [process("shop.a", 2, "stopping", &[]), process("shop.b", 3, "stopping", &[])];
    model.apply(snapshot(&process("shop", 1, "stopping", &stopping)));
    assert_eq!(model.waits_for(0).as_deref(), Some("waits for b"), "the last one stops first");
    assert_eq!(model.waits_for(1), None);
}

#[test]
fn an_event_changes_a_process_until_the_next_snapshot() {
    let mut model = shop();
    model.apply(event("shop.web.a", 4, 2_000, "ready", &Value::Null, "shop.web.a is ready"));
    assert_eq!((model.nodes[4].state, &*model.nodes[4].words), (ChildState::Running, "is ready"));
    assert_eq!((model.nodes[4].rank, &*model.nodes[4].alarm), (3, "waiting to restart"), "it has just failed");
    model.apply(event("shop.new", 9, 2_001, "started", &Value::Null, "shop.new has started"));
    assert_eq!(model.nodes.len(), 5, "a new one comes with the next snapshot");
    assert_eq!(model.events.len(), 2);
    assert_eq!(model.at, 2_001);
}

#[test]
fn events_alone_make_a_tree() {
    let mut model = Model::default();
    model.apply(event("root.a.b", 3, 1, "started", &Value::Null, "root.a.b has started"));
    model.apply(event("root.c", 4, 2, "started", &Value::Null, "root.c has started"));
    model.apply(event("root.a.b", 3, 3, "exited", &json!({"kind": "failed"}), "root.a.b failed: x"));
    assert_eq!(paths(&model), ["root", "root.a", "root.a.b", "root.c"]);
    assert_eq!((model.nodes[2].state, &*model.nodes[2].words), (ChildState::Stopped, "failed: x"));
    assert!(model.events[2].is_bad && !model.events[0].is_bad);
}

#[test]
fn hostile_names_and_texts_are_clean_in_the_model() {
    let hostile = "shop.\u{1b}[2J\u{9b}31m\u{202e}";
    let mut root = process("shop", 1, "running", &[process(hostile, 2, "stopped", &[])]);
    root["children"][0]["last_exit"] = json!({
        "ago_seconds": 1, "phase": "run", "kind": "failed", "message": "\u{1b}]0;x\u{7}", "chain": [], "location": null
    });
    let mut model = Model::default();
    model.apply(snapshot(&root));
    model.apply(event(hostile, 2, 1, "stopping", &Value::Null, &format!("{hostile} \u{1b}c")));
    let node = &model.nodes[1];
    let texts = [&node.path, &node.words, &node.details, &model.events[0].text, &model.events[0].path];
    for text in texts {
        assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
    }
    assert_eq!(node.state, ChildState::Stopping, "it is found all the same");
}

#[test]
fn events_are_kept_up_to_a_bound() {
    let mut model = shop();
    for at in 0..EVENTS as u64 + 10 {
        model.apply(event("shop.api", 5, at, "ready", &Value::Null, "shop.api is ready"));
    }
    assert_eq!(model.events.len(), EVENTS);
    assert_eq!(model.events[0].at, 10);
}

#[test]
fn a_crowd_is_summed_up_in_words() {
    let root = process("shop", 1, "running", &[process("shop.a", 2, "running", &[])]);
    let summary = json!({"path": "shop", "child_id": 1, "children": 300, "running": 299, "stuck": 1});
    let text = json!({"snapshot": root, "summaries": [summary], "at": 1}).to_string();
    let mut model = Model::default();
    model.apply(line::read(&text).expect("a line"));
    assert_eq!(model.nodes[0].summary.as_deref(), Some("1 of 300 children listed; of all: 1 stuck, 299 running"));
}

#[test]
fn what_polls_take_is_summed_up_with_those_that_are_not_listed() {
    let taken =
        |polls: u64, busy: f64| json!({"polls": polls, "wakes": 1, "busy_seconds": busy, "slowest_poll_seconds": busy});
    let mut web = process("shop.web", 2, "running", &[process("shop.web.a", 3, "running", &[])]);
    web["children"][0]["accounting"] = taken(5, 0.5);
    let mut crowd = process("shop.crowd", 4, "running", &[process("shop.crowd.a", 5, "running", &[])]);
    crowd["accounting"] = taken(1, 0.25);
    let summary = json!({"path": "shop.crowd", "child_id": 4, "children": 300, "accounting": taken(100, 3.0)});
    let root = process("shop", 1, "running", &[web, crowd]);
    let mut model = Model::default();
    model.apply(line::read(&json!({"snapshot": root, "summaries": [summary], "at": 1}).to_string()).expect("a line"));
    let polls = |index: usize| model.nodes[index].accounting.map(|sum| sum.polls);
    assert_eq!(paths(&model), ["shop", "shop.web", "shop.web.a", "shop.crowd", "shop.crowd.a"]);
    assert_eq!([polls(0), polls(1), polls(2), polls(3), polls(4)], [Some(106), Some(5), Some(5), Some(101), None]);
    let details = &model.nodes[0].details;
    assert!(details.starts_with("with all below: busy for 3.8s in 106 polls, the slowest 3.0s; "), "{details}");
    assert_eq!(model.nodes[2].words, "running for 1m 5s, busy for 500ms in 5 polls, the slowest 500ms");
}

#[test]
fn the_deepest_tree_is_read_on_the_stack_of_the_program() {
    // As text, because a value that deep is built by recursion.
    let leaf = process("x", 1, "running", &[]).to_string();
    let (before, after) = leaf.split_once("\"children\":[]").expect("it has no children");
    // Each has two levels, and so have the line and its end together with the last one.
    let levels = line::DEEPEST / 2 - 2;
    let open = format!("{before}\"children\":[").repeat(levels);
    let text = format!("{{\"snapshot\":{open}{leaf}{}}}", format!("]{after}").repeat(levels));
    // On a stack as the program has it.
    let read = std::thread::Builder::new().stack_size(crate::STACK).spawn(move || {
        let mut model = Model::default();
        model.apply(line::read(&text).expect("a snapshot"));
        model.nodes.len()
    });
    assert_eq!(read.expect("a thread").join().expect("it is read"), levels + 1);
}
