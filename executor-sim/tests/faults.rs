//! What goes wrong in a simulation goes wrong where, when and how it was said.

use std::time::Duration;

use executor_sim::{Fault, Record, Sim};
use supervisor_core::{
    Backoff, BoxError, ChildSpec, EventKind, Exit, Placement, RestartStrategy, ShutdownStrategy, Supervisor,
    SupervisorError, SupervisorFuture, process, worker,
};

const SECOND: Duration = Duration::from_secs(1);

fn supervisor(name: &'static str) -> Supervisor {
    let patient = RestartStrategy::one_for_one().with_intensity_and_period(1000, 5 * SECOND);
    Supervisor::new(name).unwrap().with_restart_strategy(patient)
}

fn quiet(name: &'static str) -> ChildSpec {
    worker(name, |shutdown| shutdown)
}

/// A worker that takes a second to become ready.
struct Slow;

impl supervisor_core::Supervisable for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn initialize(
        &self,
        shutdown: supervisor_core::ProcessShutdown,
    ) -> Result<SupervisorFuture, supervisor_core::InitializationError> {
        process::sleep(SECOND).await;
        Ok(Box::pin(async move {
            shutdown.await;
            Ok(())
        }))
    }
}

/// Returns when which processes exited, and how, other than in the final shutdown.
fn exits(record: &Record, until: Duration) -> Vec<String> {
    let events = record.events.iter().filter(|(at, _)| *at < until);
    let exits = events.filter(|(_, event)| {
        matches!(event.kind, EventKind::Exited(_) | EventKind::StartFailed(_) | EventKind::Stuck | EventKind::Abandoned)
    });
    exits.map(|(at, event)| format!("{at:?} {event}")).collect()
}

/// Runs a tree of two quiet workers and a slow one, for a minute.
fn with_fault(fault: Fault) -> Vec<String> {
    let sim = Sim::with_seed(1);
    sim.fault(fault);
    let mut inner = supervisor("inner");
    inner.add_worker(quiet("b"));
    let mut root = supervisor("root");
    root.add_worker(quiet("a"));
    root.add_worker(inner);
    root.add_worker(Slow);
    exits(&sim.run_for(root, 60 * SECOND), 60 * SECOND)
}

#[test]
fn a_panic_comes_after_the_nth_process_is_ready() {
    assert_eq!(
        with_fault(Fault::panic("root.inner.b").nth(1).after(2 * SECOND).saying("boom")),
        ["2s root.inner.b panicked: boom"]
    );
    assert_eq!(
        with_fault(Fault::fail("root.slow").after(20 * SECOND).until(42 * SECOND)),
        // It was ready after a second, and is so again a second after each exit.
        ["21s root.slow failed: a simulated error", "42s root.slow failed: a simulated error"]
    );
}

#[test]
fn a_process_is_lost_with_its_executor_or_refused_by_it() {
    assert_eq!(with_fault(Fault::lose("root.a").nth(1).after(SECOND)), ["1s root.a was dropped by its executor"]);
    let refused = Sim::with_seed(1);
    refused.fault(Fault::refuse("root.a").nth(1));
    let mut root = supervisor("root");
    root.add_worker(quiet("a"));
    let record = refused.run_for(root, SECOND);
    assert!(record.outcome.is_ok());
    assert_eq!(exits(&record, SECOND), ["0ns root.a was dropped by its executor"]);
}

#[test]
fn a_failing_start_is_no_exit() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::fail_start("root.slow"));
    let mut root = supervisor("root");
    root.add_worker(Slow);
    let error = sim.run(root).outcome.unwrap_err();
    assert_eq!(format!("{error:#}"), "`root.slow` failed to start: a simulated error");
}

#[test]
fn for_half_a_minute_no_start_succeeds() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::fail("root.slow").nth(1));
    sim.fault(Fault::fail_start("root.slow").from(SECOND / 2).until(30 * SECOND));
    let mut root = supervisor("root");
    root.add_worker(ChildSpec::from(Slow).with_backoff(Backoff::constant(2 * SECOND)));
    let record = sim.run_for(root, 60 * SECOND);
    let ready: Vec<_> = record.events.iter().filter(|(_, event)| event.to_string() == "root.slow is ready").collect();
    assert_eq!(ready.iter().map(|(at, _)| *at).collect::<Vec<_>>(), [SECOND, 32 * SECOND]);
}

#[test]
fn a_process_that_stalls_is_stuck_until_the_stall_is_over() {
    let sim = Sim::with_seed(1);
    let mut root = supervisor("root");
    let a = root.add_worker(quiet("a").with_shutdown_strategy(ShutdownStrategy::Brutal));
    let tree = sim.start(root).unwrap();
    let mut events = tree.events();
    sim.fault(Fault::stall("root.a").nth(1).after(SECOND).lasting(20 * SECOND));
    sim.advance(2 * SECOND);
    let answer = sim.run_until(tree.handle().terminate_child(a));
    assert!(matches!(answer, Err(SupervisorError::Stuck { .. })), "{answer:?}");
    assert_eq!(sim.elapsed(), 7 * SECOND, "the grace of an abort is five seconds");
    let exit = sim.run_until(async {
        loop {
            if let EventKind::Exited(exit) = &events.next().await.unwrap().kind {
                break exit.clone();
            }
        }
    });
    assert!(matches!(exit, Exit::Aborted));
    assert_eq!(sim.elapsed(), 21 * SECOND);
}

