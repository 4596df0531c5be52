//! What an operator finds in the log, as `tracing` tells it.

#[path = "harness/lines.rs"]
mod lines;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use executor_sim::Sim;
use serde_json::Value;
use supervision::{
    AutoShutdown, Backoff, BoxError, ChildSpec, InitializationError, ProcessShutdown, RestartStrategy, RestartType,
    ShutdownOrder, ShutdownStrategy, Supervisable, SupervisionTree, Supervisor, SupervisorError, SupervisorFuture,
    one_shot, process, worker,
};

use self::lines::Lines;

/// Returns the log at this level and above while the test runs on a simulator.
fn logged(level: tracing::Level, test: impl AsyncFnOnce(&Sim)) -> String {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_writer(lines.clone())
        .with_max_level(level)
        .with_ansi(false)
        .without_time()
        .with_target(false)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        let sim = Sim::with_seed(1);
        sim.run_until(test(&sim));
    });
    lines.text()
}

fn root(intensity: usize) -> Supervisor {
    let strategy = RestartStrategy::one_for_one().with_intensity_and_period(intensity, Duration::from_secs(5));
    Supervisor::new("root").expect("a valid name").with_restart_strategy(strategy)
}

/// One line of tracing-subscriber's JSON.
#[derive(Clone, Debug)]
struct Record(Value);

impl Record {
    fn field(&self, name: &str) -> &Value {
        &self.0["fields"][name]
    }

    fn text(&self, name: &str) -> &str {
        self.field(name).as_str().unwrap_or_default()
    }

    fn level(&self) -> &str {
        self.0["level"].as_str().expect("a level")
    }

    /// A line as an operator reads it.
    fn line(&self) -> String {
        format!("{} {}", self.level(), self.text("message"))
    }
}

/// The records of this level and above, each of which has to be one line and valid JSON.
fn records(level: tracing::Level, test: impl AsyncFnOnce(&Sim)) -> Vec<Record> {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt().json().with_writer(lines.clone()).with_max_level(level).finish();
    tracing::subscriber::with_default(subscriber, || {
        let sim = Sim::with_seed(1);
        sim.run_until(test(&sim));
    });
    let log = lines.text();
    let parse = |line: &str| Record(serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}")));
    log.lines().map(parse).collect()
}

fn lines(records: &[Record]) -> Vec<String> {
    records.iter().map(Record::line).collect()
}

/// Runs a child until its tree has ended, or for a minute.
async fn run(sim: &Sim, intensity: usize, child: impl Into<ChildSpec>) {
    let mut root = root(intensity);
    root.add_worker(child.into());
    if let Ok(tree) = root.start_on(sim.spawner()).await {
        sim.sleep(Duration::from_secs(60)).await;
        let _ = tree.shutdown().await;
    }
}

/// A child that fails in its first run.
fn fails_once() -> ChildSpec {
    let runs = AtomicUsize::new(0);
    worker("w", move |shutdown| {
        let run = runs.fetch_add(1, Relaxed);
        async move {
            if run == 0 {
                return Err::<(), BoxError>("disk full".into());
            }
            shutdown.await;
            Ok(())
        }
    })
}

