//! How deep a tree may be.

use std::time::Duration;

use supervisor_core::{
    AutoShutdown, ChildSpec, InvalidSpec, RestartStrategy, RestartType, Supervisor, SupervisorError, SupervisorHandle,
};

use crate::{
    actors::{Strings, failing, idle, supervisor},
    harness::World,
};

// Where stacks are what they are in programs: 2 MiB for a thread.
mount! { two threads:
    the_deepest_tree_starts_is_read_and_stops
    the_deepest_tree_that_fails_to_start_names_the_one_that_did
    a_failure_climbs_the_deepest_tree_and_the_error_can_be_told
    an_end_climbs_the_deepest_tree_and_its_story_can_be_told
    a_deeper_tree_is_refused_before_anything_starts
    a_supervisor_that_is_added_too_deep_is_refused
    a_tree_of_any_depth_that_never_runs_can_be_dropped
}

/// Nests this many supervisors. Returns a handle on the innermost, which has a worker if `change` gives it one.
fn nested(depth: usize, change: impl FnOnce(&mut Supervisor)) -> (Supervisor, SupervisorHandle) {
    nested_like(depth, change, || supervisor("s", RestartStrategy::one_for_one()), ChildSpec::from)
}

/// Nests other supervisors, each a child like this of the next.
fn nested_like(
    depth: usize,
    change: impl FnOnce(&mut Supervisor),
    supervisor: impl Fn() -> Supervisor,
    as_child: impl Fn(Supervisor) -> ChildSpec,
) -> (Supervisor, SupervisorHandle) {
    let mut outermost = supervisor();
    change(&mut outermost);
    let innermost = outermost.handle();
    for _ in 1..depth {
        let mut outer = supervisor();
        outer.add_worker(as_child(outermost));
        outermost = outer;
    }
    (outermost, innermost)
}

async fn the_deepest_tree_starts_is_read_and_stops(world: World) {
    let (root, innermost) = nested(Supervisor::MAX_DEPTH, |innermost| {
        innermost.add_worker(idle("w"));
    });
    let tree = world.start(root).await.unwrap();
    assert_eq!(innermost.count().await.unwrap().active, 1);
    assert_eq!(innermost.path().matches('s').count(), Supervisor::MAX_DEPTH);
    let snapshot = tree.handle().snapshot().await;
    assert!(snapshot.ready);
    assert!(snapshot.to_string().contains("running") && snapshot.to_dot().contains("box"));
    assert!(!format!("{:?}", snapshot.clone()).is_empty());
    drop(snapshot);
    tree.shutdown().await.unwrap();
}

async fn the_deepest_tree_that_fails_to_start_names_the_one_that_did(world: World) {
    let (root, innermost) = nested(Supervisor::MAX_DEPTH, |innermost| {
        innermost.add_worker(failing("w"));
    });
    let error = world.start(root).await.unwrap_err();
    let SupervisorError::FailedToStart { path, .. } = &error else { panic!("{error:?}") };
    assert_eq!(*path, format!("{}.w", innermost.path()));
}

async fn a_failure_climbs_the_deepest_tree_and_the_error_can_be_told(world: World) {
    let strings = Strings::new();
    let (root, _) = nested_like(
        Supervisor::MAX_DEPTH,
        |innermost| {
            innermost.add_worker(strings.worker("w"));
        },
        || {
            let strategy = RestartStrategy::one_for_one().with_intensity_and_period(0, Duration::from_secs(5));
            Supervisor::new("s").unwrap().with_restart_strategy(strategy)
        },
        ChildSpec::from,
    );
    let mut tree = world.start(root).await.unwrap();
    strings.pull(Err("boom"));
    let error = tree.wait().await.unwrap_err();
    assert!(matches!(&error, SupervisorError::GaveUp(_)));
    assert!(format!("{error:#}").ends_with("boom"));
    assert!(!format!("{error:?}").is_empty());
}

async fn an_end_climbs_the_deepest_tree_and_its_story_can_be_told(world: World) {
    let strings = Strings::new();
    let (root, _) = nested_like(
        Supervisor::MAX_DEPTH,
        |innermost| {
            let worker = strings.worker("w");
            innermost.add_worker(worker.with_restart_type(RestartType::Temporary).with_significance());
        },
        || supervisor("s", RestartStrategy::one_for_one()).with_auto_shutdown(AutoShutdown::AnySignificant),
        |inner| ChildSpec::from(inner).with_restart_type(RestartType::Temporary).with_significance(),
    );
    let mut events = root.handle().events();
    let mut tree = world.start(root).await.unwrap();
    strings.pull(Err("boom"));
    let error = tree.wait().await.unwrap_err();
    assert!(format!("{error:#}").ends_with("boom"));
    let mut last = None;
    while let Some(event) = events.next().await {
        last = Some(event);
    }
    // It is cut where it is told, and whole in the error.
    let told = last.unwrap().to_string();
    assert!(told.starts_with("s supervisor ended") && told.len() < 2000, "{told}");
}

async fn a_deeper_tree_is_refused_before_anything_starts(world: World) {
    let (root, innermost) = nested(Supervisor::MAX_DEPTH + 1, |_| {});
    let error = world.start(root).await.unwrap_err();
    let SupervisorError::InvalidSpec { path, reason: InvalidSpec::TooDeep { max } } = &error else {
        panic!("{error:?}")
    };
    assert_eq!((path.matches('s').count(), *max), (Supervisor::MAX_DEPTH + 1, Supervisor::MAX_DEPTH));
    assert!(innermost.events().next().await.is_none(), "it is not going to run");
}

async fn a_supervisor_that_is_added_too_deep_is_refused(world: World) {
    let (root, innermost) = nested(Supervisor::MAX_DEPTH - 1, |_| {});
    let tree = world.start(root).await.unwrap();
    let (two, _) = nested(2, |_| {});
    let refused = innermost.start_child(two).await.unwrap_err();
    assert!(matches!(refused, SupervisorError::InvalidSpec { reason: InvalidSpec::TooDeep { .. }, .. }), "{refused:?}");
    let (one, _) = nested(1, |_| {});
    innermost.start_child(one).await.unwrap();
    tree.shutdown().await.unwrap();
}

async fn a_tree_of_any_depth_that_never_runs_can_be_dropped(world: World) {
    let (root, innermost) = nested(100_000, |_| {});
    let mut events = innermost.events();
    world.start(root).await.unwrap_err();
    assert!(events.next().await.is_none());
    let (root, innermost) = nested(100_000, |_| {});
    let mut events = innermost.events();
    drop(root);
    assert!(events.next().await.is_none());
}
