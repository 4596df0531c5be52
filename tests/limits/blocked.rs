//! A child blocks an executor of its own, or that is not driven at all. The supervisor measures time where it runs itself.

use supervisor_core::{
    Backoff, ChildId, ChildSpec, ChildState, EventKind, Placement, ShutdownStrategy, SnapshotSource, StartFailure,
    SupervisionTree, Supervisor, SupervisorError, SupervisorHandle, UncleanProcess, UncleanStop, worker,
};

use crate::{
    other::Other,
    stage::{BLOCK, HOUR, LIMIT, Stage, event, idle, supervisor},
};

stage! { also on one thread:
    d3_a_shutdown_holds_its_limit_and_names_the_blocker
    d3_the_budget_of_the_root_is_such_a_limit
    d3_a_terminated_child_that_blocks_is_stuck_after_the_grace
    b2_a_blocked_worker_with_a_watchdog_is_found
    a2_a_start_timeout_holds_though_the_start_blocks
    b1_a_backoff_elsewhere_ends_in_time
    a2_a_start_timeout_holds_on_an_executor_without_threads
    a2_it_holds_for_a_subtree_without_threads_too
    a4_a_budget_holds_on_an_executor_without_threads
    b4_a_tree_is_read_at_once_though_supervisors_are_blocked
}

/// A tree with a subtree on a thread of its own, which a child of it blocks.
struct Scene {
    root: Supervisor,
    crypto: SupervisorHandle,
    hasher: ChildId,
    begun: async_channel::Receiver<()>,
    other: Other,
}

impl Scene {
    fn new(stage: &Stage, hasher: impl FnOnce(ChildSpec) -> ChildSpec) -> Self {
        let other = stage.other(1);
        let (child, begun) = stage.blocker("hasher");
        let mut crypto = supervisor("crypto").with_child_placement(other.placement());
        let (handle, hasher) = (crypto.handle(), crypto.add_worker(hasher(child)));
        let mut root = supervisor("root");
        root.add_worker(crypto);
        Self { root, crypto: handle, hasher, begun, other }
    }
}

fn names_the_hasher(outcome: Result<(), SupervisorError>) {
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    let [UncleanProcess { path, stop: UncleanStop::Abandoned, .. }] = &unclean[..] else { panic!("{unclean:?}") };
    assert_eq!(path, "root.crypto.hasher");
}

async fn d3_a_shutdown_holds_its_limit_and_names_the_blocker(stage: Stage) {
    let Scene { root, begun, other, .. } = Scene::new(&stage, |hasher| hasher);
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    names_the_hasher(stage.in_time("the shutdown", tree.shutdown()).await);
    other.end();
}

async fn d3_the_budget_of_the_root_is_such_a_limit(stage: Stage) {
    let patient = |hasher: ChildSpec| hasher.with_shutdown_strategy(ShutdownStrategy::Graceful(HOUR));
    let Scene { root, begun, other, .. } = Scene::new(&stage, patient);
    let tree = root.with_shutdown_budget(LIMIT).start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    names_the_hasher(stage.in_time("the shutdown", tree.shutdown()).await);
    other.end();
}

async fn d3_a_terminated_child_that_blocks_is_stuck_after_the_grace(stage: Stage) {
    let Scene { root, crypto, hasher, begun, other } = Scene::new(&stage, |hasher| hasher);
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    let answer = stage.in_time("the answer", crypto.terminate_child(hasher)).await;
    assert!(matches!(answer, Err(SupervisorError::Stuck { .. })), "{answer:?}");
    names_the_hasher(stage.in_time("the shutdown", tree.shutdown()).await);
    other.end();
}

async fn b2_a_blocked_worker_with_a_watchdog_is_found(stage: Stage) {
    let Scene { root, begun, other, .. } = Scene::new(&stage, |hasher| hasher.with_watchdog(LIMIT));
    let mut events = root.handle().events();
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    let found = event(&mut events, |kind| matches!(kind, EventKind::Unresponsive { .. }));
    assert_eq!(stage.in_time("the watchdog", found).await.path, "root.crypto.hasher");
    let stuck = event(&mut events, |kind| matches!(kind, EventKind::Stuck));
    assert_eq!(stage.in_time("the grace", stuck).await.path, "root.crypto.hasher");
    names_the_hasher(stage.in_time("the shutdown", tree.shutdown()).await);
    other.end();
}

fn timed_out(started: Result<SupervisionTree, SupervisorError>, expected: &str) {
    match started {
        Err(SupervisorError::FailedToStart { path, cause: StartFailure::TimedOut(limit) }) => {
            assert_eq!((&*path, limit), (expected, LIMIT));
        }
        other => panic!("{other:?}"),
    }
}

