//! Code that is not ours, and panics: what watches a tree, what runs it, and what tells it to stop. The tree goes on.

use std::{
    future::{IntoFuture, pending},
    panic,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use executor_sim::{Fault, Sim, SimSpawner};
use metrics::{Counter, Gauge, Histogram, Key, KeyName, Metadata as Meta, Recorder, SharedString, Unit};
use supervision::{
    BoxError, EventKind, Process, RestartStrategy, Spawner, Supervisor, SupervisorError, Timer, process, worker,
};
use tracing::{
    Event, Level, Metadata, Subscriber,
    field::{Field, Visit},
    span::{Attributes, Id, Record},
    subscriber::Interest,
};

const SECOND: Duration = Duration::from_secs(1);

/// Runs a test alone: all threads share at once what a subscriber listens to, and one without a subscriber would
/// disturb it.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a tree in which a process panics and is restarted, for half a minute.
fn live(sim: &Sim, spawner: impl Spawner) {
    let runs = Arc::new(AtomicUsize::new(0));
    let counted = runs.clone();
    let patient = RestartStrategy::one_for_one().with_intensity_and_period(10, 60 * SECOND);
    let mut inner = Supervisor::new("inner").unwrap().with_restart_strategy(patient);
    inner.add_worker(worker("unlucky", move |shutdown| {
        let run = counted.fetch_add(1, SeqCst);
        async move {
            process::sleep(SECOND).await;
            assert!(run > 0, "it panics once");
            shutdown.await;
        }
    }));
    inner.add_worker(worker("steady", |shutdown| async {
        shutdown.await;
        Ok::<(), BoxError>(())
    }));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(inner);
    let mut events = root.handle().events();
    let outcome = sim.run_until(async {
        let mut tree = root.start_on(spawner).await?;
        sim.sleep(30 * SECOND).await;
        assert!(tree.snapshot().await.ready);
        tree.handle().shutdown()?;
        tree.wait().await
    });
    assert!(outcome.is_ok(), "{outcome:?}");
    assert_eq!(runs.load(SeqCst), 2);
    assert!(process::current().is_none(), "the thread is in no process any more");
    let restarts = std::iter::from_fn(|| sim.run_until(events.next()));
    assert_eq!(restarts.filter(|event| matches!(event.kind, EventKind::Restarting { .. })).count(), 1);
}

/// A subscriber that panics in one of its methods.
#[derive(Clone, Default)]
struct Saboteur {
    method: &'static str,
    panics: Arc<AtomicUsize>,
    ids: Arc<AtomicU64>,
    lines: Arc<Mutex<Vec<String>>>,
}

impl Saboteur {
    fn of(method: &'static str) -> Self {
        Self { method, ..Self::default() }
    }

    fn called(&self, method: &str) {
        if method == self.method {
            self.panics.fetch_add(1, SeqCst);
            panic!("the subscriber panics in `{method}`");
        }
    }
}

struct Message<'a>(&'a mut String);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "message" {
            *self.0 = format!("{value:?}");
        }
    }
}

impl Subscriber for Saboteur {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        // One that panics here leaves the lock poisoned that `tracing` calls it under.
        Interest::sometimes()
    }

    fn enabled(&self, _: &Metadata<'_>) -> bool {
        self.called("enabled");
        true
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        self.called("new_span");
        Id::from_u64(self.ids.fetch_add(1, SeqCst) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {
        self.called("record");
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        self.called("event");
        let mut message = String::new();
        event.record(&mut Message(&mut message));
        if *event.metadata().level() <= Level::WARN {
            self.lines.lock().unwrap().push(message);
        }
    }

    fn enter(&self, _: &Id) {
        self.called("enter");
    }

    fn exit(&self, _: &Id) {
        self.called("exit");
    }

    fn clone_span(&self, id: &Id) -> Id {
        self.called("clone_span");
        id.clone()
    }

    fn try_close(&self, _: Id) -> bool {
        self.called("try_close");
        true
    }
}

/// All in one, because it is said once in a program.
#[test]
fn p9_a_tracing_subscriber_that_panics_loses_its_line() {
    let _alone = alone();
    for method in ["enter", "exit", "try_close", "new_span", "event", "enabled", "record", "clone_span"] {
        let saboteur = Saboteur::of(method);
        tracing::subscriber::with_default(saboteur.clone(), || {
            let sim = Sim::with_seed(1);
            live(&sim, sim.spawner());
        });
        let is_called = !["record", "clone_span"].contains(&method);
        assert!(saboteur.panics.load(SeqCst) > 0 || !is_called, "`{method}` is called");
        let lines = saboteur.lines.lock().unwrap();
        let told = lines.iter().filter(|line| line.contains("subscriber panicked")).count();
        assert_eq!(told, usize::from(method == "enter"), "{lines:?}");
        if method == "enter" {
            let line = "the `tracing` subscriber panicked: the subscriber panics in `enter`; supervision goes on without the \
                span or the line that it failed on";
            assert!(lines.iter().any(|told| told == line), "{lines:?}");
        }
    }
}

struct BrokenRecorder;

impl Recorder for BrokenRecorder {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}
    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, _: &Key, _: &Meta<'_>) -> Counter {
        panic!("the recorder panics")
    }

    fn register_gauge(&self, _: &Key, _: &Meta<'_>) -> Gauge {
        panic!("the recorder panics")
    }

    fn register_histogram(&self, _: &Key, _: &Meta<'_>) -> Histogram {
        panic!("the recorder panics")
    }
}

