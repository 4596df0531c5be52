//! B4: a tree at the moment of asking.

use std::{future::Future, pin::pin, time::Duration};

use futures_lite::future::poll_once;
use supervisor_core::{
    Backoff, ChildKind, ChildState, EventKind, Exit, Failure, RestartCause, RestartStrategy, RestartType, Snapshot,
    SnapshotSource, Supervisor, SupervisorError, SupervisorFuture, SupervisorHandle, one_shot, process, worker,
};

use crate::{
    actors::{idle, root, set_up, supervisor},
    harness::World,
};

mount! { everywhere, also added at run time:
    b4_a_snapshot_shows_the_whole_tree
    b4_a_supervisors_restart_is_none_for_its_children
    b4_after_the_end_the_last_state_stays_readable
    b4_a_worker_may_look_at_its_own_tree
}

mod of_the_root {
    use super::{b4_a_supervisor_that_starts_or_stops_shows_that, b4_many_children_are_read_in_pieces};

    mount! { everywhere:
        b4_a_supervisor_that_starts_or_stops_shows_that
        b4_many_children_are_read_in_pieces
    }
}

mount! { virtual time, also added at run time:
    b4_times_count_back_from_the_moment_of_the_read
    b4_a_snapshot_says_since_when_a_child_fails_and_when_the_next_attempt_comes
    b4_r32_a_snapshot_counts_the_restarts_that_still_count
    b4_a_tree_is_ready_when_nothing_starts_or_restarts
}

const SECOND: Duration = Duration::from_secs(1);

fn inner() -> Supervisor {
    supervisor("inner", RestartStrategy::one_for_one())
}

fn failing(name: &'static str, times: usize) -> supervisor_core::ChildSpec {
    let mut left = times;
    worker(name, move |shutdown| {
        let fails = left > 0;
        left = left.saturating_sub(1);
        async move {
            if fails {
                return Err("boom");
            }
            shutdown.await;
            Ok(())
        }
    })
}

fn shown(snapshot: &Snapshot) -> Vec<String> {
    let line = |node: &Snapshot| {
        let last = node.last_exit.as_ref().map_or(String::new(), |last| format!(", it {}", last.cause));
        format!("{} {:?} {}{last}", node.path, node.state, node.restarts)
    };
    snapshot.iter().map(line).collect()
}

async fn b4_a_snapshot_shows_the_whole_tree(world: World) {
    let mut inner = inner();
    let b = inner.add_worker(failing("b", 3));
    let mut root = root();
    root.add_worker(one_shot("warm_up", async {}).with_restart_type(RestartType::Temporary));
    root.add_worker(worker("once", |_| async {}).with_restart_type(RestartType::Transient));
    root.add_worker(inner);
    root.add_worker(idle("c"));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let snapshot = tree.snapshot().await;
    assert_eq!(
        shown(&snapshot),
        [
            "root Running 0",
            "root.once Stopped 0, it ended normally",
            "root.inner Running 0",
            "root.inner.b Running 3, it failed: boom",
            "root.c Running 0",
        ]
    );
    let found = snapshot.find("root.inner.b").expect("it is there");
    assert_eq!((found.id, found.kind, found.ready), (Some(b), ChildKind::Worker, true));
    assert!(found.process.is_some() && found.since.is_some() && found.spec.is_some() && found.supervisor.is_none());
    let inner = snapshot.find("root.inner").and_then(|inner| inner.supervisor.as_ref()).expect("it supervises");
    assert_eq!(inner.source, SnapshotSource::Running);
    assert!(snapshot.ready);
    tree.shutdown().await.unwrap();
}

async fn b4_a_supervisors_restart_is_none_for_its_children(world: World) {
    let mut inner = inner();
    inner.add_worker(idle("b"));
    let mut root = root();
    let mut events = root.handle().events();
    let inner = root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    let inner = match tree.handle().find("inner").await.unwrap().first() {
        Some(found) => found.id,
        None => inner,
    };
    tree.handle().kill_child(inner).await.unwrap();
    while !matches!(events.next().await.unwrap().kind, EventKind::Restarting { .. }) {}
    tree.ready().await.unwrap();
    let shown = shown(&tree.snapshot().await);
    assert_eq!(shown, ["root Running 0", "root.inner Running 1, it was killed", "root.inner.b Running 0"]);
    tree.shutdown().await.unwrap();
}

