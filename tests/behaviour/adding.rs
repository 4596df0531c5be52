//! Children that are added to a tree that runs, or starts.

use std::{
    future::pending,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use futures_lite::future::{poll_once, yield_now};
use supervisor_core::{
    ChildState, EventKind, InvalidSpec, RestartStrategy, RestartType, StartFailure, Supervisor, SupervisorError,
    one_shot, worker,
};

use crate::{
    actors::{Bomb, Census, Strings, events, failing, idle, root, set_up, state_of, supervisor, until},
    harness::World,
};

mount! { everywhere:
    r58_start_child_answers_with_the_id_of_a_ready_child
    a1_a_failed_start_names_its_path_and_chains_its_source
    r62_an_invalid_spec_is_refused_and_changes_nothing
    spawn_returns_at_once_and_defaults_to_temporary
    case_t_a_failing_temporary_start_affects_no_sibling
    r59_d2_with_unique_names_a_name_is_there_once
    a8_a_full_supervisor_refuses_until_a_place_is_free
    n5_a_child_added_in_the_first_start_does_not_wait_for_it
    n5_a_child_added_in_a_group_restart_starts_last
    p3_what_a_spec_owns_is_dropped_in_a_process_of_its_own
    a6_case_r_a_dropped_tree_takes_along_what_was_added
    r36_case_n_added_children_are_gone_after_a_restart
    r20_children_added_concurrently_start_in_order_of_ids
}

mod timed {
    use super::{
        a2_case_j_an_added_child_that_is_never_ready_times_out,
        n1_case_j_shutdown_precedes_an_added_childs_start_timeout,
    };

    mount! { virtual time:
        a2_case_j_an_added_child_that_is_never_ready_times_out
        n1_case_j_shutdown_precedes_an_added_childs_start_timeout
    }
}

/// Makes a child that becomes ready when the gate is opened.
fn gated(name: &'static str, gate: &async_channel::Receiver<()>) -> supervisor_core::ChildSpec {
    let gate = gate.clone();
    set_up(name, move |shutdown| {
        let gate = gate.clone();
        async move {
            let _ = gate.recv().await;
            Ok(until(shutdown))
        }
    })
}

async fn r58_start_child_answers_with_the_id_of_a_ready_child(world: World) {
    let (open, gate) = async_channel::bounded(1);
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let mut call = Box::pin(handle.start_child(gated("slow", &gate)));
    for _ in 0..20 {
        assert!(poll_once(&mut call).await.is_none(), "it is not ready");
        yield_now().await;
    }
    open.try_send(()).unwrap();
    let id = call.await.unwrap();
    assert_eq!(state_of(&handle, id).await, Some(ChildState::Running));
    let nested = handle.start_child(supervisor("nested", RestartStrategy::one_for_one())).await.unwrap();
    assert!(nested > id, "a later child has a greater id");
    tree.shutdown().await.unwrap();
}

async fn a1_a_failed_start_names_its_path_and_chains_its_source(world: World) {
    let pool = supervisor("pool", RestartStrategy::one_for_one());
    let handle = pool.handle();
    let mut root = root();
    root.add_worker(pool);
    let tree = world.start(root).await.unwrap();
    let error = handle.start_child(failing("x")).await.unwrap_err();
    assert_eq!(format!("{error:#}"), "`root.pool.x` failed to start: no route");
    assert!(std::error::Error::source(&error).is_some());

    let mut nested = supervisor("nested", RestartStrategy::one_for_one());
    nested.add_worker(failing("y"));
    let error = handle.start_child(nested).await.unwrap_err();
    assert_eq!(format!("{error:#}"), "`root.pool.nested.y` failed to start: no route");

    let panicking = set_up("z", |_| async { panic!("in its set-up") });
    let error = handle.start_child(panicking).await.unwrap_err();
    let SupervisorError::FailedToStart { path, cause: StartFailure::Panicked(_) } = &error else { panic!("{error:?}") };
    assert_eq!(path, "root.pool.z");
    assert_eq!(handle.count().await.unwrap().specs, 0);
    tree.shutdown().await.unwrap();
}

async fn r62_an_invalid_spec_is_refused_and_changes_nothing(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let significant = || idle("x").with_significance().with_restart_type(RestartType::Transient);
    let error = handle.start_child(significant()).await.unwrap_err();
    let SupervisorError::InvalidSpec { path, reason } = &error else { panic!("{error:?}") };
    assert_eq!((path.as_str(), *reason), ("root.x", InvalidSpec::SignificantWithoutAutoShutdown));
    assert!(matches!(handle.spawn(significant()), Err(SupervisorError::InvalidSpec { .. })));
    let error = handle.start_child(idle("...")).await.unwrap_err();
    assert_eq!(error.to_string(), r#"invalid name "..." of a child of `root`: a name needs a letter or a digit"#);
    let mut nested = supervisor("nested", RestartStrategy::one_for_one());
    nested.add_worker(one_shot("x", async {}).with_restart_type(RestartType::Permanent));
    let error = handle.spawn(nested).unwrap_err();
    assert!(error.to_string().contains("`root.nested.x` has an invalid specification: a one-shot"), "{error}");
    assert_eq!(handle.count().await.unwrap().specs, 0);
    assert!(events(&world.probe).iter().all(|event| event.path == "root"), "nothing was started");
    tree.shutdown().await.unwrap();
}

async fn spawn_returns_at_once_and_defaults_to_temporary(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let plain = handle.spawn(idle("plain")).unwrap();
    let named = handle.spawn(idle("named").with_restart_type(RestartType::Permanent)).unwrap();
    let started = handle.start_child(idle("started")).await.unwrap();
    let mut restarts = Vec::new();
    for id in [plain, named, started] {
        restarts.push(handle.child_spec(id).await.unwrap().restart);
    }
    assert_eq!(restarts, [RestartType::Temporary, RestartType::Permanent, RestartType::Permanent]);
    tree.shutdown().await.unwrap();
}

async fn case_t_a_failing_temporary_start_affects_no_sibling(world: World) {
    let census = Census::default();
    let counted = census.clone();
    // One-for-all, and not a single failure to spare.
    let strategy = RestartStrategy::one_for_all().with_intensity_and_period(0, Duration::from_secs(5));
    let mut root = Supervisor::new("root").unwrap().with_restart_strategy(strategy);
    root.add_worker(worker("sibling", move |shutdown| {
        let _present = counted.enter();
        shutdown
    }));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    handle.spawn(failing("x")).unwrap();
    handle.start_child(failing("y")).await.unwrap_err();
    world.probe.quiet().await;
    let told = events(&world.probe);
    let failed = |event: &&supervisor_core::Event| matches!(event.kind, EventKind::StartFailed(_));
    let mut failed: Vec<_> = told.iter().filter(failed).map(|event| &*event.path).collect();
    failed.sort_unstable();
    assert_eq!(failed, ["root.x", "root.y"]);
    assert_eq!((census.ever(), handle.count().await.unwrap().specs), (1, 1));
    tree.shutdown().await.unwrap();
}

async fn r59_d2_with_unique_names_a_name_is_there_once(world: World) {
    let mut root = root().with_unique_names();
    let first = root.add_worker(idle("a"));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let error = handle.start_child(idle("a")).await.unwrap_err();
    assert_eq!(error.to_string(), "`root.a` already exists and is running; use it, or another name");
    assert!(matches!(error, SupervisorError::AlreadyStarted { id, .. } if id == first));
    handle.terminate_child(first).await.unwrap();
    let error = handle.start_child(idle("a")).await.unwrap_err();
    assert!(matches!(error, SupervisorError::AlreadyPresent { id, .. } if id == first), "{error}");
    handle.delete_child(first).await.unwrap();
    handle.start_child(idle("a")).await.unwrap();
    tree.shutdown().await.unwrap();
}

async fn a8_a_full_supervisor_refuses_until_a_place_is_free(world: World) {
    let mut root = root().with_max_children(2);
    root.add_worker(idle("static"));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let id = handle.start_child(idle("a")).await.unwrap();
    let error = handle.start_child(idle("b")).await.unwrap_err();
    assert!(error.to_string().starts_with("`root` has its maximum of 2 children; "), "{error}");
    let error = handle.spawn(idle("c")).unwrap_err();
    assert!(matches!(error, SupervisorError::AtCapacity { max: 2, .. }), "{error}");
    handle.terminate_child(id).await.unwrap();
    handle.start_child(idle("b")).await.expect_err("a stopped child keeps its place");
    handle.delete_child(id).await.unwrap();
    handle.start_child(idle("b")).await.unwrap();
    tree.shutdown().await.unwrap();
}

async fn n5_a_child_added_in_the_first_start_does_not_wait_for_it(world: World) {
    let (open, gate) = async_channel::bounded(1);
    let mut root = root();
    root.add_worker(gated("slow", &gate));
    root.add_worker(idle("next"));
    let handle = root.handle();
    let (adding, starting) = (handle.clone(), handle.clone());
    let tree = futures_lite::future::zip(
        async {
            // Until it runs.
            while starting.count().await.is_err() {
                yield_now().await;
            }
            adding.start_child(idle("added")).await.unwrap();
            let children = adding.children().await.unwrap();
            let states: Vec<_> = children.iter().map(|child| (child.name.as_str(), child.state)).collect();
            let expected =
                [("slow", ChildState::Starting), ("next", ChildState::Starting), ("added", ChildState::Running)];
            assert_eq!(states, expected);
            open.try_send(()).unwrap();
        },
        world.start(root),
    )
    .await
    .1;
    tree.unwrap().shutdown().await.unwrap();
}

async fn n5_a_child_added_in_a_group_restart_starts_last(world: World) {
    let (open, gate) = async_channel::unbounded();
    open.try_send(()).unwrap();
    let strings = Strings::new();
    let mut root = supervisor("root", RestartStrategy::one_for_all());
    root.add_worker(gated("gated", &gate));
    root.add_worker(strings.worker("brittle"));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    strings.pull(Err("boom"));
    while handle.children().await.unwrap()[0].state != ChildState::Starting {
        yield_now().await;
    }
    events(&world.probe);
    let mut call = Box::pin(handle.start_child(idle("added")));
    assert!(poll_once(&mut call).await.is_none());
    while handle.children().await.unwrap().len() < 3 {
        yield_now().await;
    }
    assert!(poll_once(&mut call).await.is_none(), "it waits for its turn");
    open.try_send(()).unwrap();
    call.await.unwrap();
    let ready = |event: &supervisor_core::Event| matches!(event.kind, EventKind::Ready).then(|| event.path.clone());
    let ready: Vec<_> = events(&world.probe).iter().filter_map(ready).collect();
    assert_eq!(ready, ["root.gated", "root.brittle", "root.added"]);
    tree.shutdown().await.unwrap();
}

async fn p3_what_a_spec_owns_is_dropped_in_a_process_of_its_own(world: World) {
    let (armed, census) = (Arc::new(AtomicBool::new(true)), Census::default());
    let owning = |name: &'static str| {
        let owned = (Bomb(armed.clone()), census.enter());
        worker(name, move |shutdown| {
            let _owned = &owned;
            shutdown
        })
    };
    let tree = world.start(root().with_max_children(2)).await.unwrap();
    let handle = tree.handle();
    // Ended, terminated, refused, deleted, failed.
    let temporary = handle.spawn(owning("temporary")).unwrap();
    handle.terminate_child(temporary).await.unwrap();
    let deleted = handle.start_child(owning("deleted")).await.unwrap();
    handle.terminate_child(deleted).await.unwrap();
    handle.start_child(idle("full")).await.unwrap();
    handle.start_child(owning("refused")).await.unwrap_err();
    handle.spawn(owning("refused")).unwrap_err();
    handle.delete_child(deleted).await.unwrap();
    let owned = (Bomb(armed.clone()), census.enter());
    let failing = set_up("failed", move |_| {
        let _owned = &owned;
        async { Err("no route".into()) }
    });
    handle.start_child(failing).await.unwrap_err();
    // A whole subsystem. Two panics in one process, one while the other unwinds, would be the end of the program.
    struct Ruthless(crate::harness::census::Present);

    impl Drop for Ruthless {
        fn drop(&mut self) {
            let _present = &self.0;
            panic!("in a destructor");
        }
    }

    let subsystem = || {
        let mut nested = supervisor("subsystem", RestartStrategy::one_for_one());
        for name in ["first", "second"] {
            let owned = Ruthless(census.enter());
            nested.add_worker(worker(name, move |shutdown| {
                let _owned = &owned;
                shutdown
            }));
        }
        nested
    };
    let id = handle.spawn(subsystem()).unwrap();
    handle.terminate_child(id).await.unwrap();
    handle.start_child(idle("full again")).await.unwrap();
    handle.start_child(subsystem()).await.unwrap_err();
    world.probe.quiet().await;
    assert_eq!((census.ever(), census.present()), (9, 0));
    assert_eq!(handle.count().await.unwrap().active, 2, "no destructor ended another child");
    tree.shutdown().await.unwrap();
}

async fn a6_case_r_a_dropped_tree_takes_along_what_was_added(world: World) {
    let census = Census::default();
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    for name in ["a", "b"] {
        let (counted, owned) = (census.clone(), census.enter());
        let spec = worker(name, move |shutdown| {
            let (_owned, present) = (&owned, counted.enter());
            async move {
                let _present = present;
                shutdown.await;
            }
        });
        handle.start_child(spec).await.unwrap();
    }
    drop(tree);
    while handle.count().await.is_ok() {
        yield_now().await;
    }
    world.probe.quiet().await;
    assert_eq!(census.present(), 0);
    assert!(matches!(handle.spawn(idle("late")), Err(SupervisorError::NotRunning { .. })));
}

async fn r36_case_n_added_children_are_gone_after_a_restart(world: World) {
    let census = Census::default();
    let inner = supervisor("inner", RestartStrategy::one_for_one());
    let handle = inner.handle();
    let mut root = root();
    let id = root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    for _ in 0..3 {
        for restart in [RestartType::Permanent, RestartType::Transient, RestartType::Temporary] {
            let (counted, owned) = (census.clone(), census.enter());
            let spec = worker("added", move |shutdown| {
                let (_owned, present) = (&owned, counted.enter());
                async move {
                    let _present = present;
                    shutdown.await;
                }
            });
            handle.start_child(spec.with_restart_type(restart)).await.unwrap();
        }
        tree.handle().kill_child(id).await.unwrap();
        world.probe.quiet().await;
        assert_eq!(census.present(), 0, "neither processes nor what their specifications own");
    }
    tree.shutdown().await.unwrap();
}

async fn r20_children_added_concurrently_start_in_order_of_ids(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let handle = handle.clone();
            std::thread::spawn(move || {
                for _ in 0..200 {
                    handle.spawn(idle("added")).unwrap();
                }
            })
        })
        .collect();
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    world.probe.quiet().await;
    let children = handle.children().await.unwrap();
    assert_eq!(children.len(), 800);
    assert!(children.windows(2).all(|pair| pair[0].id < pair[1].id && pair[0].process < pair[1].process));
    tree.shutdown().await.unwrap();
}

async fn a2_case_j_an_added_child_that_is_never_ready_times_out(world: World) {
    let tree = world.start(root()).await.unwrap();
    let begin = world.spawner.now();
    let spec = set_up("never", |_| pending()).with_start_timeout(Duration::from_secs(30));
    let error = tree.handle().start_child(spec).await.unwrap_err();
    assert_eq!(error.to_string(), "`root.never` failed to start: not ready within its start timeout of 30s");
    assert_eq!(world.spawner.now() - begin, Duration::from_secs(30));
    assert_eq!(tree.handle().count().await.unwrap().specs, 0);
    tree.shutdown().await.unwrap();
}

async fn n1_case_j_shutdown_precedes_an_added_childs_start_timeout(world: World) {
    let tree = world.start(root()).await.unwrap();
    let begin = world.spawner.now();
    let handle = tree.handle();
    let spec = set_up("never", |_| pending()).with_start_timeout(Duration::from_secs(30));
    let mut call = Box::pin(handle.start_child(spec));
    assert!(poll_once(&mut call).await.is_none());
    tree.shutdown().await.unwrap();
    assert!(matches!(call.await, Err(SupervisorError::ShuttingDown { .. })));
    assert_eq!(world.spawner.now(), begin);
}