#[test]
fn p9_a_recorder_that_panics_loses_its_numbers() {
    let _alone = alone();
    let subscriber = Saboteur::of("nothing");
    tracing::subscriber::with_default(subscriber.clone(), || {
        metrics::with_local_recorder(&BrokenRecorder, || {
            let sim = Sim::with_seed(1);
            live(&sim, sim.spawner());
        });
    });
    let lines = subscriber.lines.lock().unwrap();
    let has = |text: &str| lines.iter().filter(|line| line.contains(text)).count();
    assert_eq!(has("the `metrics` recorder panicked: the recorder panics; supervision goes on without the numbers"), 1);
    assert_eq!(has("root.inner.unlucky panicked: it panics once"), 1, "{lines:?}");
}

/// A simulator with a method that panics.
#[derive(Debug)]
struct BrokenSpawner {
    sim: SimSpawner,
    method: &'static str,
    panics: Arc<AtomicUsize>,
}

impl BrokenSpawner {
    fn called(&self, method: &str) {
        if method == self.method {
            self.panics.fetch_add(1, SeqCst);
            panic!("the spawner panics in `{method}`");
        }
    }
}

impl Spawner for BrokenSpawner {
    fn spawn(&self, process: Process) {
        self.sim.spawn(process);
    }

    fn now(&self) -> Instant {
        self.called("now");
        self.sim.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.called("timer");
        self.sim.timer()
    }

    fn seed(&self) -> u64 {
        self.called("seed");
        self.sim.seed()
    }

    fn nudge(&self) {
        self.called("nudge");
        self.sim.nudge();
    }

    fn discard(&self, process: Process) {
        self.called("discard");
        self.sim.discard(process);
    }
}

#[test]
fn p9_a_spawner_that_panics_in_nudge_or_seed_ends_nothing() {
    let _alone = alone();
    for method in ["nudge", "seed"] {
        let sim = Sim::with_seed(1);
        let panics = Arc::<AtomicUsize>::default();
        live(&sim, BrokenSpawner { sim: sim.spawner(), method, panics: panics.clone() });
        assert!(panics.load(SeqCst) > 0, "`{method}` is called");
    }
}

#[test]
fn p9_a_supervisor_that_cannot_measure_time_panics() {
    let _alone = alone();
    for method in ["now", "timer"] {
        let sim = Sim::with_seed(1);
        let spawner = BrokenSpawner { sim: sim.spawner(), method, panics: Arc::default() };
        let mut root = Supervisor::new("root").unwrap();
        root.add_worker(worker("a", |shutdown| shutdown).with_watchdog(SECOND));
        let handle = root.handle();
        match sim.run_until(root.run_on(spawner).into_future()) {
            Err(SupervisorError::Panicked { panic, .. }) => {
                assert_eq!(panic.message(), format!("the spawner panics in `{method}`"));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(sim.run_until(handle.snapshot()).path, "root", "and can still be looked at");
        sim.advance(SECOND);
        assert_eq!(sim.processes(), 0, "nothing is left of it");
    }
}

#[test]
fn p9_a_process_whose_discard_panics_is_lost() {
    let _alone = alone();
    let sim = Sim::with_seed(1);
    sim.fault(Fault::refuse("root.a").nth(2));
    let panics = Arc::<AtomicUsize>::default();
    let spawner = BrokenSpawner { sim: sim.spawner(), method: "discard", panics: panics.clone() };
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(worker("a", |shutdown| async move {
        process::sleep(SECOND).await;
        shutdown.await;
    }));
    let mut events = root.handle().events();
    let outcome = sim.run_until(async {
        let tree = root.start_on(spawner).await?;
        let id = tree.handle().children().await?[0].id;
        tree.handle().kill_child(id).await?;
        sim.sleep(SECOND).await;
        let mut tree = tree;
        tree.wait().await
    });
    assert!(matches!(outcome, Err(SupervisorError::GaveUp(_))), "a kill and a loss, {outcome:?}");
    assert_eq!(panics.load(SeqCst), 1);
    let told: Vec<_> = std::iter::from_fn(|| sim.run_until(events.next())).map(|event| event.to_string()).collect();
    assert!(told.iter().any(|line| line == "root.a was dropped by its executor"), "{told:?}");
}

/// A value that panics when it is dropped, unless there is a panic already.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        assert!(thread::panicking(), "the trigger panics when it is dropped");
    }
}

#[test]
fn p9_a_shutdown_trigger_that_panics_has_fired() {
    let _alone = alone();
    let subscriber = Saboteur::of("nothing");
    tracing::subscriber::with_default(subscriber.clone(), || {
        let sim = Sim::with_seed(1);
        let stopped = Arc::new(AtomicUsize::new(0));
        let counted = stopped.clone();
        let mut root = Supervisor::new("root").unwrap();
        root.add_worker(worker("a", move |shutdown| {
            let counted = counted.clone();
            async move {
                shutdown.await;
                counted.fetch_add(1, SeqCst);
            }
        }));
        let (never, later) = (Bomb, sim.sleep(SECOND));
        let run = root.run_on(sim.spawner()).with_shutdown(async move {
            let _bomb = never;
            pending::<()>().await
        });
        let run = run.with_shutdown(async move {
            later.await;
            panic!("the trigger panics")
        });
        let outcome = panic::catch_unwind(panic::AssertUnwindSafe(|| sim.run_until(run.into_future())));
        assert!(matches!(outcome, Ok(Ok(()))), "{outcome:?}");
        assert_eq!(stopped.load(SeqCst), 1, "in order");
    });
    let line = "the future of `with_shutdown` panicked: the trigger panics; the tree shuts down";
    let lines = subscriber.lines.lock().unwrap();
    assert_eq!(lines.iter().filter(|told| *told == line).count(), 1, "{lines:?}");
}
