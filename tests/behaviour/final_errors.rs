//! Errors that no restart helps against, and errors that a failure keeps.

use std::{
    error::Error,
    fmt,
    io::{self, ErrorKind},
    panic::{RefUnwindSafe, UnwindSafe},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use supervisor_core::{
    AutoShutdown, ChildSpec, ChildState, EventKind, Exit, Failure, InvalidSpec, RestartStrategy, RestartType,
    StartFailure, Supervisor, SupervisorError, SupervisorFuture, worker,
};

use crate::{
    actors::{Bomb, Strings, events, idle, root, set_up, state_of, supervisor, until},
    harness::World,
};

mount! { everywhere:
    b6_a_child_that_no_restart_helps_stays_stopped
    b6_a_condition_that_panics_has_not_said_no
    b6_no_condition_is_asked_about_a_stop
    b7_a_child_that_keeps_its_errors_has_them_with_their_type
    b7_a_destructor_of_a_kept_error_may_panic
    b6_a_group_goes_on_without_a_child_that_no_start_helps
    b6_the_end_of_a_significant_child_is_final
    b6_a_start_that_no_other_would_better_is_not_repeated
    b6_a_dynamic_supervisor_keeps_no_child_that_ended_for_good
    b6_b7_a_supervisor_has_no_errors_to_handle
}

/// Returns a worker that fails when a string is pulled. The failure is final if its message is `no peer`.
fn judged(strings: &Strings, name: &'static str) -> ChildSpec {
    strings.worker(name).with_restart_if(|error| error.to_string() != "no peer")
}

const NO_PEER: &str = "failed (not restarted: its restart condition said no): no peer";

async fn b6_a_child_that_no_restart_helps_stays_stopped(world: World) {
    let strings = Strings::new();
    // A second restart would end the supervisor.
    let mut root = root().with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(1, DAY));
    let id = root.add_worker(judged(&strings, "a"));
    let tree = world.start(root).await.unwrap();
    strings.pull(Err("refused"));
    strings.pulled(&world.probe).await;
    assert_eq!(state_of(&tree.handle(), id).await, Some(ChildState::Running), "another error is restarted");
    for _ in 0..3 {
        events(&world.probe);
        strings.pull(Err("no peer"));
        strings.pulled(&world.probe).await;
        assert_eq!(state_of(&tree.handle(), id).await, Some(ChildState::Stopped));
        let told = events(&world.probe);
        let [event] = &told[..] else { panic!("{told:?}") };
        assert_eq!(event.to_string(), format!("root.a {NO_PEER}"));
        let EventKind::Exited(Exit::Failed(failure)) = &event.kind else { panic!("{event}") };
        assert!(failure.is_final());
        tree.handle().restart_child(id).await.unwrap();
    }
    tree.shutdown().await.unwrap();
}

const DAY: Duration = Duration::from_secs(24 * 3600);

async fn b6_a_condition_that_panics_has_not_said_no(world: World) {
    let strings = Strings::new();
    let mut root = root();
    root.add_worker(strings.worker("a").with_restart_if(|error| panic!("cannot judge {error}")));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    events(&world.probe);
    strings.pull(Err("boom"));
    strings.pulled(&world.probe).await;
    let told: Vec<_> = events(&world.probe).iter().map(ToString::to_string).collect();
    assert_eq!(told[..2], ["root.a failed: boom", "root.a restarting (attempt 1): failed: boom"]);
    tree.shutdown().await.unwrap();
}

