//! Snapshots and events, for eyes and for programs.

use std::time::Duration;

use serde_json::Value;
use supervision::{
    Backoff, BoxError, RestartStrategy, RestartType, ShutdownStrategy, Snapshot, SnapshotSource, Supervisor,
    SupervisorError, SupervisorInfo,
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
fn b4_a_blocked_supervisor_shows_its_last_state() {
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
    assert_eq!((info.source, info.unread_for), (SnapshotSource::Running, Some(2 * SECOND)));
    assert_eq!(api.children.iter().map(|child| &*child.path).collect::<Vec<_>>(), ["root.api.listener"]);
    assert!(is_read(snapshot.supervisor.as_ref().unwrap()));
    let line = "├─ ? api  running for 3.0s, has not read its messages for 2.0s, one for one";
    assert!(snapshot.to_string().contains(line), "{snapshot}");
}

fn is_read(info: &SupervisorInfo) -> bool {
    info.unread_for.is_none()
}

/// What happens to a tree in which a process says this, twice, and what it looks like between the two.
fn told(text: &str) -> (Snapshot, Vec<String>, SupervisorError) {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::panic("root.a").nth(1).after(SECOND).saying(text));
    sim.fault(Fault::fail("root.a").nth(2).after(2 * SECOND).saying(text));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(worker("a", |shutdown| shutdown));
    let mut events = root.handle().events();
    let mut tree = sim.start(root).unwrap();
    sim.advance(2 * SECOND);
    let snapshot = sim.run_until(tree.snapshot());
    let error = sim.run_until(tree.wait()).unwrap_err();
    let lines = std::iter::from_fn(|| sim.run_until(events.next())).map(|event| event.to_string()).collect();
    (snapshot, lines, error)
}

#[test]
fn what_a_terminal_would_obey_is_escaped_wherever_it_is_shown() {
    let (snapshot, events, error) = told("red \u{1b}[31m\rover\nwritten\u{202e}");
    let is_plain = |text: &str| !text.contains(['\u{1b}', '\r', '\u{202e}']);
    let picture = snapshot.to_string();
    assert_eq!(picture.lines().count(), 2, "{picture}");
    assert!(is_plain(&picture) && picture.ends_with(r"it panicked: red \u{1b}[31m\rover …"), "{picture}");
    let dot = snapshot.to_dot();
    assert!(is_plain(&dot) && dot.contains(r"it panicked: red \\u{1b}[31m\\rover …"), "{dot}");
    assert!(events.iter().all(|line| is_plain(line) && !line.contains('\n')), "{events:?}");
    let line = r"root.a panicked: red \u{1b}[31m\rover\nwritten\u{202e}";
    assert!(events.iter().any(|told| told == line), "{events:?}");
    let SupervisorError::GaveUp(gave_up) = &error else { panic!("{error}") };
    assert!(is_plain(&gave_up.to_string()) && gave_up.to_string().lines().count() == 1, "{gave_up}");
    assert!(is_plain(&format!("{gave_up:#}")) && format!("{gave_up:#}").lines().count() == 3, "{gave_up:#}");
    assert!(!is_plain(&gave_up.restarts[0].how), "the data are as they are");
}

#[test]
fn a_long_text_is_cut_where_shown_and_whole_in_the_error() {
    let text = "x".repeat(1 << 20);
    let (snapshot, events, error) = told(&text);
    assert!(snapshot.to_string().contains("more characters)") && snapshot.to_string().len() < 3000);
    assert!(snapshot.to_dot().len() < 3000);
    assert!(events.iter().all(|line| line.chars().count() < 1100));
    assert!(events.iter().filter(|line| line.ends_with(" more characters)")).count() >= 4, "and say so");
    let SupervisorError::GaveUp(gave_up) = &error else { panic!("it gave up") };
    assert!(gave_up.restarts.iter().all(|restart| restart.how.ends_with(&text)) && error.to_string().ends_with(&text));
}

