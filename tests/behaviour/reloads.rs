//! Reloads: a child, and what depends on it, is restarted by hand.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use async_channel::{Receiver, Sender};
use futures_lite::future::{poll_once, yield_now};
use supervisor_core::{
    ChildId, ChildSpec, ChildState, EventKind, RestartStrategy, RestartType, Supervisor, SupervisorError,
    SupervisorHandle, one_shot, process, task, worker,
};

use crate::{
    actors::{Census, events, idle, present, root, set_up, state_of, supervisor, until},
    harness::World,
};

mount! { everywhere:
    b5_a_reloaded_worker_starts_with_the_new_settings
    b5_a_reload_restarts_what_depends_on_the_child
    b5_a_reload_that_fails_names_the_failure_and_is_retried
    b5_a_reload_waits_until_the_child_says_that_it_is_ready
    b5_a_temporary_child_added_at_run_time_is_reloaded
    b5_r78_a_reloaded_temporary_child_leaves_nothing_behind
    b5_a_temporary_child_may_end_while_it_is_reloaded
    b5_what_runs_once_is_refused_before_anything_stops
    b5_a_reload_in_a_dynamic_supervisor_keeps_the_id
    b5_a_supervisor_is_reloaded_as_new
    b5_n6_a_worker_may_reload_itself
    b5_n6_a_worker_may_reload_the_supervisor_above_it
    b5_n6_two_siblings_may_reload_each_other
    b5_a_reload_of_what_is_not_there_is_an_error
    b5_d2_a_child_is_reloaded_by_its_dotted_name
}

/// A worker whose set-up reads a setting, and tells it.
fn reader(name: &'static str, setting: &Arc<AtomicUsize>) -> (ChildSpec, Receiver<usize>) {
    let (tell, told) = async_channel::unbounded();
    let setting = setting.clone();
    let child = set_up(name, move |shutdown| {
        let _ = tell.try_send(setting.load(SeqCst));
        async move { Ok(until(shutdown)) }
    });
    (child, told)
}

async fn b5_a_reloaded_worker_starts_with_the_new_settings(world: World) {
    let setting = Arc::new(AtomicUsize::new(1));
    let (reader, told) = reader("reader", &setting);
    let mut root = root();
    let id = root.add_worker(reader);
    root.add_worker(idle("beside"));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    events(&world.probe);
    setting.store(2, SeqCst);
    tree.handle().reload_child(id).await.unwrap();
    assert_eq!((told.try_recv(), told.try_recv()), (Ok(1), Ok(2)));
    assert_eq!(state_of(&tree.handle(), id).await, Some(ChildState::Running));
    // An operator reads a stop and a start. No failure is told, because there was none.
    world.probe.quiet().await;
    let kinds: Vec<_> = events(&world.probe).iter().map(|event| format!("{}: {}", event.path, event.kind)).collect();
    assert_eq!(kinds.len(), 4, "{kinds:?}");
    assert!(kinds.iter().all(|kind| kind.starts_with("root.reader")), "{kinds:?}");
    tree.shutdown().await.unwrap();
}

async fn b5_a_reload_restarts_what_depends_on_the_child(world: World) {
    for (strategy, restarted) in [
        (RestartStrategy::one_for_one(), "b"),
        (RestartStrategy::rest_for_one(), "bc"),
        (RestartStrategy::one_for_all(), "abc"),
    ] {
        let mut root = root().with_restart_strategy(strategy.with_intensity_and_period(0, Duration::from_secs(1)));
        let ids: Vec<_> = ["a", "b", "c"].into_iter().map(|name| root.add_worker(idle(name))).collect();
        let tree = world.start(root).await.unwrap();
        world.probe.quiet().await;
        events(&world.probe);
        tree.handle().reload_child(ids[1]).await.unwrap();
        world.probe.quiet().await;
        let told = events(&world.probe);
        let of = |is_it: fn(&EventKind) -> bool| -> String {
            told.iter().filter(|event| is_it(&event.kind)).map(|event| &event.path["root.".len()..]).collect()
        };
        assert_eq!(of(|kind| matches!(kind, EventKind::Stopping)), restarted.chars().rev().collect::<String>());
        assert_eq!(of(|kind| matches!(kind, EventKind::Ready)), restarted);
        assert_eq!(of(|kind| matches!(kind, EventKind::Restarting { .. })), "");
        tree.shutdown().await.unwrap();
    }
}