#[test]
fn a_process_that_never_yields_again_is_abandoned() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::stall("root.a"));
    let mut root = supervisor("root");
    root.add_worker(quiet("a"));
    let outcome = sim.run_for(root, SECOND).outcome;
    assert!(outcome.unwrap_err().to_string().contains("`root.a` was abandoned"));
    assert_eq!(sim.elapsed(), 11 * SECOND);
}

#[test]
fn late_wakes_are_late() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::delay_wakes("root.a", 10 * SECOND));
    let mut root = supervisor("root");
    let begun = std::sync::Arc::new(std::sync::Mutex::new(None));
    let woken = begun.clone();
    root.add_worker(worker("a", move |_| {
        let woken = woken.clone();
        async move {
            process::sleep(SECOND).await;
            woken.lock().unwrap().replace(());
        }
    }));
    let tree = sim.start(root).unwrap();
    sim.advance(SECOND);
    assert!(begun.lock().unwrap().is_none());
    sim.advance(10 * SECOND);
    assert!(begun.lock().unwrap().is_some());
    drop(tree);
}

#[test]
fn a_pattern_strikes_only_what_is_below() {
    let exits = with_fault(Fault::fail("root.inner.*").until(SECOND).nth(1));
    assert_eq!(exits, ["0ns root.inner.b failed: a simulated error"]);
}

#[test]
fn one_in_so_many_is_drawn_from_the_seed() {
    let restarts = |seed| {
        let sim = Sim::with_seed(seed);
        sim.fault(Fault::fail("root.a").one_in(2));
        let mut root = supervisor("root");
        root.add_worker(quiet("a"));
        let record = sim.run_for(root, SECOND);
        record.of("root.a").filter(|event| matches!(event.kind, EventKind::Exited(_))).count() - 1
    };
    assert!((0..20).any(|seed| restarts(seed) == 0));
    assert!((0..20).any(|seed| restarts(seed) > 1));
    assert_eq!(restarts(3), restarts(3));
}

#[test]
fn a_subtree_on_a_dead_executor_is_lost_the_rest_goes_on() {
    let sim = Sim::with_seed(1);
    let elsewhere = sim.executor();
    let mut inner = Supervisor::new("inner").unwrap().with_child_placement(elsewhere.spawner());
    inner.add_worker(quiet("b"));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(quiet("a"));
    root.add_worker(ChildSpec::from(inner).with_restart_type(supervisor_core::RestartType::Temporary));
    let tree = sim.start(root).unwrap();
    let mut events = tree.events();
    sim.advance(SECOND);
    elsewhere.end();
    sim.run_until_idle();
    let mut told = Vec::new();
    while let Some(Some(event)) = sim.run_until(futures_lite::future::poll_once(events.next())) {
        told.push(event.to_string());
    }
    assert_eq!(told.iter().filter(|line| *line == "root.inner.b was dropped by its executor").count(), 2);
    assert!(told.iter().any(|line| line.starts_with("root.inner gave up: ")), "{told:#?}");
    assert_eq!(sim.run_until(tree.handle().count()).unwrap().active, 1);
}

#[test]
fn the_clocks_of_two_executors_differ_and_go_alike() {
    use supervisor_core::Spawner;

    let sim = Sim::with_seed(1);
    let elsewhere = sim.executor();
    let ahead = elsewhere.spawner().now() - sim.spawner().now();
    assert!(!ahead.is_zero());
    let mut inner = supervisor("inner").with_child_placement(elsewhere.spawner());
    inner.add_worker(quiet("b").with_backoff(Backoff::constant(3 * SECOND)));
    let mut root = supervisor("root");
    root.add_worker(inner);
    sim.fault(Fault::fail("root.inner.b").nth(1).after(SECOND));
    let record = sim.run_for(root, 60 * SECOND);
    let ready = record.events.iter().filter(|(_, event)| event.to_string() == "root.inner.b is ready");
    assert_eq!(ready.map(|(at, _)| *at).collect::<Vec<_>>(), [Duration::ZERO, 4 * SECOND]);
    assert_eq!(elsewhere.spawner().now() - sim.spawner().now(), ahead);
}

#[test]
fn a_child_and_the_maker_of_its_executor_are_one_incarnation() {
    let sim = Sim::with_seed(1);
    sim.fault(Fault::panic("root.a").nth(1).after(10 * SECOND));
    sim.fault(Fault::panic("root.a").nth(2).after(20 * SECOND));
    let elsewhere = sim.executor();
    let spawner = elsewhere.spawner();
    let placement = Placement::fresh(move |_| Ok::<_, BoxError>(spawner.clone()));
    let mut root = supervisor("root");
    root.add_worker(quiet("a").with_placement(placement));
    let record = sim.run_for(root, 60 * SECOND);
    let panics = ["10s root.a panicked: a simulated panic", "30s root.a panicked: a simulated panic"];
    assert_eq!(exits(&record, 60 * SECOND), panics);
}
