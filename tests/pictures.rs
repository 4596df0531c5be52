//! Snapshots and events, for eyes and for programs.

use std::time::Duration;

use serde_json::{Value, json};
use supervision::{
    RestartStrategy, RestartType, Snapshot, Source, Supervisor, SupervisorInfo,
    sim::{Fault, Sim},
    worker,
};

const SECOND: Duration = Duration::from_secs(1);

/// A tree in which something has happened, after half a minute.
fn snapshot() -> Snapshot {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::panic("root.api.listener").nth(1).after(10 * SECOND).saying("boom \"quoted\""));
    let patient = RestartStrategy::rest_for_one().with_intensity_and_period(3, 60 * SECOND);
    let mut api = Supervisor::new("api").unwrap().with_restart_strategy(patient);
    api.add_worker(worker("listener", |shutdown| shutdown));
    api.add_worker(worker("warm_up", |_| async {}).with_restart_type(RestartType::Transient));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(api);
    root.add_worker(worker("cache", |shutdown| shutdown));
    let tree = sim.start(root).unwrap();
    sim.advance(30 * SECOND);
    sim.run_until(tree.snapshot())
}

#[test]
fn a_snapshot_is_a_picture_for_terminals() {
    let expected = "\
● root  running, one for one, 1 restart in 5s
├─ ● api  running for 30.0s, rest for one, 3 restarts in 60s
│  ├─ ● listener  running for 20.0s, restarted once, 20.0s ago it panicked: boom \"quoted\"
│  └─ ○ warm_up  stopped, restarted once, 20.0s ago it ended normally
└─ ● cache  running for 30.0s";
    assert_eq!(snapshot().to_string(), expected);
}

#[test]
fn a_snapshot_is_a_graph_for_graphviz() {
    let dot = snapshot().to_dot();
    assert!(dot.starts_with("digraph supervision {\n") && dot.ends_with("}\n"), "{dot}");
    assert!(dot.contains("n1 [shape = box, fillcolor = palegreen, label = \"api\\nrunning for 30.0s"), "{dot}");
    assert!(dot.contains("it panicked: boom \\\"quoted\\\"\"];\n"), "{dot}");
    assert!(dot.contains("  n1 -> n2;\n"), "{dot}");
    assert_eq!(dot.matches(" -> ").count(), 4);
}

#[test]
fn a_supervisor_that_does_not_get_to_run_shows_what_it_last_knew_and_since_when_its_messages_wait() {
    let sim = Sim::with_seed(1);
    let mut api = Supervisor::new("api").unwrap();
    let handle = api.handle();
    api.add_worker(worker("listener", |shutdown| shutdown));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(api);
    root.add_worker(worker("cache", |shutdown| shutdown));
    let tree = sim.start(root).unwrap();
    sim.fault(Fault::stall("root.api"));
    sim.advance(SECOND);
    assert!(sim.run_until(tree.snapshot()).iter().filter_map(|node| node.supervisor.as_ref()).all(is_read));
    handle.spawn(worker("late", |shutdown| shutdown)).unwrap();
    sim.advance(2 * SECOND);
    handle.spawn(worker("later", |shutdown| shutdown)).unwrap();
    let snapshot = sim.run_until(tree.snapshot());
    assert_eq!(sim.elapsed(), 3 * SECOND, "nobody was waited for");
    let api = snapshot.find("root.api").unwrap();
    let info = api.supervisor.as_ref().unwrap();
    assert_eq!((info.source, info.unread_for), (Source::Running, Some(2 * SECOND)));
    assert_eq!(api.children.iter().map(|child| &*child.path).collect::<Vec<_>>(), ["root.api.listener"]);
    assert!(is_read(snapshot.supervisor.as_ref().unwrap()));
    let line = "├─ ? api  running for 3.0s, has not read its messages for 2.0s, one for one";
    assert!(snapshot.to_string().contains(line), "{snapshot}");
}

fn is_read(info: &SupervisorInfo) -> bool {
    info.unread_for.is_none()
}

#[test]
fn a_snapshot_can_be_serialized() {
    let json = serde_json::to_value(snapshot()).unwrap();
    let listener = &json["children"][0]["children"][0];
    assert_eq!(listener["path"], "root.api.listener");
    assert_eq!(listener["state"], "Running");
    assert_eq!(listener["restarts"], 1);
    assert_eq!(listener["last_exit"]["how"], "panicked: boom \"quoted\"");
    assert_eq!(listener["since"], json!({"secs": 20, "nanos": 0}));
    assert!(listener["process"].is_u64() && listener["id"].is_u64());
    assert_eq!(json["children"][0]["supervisor"]["mode"], "RestForOne");
    assert_eq!(json["ready"], true);
}

#[test]
fn events_can_be_serialized() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::fail("root.a").saying("boom"));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(worker("a", |shutdown| shutdown));
    let record = sim.run(root);
    let events: Vec<_> = record.events.iter().map(|(_, event)| serde_json::to_value(&**event).unwrap()).collect();
    let has = |path: &str, kind: Value| events.iter().any(|event| event["path"] == path && event["kind"] == kind);
    assert!(has("root.a", json!("Started")));
    assert!(has("root.a", json!({"Exited": {"Failed": "boom"}})));
    let gave_up = events.iter().find(|event| event["kind"]["GaveUp"].is_object()).unwrap();
    assert_eq!(gave_up["kind"]["GaveUp"]["restarts"].as_array().unwrap().len(), 2);
    assert!(record.outcome.is_err());
}
