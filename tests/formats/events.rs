use std::collections::BTreeMap;

use expect_test::expect_file;
use serde_json::{Value, json};
use supervision::{
    Event, Supervisor,
    sim::{Fault, Sim},
    worker,
};

use crate::stage::{SECOND, Stage, milliseconds, numbered};

#[test]
fn the_format_of_events_is_pinned() {
    let events = Stage::set().events;
    let json: Vec<_> = events.iter().map(|event| serde_json::to_value(&**event).unwrap()).collect();
    let json = numbered(Value::Array(json));
    let lines: String = json.as_array().unwrap().iter().map(|event| format!("{event}\n")).collect();
    expect_file!["events.jsonl"].assert_eq(&lines);
}

#[test]
fn an_event_that_is_read_is_what_was_written() {
    for event in Stage::set().events {
        let text = serde_json::to_string(&*event).unwrap();
        let read: Event = serde_json::from_str(&text).unwrap();
        assert_eq!(read, *event, "{text}");
    }
}

#[test]
fn all_events_of_a_process_have_its_number_and_its_childs() {
    let events = Stage::set().events;
    let mut children = BTreeMap::new();
    for event in &events {
        let (Some(id), Some(process)) = (event.id, event.process) else {
            assert_eq!(event.path, "root", "{event}");
            continue;
        };
        assert_eq!(*children.entry(process).or_insert(id), id, "{event}");
    }
    assert!(children.len() > 10);
}

#[test]
fn an_event_tells_the_time_of_the_tree() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::fail("root.a").nth(1).after(3 * SECOND / 2));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(worker("a", |shutdown| shutdown));
    let record = sim.run_for(root, 2 * SECOND);
    let told: Vec<_> = record
        .of("root.a")
        .map(|event| (event.kind.name(), milliseconds(event.at)))
        .filter(|told| told.1 > 0)
        .collect();
    let at = |name, at| (name, at);
    let expected = [at("exited", 1500), at("restarting", 1500), at("started", 1500), at("ready", 1500)];
    assert_eq!(told[..4], expected);
    let json = serde_json::to_value(record.of("root.a").find(|event| event.kind.name() == "exited").unwrap()).unwrap();
    assert_eq!((&json["at"], &json["kind"], &json["data"]["kind"]), (&json!(1500), &json!("exited"), &json!("failed")));
}