async fn a2_a_start_timeout_holds_though_the_start_blocks(stage: Stage) {
    let slow = |hasher: ChildSpec| hasher.with_explicit_ready().with_start_timeout(LIMIT);
    let Scene { root, other, .. } = Scene::new(&stage, slow);
    timed_out(stage.in_time("the start", root.start_on(stage.spawner.clone())).await, "root.crypto.hasher");
    other.end();
}

async fn b1_a_backoff_elsewhere_ends_in_time(stage: Stage) {
    let Scene { root, crypto, begun, other, .. } = Scene::new(&stage, |hasher| hasher);
    let mut events = root.handle().events();
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    let flaky = worker("flaky", |_| async { Err::<(), _>("no route") })
        .with_placement(Placement::On(stage.spawner.clone()))
        .with_backoff(Backoff::constant(LIMIT));
    crypto.start_child(flaky).await.unwrap();
    for _ in 0..3 {
        let again = event(&mut events, |kind| matches!(kind, EventKind::Restarting { .. }));
        assert_eq!(stage.in_time("a restart", again).await.path, "root.crypto.flaky");
    }
    let _unclean = stage.in_time("the shutdown", tree.shutdown()).await;
    other.end();
}

async fn a2_a_start_timeout_holds_on_an_executor_without_threads(stage: Stage) {
    let other = stage.other(0);
    let mut root = supervisor("root").with_child_placement(other.placement());
    root.add_worker(idle("waiter").with_explicit_ready().with_start_timeout(LIMIT));
    let started = stage.in_time("the start", root.start_on(stage.spawner.clone())).await;
    timed_out(started, "root.waiter");
    other.end();
}

async fn a2_it_holds_for_a_subtree_without_threads_too(stage: Stage) {
    let other = stage.other(0);
    let mut inner = supervisor("inner").with_child_placement(other.placement());
    inner.add_worker(idle("waiter").with_explicit_ready().with_start_timeout(LIMIT));
    let mut root = supervisor("root");
    root.add_worker(inner);
    let started = stage.in_time("the start", root.start_on(stage.spawner.clone())).await;
    timed_out(started, "root.inner.waiter");
    other.end();
}

async fn a4_a_budget_holds_on_an_executor_without_threads(stage: Stage) {
    let other = stage.other(0);
    let mut inner = supervisor("inner").with_child_placement(other.placement());
    let mut deeper = supervisor("deeper");
    deeper.add_worker(idle("leaf"));
    inner.add_worker(idle("waiter"));
    // A supervisor below it would have to run there, and cannot become ready: it is added and not waited for.
    let handle = inner.handle();
    let mut root = supervisor("root").with_shutdown_budget(LIMIT);
    root.add_worker(inner);
    let tree = stage.in_time("the start", root.start_on(stage.spawner.clone())).await.unwrap();
    handle.spawn(deeper).unwrap();
    let outcome = stage.in_time("the shutdown", tree.shutdown()).await;
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    assert!(unclean.iter().any(|unclean| unclean.path == "root.inner.waiter"), "{unclean:?}");
    other.end();
}

async fn b4_a_tree_is_read_at_once_though_supervisors_are_blocked(stage: Stage) {
    let other = stage.other(1);
    let mut root = supervisor("root").with_child_placement(other.placement());
    let mut handles = Vec::new();
    for name in ["one", "two", "three"] {
        let mut inner = supervisor(name);
        inner.add_worker(idle("leaf"));
        handles.push(inner.handle());
        root.add_worker(inner);
    }
    let (child, begun) = stage.blocker("hasher");
    root.add_worker(child);
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    // They are told something that they cannot look at.
    handles.iter().for_each(|handle| drop(handle.spawn(idle("late"))));
    stage.sleep(LIMIT).await;
    let begin = stage.now();
    let snapshot = tree.snapshot().await;
    for handle in &handles {
        assert_eq!(handle.children().await.unwrap().len(), 1);
        assert_eq!(handle.count().await.unwrap().active, 1);
        assert_eq!(handle.find("leaf").await.unwrap()[0].state, ChildState::Running);
    }
    stage.in_time("ready", tree.ready()).await.unwrap();
    assert!(stage.now() - begin < BLOCK / 4, "{:?}", stage.now() - begin);
    for name in ["root.one", "root.two", "root.three"] {
        let node = snapshot.find(name).unwrap();
        let info = node.supervisor.as_ref().unwrap();
        assert_eq!((info.source, node.children.len()), (SnapshotSource::Running, 1));
        assert!(info.unread_for.is_some_and(|unread_for| unread_for >= LIMIT), "{:?}", info.unread_for);
    }
    assert_eq!(snapshot.supervisor.unwrap().unread_for, None);
    let _unclean = stage.in_time("the shutdown", tree.shutdown()).await;
    other.end();
}