#[test]
fn a1_giving_up_is_an_error_and_its_history_is_told_line_by_line() {
    let log = records(tracing::Level::INFO, async |sim| {
        let mut inner = Supervisor::new("inner").expect("a valid name");
        inner.add_worker(worker("flaky", |_| async { Err::<(), BoxError>("disk full".into()) }));
        let mut root = root(0);
        root.add_worker(inner);
        let error = root.run_on(sim.spawner()).await.unwrap_err();
        assert!(matches!(error, SupervisorError::GaveUp(_)));
    });
    let of = |level: &str, event: &str, path: &str| -> Vec<_> {
        let is_it =
            |record: &&Record| (record.level(), record.text("event"), record.text("path")) == (level, event, path);
        log.iter().filter(is_it).collect()
    };
    let exits = of("WARN", "exited", "root.inner.flaky");
    assert_eq!(exits.len(), 2, "{log:#?}");
    assert!(exits.iter().all(|exit| exit.text("exit") == "failed"), "{exits:#?}");
    assert_eq!(of("INFO", "restarting", "root.inner.flaky").len(), 1, "{log:#?}");
    let [verdict] = of("ERROR", "gave_up", "root.inner")[..] else { panic!("{log:#?}") };
    assert!(verdict.text("message").ends_with("gave up: more than 1 restart in 5s"), "{verdict:?}");
    let history = of("INFO", "gave_up_for", "root.inner");
    assert_eq!(history.len(), 2, "{log:#?}");
    for failure in history {
        assert_eq!(failure.text("child"), "root.inner.flaky");
        assert_eq!(failure.field("process_id"), verdict.field("process_id"));
        assert!(
            failure.field("ago_seconds").is_number() && failure.text("message").contains("disk full"),
            "{failure:?}"
        );
    }
    assert_eq!(of("ERROR", "gave_up", "root").len(), 1, "{log:#?}");
    let warnings = log.iter().filter(|record| record.level() == "WARN").count();
    assert_eq!(warnings, 2, "the supervisor above has nothing new to say: {log:#?}");
}

type MakeChild = Box<dyn Fn() -> ChildSpec>;

#[test]
fn a_crash_is_one_warning_whatever_comes_of_it() {
    let second = Duration::from_secs(1);
    let pending = || std::future::pending::<()>();
    let fails = || async { Err::<(), BoxError>("disk full".into()) };
    let panics = || async { panic!("disk full") };
    let count = |intensity: usize, child: MakeChild| {
        let log = records(tracing::Level::INFO, async |sim| run(sim, intensity, child()).await);
        let loud = log.iter().filter(|record| ["WARN", "ERROR"].contains(&record.level()));
        loud.map(Record::line).collect::<Vec<_>>()
    };
    let nested = |child: ChildSpec| {
        let mut inner = Supervisor::new("inner").expect("a valid name");
        inner.add_worker(child);
        ChildSpec::from(inner)
    };
    let temporary = RestartType::Temporary;
    let cases: [(&str, &str, MakeChild); 9] = [
        ("restarted", "failed: disk full", Box::new(fails_once)),
        (
            "not restarted",
            "failed: disk full",
            Box::new(move || worker("w", move |_| fails()).with_restart_type(temporary)),
        ),
        ("a panic", "panicked: disk full", Box::new(move || one_shot("w", panics()))),
        ("below", "failed: disk full", Box::new(move || nested(fails_once()))),
        ("start failed", "no disk", Box::new(|| ChildSpec::from(Unable))),
        ("start failed below", "no disk", Box::new(move || nested(ChildSpec::from(Unable)))),
        (
            "start timeout",
            "start",
            Box::new(move || one_shot("w", pending()).with_explicit_ready().with_start_timeout(second)),
        ),
        (
            "deaf",
            "abort",
            Box::new(move || one_shot("w", pending()).with_shutdown_strategy(ShutdownStrategy::Graceful(second))),
        ),
        ("unresponsive", "", Box::new(move || one_shot("w", pending()).with_watchdog(second))),
    ];
    for (case, text, child) in cases {
        let loud = count(5, child);
        assert!(matches!(&loud[..], [line] if line.starts_with("WARN") && line.contains(text)), "{case}: {loud:#?}");
    }
    // One that ended well and is restarted has no other warning.
    let loud = count(0, Box::new(|| worker("w", |_| async {})));
    assert!(matches!(&loud[..], [verdict] if verdict.starts_with("ERROR")), "{loud:#?}");
    let runs = Arc::new(AtomicUsize::new(0));
    let loud = count(
        1,
        Box::new(move || {
            let runs = runs.clone();
            worker("w", move |shutdown| {
                let run = runs.fetch_add(1, Relaxed);
                async move {
                    if run > 0 {
                        shutdown.await
                    }
                }
            })
        }),
    );
    assert!(matches!(&loud[..], [line] if line.starts_with("WARN") && line.contains("restart")), "{loud:#?}");
}

/// Fails to start.
struct Unable;