async fn b4_after_the_end_the_last_state_stays_readable(world: World) {
    let mut inner = inner();
    inner.add_worker(failing("b", 1));
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let handle = tree.handle();
    tree.shutdown().await.unwrap();
    let snapshot = handle.snapshot().await;
    assert_eq!(
        shown(&snapshot),
        [
            "root Stopped 0",
            "root.inner Stopped 0, it shut down on request",
            "root.inner.b Stopped 1, it ended normally",
        ]
    );
    assert!(snapshot.iter().all(|node| !node.ready));
    let info = snapshot.supervisor.expect("it supervised");
    assert_eq!(info.source, SnapshotSource::Ended);
}

async fn b4_a_worker_may_look_at_its_own_tree(world: World) {
    let (tell, told) = async_channel::bounded(1);
    let mut root = root();
    let handle = root.handle();
    root.add_worker(worker("watcher", move |shutdown| {
        let (handle, tell) = (handle.clone(), tell.clone());
        async move {
            let snapshot = handle.snapshot().await;
            let _ = tell.send(snapshot.find("root.watcher").map(|node| node.state)).await;
            shutdown.await;
        }
    }));
    let tree = world.start(root).await.unwrap();
    assert_eq!(told.recv().await.unwrap(), Some(ChildState::Running));
    tree.shutdown().await.unwrap();
}

async fn b4_a_supervisor_that_starts_or_stops_shows_that(world: World) {
    let (tell, told) = async_channel::unbounded();
    let (mut root, mut inner) = (root(), inner());
    let handles = [root.handle(), inner.handle()];
    let shown = async |handles: &[SupervisorHandle]| {
        let mut shown = Vec::new();
        for handle in handles {
            shown.extend(handle.snapshot().await.iter().map(|node| (node.path.clone(), node.state, node.ready)));
        }
        shown
    };
    let seen = handles.clone();
    inner.add_worker(set_up("b", move |shutdown| {
        let (handles, tell) = (seen.clone(), tell.clone());
        async move {
            let _ = tell.send(shown(&handles).await).await;
            let run: SupervisorFuture = Box::pin(async move {
                shutdown.await;
                let _ = tell.send(shown(&handles).await).await;
                Ok(())
            });
            Ok(run)
        }
    }));
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    let running = shown(&handles).await;
    tree.shutdown().await.unwrap();
    let all = |state, is_ready| {
        let line = |path: &str| (path.to_owned(), state, is_ready);
        ["root", "root.inner", "root.inner.b", "root.inner", "root.inner.b"].map(line).to_vec()
    };
    assert_eq!(told.recv().await.unwrap(), all(ChildState::Starting, false));
    assert_eq!(running, all(ChildState::Running, true));
    assert_eq!(told.recv().await.unwrap(), all(ChildState::Stopping, false));
}

async fn b4_many_children_are_read_in_pieces(world: World) {
    const CHILDREN: usize = 1_200;
    /// Returns how often it yields the thread.
    async fn pauses<T>(reading: impl Future<Output = T>) -> (T, usize) {
        let (mut reading, mut pauses) = (pin!(reading), 0);
        loop {
            if let Some(read) = poll_once(&mut reading).await {
                return (read, pauses);
            }
            pauses += 1;
        }
    }
    let mut root = root();
    for _ in 0..CHILDREN {
        root.add_worker(idle("a"));
    }
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let (snapshot, of_snapshot) = pauses(handle.snapshot()).await;
    let (children, of_children) = pauses(handle.children()).await;
    assert_eq!((snapshot.children.len(), children.unwrap().len()), (CHILDREN, CHILDREN));
    for pauses in [of_snapshot, of_children] {
        assert!((1..CHILDREN / 100).contains(&pauses), "some hundred at a time: {pauses}");
    }
    tree.shutdown().await.unwrap();
}

#[test]
fn b4_a_tree_that_never_ran_is_stopped_without_children() {
    let mut root = root();
    root.add_worker(idle("a"));
    let snapshot = futures_lite::future::block_on(root.handle().snapshot());
    assert_eq!(shown(&snapshot), ["root Stopped 0"]);
}

