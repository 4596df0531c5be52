//! The numbers of a tree, through the `metrics` facade.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
    time::Duration,
};

use metrics::{Counter, Gauge, GaugeFn, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use supervision::{
    ChildSpec, ProcessShutdown, RestartStrategy, RestartType, ShutdownStrategy, Supervisor, one_shot, process,
    sim::{Fault, Sim, block_for},
    worker,
};

const SECOND: Duration = Duration::from_secs(1);

/// Returns `name{labels}` and the value; of a histogram how many values, and their sum.
fn numbers(snapshotter: &Snapshotter) -> BTreeMap<String, f64> {
    let all = snapshotter.snapshot().into_vec().into_iter().flat_map(|(key, _, _, value)| {
        let labels: Vec<_> = key.key().labels().map(|label| format!("{}={}", label.key(), label.value())).collect();
        let name = format!("{}{{{}}}", key.key().name(), labels.join(","));
        match value {
            DebugValue::Counter(count) => vec![(name, count as f64)],
            DebugValue::Gauge(value) => vec![(name, value.into_inner())],
            DebugValue::Histogram(values) => {
                let sum = values.iter().map(|value| value.into_inner()).sum();
                vec![(format!("{name} count"), values.len() as f64), (format!("{name} sum"), sum)]
            }
        }
    });
    all.collect()
}

fn tree() -> Supervisor {
    let patient = RestartStrategy::one_for_one().with_intensity_and_period(10, 60 * SECOND);
    let mut api = Supervisor::new("api").unwrap().with_restart_strategy(patient);
    for name in ["listener", "cache"] {
        api.add_worker(worker(name, |shutdown| shutdown));
    }
    let deaf = worker("deaf", |_| std::future::pending::<()>());
    api.add_worker(deaf.with_shutdown_strategy(ShutdownStrategy::Graceful(2 * SECOND)));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(api);
    root
}

#[test]
fn metrics_are_counted_by_supervisor() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let sim = Sim::with_seed(1);
        sim.fault(Fault::panic("root.api.cache").nth(1).after(SECOND));
        sim.fault(Fault::fail("root.api.listener").nth(1).after(SECOND));
        let tree = sim.start(tree()).unwrap();
        sim.advance(10 * SECOND);
        let running = numbers(&snapshotter);
        let of = |name: &str| running.get(name).copied();
        assert_eq!(of("supervision_processes{supervisor=root.api,state=running}"), Some(3.0));
        assert_eq!(of("supervision_processes{supervisor=root,state=running}"), Some(1.0));
        assert_eq!(of("supervision_restarts_total{supervisor=root.api}"), Some(2.0));
        assert_eq!(of("supervision_exits_total{supervisor=root.api,kind=panicked}"), Some(1.0));
        assert_eq!(of("supervision_exits_total{supervisor=root.api,kind=failed}"), Some(1.0));
        assert!(sim.run_until(tree.shutdown()).is_err(), "the deaf one is aborted");
        let ended = numbers(&snapshotter);
        let of = |name: &str| ended.get(name).copied();
        for state in ["starting", "running", "stopping"] {
            for supervisor in ["root", "root.api"] {
                let name = format!("supervision_processes{{supervisor={supervisor},state={state}}}");
                assert_eq!(of(&name), Some(0.0), "{name}");
            }
        }
        assert_eq!(of("supervision_aborts_total{supervisor=root.api}"), Some(1.0));
        assert_eq!(of("supervision_exits_total{supervisor=root.api,kind=aborted}"), Some(1.0));
        assert_eq!(of("supervision_stop_duration_seconds{supervisor=root.api} count"), Some(3.0));
        assert_eq!(of("supervision_stop_duration_seconds{supervisor=root.api} sum"), Some(2.0));
    });
}

