//! Snapshots and events, for eyes and for programs.

use std::time::Duration;

use serde_json::Value;
use supervision::{
    Backoff, BoxError, Exit, RestartCause, RestartStrategy, RestartType, ShutdownStrategy, Snapshot, SnapshotSource,
    Supervisor, SupervisorError, SupervisorInfo,
    sim::{Fault, Sim},
    worker,
};

const SECOND: Duration = Duration::from_secs(1);

/// Returns the snapshot of a tree in which something has happened, after half a minute.
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
├─ ● api  running for 30s, rest for one, 3 restarts in 60s
│  ├─ ● listener  running for 20s, restarted once, 20s ago it panicked: boom \"quoted\"
│  └─ ○ warm_up  stopped, restarted once, 20s ago it ended normally
└─ ● cache  running for 30s";
    assert_eq!(snapshot().to_string(), expected);
}

/// What a supervisor looks like a second after its child `broken` has failed for the first time, and while it waits.
fn waiting(error: &str) -> Snapshot {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::fail("root.api.broken").nth(1).after(SECOND).saying(error));
    let mut api = Supervisor::new("api").unwrap();
    api.add_worker(worker("broken", |shutdown| shutdown).with_backoff(Backoff::constant(60 * SECOND)));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(api);
    root.add_worker(worker("cache", |shutdown| shutdown));
    let tree = sim.start(root).unwrap();
    sim.advance(2 * SECOND);
    sim.run_until(tree.snapshot())
}

#[test]
fn a_supervisor_above_one_that_waits_is_drawn_as_not_ready() {
    let snapshot = waiting("boom");
    let expected = "\
◑ root  running, not ready, one for one, 1 restart in 5s
├─ ◑ api  running for 2s, not ready, one for one, 1 restart in 5s
│  └─ ↻ broken  waiting to restart, attempt 1 in 59s, 1s ago it failed: boom
└─ ● cache  running for 2s";
    assert_eq!(snapshot.to_string(), expected);
    let dot = snapshot.to_dot();
    assert!(dot.contains("  n1 [shape = box, fillcolor = yellow, label = \"api\\nrunning for 2s, not ready,"), "{dot}");
    assert!(dot.contains("  n2 [shape = ellipse, fillcolor = orange, label = \"broken\\nwaiting to restart,"), "{dot}");
}

#[test]
fn lines_are_wrapped_at_the_width_that_is_asked_for() {
    let snapshot = waiting("the pool of connections was exhausted, and no connection came back within a minute");
    let expected = "\
◑ root  running, not ready, one for one, 1 restart
│   in 5s
├─ ◑ api  running for 2s, not ready, one for one,
│  │   1 restart in 5s
│  └─ ↻ broken  waiting to restart, attempt 1 in
│         59s, 1s ago it failed: the pool of
│         connections was exhausted, and no
│         connection came back within a minute
└─ ● cache  running for 2s";
    assert_eq!(format!("{snapshot:.50}"), expected);
    assert!(expected.lines().all(|line| line.chars().count() <= 50));
    assert_eq!(format!("{snapshot:.1000}").lines().count(), 4);
    let width = snapshot.to_string().lines().map(|line| line.chars().count()).max();
    assert!((80..=100).contains(&width.unwrap()), "{snapshot}");
    let wide = waiting(&"数据库".repeat(30)).to_string();
    assert!(wide.lines().count() > 4 && wide.lines().all(|line| line.chars().count() < 80), "{wide}");
}

#[test]
fn a_text_of_many_lines_is_cut_unless_all_is_asked_for() {
    let snapshot = waiting(&"x ".repeat(400));
    assert!(snapshot.to_string().contains("x x…\n└─ ● cache"), "{snapshot}");
    assert_eq!(snapshot.to_string().lines().count(), 7);
    assert_eq!(format!("{snapshot:#}").matches('x').count(), 400);
    let dot = snapshot.to_dot();
    assert!(dot.contains("x x…\"];\n") && dot.len() < 2000, "{dot}");
}