async fn b4_times_count_back_from_the_moment_of_the_read(world: World) {
    let mut root = root();
    let slow = worker("slow", |_| async {
        process::sleep(10 * SECOND).await;
        Err::<(), _>("late")
    });
    root.add_worker(slow.with_backoff(Backoff::constant(30 * SECOND)));
    let tree = world.start(root).await.unwrap();
    world.sleep(4 * SECOND).await;
    let look = async || tree.snapshot().await.find("root.slow").cloned().expect("it is there");
    let running = look().await;
    assert_eq!((running.state, running.since), (ChildState::Running, Some(4 * SECOND)));
    world.sleep(8 * SECOND).await;
    let waiting = look().await;
    assert_eq!((waiting.state, waiting.since), (ChildState::Restarting, Some(2 * SECOND)));
    let late = RestartCause::Exit(Exit::Failed(Failure::new("late")));
    assert_eq!(waiting.last_exit.map(|last| (last.cause, last.ago)), Some((late, Some(2 * SECOND))));
    world.sleep(30 * SECOND).await;
    let again = look().await;
    assert_eq!((again.state, again.since, again.restarts), (ChildState::Running, Some(2 * SECOND), 1));
    assert_eq!(again.last_exit.map(|last| last.ago), Some(Some(32 * SECOND)));
    let _asleep = tree.shutdown().await;
}

async fn b4_a_snapshot_says_since_when_a_child_fails_and_when_the_next_attempt_comes(world: World) {
    let mut root = root();
    let mut runs = 0;
    let flaky = worker("flaky", move |shutdown| {
        runs += 1;
        let fails = runs <= 2;
        async move {
            process::sleep(10 * SECOND).await;
            if fails {
                return Err("late");
            }
            shutdown.await;
            Ok(())
        }
    });
    root.add_worker(flaky.with_backoff(Backoff::constant(30 * SECOND).with_reset_after(60 * SECOND)));
    let tree = world.start(root).await.unwrap();
    let look = async || {
        let failing = tree.snapshot().await.find("root.flaky").expect("it is there").failing;
        failing.map(|failing| (failing.since, failing.attempt, failing.next_in))
    };
    world.sleep(4 * SECOND).await;
    assert_eq!(look().await, None, "it has not failed");
    world.sleep(8 * SECOND).await;
    assert_eq!(look().await, Some((2 * SECOND, 1, Some(28 * SECOND))));
    world.sleep(30 * SECOND).await;
    assert_eq!(look().await, Some((32 * SECOND, 1, None)), "it runs, but not for long");
    world.sleep(10 * SECOND).await;
    assert_eq!(look().await, Some((42 * SECOND, 2, Some(28 * SECOND))), "since the first failure");
    world.sleep(60 * SECOND).await;
    assert_eq!(look().await, Some((102 * SECOND, 2, None)));
    world.sleep(30 * SECOND).await;
    assert_eq!(look().await, None, "it has run for a minute");
    tree.shutdown().await.unwrap();
}

async fn b4_r32_a_snapshot_counts_the_restarts_that_still_count(world: World) {
    let strategy = RestartStrategy::one_for_one().with_intensity_and_period(5, 10 * SECOND);
    let mut root = Supervisor::new("root").unwrap().with_restart_strategy(strategy);
    root.add_worker(failing("b", 3));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let used = async || tree.snapshot().await.supervisor.expect("it runs").restarts_used;
    assert_eq!(used().await, 3);
    world.sleep(9 * SECOND).await;
    assert_eq!(used().await, 3);
    world.sleep(2 * SECOND).await;
    assert_eq!(used().await, 0, "though no restart came to forget them");
    tree.shutdown().await.unwrap();
}

async fn b4_a_tree_is_ready_when_nothing_starts_or_restarts(world: World) {
    let mut inner = inner();
    inner.add_worker(failing("b", 1).with_backoff(Backoff::constant(30 * SECOND)));
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    world.sleep(SECOND).await;
    let begin = world.spawner.now();
    assert!(!tree.snapshot().await.ready);
    tree.ready().await.unwrap();
    assert_eq!(world.spawner.now() - begin, 29 * SECOND);
    assert!(tree.snapshot().await.ready);
    tree.handle().shutdown().unwrap();
    world.sleep(SECOND).await;
    let ended = tree.ready().await;
    assert!(matches!(ended, Err(SupervisorError::NotRunning { .. })), "{ended:?}");
}