async fn b5_a_reload_that_fails_names_the_failure_and_is_retried(world: World) {
    let failures = Arc::new(AtomicUsize::new(0));
    let left = failures.clone();
    let fragile = set_up("fragile", move |shutdown| {
        let fails = left.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok();
        async move { if fails { Err("no such port".into()) } else { Ok(until(shutdown)) } }
    });
    let mut root = supervisor("root", RestartStrategy::rest_for_one());
    let first = root.add_worker(idle("first"));
    let fragile = root.add_worker(fragile);
    let tree = world.start(root).await.unwrap();
    failures.store(2, SeqCst);
    let refused = tree.handle().reload_child(first).await.unwrap_err();
    // The sibling that failed, and why.
    assert_eq!(format!("{refused:#}"), "`root.fragile` failed to start: no such port");
    tree.ready().await.unwrap();
    world.probe.quiet().await;
    let told = events(&world.probe);
    let retries = told.iter().filter(|event| matches!(event.kind, EventKind::Restarting { .. })).count();
    assert_eq!((retries, failures.load(SeqCst)), (2, 0), "each failure is charged, and retried");
    assert_eq!(state_of(&tree.handle(), fragile).await, Some(ChildState::Running));
    tree.shutdown().await.unwrap();
}

async fn b5_a_reload_waits_until_the_child_says_that_it_is_ready(world: World) {
    let (open, gate) = async_channel::unbounded::<()>();
    let mut root = root();
    let slow = worker("slow", move |shutdown| {
        let gate = gate.clone();
        async move {
            let _ = gate.recv().await;
            process::ready();
            shutdown.await;
        }
    });
    let id = root.add_worker(slow.with_explicit_ready());
    open.try_send(()).unwrap();
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let mut reload = Box::pin(handle.reload_child(id));
    while state_of(&handle, id).await != Some(ChildState::Starting) {
        assert!(poll_once(&mut reload).await.is_none());
        yield_now().await;
    }
    assert!(poll_once(&mut reload).await.is_none());
    open.try_send(()).unwrap();
    reload.await.unwrap();
    tree.shutdown().await.unwrap();
}

async fn b5_a_temporary_child_added_at_run_time_is_reloaded(world: World) {
    let census = Census::default();
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let (setting, added) = (Arc::new(AtomicUsize::new(1)), handle.spawn(present("closure", &census)).unwrap());
    let (reader, told) = reader("reader", &setting);
    let reader = handle.start_child(reader.with_restart_type(RestartType::Temporary)).await.unwrap();
    // More than once, because each process would take the specification along.
    for times in 2..5 {
        setting.store(times, SeqCst);
        handle.reload_child(added).await.unwrap();
        handle.reload_child(reader).await.unwrap();
        world.probe.quiet().await;
        assert_eq!((census.present(), census.ever(), told.len()), (1, times, times));
    }
    tree.shutdown().await.unwrap();
}

async fn b5_r78_a_reloaded_temporary_child_leaves_nothing_behind(world: World) {
    let tree = world.start(root()).await.unwrap();
    let (handle, owned) = (tree.handle(), Arc::new(()));
    let own = owned.clone();
    let child = worker("child", move |shutdown| {
        let own = own.clone();
        async move {
            let _own = own;
            shutdown.await;
        }
    });
    let id = handle.spawn(child).unwrap();
    handle.reload_child(id).await.unwrap();
    handle.terminate_child(id).await.unwrap();
    world.probe.quiet().await;
    assert_eq!((state_of(&handle, id).await, Arc::strong_count(&owned)), (None, 1));
    tree.shutdown().await.unwrap();
}

