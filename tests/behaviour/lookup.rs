//! Any supervisor from any handle, and one child by its id.

use supervisor_core::{
    ChildSpec, ChildState, RestartStrategy, Supervisor, SupervisorError, SupervisorHandle, process, worker_with_setup,
};

use crate::{
    actors::{Diary, Strings, idle, root, supervisor},
    harness::World,
};

mount! { everywhere:
    b4_a_supervisor_is_found_by_path_from_any_handle
    b4_a_supervisor_is_found_where_it_does_not_run
    b4_a_path_that_leads_nowhere_names_the_last_supervisor
    d2_a_path_leads_through_any_supervisor_of_its_name
    n7_a_supervisor_that_does_not_run_is_in_no_tree
    a_handed_over_supervisor_has_a_handle
    b4_one_child_is_told_by_its_id
}

fn nested(name: &'static str) -> Supervisor {
    supervisor(name, RestartStrategy::one_for_one())
}

fn not_found(outcome: Result<SupervisorHandle, SupervisorError>) -> String {
    match outcome {
        Err(SupervisorError::NotFound { path }) => path,
        outcome => panic!("found: {outcome:?}"),
    }
}

async fn b4_a_supervisor_is_found_by_path_from_any_handle(world: World) {
    let mut http = nested("http-server");
    http.add_worker(idle("listener"));
    let api = nested("api").with_worker(idle("cache")).with_worker(http);
    let db = nested("db").with_worker(idle("pool"));
    let pool = db.handle();
    let tree = world.start(root().with_worker(api).with_worker(db)).await.unwrap();
    for from in [tree.handle(), pool, tree.supervisor("root.api.http_server").await.unwrap()] {
        assert_eq!(from.supervisor("root").await.unwrap().path(), "root");
        assert_eq!(from.supervisor("root.api").await.unwrap().path(), "root.api");
        let found = from.supervisor("root.api.http-server").await.unwrap();
        assert_eq!(found.path(), "root.api.http_server", "cleaned as names are");
        assert_eq!(found.children().await.unwrap()[0].name, "listener");
        assert_eq!(from.supervisor("root.db").await.unwrap().children().await.unwrap()[0].name, "pool");
    }
    tree.shutdown().await.unwrap();
}

async fn b4_a_supervisor_is_found_where_it_does_not_run(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let mut root = root();
    // It asks before the turn of the supervisors behind it, which have never run then.
    root.add_worker(worker_with_setup("early", move |shutdown| {
        let diary = written.clone();
        async move {
            let below = process::supervisor()?.supervisor("root.late.below").await?;
            diary.write(below.count().await.unwrap_err().to_string());
            Ok(async move {
                shutdown.await;
                diary.write(below.path());
            })
        }
    }));
    let late = root.add_worker(nested("late").with_worker(nested("below")));
    let tree = world.start(root).await.unwrap();
    let below = tree.supervisor("root.late.below").await.unwrap();
    assert_eq!(below.count().await.unwrap().specs, 0);
    tree.handle().terminate_child(late).await.unwrap();
    let stopped = tree.supervisor("root.late.below").await.unwrap();
    assert_eq!(stopped.count().await.unwrap_err(), SupervisorError::NotRunning { path: "root.late.below".into() });
    tree.handle().restart_child(late).await.unwrap();
    assert_eq!(stopped.count().await.unwrap().specs, 0, "a handle is good over restarts");
    tree.shutdown().await.unwrap();
    assert_eq!(
        diary.take(),
        ["`below` is not running: it has not started, has stopped, or is waiting to restart", "root.late.below"]
    );
}

async fn b4_a_path_that_leads_nowhere_names_the_last_supervisor(world: World) {
    let api = nested("api").with_worker(idle("cache")).with_worker(nested("http"));
    let tree = world.start(root().with_worker(api)).await.unwrap();
    for (path, last) in [
        ("root.db", "root"),
        ("root.api.cache", "root.api"),
        ("root.api.https", "root.api"),
        ("root.api.http.x.y", "root.api.http"),
        ("top.api", "root"),
        ("api", "root"),
        ("", "root"),
        ("root.", "root"),
    ] {
        assert_eq!(not_found(tree.supervisor(path).await), last, "{path:?}");
    }
    tree.shutdown().await.unwrap();
}

async fn d2_a_path_leads_through_any_supervisor_of_its_name(world: World) {
    let first = nested("shard").with_worker(nested("x"));
    let second = nested("shard").with_worker(nested("x")).with_worker(nested("y").with_worker(idle("found")));
    let (x, shard) = (first.handle(), first.handle());
    let tree = world.start(root().with_worker(first).with_worker(second)).await.unwrap();
    let found = tree.supervisor("root.shard.y").await.unwrap();
    assert_eq!(found.children().await.unwrap()[0].name, "found");
    let id = x.children().await.unwrap()[0].id;
    shard.terminate_child(id).await.unwrap();
    let first_x = tree.supervisor("root.shard.x").await.unwrap();
    assert!(first_x.count().await.is_err(), "the first one in start order, though it does not run");
    tree.shutdown().await.unwrap();
}

async fn n7_a_supervisor_that_does_not_run_is_in_no_tree(world: World) {
    let root = root();
    let handle = root.handle();
    let not_running = SupervisorError::NotRunning { path: "root".into() };
    assert_eq!(handle.supervisor("root").await.unwrap_err(), not_running);
    let tree = world.start(root).await.unwrap();
    handle.supervisor("root").await.unwrap();
    tree.shutdown().await.unwrap();
    assert_eq!(handle.supervisor("root").await.unwrap_err(), not_running);
}

async fn a_handed_over_supervisor_has_a_handle(world: World) {
    let handed_over: ChildSpec = Supervisor::dynamic("sessions").unwrap().into();
    let sessions = handed_over.supervisor_handle().expect("it is a supervisor");
    assert!(idle("a").supervisor_handle().is_none());
    let tree = world.start(root().with_worker(handed_over)).await.unwrap();
    sessions.start_child(idle("session")).await.unwrap();
    assert_eq!(sessions.count().await.unwrap().specs, 1);
    tree.shutdown().await.unwrap();
}

async fn b4_one_child_is_told_by_its_id(world: World) {
    let strings = Strings::new();
    let mut root = root();
    let id = root.add_worker(strings.worker("a"));
    let inner = nested("inner");
    let foreign = inner.handle();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let child = tree.handle().child(id).await.unwrap();
    assert_eq!((child.id, &*child.name, child.state), (id, "a", ChildState::Running));
    assert!(child.process.is_some());
    assert_eq!(foreign.child(id).await.unwrap_err(), SupervisorError::NotFound { path: "root.inner".into() });
    tree.handle().terminate_child(id).await.unwrap();
    assert_eq!(tree.handle().child(id).await.unwrap().state, ChildState::Stopped);
    tree.handle().delete_child(id).await.unwrap();
    assert_eq!(tree.handle().child(id).await.unwrap_err(), SupervisorError::NotFound { path: "root".into() });
    let handle = tree.handle();
    tree.shutdown().await.unwrap();
    assert_eq!(handle.child(id).await.unwrap_err(), SupervisorError::NotRunning { path: "root".into() });
}