#[test]
fn static_children_are_counted_for_themselves() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let sim = Sim::with_seed(1);
        sim.fault(Fault::panic("root.api.cache").nth(1).after(SECOND));
        sim.fault(Fault::fail("root.api.listener").nth(1).after(SECOND));
        sim.fault(Fault::fail("root.api.listener").nth(2).after(SECOND));
        let tree = sim.start(tree()).unwrap();
        sim.advance(10 * SECOND);
        assert!(sim.run_until(tree.shutdown()).is_err(), "the deaf one is aborted");
    });
    let all = numbers(&snapshotter);
    let of_children: Vec<_> = all.iter().filter(|(name, _)| name.contains("_child_")).collect();
    let expected = [
        ("supervision_child_exits_total{supervisor=root,child=api,kind=shutdown}", 1.0),
        ("supervision_child_exits_total{supervisor=root.api,child=cache,kind=normal}", 1.0),
        ("supervision_child_exits_total{supervisor=root.api,child=cache,kind=panicked}", 1.0),
        ("supervision_child_exits_total{supervisor=root.api,child=deaf,kind=aborted}", 1.0),
        ("supervision_child_exits_total{supervisor=root.api,child=listener,kind=failed}", 2.0),
        ("supervision_child_exits_total{supervisor=root.api,child=listener,kind=normal}", 1.0),
        ("supervision_child_restarts_total{supervisor=root.api,child=cache}", 1.0),
        ("supervision_child_restarts_total{supervisor=root.api,child=listener}", 2.0),
    ];
    let expected: BTreeMap<String, f64> = expected.map(|(name, value)| (name.to_owned(), value)).into();
    assert_eq!(of_children, expected.iter().collect::<Vec<_>>());
}

#[test]
fn children_that_are_added_have_no_series_of_their_own() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let sim = Sim::with_seed(1);
        let pool = Supervisor::dynamic("pool").unwrap();
        let mut root = Supervisor::new("root").unwrap();
        let handles = [root.handle(), pool.handle()];
        root.add_worker(pool);
        let tree = sim.start(root).unwrap();
        sim.run_until(async {
            for (number, handle) in handles.iter().cycle().take(100).enumerate() {
                handle.spawn(one_shot(format!("conn{number}"), async {})).unwrap();
                // Nor has what is below one that was added, though it is static there.
                let mut session = Supervisor::new(format!("session{number}")).unwrap();
                session.add_worker(worker("w", |shutdown| shutdown));
                let id = handle.spawn(session).unwrap();
                sim.sleep(SECOND).await;
                handle.terminate_child(id).await.unwrap();
            }
            tree.shutdown().await.unwrap();
        });
    });
    let all = numbers(&snapshotter);
    // The connections, and what is below the sessions.
    assert_eq!(all.get("supervision_exits_total{supervisor=root,kind=normal}"), Some(&100.0), "{all:#?}");
    let of_children: Vec<_> = all.keys().filter(|name| name.contains("_child_")).collect();
    assert_eq!(of_children, ["supervision_child_exits_total{supervisor=root,child=pool,kind=shutdown}"]);
}

#[test]
fn supervisors_that_are_added_have_no_series_of_their_own() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let sim = Sim::with_seed(1);
        let pool = Supervisor::dynamic("pool").unwrap();
        let handle = pool.handle();
        let mut root = Supervisor::new("root").unwrap();
        root.add_worker(pool);
        let tree = sim.start(root).unwrap();
        for number in 0..20 {
            sim.fault(Fault::panic(format!("root.pool.session{number}.w")).after(SECOND));
            sim.fault(Fault::lose(format!("root.pool.lost{number}")).nth(1).after(SECOND));
            for name in ["session", "lost"] {
                let mut session = Supervisor::new(format!("{name}{number}")).unwrap();
                session.add_worker(worker("w", |shutdown| shutdown));
                handle.spawn(ChildSpec::from(session).with_restart_type(RestartType::Temporary)).unwrap();
            }
        }
        sim.advance(SECOND / 2);
        let running = numbers(&snapshotter);
        let of_pool = "supervision_processes{supervisor=root.pool,state=running}";
        assert_eq!(running.get(of_pool), Some(&80.0), "the sessions, and what is below them");
        sim.advance(10 * SECOND);
        sim.run_until(tree.shutdown()).unwrap();
    });
    let all = numbers(&snapshotter);
    let added: Vec<_> = all.keys().filter(|name| name.contains("session") || name.contains("lost0")).collect();
    assert!(added.is_empty(), "{added:#?}");
    assert_eq!(all.get("supervision_give_ups_total{supervisor=root.pool}"), Some(&20.0), "{all:#?}");
    assert_eq!(all.get("supervision_exits_total{supervisor=root.pool,kind=panicked}"), Some(&40.0), "{all:#?}");
    let left = |(name, value): &(&String, &f64)| name.starts_with("supervision_processes") && **value != 0.0;
    assert!(!all.iter().any(|number| left(&number)), "{all:#?}");
}