impl Supervisable for Unable {
    fn name(&self) -> &str {
        "w"
    }

    async fn initialize(&self, _: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        Err(BoxError::from("no disk").into())
    }
}

#[test]
fn a_kill_is_one_warning() {
    for nested in [false, true] {
        let log = records(tracing::Level::WARN, async |sim| {
            let mut inner = Supervisor::new("inner").expect("a valid name");
            inner.add_worker(worker("w", |shutdown| shutdown));
            let mut root = root(5);
            let id = if nested { root.add_worker(inner) } else { root.add_worker(worker("w", |shutdown| shutdown)) };
            let tree = root.start_on(sim.spawner()).await.unwrap();
            tree.handle().kill_child(id).await.unwrap();
            sim.sleep(Duration::from_secs(1)).await;
            tree.shutdown().await.unwrap();
        });
        let killed = log.iter().filter(|record| record.text("path") == if nested { "root.inner" } else { "root.w" });
        assert_eq!(killed.count(), 1, "{:#?}", lines(&log));
    }
}

#[test]
fn json_has_the_path_and_the_process_of_each_record() {
    let log = records(tracing::Level::TRACE, async |sim| {
        let backoff = Backoff::exponential(Duration::from_millis(1500), Duration::from_millis(1500));
        let mut inner = Supervisor::new("inner").expect("a valid name");
        inner.add_worker(fails_once().with_backoff(backoff));
        inner.add_worker(worker("speaker", |shutdown| async {
            let me = process::current().expect("in a process");
            tracing::info!(target: "app", said_path = me.path(), said_id = me.id().as_u64(), "I am");
            shutdown.await;
        }));
        run(sim, 1, inner).await;
    });
    let of_supervision = log.iter().filter(|record| record.0["target"] == "supervision");
    for record in of_supervision {
        let path = record.text("path");
        assert!(["root", "root.inner", "root.inner.w", "root.inner.speaker"].contains(&path), "{record:?}");
        assert!(record.field("process_id").is_u64(), "{record:?}");
        assert!(!record.text("event").is_empty() || record.level() == "WARN", "{record:?}");
        let fields = record.0["fields"].as_object().expect("fields");
        for name in ["name", "id", "process", "took", "delay"] {
            assert!(!fields.contains_key(name), "{record:?}");
        }
    }
    let restart = log.iter().find(|record| record.text("event") == "restarting").expect("it is restarted");
    assert_eq!(restart.field("attempt").as_u64(), Some(1));
    assert!(restart.field("delay_seconds").as_f64().is_some_and(|delay| delay <= 1.5), "{restart:?}");
    let exits = log.iter().filter(|record| record.text("event") == "exited");
    assert!(
        exits.filter(|exit| exit.field("took_seconds").is_number()).count() >= 3,
        "how long it took to stop: {log:#?}"
    );
    // The span of a process, turned on.
    let said = log.iter().find(|record| record.0["target"] == "app").expect("it spoke");
    let span = &said.0["span"];
    assert_eq!(span["name"], "process", "{said:?}");
    assert_eq!((&span["path"], &span["process_id"]), (said.field("said_path"), said.field("said_id")));
    assert_eq!(span["path"], "root.inner.speaker");
}

#[test]
fn user_code_is_in_no_span_unless_spans_are_turned_on() {
    let run = |level| {
        records(level, async |sim| {
            let speaker = worker("speaker", |shutdown| async {
                tracing::info!(target: "app", "I speak");
                shutdown.await;
            });
            run(sim, 0, speaker).await;
        })
    };
    let span = |log: Vec<Record>| {
        let said = log.into_iter().find(|record| record.0["target"] == "app").expect("it spoke");
        said.0["span"]["path"].clone()
    };
    assert_eq!(span(run(tracing::Level::DEBUG)), Value::Null);
    assert_eq!(span(run(tracing::Level::TRACE)), "root.speaker");
}