/// A dynamic supervisor with so many children, of which two wait to restart.
fn pool(children: usize) -> Snapshot {
    let sim = Sim::with_seed(1);
    for job in ["root.pool.job_4000", "root.pool.job_7"] {
        sim.fault(Fault::fail(job).nth(1).after(SECOND).saying("boom"));
    }
    let mut root = Supervisor::new("root").unwrap();
    let patient = RestartStrategy::one_for_one().with_intensity_and_period(3, 60 * SECOND);
    let pool = Supervisor::dynamic("pool").unwrap().with_restart_strategy(patient);
    let handle = pool.handle();
    root.add_worker(pool);
    root.add_worker(worker("cache", |shutdown| shutdown));
    let tree = sim.start(root).unwrap();
    for job in 0..children {
        let job = worker(format!("job_{job}"), |shutdown| shutdown).with_restart_type(RestartType::Permanent);
        handle.spawn(job.with_backoff(Backoff::constant(60 * SECOND))).unwrap();
    }
    sim.advance(2 * SECOND);
    sim.run_until(tree.snapshot())
}

#[test]
fn many_dynamic_children_are_counted_by_state() {
    let snapshot = pool(5000);
    let expected = "\
◑ root  running, not ready, one for one, 1 restart in 5s
├─ ◑ pool  running for 2s, not ready, dynamic, 3 restarts in 60s
│  ├─ ↻ job_7  waiting to restart, attempt 1 in 59s, 1s ago it failed: boom
│  ├─ ↻ job_4000  waiting to restart, attempt 1 in 59s, 1s ago it failed: boom
│  └─ … 4998 more: 4998 running
└─ ● cache  running for 2s";
    assert_eq!(snapshot.to_string(), expected);
    assert_eq!(format!("{snapshot:#}").lines().count(), 5003);
    let dot = snapshot.to_dot();
    assert!(dot.contains("label = \"… 4998 more: 4998 running\"];\n"), "{dot}");
    assert_eq!(dot.matches(" -> ").count(), 5);
}

#[test]
fn few_dynamic_children_are_shown_one_by_one() {
    assert_eq!(pool(10).to_string().lines().count(), 13);
    let picture = pool(11).to_string();
    assert!(picture.contains("│  └─ … 10 more: 10 running\n"), "{picture}");
}

#[test]
fn no_more_children_are_shown_than_a_person_reads() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::fail("root.w_149").nth(1).after(SECOND));
    let mut root = Supervisor::new("root").unwrap();
    for index in 0..150 {
        let transient = |name| worker(name, |_| async {}).with_restart_type(RestartType::Transient);
        let waits = |name| worker(name, |shutdown| shutdown).with_backoff(Backoff::constant(60 * SECOND));
        let name = format!("w_{index}");
        root.add_worker(if index < 120 { transient(name) } else { waits(name) });
    }
    let tree = sim.start(root).unwrap();
    sim.advance(2 * SECOND);
    let picture = sim.run_until(tree.snapshot()).to_string();
    assert_eq!(picture.lines().count(), 102, "{picture}");
    assert!(picture.contains("├─ ○ w_98  stopped") && !picture.contains("w_99 "), "{picture}");
    let end = "├─ ↻ w_149  waiting to restart, attempt 1 in 59s, 1s ago it failed: a simulated error\n\
               └─ … 50 more: 21 stopped, 29 running";
    assert!(picture.ends_with(end), "{picture}");
}

