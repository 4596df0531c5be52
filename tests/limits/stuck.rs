//! What blocks further down.

use std::thread;

use supervisor_core::{
    ChildSpec, ChildState, ProcessShutdown, RestartStrategy, RestartType, ShutdownStrategy, SupervisorError, worker,
};

use crate::stage::{BLOCK, LIMIT, Stage, idle, supervisor};

stage! { everywhere:
    n8_a_terminated_supervisor_with_a_blocked_child_is_stuck
    n8_a_terminated_supervisor_two_levels_up_is_stuck_too
    n8_its_restart_starts_nothing_beside_the_grandchild
    n8_a_supervisor_killed_while_it_stops_names_the_blocker
    d3_a_give_up_does_not_wait_for_a_child_that_blocks
}

/// In real time: a simulation cannot block a closure, which is no future.
#[test]
fn d3_a_closure_that_blocks_holds_up_no_tree_on_tokio() {
    Stage::tokio(a_closure_that_blocks_holds_up_no_tree);
}

#[test]
fn d3_a_closure_that_blocks_holds_up_no_tree_on_smol() {
    Stage::smol(a_closure_that_blocks_holds_up_no_tree);
}

async fn n8_a_terminated_supervisor_with_a_blocked_child_is_stuck(stage: Stage) {
    let (child, begun) = stage.blocker("hasher");
    let mut inner = supervisor("inner");
    inner.add_worker(child);
    let mut root = supervisor("root");
    let id = root.add_worker(inner);
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    let answer = stage.in_time("the answer", tree.handle().terminate_child(id)).await;
    assert!(matches!(answer, Err(SupervisorError::Stuck { .. })), "{answer:?}");
    let _outcome = stage.in_time("the shutdown", tree.shutdown()).await;
}

async fn n8_a_terminated_supervisor_two_levels_up_is_stuck_too(stage: Stage) {
    let (child, begun) = stage.blocker("hasher");
    let mut inner = supervisor("inner");
    inner.add_worker(child);
    inner.add_worker(idle("sibling"));
    let mut outer = supervisor("outer");
    outer.add_worker(inner);
    let mut root = supervisor("root");
    let id = root.add_worker(outer);
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    let answer = stage.in_time("the answer", tree.handle().terminate_child(id)).await;
    assert!(matches!(answer, Err(SupervisorError::Stuck { .. })), "{answer:?}");
    let refused = tree.handle().delete_child(id).await;
    assert!(matches!(refused, Err(SupervisorError::Stopping { .. })), "{refused:?}");
    let outcome = stage.in_time("the shutdown", tree.shutdown()).await;
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(unclean.iter().map(|unclean| &*unclean.path).collect::<Vec<_>>(), ["root.outer.inner.hasher"]);
}

async fn n8_its_restart_starts_nothing_beside_the_grandchild(stage: Stage) {
    let (child, begun) = stage.blocker("hasher");
    let mut inner = supervisor("inner");
    let handle = inner.handle();
    inner.add_worker(idle("first"));
    inner.add_worker(child);
    let mut root = supervisor("root");
    let id = root.add_worker(inner);
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    let answer = stage.in_time("the answer", tree.handle().terminate_child(id)).await;
    assert!(matches!(answer, Err(SupervisorError::Stuck { .. })), "{answer:?}");
    let restart = tree.handle().clone();
    let restarted = restart.restart_child(id);
    let watched = async {
        // It waits as a state: its children can be looked at meanwhile, and a call for one is answered.
        stage.sleep(3 * LIMIT).await;
        let states: Vec<_> = handle.children().await.unwrap().iter().map(|child| child.state).collect();
        assert_eq!(states, [ChildState::Starting, ChildState::Restarting]);
        assert!(begun.is_empty(), "a second one runs beside the first");
        let hasher = handle.find("hasher").await.unwrap()[0].id;
        let refused = handle.restart_child(hasher).await;
        assert!(matches!(refused, Err(SupervisorError::Restarting { .. })), "{refused:?}");
    };
    let (restarted, ()) = futures_lite::future::zip(restarted, watched).await;
    restarted.unwrap();
    begun.recv().await.unwrap();
    let _outcome = stage.in_time("the shutdown", tree.shutdown()).await;
}

async fn n8_a_supervisor_killed_while_it_stops_names_the_blocker(stage: Stage) {
    let (child, begun) = stage.blocker("hasher");
    let mut inner = supervisor("inner").with_abort_grace(5 * LIMIT);
    inner.add_worker(child.with_shutdown_strategy(ShutdownStrategy::UNLIMITED));
    let mut root = supervisor("root");
    root.add_worker(ChildSpec::from(inner).with_shutdown_strategy(ShutdownStrategy::Graceful(LIMIT)));
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    // It is asked, killed after the limit, and has more patience then than the one above has with it.
    let outcome = stage.in_time("the shutdown", tree.shutdown()).await;
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(unclean.iter().map(|unclean| &*unclean.path).collect::<Vec<_>>(), ["root.inner.hasher"]);
}

async fn d3_a_give_up_does_not_wait_for_a_child_that_blocks(stage: Stage) {
    let (child, begun) = stage.blocker("hasher");
    let never = RestartStrategy::one_for_one().with_intensity_and_period(0, LIMIT);
    let mut inner = supervisor("inner").with_restart_strategy(never);
    let handle = inner.handle();
    inner.add_worker(child);
    let brittle = inner.add_worker(idle("brittle"));
    let mut root = supervisor("root").with_restart_strategy(never);
    root.add_worker(ChildSpec::from(inner).with_restart_type(RestartType::Permanent));
    let mut tree = root.start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    handle.kill_child(brittle).await.unwrap();
    let outcome = stage.in_time("giving up", tree.wait()).await;
    assert!(matches!(outcome, Err(SupervisorError::GaveUp(_))), "{outcome:?}");
}

/// Runs a closure that blocks, before there is a future. Its supervisor abandons it, and the root has to dispose of
/// both.
async fn a_closure_that_blocks_holds_up_no_tree(stage: Stage) {
    let (say, begun) = async_channel::unbounded();
    let hasher = worker("hasher", move |shutdown: ProcessShutdown| {
        let _ = say.try_send(());
        thread::sleep(BLOCK);
        shutdown
    });
    let mut inner = supervisor("inner");
    inner.add_worker(hasher.with_shutdown_strategy(ShutdownStrategy::Graceful(LIMIT)));
    let mut root = supervisor("root");
    let id = root.add_worker(inner);
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    begun.recv().await.unwrap();
    // Stopped by a call it may start again, so it keeps what it would start.
    let answer = stage.in_time("the answer", tree.handle().terminate_child(id)).await;
    assert!(matches!(answer, Err(SupervisorError::Stuck { .. })), "{answer:?}");
    let outcome = stage.in_time("the shutdown", tree.shutdown()).await;
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(unclean.iter().map(|unclean| &*unclean.path).collect::<Vec<_>>(), ["root.inner.hasher"]);
}