/// What an operator reads at INFO of a tree that is stopped like this.
fn story(stop: impl AsyncFnOnce(&Sim, SupervisionTree)) -> Vec<String> {
    let log = records(tracing::Level::INFO, async |sim| {
        let mut inner = Supervisor::new("inner").expect("a valid name");
        for _ in 0..3 {
            inner.add_worker(worker("quick", |shutdown| shutdown));
        }
        inner.add_worker(worker("slow", |shutdown: ProcessShutdown| async {
            shutdown.await;
            process::sleep(Duration::from_secs(3)).await;
        }));
        let mut root = root(0);
        root.add_worker(inner);
        let tree = root.start_on(sim.spawner()).await.unwrap();
        stop(sim, tree).await;
    });
    assert!(log.iter().all(|record| record.field("process_id").is_u64()), "{log:#?}");
    lines(&log)
}

const STARTS: [&str; 2] = ["INFO root is starting its tree", "INFO root is ready, with its whole tree"];
const WAITS: &str = "INFO root has been stopping for 1s and is still waiting for: root.inner.slow (4s left)";
const STILL_WAITS: &str = "INFO root has been stopping for 2s and is still waiting for: root.inner.slow (3s left)";

#[test]
fn at_info_a_tree_tells_its_start_its_stop_and_its_end() {
    let told = story(async |_, tree| tree.shutdown().await.unwrap());
    assert_eq!(told.len(), 6, "{told:#?}");
    assert_eq!(told[..2], STARTS);
    assert_eq!(told[2], "INFO root is shutting down: `SupervisionTree::shutdown` was called");
    assert_eq!(told[3..5], [WAITS, STILL_WAITS]);
    assert!(told[5].starts_with("INFO root tree ended: "), "{told:#?}");
}

#[test]
fn at_info_a_shutdown_has_its_cause() {
    let dropped = story(async |sim, tree| {
        drop(tree);
        sim.sleep(Duration::from_secs(10)).await;
    });
    assert_eq!(dropped[2..4], ["INFO root is shutting down: what ran or held the tree was dropped", WAITS]);
    let place = line!() + 2;
    let called = story(async |_, mut tree| {
        tree.handle().shutdown().unwrap();
        // Once more changes nothing.
        tree.handle().shutdown().unwrap();
        tree.wait().await.unwrap();
    });
    let cause = format!("`SupervisorHandle::shutdown` was called at tests/logs.rs:{place}:23");
    assert_eq!(called[2..4], [format!("INFO root is shutting down: {cause}"), WAITS.to_owned()], "{called:#?}");
    assert_eq!(called.len(), 6, "{called:#?}");
}

#[test]
fn at_info_a_scope_that_stops_is_told_from_its_owner() {
    let log = records(tracing::Level::INFO, async |sim| {
        let mut root = root(0);
        root.add_worker(worker("listener", |_| async {
            process::scope().expect("a worker").stop().await.expect("it stops");
            process::sleep(Duration::from_secs(1)).await;
            process::supervisor().expect("in a process").shutdown().expect("it runs");
        }));
        root.run_on(sim.spawner()).await.unwrap();
    });
    let told = lines(&log);
    let stop =
        "INFO root.listener is stopping what is in its scope: `SupervisorHandle::stop` was called by root.listener";
    assert_eq!(told[2], stop, "{told:#?}");
}

#[test]
fn at_info_a_shutdown_names_the_process_that_asks() {
    let log = records(tracing::Level::INFO, async |sim| {
        let mut root = root(0);
        root.add_worker(worker("admin", |shutdown: ProcessShutdown| async {
            process::sleep(Duration::from_secs(1)).await;
            process::current().expect("in a process").supervisor().shutdown().expect("it runs");
            shutdown.await;
        }));
        root.run_on(sim.spawner()).await.unwrap();
    });
    let told = lines(&log);
    assert!(told[2].contains(" `SupervisorHandle::shutdown` was called at tests/logs.rs:"), "{told:#?}");
    assert!(told[2].ends_with(" by root.admin"), "{told:#?}");
}