#[test]
fn find_cleans_a_name_as_a_spec_does() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::fail("root.http-server.a b").nth(1).after(SECOND));
    let strategy = RestartStrategy::one_for_one();
    let mut server = Supervisor::new("http-server").unwrap().with_restart_strategy(strategy);
    server.add_worker(worker("a b", |shutdown| shutdown));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(server);
    let mut below = root.handle().events_below("root.http-server");
    let tree = sim.start(root).unwrap();
    sim.advance(2 * SECOND);
    assert_eq!(sim.run_until(tree.handle().find("http-server")).unwrap().len(), 1);
    let snapshot = sim.run_until(tree.snapshot());
    let found = snapshot.find("root.http-server.a b").unwrap();
    assert_eq!((&*found.path, found.restarts), ("root.http_server.a_b", 1), "the fault has struck");
    sim.run_until(tree.shutdown()).unwrap();
    let heard = std::iter::from_fn(|| sim.run_until(below.next())).count();
    assert!(heard > 4, "{heard}");
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(worker("http-server", |shutdown| shutdown));
    assert!(Sim::with_seed(1).run_for(root, SECOND).of("root.http-server").count() > 3);
}

#[test]
fn no_limit_is_called_no_limit() {
    let sim = Sim::with_seed(1);
    let limitless = RestartStrategy::one_for_all().with_intensity_and_period(usize::MAX, Duration::MAX);
    let backoff = Backoff::constant(Duration::MAX);
    sim.fault(Fault::fail("root.inner.b").nth(1).after(SECOND));
    let mut inner = Supervisor::new("inner")
        .unwrap()
        .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(2, Duration::MAX))
        .with_shutdown_budget(Duration::MAX)
        .with_abort_grace(Duration::MAX)
        .with_max_children(usize::MAX);
    let patient = worker("a", |shutdown| async {
        shutdown.await;
        Ok::<(), BoxError>(())
    });
    inner.add_worker(
        patient
            .with_shutdown_strategy(ShutdownStrategy::UNLIMITED)
            .with_start_timeout(Duration::MAX)
            .with_watchdog(Duration::MAX),
    );
    inner.add_worker(worker("b", |shutdown| shutdown).with_backoff(backoff));
    let mut root = Supervisor::new("root").unwrap().with_restart_strategy(limitless);
    root.add_worker(inner);
    let debug = format!("{root:?} {:?} {:?} {backoff:?}", ShutdownStrategy::UNLIMITED, limitless);
    let mut events = root.handle().events();
    let tree = sim.start(root).unwrap();
    sim.advance(10 * SECOND);
    let snapshot = sim.run_until(tree.snapshot());
    sim.run_until(tree.shutdown()).unwrap();
    let picture = snapshot.to_string();
    assert!(picture.contains("one for all, restarts without limit"), "{picture}");
    assert!(picture.contains("one for one, 2 restarts in all"), "{picture}");
    let json = serde_json::to_value(&snapshot).unwrap();
    let (inner, info) = (&json["children"][0], &json["children"][0]["supervisor"]);
    for (what, value) in [
        ("intensity", &json["supervisor"]["intensity"]),
        ("period", &info["period_seconds"]),
        ("shutdown_budget", &info["shutdown_budget_seconds"]),
        ("abort_grace", &info["abort_grace_seconds"]),
        ("max_children", &info["max_children"]),
        ("shutdown", &inner["children"][0]["spec"]["shutdown"]["limit_seconds"]),
        ("start_timeout", &inner["children"][0]["spec"]["start_timeout_seconds"]),
        ("watchdog", &inner["children"][0]["spec"]["watchdog_seconds"]),
        ("backoff", &inner["children"][1]["spec"]["backoff"]["max_seconds"]),
    ] {
        assert_eq!(*value, Value::Null, "{what}");
    }
    let told: Vec<_> = std::iter::from_fn(|| sim.run_until(events.next())).collect();
    let lines: Vec<_> = told.iter().map(ToString::to_string).collect();
    let line = "root.inner.b waiting without limit to restart (attempt 1): failed: a simulated error";
    assert!(lines.iter().any(|told| told == line), "{lines:?}");
    let events = serde_json::to_string(&told.iter().map(|event| &**event).collect::<Vec<_>>()).unwrap();
    for text in [picture, snapshot.to_dot(), json.to_string(), lines.join("\n"), events, debug] {
        assert!(!text.contains("18446744073709551615"), "{text}");
    }
}
