use std::time::Duration;

use expect_test::expect_file;
use serde_json::{Value, json};
use supervision::{
    ChildState, Exit, RestartCause, RestartStrategy, Snapshot, Supervisor,
    sim::{Fault, Sim},
    worker,
};

use crate::stage::{SECOND, Stage, milliseconds, numbered};

#[test]
fn the_format_of_a_snapshot_is_pinned() {
    let snapshot = Stage::set().snapshot();
    let states: Vec<_> = snapshot.iter().map(|node| node.state).collect();
    for state in
        [ChildState::Starting, ChildState::Running, ChildState::Restarting, ChildState::Stopping, ChildState::Stopped]
    {
        assert!(states.contains(&state), "{snapshot}");
    }
    let json = numbered(serde_json::to_value(&snapshot).unwrap());
    expect_file!["snapshot.json"].assert_eq(&(serde_json::to_string_pretty(&json).unwrap() + "\n"));
    assert_eq!((json["schema"].clone(), json["captured_at"].clone()), (json!(1), json!(39_000)));
    assert_eq!(milliseconds(snapshot.captured_at), 39_000);
}

#[test]
fn a_snapshot_that_is_read_is_what_was_written() {
    let snapshot = Stage::set().snapshot();
    let text = serde_json::to_string(&snapshot).unwrap();
    let read: Snapshot = serde_json::from_str(&text).unwrap();
    assert_eq!(format!("{read:?}"), format!("{snapshot:?}"));
    assert_eq!(read.to_string(), snapshot.to_string());
    assert_eq!(serde_json::to_string(&read).unwrap(), text);
}

#[test]
fn a_part_of_a_snapshot_is_a_document_of_its_own() {
    let snapshot = Stage::set().snapshot();
    let part = snapshot.find("root.api").unwrap();
    let json = serde_json::to_value(part).unwrap();
    assert_eq!((&json["schema"], &json["captured_at"]), (&json!(1), &json!(39_000)));
    assert!(json["children"][0].get("schema").is_none(), "{json}");
    let read: Snapshot = serde_json::from_value(json).unwrap();
    assert_eq!(format!("{read:?}"), format!("{part:?}"));
}

#[test]
fn a_document_of_another_schema_is_refused() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut json = serde_json::to_value(Stage::set().snapshot()).unwrap();
        change(&mut json);
        serde_json::from_value::<Snapshot>(json).map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(refused(&|json| json["schema"] = json!(2)), Err("a snapshot of schema 2, not 1".into()));
    let without = |key: &'static str| move |json: &mut Value| drop(json.as_object_mut().unwrap().remove(key));
    assert_eq!(refused(&without("schema")), Err("missing field `schema`".into()));
    assert_eq!(refused(&without("captured_at")), Err("missing field `captured_at`".into()));
    // What a later release adds is no obstacle.
    assert_eq!(refused(&|json| json["children"][0]["added_later"] = json!({"a": [1]})), Ok(()));
}

/// A tree whose child has failed like this, read by its supervisor.
fn after(fault: Fault) -> Snapshot {
    let sim = Sim::with_seed(1);
    sim.fault(fault);
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(worker("a", |shutdown| shutdown));
    let tree = sim.start(root).unwrap();
    sim.advance(2 * SECOND);
    sim.run_until(tree.snapshot())
}

#[test]
fn a_long_message_is_cut_in_a_snapshot() {
    let text = "é".repeat(1 << 16);
    let snapshot = after(Fault::fail("root.a").nth(1).after(SECOND).saying(text));
    let last = snapshot.find("root.a").unwrap().last_exit.as_ref().unwrap();
    let RestartCause::Exit(Exit::Failed(failure)) = &last.cause else { panic!("{last:?}") };
    assert_eq!(failure.message(), format!("{}… (64536 more characters)", "é".repeat(1000)));
}

#[test]
fn of_a_give_up_a_snapshot_keeps_the_last_failure() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::fail("root.inner.a").saying("boom"));
    let three = RestartStrategy::one_for_one().with_intensity_and_period(3, 60 * SECOND);
    let mut inner = Supervisor::new("inner").unwrap().with_restart_strategy(three);
    inner.add_worker(worker("a", |shutdown| shutdown));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(supervision::ChildSpec::from(inner).with_restart_type(supervision::RestartType::Transient));
    let tree = sim.start(root).unwrap();
    sim.advance(SECOND);
    let snapshot = sim.run_until(tree.snapshot());
    let json = serde_json::to_value(snapshot.find("root.inner").unwrap()).unwrap();
    assert_eq!(
        (&json["last_exit"]["kind"], &json["last_exit"]["phase"]),
        (&json!("shutdown"), &json!("run")),
        "{json}"
    );
    let reason = &json["last_exit"]["reason"];
    assert_eq!((&reason["kind"], &reason["intensity"]), (&json!("gave_up"), &json!(3)));
    assert_eq!(reason["restarts"].as_array().map(Vec::len), Some(1), "{reason}");
}

#[test]
fn supervisors_that_end_for_one_another_keep_the_first_cause() {
    let sim = Sim::with_seed(1);
    let depth = 60;
    let mut path = "root".to_owned();
    for n in 0..depth {
        path = format!("{path}.s{n}");
    }
    sim.fault(Fault::fail(format!("{path}.leaf")).after(SECOND).saying("boom"));
    let leaf = worker("leaf", |shutdown| shutdown);
    let mut child = leaf.with_restart_type(supervision::RestartType::Temporary).with_significance();
    for n in (0..depth).rev() {
        let shuts =
            Supervisor::new(format!("s{n}")).unwrap().with_auto_shutdown(supervision::AutoShutdown::AnySignificant);
        let mut shuts = shuts;
        shuts.add_worker(child);
        let spec = supervision::ChildSpec::from(shuts).with_restart_type(supervision::RestartType::Transient);
        child = if n > 0 { spec.with_significance() } else { spec };
    }
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(child);
    let tree = sim.start(root).unwrap();
    sim.advance(2 * SECOND);
    let snapshot = sim.run_until(tree.snapshot());
    let json = serde_json::to_value(snapshot.find("root.s0").unwrap()).unwrap();
    let reason = &json["last_exit"]["reason"];
    assert_eq!(
        (&reason["kind"], &reason["path"]),
        (&json!("auto_shutdown"), &json!("root.s0")),
        "{}",
        json["last_exit"]
    );
    assert_eq!((&reason["child"], &reason["exit"]["message"]), (&json!(format!("{path}.leaf")), &json!("boom")));
}

#[test]
fn a_time_is_read_as_it_was_written() {
    for time in [Duration::ZERO, Duration::from_nanos(1), Duration::new(4_000_000, 999_999_999)] {
        let mut snapshot = after(Fault::fail("root.a").nth(1).after(SECOND));
        snapshot.since = Some(time);
        let read: Snapshot = serde_json::from_value(serde_json::to_value(&snapshot).unwrap()).unwrap();
        assert_eq!(read.since, Some(time));
    }
}