#[test]
fn at_info_the_end_of_a_trigger_and_of_significant_work_is_told() {
    let log = records(tracing::Level::INFO, async |sim| {
        let mut root = root(0);
        root.add_worker(worker("w", |shutdown| shutdown));
        root.run_on(sim.spawner()).with_shutdown(sim.sleep(Duration::from_secs(1))).await.unwrap();
    });
    assert_eq!(lines(&log)[2], "INFO root is shutting down: a future of `with_shutdown` has ended");

    let log = records(tracing::Level::INFO, async |sim| {
        let mut root = root(0).with_auto_shutdown(AutoShutdown::AnySignificant);
        let job = worker("job", |_| process::sleep(Duration::from_secs(1)));
        root.add_worker(job.with_restart_type(RestartType::Transient).with_significance());
        root.run_on(sim.spawner()).await.unwrap();
    });
    let told = lines(&log);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert!(told[2].starts_with("INFO root is shutting down: its significant child root.job "), "{told:#?}");
    assert!(told[3].starts_with("INFO root tree ended: "), "{told:#?}");
}

#[test]
fn at_info_an_unclean_end_names_who_did_not_stop_well() {
    let log = records(tracing::Level::INFO, async |sim| {
        let mut root = root(0);
        root.add_worker(worker("deaf", |_| std::future::pending::<()>()));
        root.start_on(sim.spawner()).await.unwrap().shutdown().await.unwrap_err();
    });
    let end = lines(&log).pop().expect("an end");
    assert!(end.starts_with("INFO root tree ended: ") && end.contains("root.deaf"), "{end}");
}

/// Returns what the log says of the wait for a child, as times since the stop began and the limits.
fn waits(child: ChildSpec, budget: Option<Duration>) -> Vec<String> {
    let log = records(tracing::Level::INFO, async |sim| {
        let mut inner = Supervisor::new("inner").unwrap();
        if let Some(budget) = budget {
            inner = inner.with_shutdown_budget(budget);
        }
        inner.add_worker(child);
        let mut root = root(0);
        root.add_worker(inner);
        let _ = root.start_on(sim.spawner()).await.unwrap().shutdown().await;
    });
    let waits = log.iter().filter(|record| record.text("event") == "shutdown_waiting");
    let short = |text: &str| {
        text.replace("root has been stopping for ", "").replace("and is still waiting for: root.inner.", "")
    };
    waits.map(|record| short(record.text("message"))).collect()
}

fn stops_after(seconds: u64) -> ChildSpec {
    worker("slow", move |shutdown: ProcessShutdown| async move {
        shutdown.await;
        process::sleep(Duration::from_secs(seconds)).await;
    })
}

#[test]
fn a_long_drain_is_told_again_and_again_with_the_time_left() {
    let graceful = |seconds| ShutdownStrategy::Graceful(Duration::from_secs(seconds));
    let told = waits(stops_after(40).with_shutdown_strategy(graceful(60)), None);
    let expected = [
        "1s slow (59s left)",
        "2s slow (58s left)",
        "4s slow (56s left)",
        "8s slow (52s left)",
        "16s slow (44s left)",
        "26s slow (34s left)",
        "36s slow (24s left)",
    ];
    assert_eq!(told, expected);
}

#[test]
fn a_drain_is_told_by_the_nearest_limit_above_and_the_grace() {
    let deaf = worker("deaf", |_| std::future::pending::<()>());
    let told =
        waits(deaf.with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::MAX)), Some(Duration::from_secs(6)));
    assert_eq!(told, ["1s deaf (5s left)", "2s deaf (4s left)", "4s deaf (2s left)"]);
}

#[test]
fn a_drain_without_limit_is_told_once_in_virtual_time() {
    // Told for ever, it would keep a simulation from noticing that nothing else will happen.
    let slow = stops_after(30).with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::MAX));
    assert_eq!(waits(slow, None), ["1s slow (no limit)"]);
}