#[test]
fn each_number_is_described_and_named_as_prometheus_has_it() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let sim = Sim::with_seed(1);
        sim.fault(Fault::panic("root.api.cache").nth(1).after(SECOND));
        let mut tree = tree();
        let deaf = worker("deaf", |_| std::future::pending::<()>());
        tree.add_worker(deaf.with_watchdog(SECOND).with_restart_type(RestartType::Temporary));
        let tree = sim.start(tree).unwrap();
        sim.advance(10 * SECOND);
        assert!(sim.run_until(tree.shutdown()).is_err(), "the deaf one is aborted");
    });
    let told = snapshotter.snapshot().into_vec();
    let names: BTreeSet<_> = told.iter().map(|(key, ..)| key.key().name().to_owned()).collect();
    assert!(names.len() >= 8, "{names:?}");
    for (key, unit, help, value) in told {
        let name = key.key().name();
        assert!(name.starts_with("supervision_"), "{name}");
        assert!(help.is_some_and(|help| help.len() > 10), "{name} has a help text");
        let (suffix, expected) = match value {
            DebugValue::Counter(_) => ("_total", Unit::Count),
            DebugValue::Gauge(_) => ("_processes", Unit::Count),
            DebugValue::Histogram(_) => ("_seconds", Unit::Seconds),
        };
        assert!(name.ends_with(suffix), "{name}");
        assert_eq!(unit, Some(expected), "{name}");
        let documented = include_str!("../docs/guide/tracing-and-metrics.md");
        assert!(documented.contains(&format!("`{name}`")), "{name} is documented");
    }
}

/// Writes down in which order gauges go down.
#[derive(Default)]
struct Order(Mutex<Vec<String>>);

struct Down(Arc<Order>, String);

impl GaugeFn for Down {
    fn increment(&self, _: f64) {}

    fn decrement(&self, _: f64) {
        self.0.0.lock().unwrap().push(self.1.clone());
    }

    fn set(&self, _: f64) {}
}

struct OrderRecorder(Arc<Order>);

impl Recorder for OrderRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Metadata<'_>) -> Counter {
        Counter::noop()
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        let supervisor = key.labels().next().unwrap().value();
        Gauge::from_arc(Arc::new(Down(self.0.clone(), supervisor.to_owned())))
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}

#[test]
fn gauges_of_what_is_lost_go_down_in_a_fixed_order() {
    let run = || {
        let order = Arc::new(Order::default());
        metrics::with_local_recorder(&OrderRecorder(order.clone()), || {
            let sim = Sim::with_seed(1);
            sim.fault(Fault::lose("root.top").nth(1).after(SECOND));
            let mut top = Supervisor::new("top").unwrap();
            for number in 10..50 {
                let mut inner = Supervisor::new(format!("s{number}")).unwrap();
                inner.add_worker(worker("w", |shutdown| shutdown));
                top.add_worker(inner);
            }
            // What is beside it, and has a longer name, stays.
            let mut beside = Supervisor::new("top2").unwrap();
            beside.add_worker(worker("w", |shutdown| shutdown));
            let mut root = Supervisor::new("root").unwrap();
            root.add_worker(top);
            root.add_worker(beside);
            let tree = sim.start(root).unwrap();
            order.0.lock().unwrap().clear();
            sim.advance(SECOND);
            let gone = order.0.lock().unwrap().clone();
            sim.run_until(tree.shutdown()).unwrap();
            gone
        })
    };
    let gone = run();
    let below = gone.iter().filter(|supervisor| supervisor.starts_with("root.top.s")).count();
    assert!(below >= 40, "{gone:?}");
    assert!(!gone.iter().any(|supervisor| supervisor == "root.top2"), "{gone:?}");
    assert_eq!(run(), gone);
}