#[test]
fn a_child_is_shown_if_one_below_it_does_not_respond() {
    let sim = Sim::with_seed(1);
    let mut root = Supervisor::new("root").unwrap();
    let pool = Supervisor::dynamic("pool").unwrap();
    let handle = pool.handle();
    root.add_worker(pool);
    let tree = sim.start(root).unwrap();
    let mut stalled = None;
    for index in 0..12 {
        let mut outer = Supervisor::new(format!("outer_{index}")).unwrap();
        let inner = Supervisor::new("inner").unwrap();
        if index == 5 {
            stalled = Some(inner.handle());
        }
        outer.add_worker(inner);
        handle.spawn(outer).unwrap();
    }
    sim.advance(SECOND);
    sim.fault(Fault::stall("root.pool.outer_5.inner"));
    stalled.unwrap().spawn(worker("late", |shutdown| shutdown)).unwrap();
    sim.advance(2 * SECOND);
    let picture = sim.run_until(tree.snapshot()).to_string();
    assert!(picture.contains("├─ ● outer_5  running"), "{picture}");
    assert!(picture.contains("│  └─ ? inner  running for 3s, not responding"), "{picture}");
    assert!(picture.ends_with("└─ … 11 more: 11 running"), "{picture}");
}

#[test]
fn a_snapshot_is_a_graph_for_graphviz() {
    let dot = snapshot().to_dot();
    assert!(dot.starts_with("digraph supervision {\n") && dot.ends_with("}\n"), "{dot}");
    let label = r#""listener\nrunning for 20s, restarted once, 20s\nago it panicked: boom \"quoted\"""#;
    assert!(dot.contains(&format!("  n2 [shape = ellipse, fillcolor = palegreen, label = {label}];\n")), "{dot}");
    assert!(dot.contains("  n1 -> n2;\n"), "{dot}");
    assert_eq!(dot.matches(" -> ").count(), 4);
    let labels = dot.lines().filter_map(|line| line.split_once("label = \""));
    assert!(labels.flat_map(|(_, label)| label.split("\\n")).all(|line| line.chars().count() <= 40), "{dot}");
}

#[test]
fn a_graph_has_a_legend_with_each_state() {
    let dot = snapshot().to_dot();
    let (_, legend) = dot.split_once("  subgraph cluster_legend {\n    label = \"legend\";\n").unwrap();
    let expected = [
        "supervisor",
        "worker",
        "not responding",
        "stuck",
        "not ready",
        "waiting to restart",
        "starting",
        "stopping",
        "stopped",
        "running",
    ];
    let names = legend.lines().filter_map(|line| line.split_once("label = \"")?.1.strip_suffix("\"];"));
    assert_eq!(names.collect::<Vec<_>>(), expected);
    let mut colours: Vec<_> = legend.lines().filter_map(|line| line.split_once("fillcolor = ")).collect();
    colours.sort_unstable();
    colours.dedup_by_key(|(_, colour)| colour.split(',').next());
    assert_eq!(colours.len(), 8, "{legend}");
    assert_eq!(dot.matches('{').count(), dot.matches('}').count());
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
    assert_eq!(sim.elapsed(), 3 * SECOND, "the reading did not wait");
    let api = snapshot.find("root.api").unwrap();
    let info = api.supervisor.as_ref().unwrap();
    assert_eq!((info.source, info.unread_for), (SnapshotSource::Running, Some(2 * SECOND)));
    assert_eq!(api.children.iter().map(|child| &*child.path).collect::<Vec<_>>(), ["root.api.listener"]);
    assert!(is_read(snapshot.supervisor.as_ref().unwrap()));
    let line = "├─ ? api  running for 3s, not responding: has not read its messages for 2s, one for one";
    assert!(snapshot.to_string().contains(line), "{snapshot}");
}