#[test]
fn the_wait_of_a_large_tree_is_one_line_of_some_names() {
    let log = records(tracing::Level::INFO, async |sim| {
        let mut root = root(0).with_shutdown_order(ShutdownOrder::Concurrent);
        for _ in 0..1000 {
            root.add_worker(worker("slow", |shutdown: ProcessShutdown| async {
                shutdown.await;
                process::sleep(Duration::from_secs(3)).await;
            }));
        }
        root.start_on(sim.spawner()).await.unwrap().shutdown().await.unwrap();
    });
    let waits: Vec<_> = log.iter().filter(|record| record.text("event") == "shutdown_waiting").collect();
    assert_eq!(waits.len(), 2, "{waits:#?}");
    let message = waits[0].text("message");
    assert_eq!(message.matches("root.slow").count(), 8, "{message}");
    assert!(message.ends_with(", and 992 more"), "{message}");
}

#[test]
fn a_log_does_not_change_what_a_seed_replays() {
    let run = |level: Option<tracing::Level>| {
        let order = Arc::new(Mutex::new(Vec::new()));
        let test = async |sim: &Sim| {
            let mut root = root(0).with_shutdown_order(ShutdownOrder::Concurrent);
            for number in 0..20 {
                let order = order.clone();
                root.add_worker(worker("slow", move |shutdown: ProcessShutdown| {
                    let order = order.clone();
                    async move {
                        shutdown.await;
                        process::sleep(Duration::from_secs(2)).await;
                        order.lock().unwrap().push(number);
                    }
                }));
            }
            root.start_on(sim.spawner()).await.unwrap().shutdown().await.unwrap();
        };
        match level {
            Some(level) => drop(records(level, test)),
            None => {
                let sim = Sim::with_seed(1);
                sim.run_until(test(&sim));
            }
        }
        let order = order.lock().unwrap();
        order.clone()
    };
    let silent = run(None);
    assert_ne!(silent, (0..20).collect::<Vec<_>>(), "the order is drawn");
    assert_eq!(run(Some(tracing::Level::INFO)), silent);
    assert_eq!(run(Some(tracing::Level::TRACE)), silent);
}

#[test]
fn a5_aborted_children_are_named_in_the_log() {
    let log = logged(tracing::Level::WARN, async |sim| {
        let mut root = root(0);
        let deaf = worker("deaf", |_| std::future::pending::<()>());
        root.add_worker(deaf.with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::from_secs(1))));
        let tree = root.start_on(sim.spawner()).await.unwrap();
        tree.shutdown().await.unwrap_err();
    });
    assert!(log.contains("WARN") && log.contains("root.deaf aborting"), "{log}");
}

#[test]
fn r40_a_brutal_stop_is_not_logged_as_a_problem() {
    let log = logged(tracing::Level::WARN, async |sim| {
        let mut root = root(0);
        let deaf = worker("deaf", |_| std::future::pending::<()>());
        root.add_worker(deaf.with_shutdown_strategy(ShutdownStrategy::Brutal));
        root.start_on(sim.spawner()).await.unwrap().shutdown().await.unwrap();
    });
    assert_eq!(log, "");
}

#[test]
fn a_tree_that_runs_well_warns_of_nothing() {
    let run = async |sim: &Sim| {
        let mut root = root(0);
        root.add_worker(worker("fine", |shutdown| shutdown));
        root.start_on(sim.spawner()).await.unwrap().shutdown().await.unwrap();
    };
    assert_eq!(logged(tracing::Level::WARN, run), "");
    assert!(logged(tracing::Level::DEBUG, run).contains("root.fine is ready"));
}