#[test]
fn processes_of_a_lost_supervisor_leave_the_gauge() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let sim = Sim::with_seed(1);
        sim.fault(Fault::lose("root.api").nth(1).after(SECOND));
        let tree = sim.start(tree()).unwrap();
        sim.advance(10 * SECOND);
        let running = numbers(&snapshotter);
        let of = |name: &str| running.get(name).copied();
        assert_eq!(of("supervision_exits_total{supervisor=root,kind=lost}"), Some(1.0));
        assert_eq!(of("supervision_processes{supervisor=root.api,state=running}"), Some(3.0));
        drop(tree);
    });
}

#[test]
fn a6_the_gauges_of_a_tree_that_is_lost_go_to_zero() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let sim = Sim::with_seed(1);
        let other = sim.executor();
        let mut tree = sim.run_until(tree().start_on(other.spawner())).unwrap();
        other.end();
        assert!(sim.run_until(tree.wait()).is_err());
        let processes =
            |(name, value): (String, f64)| (name.starts_with("supervision_processes") && value != 0.0).then_some(name);
        let left: Vec<_> = numbers(&snapshotter).into_iter().filter_map(processes).collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

#[test]
fn the_polls_of_counted_children_are_counted_by_child_and_those_of_added_ones_by_supervisor() {
    let recorder = DebuggingRecorder::new();
    let snapshotter = recorder.snapshotter();
    metrics::with_local_recorder(&recorder, || {
        let sim = Sim::with_seed(1);
        let pool = Supervisor::dynamic("pool").unwrap();
        let added = pool.handle();
        let blocking = |seconds| {
            move |shutdown: ProcessShutdown| async move {
                for _ in 0..2 {
                    block_for(seconds * SECOND).await;
                    process::sleep(SECOND).await;
                }
                shutdown.await;
            }
        };
        let mut root = Supervisor::new("root").unwrap();
        root.add_worker(worker("parser", blocking(3)).with_accounting());
        root.add_worker(worker("plain", blocking(3)));
        root.add_worker(ChildSpec::from(pool).with_accounting());
        let tree = sim.start(root).unwrap();
        for name in ["a", "b"] {
            added.spawn(worker(name, blocking(1))).unwrap();
        }
        sim.advance(20 * SECOND);
        sim.run_until(tree.shutdown()).unwrap();
        let ended = numbers(&snapshotter);
        let of = |name: &str| ended.get(name).copied();
        assert_eq!(of("supervision_child_busy_nanoseconds_total{supervisor=root,child=parser}"), Some(6e9));
        assert_eq!(of("supervision_child_slowest_poll_seconds{supervisor=root,child=parser}"), Some(3.0));
        assert_eq!(of("supervision_busy_nanoseconds_total{supervisor=root.pool}"), Some(4e9), "of both");
        // Each: the first poll, after each block, after each sleep, and for the shutdown.
        assert_eq!(of("supervision_child_polls_total{supervisor=root,child=parser}"), Some(6.0));
        assert_eq!(of("supervision_polls_total{supervisor=root.pool}"), Some(12.0));
        assert!(of("supervision_child_wakes_total{supervisor=root,child=parser}") >= Some(5.0));
        let named = |text: &str| ended.keys().any(|name| name.contains(text) && name.contains("_polls_total"));
        assert!(!named("plain") && !named("child=a"), "not counted, and not static: {ended:#?}");
    });
}