#[test]
fn a_stuck_process_is_drawn_and_an_abandoned_one_too() {
    let sim = Sim::with_seed(1);
    let dynamic = Supervisor::dynamic("pool").unwrap().with_abort_grace(SECOND);
    let (pool, mut root) = (dynamic.handle(), Supervisor::new("root").unwrap());
    root.add_worker(dynamic);
    let tree = sim.start(root).unwrap();
    let mut stuck = None;
    for index in 0..12 {
        let job = worker(format!("job_{index}"), |shutdown| shutdown);
        let id = pool.spawn(job.with_shutdown_strategy(ShutdownStrategy::Graceful(SECOND))).unwrap();
        stuck = if index == 5 { Some(id) } else { stuck };
    }
    sim.advance(SECOND);
    sim.fault(Fault::stall("root.pool.job_5"));
    let error = sim.run_until(pool.terminate_child(stuck.unwrap())).unwrap_err();
    assert!(matches!(error, SupervisorError::Stuck { .. }), "{error}");
    let snapshot = sim.run_until(tree.snapshot());
    let picture = snapshot.to_string();
    assert!(picture.contains("├─ ! job_5  stopping for 2s, stuck: aborted but has not yielded"), "{picture}");
    assert!(picture.ends_with("└─ … 11 more: 11 running"), "{picture}");
    assert!(snapshot.to_dot().contains("fillcolor = tomato, label = \"job_5\\nstopping for 2s, stuck:"));
    assert!(sim.run_until(tree.shutdown()).is_err(), "one is left behind");
    let picture = sim.run_until(pool.snapshot()).to_string();
    assert!(picture.contains("├─ ! job_5  stopped, abandoned: aborted but never yielded"), "{picture}");
}

#[test]
fn a_stuck_child_says_why_it_was_aborted() {
    let sim = Sim::with_seed(1);
    let mut root = Supervisor::new("root").unwrap().with_abort_grace(SECOND);
    root.add_worker(worker("hung", |_| std::future::pending::<()>()).with_watchdog(SECOND));
    let tree = sim.start(root).unwrap();
    sim.fault(Fault::stall("root.hung"));
    sim.advance(10 * SECOND);
    let picture = sim.run_until(tree.snapshot()).to_string();
    assert!(picture.contains("stuck: aborted because it missed its heartbeat, but has not yielded"), "{picture}");
}

fn is_read(info: &SupervisorInfo) -> bool {
    info.unread_for.is_none()
}

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
    assert!(is_plain(&dot) && dot.contains(r"ago it panicked: red\n\\u{1b}[31m\\rover …"), "{dot}");
    assert!(events.iter().all(|line| is_plain(line) && !line.contains('\n')), "{events:?}");
    let line = r"root.a panicked: red \u{1b}[31m\rover\nwritten\u{202e}";
    assert!(events.iter().any(|told| told == line), "{events:?}");
    let SupervisorError::GaveUp(gave_up) = &error else { panic!("{error}") };
    assert!(is_plain(&gave_up.to_string()) && gave_up.to_string().lines().count() == 1, "{gave_up}");
    assert!(is_plain(&format!("{gave_up:#}")) && format!("{gave_up:#}").lines().count() == 1, "{gave_up:#}");
    assert!(gave_up.restarts.iter().all(|restart| is_plain(&restart.to_string())));
    let RestartCause::Exit(Exit::Panicked(panic)) = &gave_up.restarts[0].cause else { panic!("{error}") };
    assert!(!is_plain(panic.message()), "the data are as they are");
}

#[test]
fn a_long_text_is_cut_where_shown_and_whole_in_the_error() {
    let text = "x".repeat(1 << 20);
    let (snapshot, events, error) = told(&text);
    let cause = &snapshot.find("root.a").unwrap().last_exit.as_ref().unwrap().cause;
    let cut = format!("{}… (1047576 more characters)", "x".repeat(1000));
    assert_eq!(cause.to_string(), format!("panicked: {cut}"));
    let whole = format!("{snapshot:#.2000}");
    assert!(whole.ends_with(" more characters)") && whole.len() < 3000, "{whole}");
    assert!(snapshot.to_string().len() < 600);
    assert!(snapshot.to_dot().len() < 3000);
    assert!(events.iter().all(|line| line.chars().count() < 1100));
    assert!(events.iter().filter(|line| line.ends_with(" more characters)")).count() >= 4, "and say so");
    let SupervisorError::GaveUp(gave_up) = &error else { panic!("it gave up") };
    assert!(gave_up.restarts.iter().all(|restart| restart.cause.to_string().ends_with(&text)));
    assert!(format!("{error:#}").ends_with(&text));
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