#[test]
fn p7_heartbeat_outside_of_a_process_is_logged_once_a_place() {
    fn beat() -> u32 {
        process::heartbeat();
        line!() - 1
    }
    fn say_ready() -> u32 {
        process::ready();
        line!() - 1
    }

    // No subscriber would get it, so it is not logged.
    let lines = (beat(), say_ready());
    let outside = || async {
        for _ in 0..3 {
            assert_eq!((beat(), say_ready()), lines);
        }
    };
    let log = logged(tracing::Level::WARN, async |_| outside().await);
    let is_said = |function: &str, line: u32| {
        let text = format!(
            "WARN `process::{function}` was called outside of a process, at tests/logs.rs:{line}:9, and does nothing; \
             call `process::current()` inside the process, and `{function}` on its result"
        );
        log.lines().filter(|said| said.trim_start() == text).count()
    };
    assert_eq!((is_said("heartbeat", lines.0), is_said("ready", lines.1), log.lines().count()), (1, 1, 2), "{log}");

    // In a process that is ready there is nothing to say, nor in a task that has taken it along.
    let log = logged(tracing::Level::WARN, async |sim| {
        let (give, take) = async_channel::bounded(1);
        let mut root = root(0);
        root.add_worker(worker("w", move |shutdown| {
            process::heartbeat();
            process::ready();
            give.try_send(process::current()).expect("awaited");
            shutdown
        }));
        let tree = root.start_on(sim.spawner()).await.unwrap();
        let process = take.recv().await.expect("sent").expect("a process");
        process.heartbeat();
        process.ready();
        tree.shutdown().await.unwrap();
        process.heartbeat();
        process.ready();
    });
    assert_eq!(log, "");
}

#[test]
fn a6_the_loss_of_a_tree_is_a_warning_for_each_process() {
    let log = logged(tracing::Level::WARN, async |sim| {
        let other = sim.executor();
        let mut inner = Supervisor::new("inner").expect("a valid name");
        inner.add_worker(worker("leaf", |shutdown| shutdown));
        let mut root = root(0);
        root.add_worker(inner);
        let mut tree = root.start_on(other.spawner()).await.expect("it starts");
        other.end();
        assert!(matches!(tree.wait().await, Err(SupervisorError::Lost { .. })));
    });
    for path in ["root", "root.inner", "root.inner.leaf"] {
        let line = format!(" {path} was dropped by its executor path={path} process_id=");
        assert_eq!(log.matches(&line).count(), 1, "{path}: {log}");
    }
}

#[test]
fn b1_a_backoff_that_the_intensity_cuts_short_is_warned_of() {
    let patient = || Backoff::exponential(Duration::from_millis(100), Duration::from_secs(30));
    let log = logged(tracing::Level::WARN, async |sim| {
        let mut db = Supervisor::new("db").expect("a valid name").with_default_backoff(patient());
        db.add_worker(worker("primary", |shutdown| shutdown));
        db.add_worker(worker("replica", |shutdown| shutdown));
        let mut root = root(1);
        root.add_worker(db);
        root.add_worker(worker("peer", |shutdown| shutdown).with_backoff(patient()));
        let unlimited = RestartStrategy::one_for_one().with_unlimited_restarts();
        let mut fine = Supervisor::new("fine").expect("a valid name").with_restart_strategy(unlimited);
        fine.add_worker(worker("peer", |shutdown| shutdown).with_backoff(patient()));
        root.add_worker(fine);
        let tree = root.start_on(sim.spawner()).await.expect("it starts");
        tree.shutdown().await.expect("it stops");
    });
    let warned: Vec<_> = log.lines().filter(|line| line.contains("backoff")).collect();
    assert_eq!(warned.len(), 2, "{log}");
    assert!(warned[0].contains("root.db.primary") && warned[1].contains("root.peer"), "{log}");
    assert!(warned[0].contains("gives up within 100ms") && warned[0].contains("with_unlimited_restarts"), "{log}");
}

#[test]
fn what_user_code_says_breaks_no_line_and_is_cut() {
    let log = logged(tracing::Level::WARN, async |sim| {
        let mut root = root(0);
        let text = format!("a\r\n\u{1b}[2J{}", "x".repeat(1 << 20));
        root.add_worker(worker("a", move |_| {
            let text = text.clone();
            async { Err::<(), BoxError>(text.into()) }
        }));
        root.run_on(sim.spawner()).await.unwrap_err();
    });
    assert!(!log.contains(['\r', '\u{1b}']), "{log}");
    assert!(log.contains(r"root.a failed: a\r\n\u{1b}[2Jxxx"), "{log}");
    assert!(log.len() < 10_000, "{}", log.len());
    // The failure, and the verdict on the supervisor.
    assert_eq!(log.lines().count(), 2, "{log}");
}
