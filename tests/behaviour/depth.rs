//! How deep a tree may be.

use supervisor_core::{InvalidSpec, RestartStrategy, Supervisor, SupervisorError, SupervisorHandle};

use crate::{
    actors::{failing, idle, supervisor},
    harness::World,
};

// Where stacks are what they are in programs: 2 MiB for a thread.
mount! { two threads:
    the_deepest_tree_starts_is_read_and_stops
    the_deepest_tree_that_fails_to_start_names_the_one_that_did
    a_deeper_tree_is_refused_before_anything_starts
    a_supervisor_that_is_added_too_deep_is_refused
    a_tree_of_any_depth_that_never_runs_can_be_let_go_of
}

/// So many supervisors one in another, and a handle on the innermost, which has a worker if `change` gives it one.
fn nested(depth: usize, change: impl FnOnce(&mut Supervisor)) -> (Supervisor, SupervisorHandle) {
    let mut outermost = supervisor("s", RestartStrategy::one_for_one());
    change(&mut outermost);
    let innermost = outermost.handle();
    for _ in 1..depth {
        let mut outer = supervisor("s", RestartStrategy::one_for_one());
        outer.add_worker(outermost);
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

async fn a_tree_of_any_depth_that_never_runs_can_be_let_go_of(world: World) {
    let (root, innermost) = nested(100_000, |_| {});
    let mut events = innermost.events();
    world.start(root).await.unwrap_err();
    assert!(events.next().await.is_none());
    let (root, innermost) = nested(100_000, |_| {});
    let mut events = innermost.events();
    drop(root);
    assert!(events.next().await.is_none());
}