async fn b5_a_temporary_child_may_end_while_it_is_reloaded(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    for _ in 0..20 {
        let (open, gate) = async_channel::bounded::<()>(1);
        let child = worker("child", move |_| {
            let gate = gate.clone();
            async move {
                let _ = gate.recv().await;
            }
        });
        let id = handle.spawn(child).unwrap();
        drop(open);
        // It may be there, at its end, or gone: in no case does anything panic.
        match handle.reload_child(id).await {
            Ok(()) | Err(SupervisorError::NotFound { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    world.probe.quiet().await;
    let told = events(&world.probe);
    let panics = told.iter().filter(|event| event.kind.to_string().contains("panic")).count();
    assert_eq!((panics, handle.count().await.unwrap().specs), (0, 0));
    tree.shutdown().await.unwrap();
}

async fn b5_what_runs_once_is_refused_before_anything_stops(world: World) {
    let census = Census::default();
    let mut root = supervisor("root", RestartStrategy::one_for_all());
    root.add_worker(present("beside", &census));
    let once = root.add_worker(one_shot("once", std::future::pending::<()>()));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let (job, _result) = task("job", std::future::pending::<()>());
    let job = handle.spawn(job).unwrap();
    for (id, path) in [(once, "root.once"), (job, "root.job")] {
        let refused = handle.reload_child(id).await.unwrap_err();
        assert_eq!(refused, SupervisorError::RunsOnce { path: path.into() });
        assert_eq!(
            refused.to_string(),
            format!("`{path}` runs only once and cannot be started again; start a new child")
        );
    }
    world.probe.quiet().await;
    assert_eq!((census.ever(), handle.count().await.unwrap().active), (1, 3));
    let _unclean = tree.shutdown().await;
}

async fn b5_a_reload_in_a_dynamic_supervisor_keeps_the_id(world: World) {
    let census = Census::default();
    let tree = world.start(Supervisor::dynamic("root").unwrap()).await.unwrap();
    let handle = tree.handle();
    let id = handle.start_child(present("child", &census)).await.unwrap();
    handle.reload_child(id).await.unwrap();
    world.probe.quiet().await;
    assert_eq!((census.present(), census.ever()), (1, 2));
    assert_eq!(state_of(&handle, id).await, Some(ChildState::Running));
    tree.shutdown().await.unwrap();
}

async fn b5_a_supervisor_is_reloaded_as_new(world: World) {
    let census = Census::default();
    let (mut root, mut inner) = (root(), supervisor("inner", RestartStrategy::one_for_one()));
    inner.add_worker(present("static", &census));
    let below = inner.handle();
    let id = root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    below.start_child(present("added", &census)).await.unwrap();
    world.probe.quiet().await;
    tree.handle().reload_child(id).await.unwrap();
    world.probe.quiet().await;
    // R36: what was added is gone.
    assert_eq!((census.present(), census.ever(), census.most()), (1, 3, 2));
    assert_eq!(below.count().await.unwrap().specs, 1);
    tree.shutdown().await.unwrap();
}

/// A worker that reloads a child once it is told which, and says what it was answered.
fn reloader(name: &'static str) -> (ChildSpec, Sender<(SupervisorHandle, ChildId)>, Census) {
    let (tell, told) = async_channel::unbounded::<(SupervisorHandle, ChildId)>();
    let census = Census::default();
    let counted = census.clone();
    let child = worker(name, move |shutdown| {
        let (told, present) = (told.clone(), counted.enter());
        async move {
            let _present = present;
            let orders = async {
                while let Ok((handle, id)) = told.recv().await {
                    handle.reload_child(id).await.unwrap();
                }
            };
            futures_lite::future::or(orders, shutdown).await;
        }
    });
    (child, tell, census)
}

async fn b5_n6_a_worker_may_reload_itself(world: World) {
    for strategy in [RestartStrategy::one_for_one(), RestartStrategy::one_for_all()] {
        let mut root = root().with_restart_strategy(strategy.with_intensity_and_period(0, Duration::from_secs(1)));
        let (child, tell, census) = reloader("child");
        let id = root.add_worker(child);
        is_replaced_once(&world, root, id, tell, &census).await;
    }
}

async fn b5_n6_a_worker_may_reload_the_supervisor_above_it(world: World) {
    let (mut root, mut inner) = (root(), supervisor("inner", RestartStrategy::one_for_one()));
    let (child, tell, census) = reloader("child");
    inner.add_worker(child);
    let id = root.add_worker(inner);
    is_replaced_once(&world, root, id, tell, &census).await;
}

/// Starts the tree and tells a worker in it what to reload. It has to be replaced by one incarnation, and never to overlap with it.
async fn is_replaced_once(
    world: &World,
    root: Supervisor,
    id: ChildId,
    tell: Sender<(SupervisorHandle, ChildId)>,
    census: &Census,
) {
    let tree = world.start(root).await.unwrap();
    tell.try_send((tree.handle(), id)).unwrap();
    while census.ever() < 2 {
        yield_now().await;
    }
    world.probe.quiet().await;
    assert_eq!((census.present(), census.ever(), census.most()), (1, 2, 1));
    tree.shutdown().await.unwrap();
}

async fn b5_n6_two_siblings_may_reload_each_other(world: World) {
    let mut root = root()
        .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(0, Duration::from_secs(1)));
    let ((a, tell_a, _), (b, tell_b, _)) = (reloader("a"), reloader("b"));
    let (a, b) = (root.add_worker(a), root.add_worker(b));
    let tree = world.start(root).await.unwrap();
    for _ in 0..10 {
        tell_a.try_send((tree.handle(), b)).unwrap();
        tell_b.try_send((tree.handle(), a)).unwrap();
    }
    while !(tell_a.is_empty() && tell_b.is_empty()) {
        yield_now().await;
    }
    world.probe.quiet().await;
    tree.ready().await.unwrap();
    tree.shutdown().await.unwrap();
}

async fn b5_a_reload_of_what_is_not_there_is_an_error(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let gone = handle.spawn(idle("gone")).unwrap();
    handle.terminate_child(gone).await.unwrap();
    assert_eq!(handle.reload_child(gone).await, Err(SupervisorError::NotFound { path: "root".into() }));
    tree.shutdown().await.unwrap();
    assert_eq!(handle.reload_child(gone).await, Err(SupervisorError::NotRunning { path: "root".into() }));
}

async fn b5_d2_a_child_is_reloaded_by_its_dotted_name(world: World) {
    let setting = Arc::new(AtomicUsize::new(1));
    let ((first, told), (second, of_second)) = (reader("web-api", &setting), reader("web-api", &setting));
    let inner = supervisor("inner", RestartStrategy::one_for_one()).with_worker(first).with_worker(second);
    let tree = world.start(root().with_worker(inner)).await.unwrap();
    world.probe.quiet().await;
    setting.store(2, SeqCst);
    let handle = tree.handle();
    handle.reload_by_path("root.inner.web-api").await.unwrap();
    assert_eq!((told.try_recv(), told.try_recv()), (Ok(1), Ok(2)));
    assert_eq!((of_second.try_recv().ok(), of_second.try_recv().ok()), (Some(1), None));
    for (path, last) in
        [("root.inner.cache", "root.inner"), ("root.cache.web-api", "root"), ("root", "root"), ("", "root")]
    {
        let not_found = Err(SupervisorError::NotFound { path: last.into() });
        assert_eq!(handle.reload_by_path(path).await, not_found, "{path}");
    }
    tree.shutdown().await.unwrap();
    let not_running = SupervisorError::NotRunning { path: "root".into() };
    assert_eq!(handle.reload_by_path("root.inner.web-api").await, Err(not_running));
}