async fn b6_no_condition_is_asked_about_a_stop(world: World) {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let mut root = root();
    let stubborn = worker("a", |shutdown| async {
        shutdown.await;
        Err::<(), _>("a last flush")
    });
    root.add_worker(stubborn.with_restart_if(move |_| {
        count.fetch_add(1, SeqCst);
        false
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let error = tree.shutdown().await.unwrap_err();
    assert!(error.to_string().contains("failed while stopping"), "{error}");
    assert_eq!(asked.load(SeqCst), 0);
}

async fn b6_a_group_goes_on_without_a_child_that_no_start_helps(world: World) {
    let (strings, starts) = (Strings::new(), Arc::new(AtomicUsize::new(0)));
    let mut root = root().with_restart_strategy(RestartStrategy::rest_for_one().with_intensity_and_period(1, DAY));
    root.add_worker(strings.worker("a"));
    let once = set_up("b", move |shutdown| {
        let is_first = starts.fetch_add(1, SeqCst) == 0;
        async move { if is_first { Ok::<SupervisorFuture, _>(until(shutdown)) } else { Err("no peer".into()) } }
    });
    let b = root.add_worker(once.with_restart_if(|_| false));
    let c = root.add_worker(idle("c"));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    events(&world.probe);
    strings.pull(Err("boom"));
    strings.pulled(&world.probe).await;
    assert_eq!(state_of(&tree.handle(), b).await, Some(ChildState::Stopped));
    assert_eq!(state_of(&tree.handle(), c).await, Some(ChildState::Running));
    let told: Vec<_> = events(&world.probe).iter().map(ToString::to_string).collect();
    let why = "root.b failed to start (not restarted: its restart condition said no): no peer";
    assert!(told.iter().any(|line| line == why), "{told:#?}");
    tree.shutdown().await.unwrap();
}

async fn b6_the_end_of_a_significant_child_is_final(world: World) {
    let strings = Strings::new();
    let mut root = root().with_auto_shutdown(AutoShutdown::AnySignificant);
    root.add_worker(judged(&strings, "a").with_restart_type(RestartType::Transient).with_significance());
    let mut tree = world.start(root).await.unwrap();
    strings.pull(Err("refused"));
    strings.pulled(&world.probe).await;
    strings.pull(Err("no peer"));
    let error = tree.wait().await.unwrap_err();
    assert!(matches!(&error, SupervisorError::SignificantChildFailed { .. }), "{error}");
    assert!(format!("{error:#}").ends_with(&format!("`root.a` {NO_PEER}")), "{error:#}");
}

async fn b6_a_start_that_no_other_would_better_is_not_repeated(world: World) {
    let starts = Arc::new(AtomicUsize::new(0));
    let count = starts.clone();
    let once = set_up("a", move |_| {
        let is_first = count.fetch_add(1, SeqCst) == 0;
        async move {
            let body = async { Err("refused".into()) };
            if is_first { Ok::<SupervisorFuture, _>(Box::pin(body)) } else { Err("no peer".into()) }
        }
    });
    let spec = once.with_restart_if(|error| error.to_string() != "no peer");
    let root = root().with_auto_shutdown(AutoShutdown::AllSignificant);
    let root = root.with_worker(spec.with_restart_type(RestartType::Transient).with_significance());
    let mut tree = world.start(root).await.unwrap();
    let error = tree.wait().await.unwrap_err();
    assert!(format!("{error:#}").ends_with(&format!("`root.a` {NO_PEER}")), "{error:#}");
    assert_eq!(starts.load(SeqCst), 2);
}

async fn b6_a_dynamic_supervisor_keeps_no_child_that_ended_for_good(world: World) {
    let strings = Strings::new();
    let tree = world.start(Supervisor::dynamic("root").unwrap()).await.unwrap();
    let transient = judged(&strings, "a").with_restart_type(RestartType::Transient);
    let id = tree.handle().start_child(transient).await.unwrap();
    strings.pull(Err("no peer"));
    strings.pulled(&world.probe).await;
    assert_eq!(state_of(&tree.handle(), id).await, None);
    tree.shutdown().await.unwrap();
}

async fn b6_b7_a_supervisor_has_no_errors_to_handle(world: World) {
    let inner = || ChildSpec::from(supervisor("inner", RestartStrategy::one_for_one()));
    for spec in [inner().with_restart_if(|_| true), inner().with_typed_failures()] {
        let error = world.start(root().with_worker(spec)).await.unwrap_err();
        let SupervisorError::InvalidSpec { path, reason } = &error else { panic!("{error}") };
        assert_eq!((path.as_str(), *reason), ("root.inner", InvalidSpec::ErrorsOfSupervisor));
    }
}

/// Returns the failures of all events.
fn failures(world: &World) -> Vec<Failure> {
    let failure = |kind| match kind {
        EventKind::Exited(Exit::Failed(failure)) | EventKind::StartFailed(StartFailure::Failed(failure)) => {
            Some(failure)
        }
        _ => None,
    };
    events(&world.probe).into_iter().filter_map(|event| failure(event.kind)).collect()
}

async fn b7_a_child_that_keeps_its_errors_has_them_with_their_type(world: World) {
    let fails = |name| worker(name, |_| async { Err::<(), _>(io::Error::new(ErrorKind::AddrInUse, "taken")) });
    let starts =
        |name| set_up(name, |_| async { Err::<SupervisorFuture, _>(io::Error::from(ErrorKind::NotFound).into()) });
    let temporary = |spec: ChildSpec| spec.with_restart_type(RestartType::Temporary);
    let kind = |failure: &Failure| failure.downcast_ref::<io::Error>().map(io::Error::kind);
    let tree = world.start(root()).await.unwrap();
    for (spec, kept) in [
        (fails("a"), None),
        (fails("a").with_typed_failures(), Some(ErrorKind::AddrInUse)),
        (starts("a"), None),
        (starts("a").with_typed_failures(), Some(ErrorKind::NotFound)),
    ] {
        let _ = tree.handle().start_child(temporary(spec)).await;
        world.probe.quiet().await;
        let failures = failures(&world);
        let [failure] = &failures[..] else { panic!("{failures:?}") };
        assert_eq!(kind(failure), kept);
        assert!(failure.downcast_ref::<fmt::Error>().is_none());
        assert_eq!(failure, &Failure::new(failure.message()), "two that say the same are equal");
    }
    tree.shutdown().await.unwrap();
}

#[derive(Debug, thiserror::Error)]
#[error("armed")]
struct Armed(Bomb);

impl fmt::Debug for Bomb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bomb")
    }
}

async fn b7_a_destructor_of_a_kept_error_may_panic(world: World) {
    let starts = Arc::new(AtomicUsize::new(0));
    let count = starts.clone();
    let bombs = worker("a", move |shutdown| {
        let n = count.fetch_add(1, SeqCst);
        async move {
            if n < 5 {
                return Err(Armed(Bomb(Arc::new(AtomicBool::new(true)))));
            }
            shutdown.await;
            Ok(())
        }
    });
    let tree = world.start(root().with_worker(bombs.with_typed_failures())).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(starts.load(SeqCst), 6, "what the supervisor remembers is dropped, and it goes on");
    let kept = failures(&world);
    assert!(kept.iter().all(|failure| failure.downcast_ref::<Armed>().is_some()), "{kept:?}");
    drop(kept);
    tree.shutdown().await.unwrap();
}

#[test]
fn b7_a_failure_is_small_and_has_no_more_for_the_default() {
    assert_eq!(size_of::<Failure>(), 3 * size_of::<usize>());
    assert!(size_of::<Exit>() <= 4 * size_of::<usize>());
    const fn is_plain_data<T: Send + Sync + UnwindSafe + RefUnwindSafe + 'static>() {}
    is_plain_data::<Failure>();
    let source: &dyn Error = &Failure::new("text");
    assert!(source.source().is_none());
}
