use std::future::pending;

use supervisor_core::{ChildKind, ChildState, RestartStrategy, RestartType, SupervisorError, worker};

use crate::{
    actors::{Strings, root, set_up, supervisor},
    harness::World,
};

mount! { everywhere:
    r66_children_are_listed_in_start_order_with_their_state
    r67_counts_tell_specs_and_running_processes
    p5_a_killed_child_is_restarted_with_a_new_process_id
    kill_of_a_missing_or_stopped_child_names_the_problem
    n7_a_handle_of_a_stopped_supervisor_says_so
    r13_a_supervisor_shut_down_by_its_handle_is_restarted
    r3_a_supervisor_shut_down_as_it_starts_is_a_failed_start
}

async fn r66_children_are_listed_in_start_order_with_their_state(world: World) {
    let strings = Strings::new();
    let mut root = root();
    let b = root.add_worker(worker("b", |shutdown| shutdown));
    let spec = strings.worker("a");
    let a = root.add_worker(spec.with_restart_type(RestartType::Transient));
    let s = root.add_worker(supervisor("s", RestartStrategy::one_for_one()));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    world.probe.quiet().await;

    let children = handle.children().await.unwrap();
    assert_eq!(children.iter().map(|child| child.id).collect::<Vec<_>>(), [b, a, s]);
    assert_eq!(children.iter().map(|child| child.name.as_str()).collect::<Vec<_>>(), ["b", "a", "s"]);
    assert_eq!(children[2].kind, ChildKind::Supervisor);
    assert!(children.iter().all(|child| child.state == ChildState::Running && child.process.is_some()));

    strings.pull(Ok(()));
    while handle.count().await.unwrap().active == 3 {
        futures_lite::future::yield_now().await;
    }
    let children = handle.children().await.unwrap();
    assert_eq!((children[1].state, children[1].process), (ChildState::Stopped, None));
    tree.shutdown().await.unwrap();
}

async fn r67_counts_tell_specs_and_running_processes(world: World) {
    let mut root = root();
    root.add_worker(worker("a", |shutdown| shutdown));
    root.add_worker(supervisor("s", RestartStrategy::one_for_one()));
    let tree = world.start(root).await.unwrap();
    let counts = tree.handle().count().await.unwrap();
    assert_eq!((counts.specs, counts.active, counts.workers, counts.supervisors), (2, 2, 1, 1));
    tree.shutdown().await.unwrap();
}

async fn p5_a_killed_child_is_restarted_with_a_new_process_id(world: World) {
    let mut root = root();
    let id = root.add_worker(worker("a", |shutdown| shutdown));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let before = handle.children().await.unwrap()[0].process;
    handle.kill_child(id).await.unwrap();
    world.probe.quiet().await;
    let after = handle.children().await.unwrap()[0].process;
    assert!(after.is_some() && before != after);
    tree.shutdown().await.unwrap();
}

async fn kill_of_a_missing_or_stopped_child_names_the_problem(world: World) {
    let mut root = root();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    let foreign = inner.add_worker(worker("x", |shutdown| shutdown));
    root.add_worker(inner);
    let ended = root.add_worker(worker("ended", |_| async {}).with_restart_type(RestartType::Transient));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    while handle.count().await.unwrap().active > 1 {
        futures_lite::future::yield_now().await;
    }
    let error = handle.kill_child(foreign).await.unwrap_err();
    assert!(matches!(&error, SupervisorError::NotFound { path } if path == "root"), "{error}");
    let error = handle.kill_child(ended).await.unwrap_err();
    assert!(matches!(&error, SupervisorError::ChildNotRunning { path } if path == "root.ended"), "{error}");
    tree.shutdown().await.unwrap();
}

async fn n7_a_handle_of_a_stopped_supervisor_says_so(world: World) {
    let root = root();
    let handle = root.handle();
    let not_running = |error: SupervisorError| matches!(error, SupervisorError::NotRunning { path } if path == "root");
    assert!(not_running(handle.children().await.unwrap_err()));
    assert!(not_running(handle.shutdown().unwrap_err()));
    let tree = world.start(root).await.unwrap();
    assert_eq!(handle.count().await.unwrap().specs, 0);
    tree.shutdown().await.unwrap();
    assert!(not_running(handle.count().await.unwrap_err()));
    assert!(not_running(handle.shutdown().unwrap_err()));
}

async fn r13_a_supervisor_shut_down_by_its_handle_is_restarted(world: World) {
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(worker("x", |shutdown| shutdown));
    let handle = inner.handle();
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let before = handle.children().await.unwrap()[0].process;
    handle.shutdown().unwrap();
    world.probe.quiet().await;
    let after = handle.children().await.unwrap()[0].process;
    assert!(before != after);
    tree.shutdown().await.unwrap();
}

async fn r3_a_supervisor_shut_down_as_it_starts_is_a_failed_start(world: World) {
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    let handle = inner.handle();
    inner.add_worker(set_up("w", move |_| {
        let handle = handle.clone();
        async move {
            handle.shutdown().unwrap();
            pending().await
        }
    }));
    let mut root = root();
    root.add_worker(inner);
    let error = world.start(root).await.unwrap_err();
    assert_eq!(error.to_string(), "`root.inner` failed to start: was asked to shut down before it was ready");
}
