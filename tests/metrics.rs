//! The numbers of a tree, through the `metrics` facade.

use std::{collections::BTreeMap, time::Duration};

use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use supervision::{
    RestartStrategy, ShutdownStrategy, Supervisor,
    sim::{Fault, Sim},
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
        assert_eq!(of("supervision_aborted_total{supervisor=root.api}"), Some(1.0));
        assert_eq!(of("supervision_exits_total{supervisor=root.api,kind=aborted}"), Some(1.0));
        assert_eq!(of("supervision_stop_seconds{supervisor=root.api} count"), Some(3.0));
        assert_eq!(of("supervision_stop_seconds{supervisor=root.api} sum"), Some(2.0));
    });
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
