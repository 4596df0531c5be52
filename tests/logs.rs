//! What an operator finds in the log, as `tracing` tells it.

use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::Duration,
};

use executor_sim::Sim;
use supervision::{Backoff, BoxError, RestartStrategy, ShutdownStrategy, Supervisor, SupervisorError, process, worker};
use tracing_subscriber::fmt::MakeWriter;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no poison").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

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
    let bytes = lines.0.lock().expect("no poison").clone();
    String::from_utf8(bytes).expect("text")
}

fn root(intensity: usize) -> Supervisor {
    let strategy = RestartStrategy::one_for_one().with_intensity_and_period(intensity, Duration::from_secs(5));
    Supervisor::new("root").expect("a valid name").with_restart_strategy(strategy)
}

#[test]
fn a1_restarts_are_warnings_and_giving_up_is_an_error() {
    let log = logged(tracing::Level::INFO, async |sim| {
        let mut inner = Supervisor::new("inner").expect("a valid name");
        inner.add_worker(worker("flaky", |_| async { Err::<(), BoxError>("disk full".into()) }));
        let mut root = root(0);
        root.add_worker(inner);
        let error = root.run_on(sim.spawner()).await.unwrap_err();
        assert!(matches!(error, SupervisorError::GaveUp(_)));
    });
    let has = |level: &str, message: &str| {
        log.lines().any(|line| line.trim_start().starts_with(level) && line.contains(message))
    };
    assert!(has("WARN", "}: root.inner.flaky failed: disk full process=root.inner.flaky id="), "{log}");
    assert!(has("WARN", "}: root.inner.flaky restarting (attempt 1): failed: disk full"), "{log}");
    let gave_up = "}: `root.inner` gave up: more than 1 restart in 5s\n  \
        last failure: `root.inner.flaky` failed: disk full\n  \
        last failure: `root.inner.flaky` failed: disk full";
    assert!(log.contains(gave_up), "{log}");
    assert!(has("ERROR", "}: `root` gave up: more than 0 restarts in 5s"), "{log}");
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
    let log = logged(tracing::Level::INFO, async |sim| {
        let mut root = root(0);
        let deaf = worker("deaf", |_| std::future::pending::<()>());
        root.add_worker(deaf.with_shutdown_strategy(ShutdownStrategy::Brutal));
        root.start_on(sim.spawner()).await.unwrap().shutdown().await.unwrap();
    });
    assert_eq!(log, "");
}

#[test]
fn each_process_has_a_span_with_its_id_and_its_dotted_name() {
    let log = logged(tracing::Level::INFO, async |sim| {
        let mut inner = Supervisor::new("inner").expect("a valid name");
        inner.add_worker(worker("speaker", |shutdown| async {
            let me = process::current().expect("in a process");
            tracing::info!("I am {} ({})", me.path(), me.id());
            shutdown.await;
        }));
        let mut root = root(0);
        root.add_worker(inner);
        let tree = root.start_on(sim.spawner()).await.unwrap();
        sim_yield().await;
        tree.shutdown().await.unwrap();
    });
    let id = log.split("I am root.inner.speaker (").nth(1).and_then(|rest| rest.split(')').next()).expect("it spoke");
    assert!(log.contains(&format!("process{{id={id} name=\"root.inner.speaker\"}}: I am")), "{log}");
}

/// Lets everything else run first, whatever the order.
async fn sim_yield() {
    for _ in 0..100 {
        futures_lite::future::yield_now().await;
    }
}

#[test]
fn a_tree_that_runs_well_logs_nothing_above_debug() {
    let run = async |sim: &Sim| {
        let mut root = root(0);
        root.add_worker(worker("fine", |shutdown| shutdown));
        root.start_on(sim.spawner()).await.unwrap().shutdown().await.unwrap();
    };
    assert_eq!(logged(tracing::Level::INFO, run), "");
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
             take `process::current()` along from inside, and call `{function}` on that"
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
        let line = format!(" {path} was dropped by its executor process={path} id=");
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
    // The failure, and the history of the supervisor with its line for the failure.
    assert_eq!(log.lines().count(), 3, "{log}");
}
