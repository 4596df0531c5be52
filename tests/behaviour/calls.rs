//! Children that are added to a running tree, and taken from it again.

use std::{
    future::pending,
    sync::{Arc, atomic::AtomicBool},
    time::Duration,
};

use futures_lite::future::{poll_once, yield_now};
use supervisor_core::{
    Backoff, ChildId, ChildKind, ChildState, EventKind, InvalidSpec, RestartStrategy, RestartType, ShutdownStrategy,
    StartFailure, Supervisor, SupervisorError, SupervisorHandle, one_shot, worker,
};

use crate::{
    actors::{Bomb, Census, Strings, deaf, events, failing, idle, root, set_up, supervisor, until},
    harness::World,
};

mount! { everywhere:
    start_child_answers_with_the_id_of_a_child_that_is_ready
    a_failed_start_names_the_whole_path_and_chains_its_source
    what_is_invalid_is_refused_and_nothing_has_changed
    spawn_returns_at_once_and_makes_a_child_temporary_unless_it_says_otherwise
    t_a_temporary_childs_failing_start_touches_nobody_else
    r68_the_specification_of_a_child_can_be_asked_for
    d2_find_returns_all_that_have_the_name
    d2_with_unique_names_a_name_is_there_once
    the_life_of_a_child_that_is_added_terminated_restarted_and_deleted
    a_child_of_another_supervisor_is_not_found
    n7_every_call_to_what_does_not_run_says_so_at_once
    n7_a_spawn_that_was_accepted_and_never_served_is_told
    a_handle_stays_good_over_the_restarts_of_its_supervisor
    a7_a_call_whose_supervisor_stops_before_it_can_answer_says_so
    a8_a_full_supervisor_refuses_and_a_place_that_is_free_again_can_be_taken
    n5_a_child_that_is_added_while_the_tree_starts_does_not_wait_for_that
    n5_a_child_that_is_added_while_its_group_restarts_is_the_last_to_start
    r28_terminating_who_failed_keeps_its_group_down_and_names_it
    p3_what_specifications_own_is_dropped_in_processes_of_their_own
    r_a_tree_that_is_dropped_takes_along_what_was_added
    n_what_was_added_to_a_supervisor_is_gone_after_its_restart
    children_that_are_added_from_many_sides_start_in_the_order_of_their_ids
}

mod timed {
    use super::{
        a_terminate_during_backoff_means_that_it_is_not_started, b_a_full_supervisor_lives_while_a_sibling_waits,
        d3_terminate_answers_when_the_child_is_gone_and_aborts_it_when_its_time_is_up,
        i_stable_uptime_restores_delay_and_budget, j_an_added_child_that_never_becomes_ready_times_out,
        j_shutdown_works_before_the_start_timeout_of_an_added_child,
    };

    mount! { virtual time:
        a_terminate_during_backoff_means_that_it_is_not_started
        b_a_full_supervisor_lives_while_a_sibling_waits
        i_stable_uptime_restores_delay_and_budget
        j_an_added_child_that_never_becomes_ready_times_out
        j_shutdown_works_before_the_start_timeout_of_an_added_child
        d3_terminate_answers_when_the_child_is_gone_and_aborts_it_when_its_time_is_up
    }
}

async fn state_of(handle: &SupervisorHandle, id: ChildId) -> Option<ChildState> {
    let children = handle.children().await.unwrap();
    children.iter().find(|child| child.id == id).map(|child| child.state)
}

/// A child that becomes ready when the gate is opened.
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

async fn start_child_answers_with_the_id_of_a_child_that_is_ready(world: World) {
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

async fn a_failed_start_names_the_whole_path_and_chains_its_source(world: World) {
    let pool = supervisor("pool", RestartStrategy::one_for_one());
    let handle = pool.handle();
    let mut root = root();
    root.add_worker(pool);
    let tree = world.start(root).await.unwrap();
    let error = handle.start_child(failing("x")).await.unwrap_err();
    assert_eq!(error.to_string(), "`root.pool.x` failed to start: no route");
    assert!(std::error::Error::source(&error).is_some());

    let mut nested = supervisor("nested", RestartStrategy::one_for_one());
    nested.add_worker(failing("y"));
    let error = handle.start_child(nested).await.unwrap_err();
    assert_eq!(error.to_string(), "`root.pool.nested.y` failed to start: no route");

    let panicking = set_up("z", |_| async { panic!("in its set-up") });
    let error = handle.start_child(panicking).await.unwrap_err();
    let SupervisorError::FailedToStart { path, cause: StartFailure::Panicked(_) } = &error else { panic!("{error:?}") };
    assert_eq!(path, "root.pool.z");
    assert_eq!(handle.count().await.unwrap().specs, 0);
    tree.shutdown().await.unwrap();
}

async fn what_is_invalid_is_refused_and_nothing_has_changed(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let significant = || idle("x").with_significant(true).with_restart_type(RestartType::Transient);
    let error = handle.start_child(significant()).await.unwrap_err();
    let SupervisorError::InvalidSpec { path, reason } = &error else { panic!("{error:?}") };
    assert_eq!((path.as_str(), *reason), ("root.x", InvalidSpec::SignificantWithoutAutoShutdown));
    assert!(matches!(handle.spawn(significant()), Err(SupervisorError::InvalidSpec { .. })));
    let error = handle.start_child(idle("...")).await.unwrap_err();
    assert_eq!(error.to_string(), r#"invalid name "..." of a child of `root`: a name needs a letter or a digit"#);
    let mut nested = supervisor("nested", RestartStrategy::one_for_one());
    nested.add_worker(one_shot("x", async {}).with_restart_type(RestartType::Permanent));
    let error = handle.spawn(nested).unwrap_err();
    assert!(error.to_string().contains("`root.nested.x`: it is a one-shot"), "{error}");
    assert_eq!(handle.count().await.unwrap().specs, 0);
    assert!(events(&world.probe).iter().all(|event| event.path == "root"), "nothing was started");
    tree.shutdown().await.unwrap();
}

async fn spawn_returns_at_once_and_makes_a_child_temporary_unless_it_says_otherwise(world: World) {
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

async fn t_a_temporary_childs_failing_start_touches_nobody_else(world: World) {
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

async fn r68_the_specification_of_a_child_can_be_asked_for(world: World) {
    let mut root = root();
    let a = root.add_worker(idle("a"));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let spec = handle.child_spec(a).await.unwrap();
    assert_eq!((spec.name.as_str(), spec.kind, spec.restart), ("a", ChildKind::Worker, RestartType::Permanent));
    assert_eq!((spec.shutdown, spec.significant), (ShutdownStrategy::Graceful(Duration::from_secs(5)), false));
    assert_eq!((spec.start_timeout, spec.backoff), (None, None));
    let backoff = Backoff::constant(Duration::from_secs(1));
    let b = handle.start_child(supervisor("b", RestartStrategy::one_for_one())).await.unwrap();
    let c =
        handle.start_child(idle("c").with_backoff(backoff).with_start_timeout(Duration::from_secs(2))).await.unwrap();
    let spec = handle.child_spec(b).await.unwrap();
    assert_eq!((spec.kind, spec.shutdown), (ChildKind::Supervisor, ShutdownStrategy::UNLIMITED));
    let spec = handle.child_spec(c).await.unwrap();
    assert_eq!((spec.start_timeout, spec.backoff), (Some(Duration::from_secs(2)), Some(backoff)));
    tree.shutdown().await.unwrap();
}

async fn d2_find_returns_all_that_have_the_name(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let first = handle.start_child(idle("my conn")).await.unwrap();
    handle.start_child(idle("other")).await.unwrap();
    let second = handle.start_child(idle("my_conn")).await.unwrap();
    for name in ["my conn", "my_conn"] {
        let ids: Vec<_> = handle.find(name).await.unwrap().iter().map(|child| child.id).collect();
        assert_eq!(ids, [first, second]);
    }
    assert!(handle.find("nobody").await.unwrap().is_empty());
    tree.shutdown().await.unwrap();
}

async fn d2_with_unique_names_a_name_is_there_once(world: World) {
    let mut root = root().with_unique_names();
    let first = root.add_worker(idle("a"));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let error = handle.start_child(idle("a")).await.unwrap_err();
    assert_eq!(error.to_string(), "`root.a` is already started");
    assert!(matches!(error, SupervisorError::AlreadyStarted { id, .. } if id == first));
    handle.terminate_child(first).await.unwrap();
    let error = handle.start_child(idle("a")).await.unwrap_err();
    assert!(matches!(error, SupervisorError::AlreadyPresent { id, .. } if id == first), "{error}");
    handle.delete_child(first).await.unwrap();
    handle.start_child(idle("a")).await.unwrap();
    tree.shutdown().await.unwrap();
}

async fn the_life_of_a_child_that_is_added_terminated_restarted_and_deleted(world: World) {
    let census = Census::default();
    let counted = census.clone();
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let spec = set_up("a", move |shutdown| {
        let present = counted.enter();
        async move {
            Ok(Box::pin(async move {
                let _present = present;
                shutdown.await;
                Ok(())
            }) as supervisor_core::SupervisorFuture)
        }
    });
    let id = handle.start_child(spec).await.unwrap();
    assert!(matches!(handle.restart_child(id).await, Err(SupervisorError::Running { path }) if path == "root.a"));
    assert!(matches!(handle.delete_child(id).await, Err(SupervisorError::Running { .. })));
    handle.terminate_child(id).await.unwrap();
    assert_eq!(census.present(), 0, "it is gone when the call is answered");
    handle.terminate_child(id).await.unwrap();
    assert_eq!(state_of(&handle, id).await, Some(ChildState::Stopped));
    assert!(matches!(handle.kill_child(id).await, Err(SupervisorError::ChildNotRunning { .. })));
    handle.restart_child(id).await.unwrap();
    assert_eq!((census.present(), census.ever()), (1, 2), "it is ready when the call is answered");
    handle.terminate_child(id).await.unwrap();
    handle.delete_child(id).await.unwrap();
    assert!(matches!(handle.restart_child(id).await, Err(SupervisorError::NotFound { path }) if path == "root"));
    assert_eq!(handle.count().await.unwrap().specs, 0);
    tree.shutdown().await.unwrap();
}

async fn a_child_of_another_supervisor_is_not_found(world: World) {
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    let foreign = inner.add_worker(idle("x"));
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let not_found = |error: SupervisorError| matches!(error, SupervisorError::NotFound { path } if path == "root");
    assert!(not_found(handle.terminate_child(foreign).await.unwrap_err()));
    assert!(not_found(handle.restart_child(foreign).await.unwrap_err()));
    assert!(not_found(handle.delete_child(foreign).await.unwrap_err()));
    assert!(not_found(handle.child_spec(foreign).await.unwrap_err()));
    tree.shutdown().await.unwrap();
}

async fn n7_every_call_to_what_does_not_run_says_so_at_once(world: World) {
    let mut root = root();
    let id = root.add_worker(idle("a"));
    let handle = root.handle();
    let not_running = |error: SupervisorError| matches!(error, SupervisorError::NotRunning { path } if path == "root");
    let says_so = async || {
        assert!(not_running(handle.start_child(idle("x")).await.unwrap_err()));
        assert!(not_running(handle.spawn(idle("x")).unwrap_err()));
        assert!(not_running(handle.terminate_child(id).await.unwrap_err()));
        assert!(not_running(handle.restart_child(id).await.unwrap_err()));
        assert!(not_running(handle.delete_child(id).await.unwrap_err()));
        assert!(not_running(handle.child_spec(id).await.unwrap_err()));
        assert!(not_running(handle.find("a").await.unwrap_err()));
    };
    says_so().await;
    let tree = world.start(root).await.unwrap();
    assert_eq!(handle.count().await.unwrap().specs, 1, "nothing was queued");
    tree.shutdown().await.unwrap();
    says_so().await;
}

async fn n7_a_spawn_that_was_accepted_and_never_served_is_told(world: World) {
    let tree = world.start(root()).await.unwrap();
    let (handle, mut stream) = (tree.handle(), tree.events());
    handle.shutdown().unwrap();
    // On another thread it may have ended by now.
    let accepted = handle.spawn(idle("late"));
    tree.shutdown().await.unwrap();
    let mut told = Vec::new();
    while let Some(event) = stream.next().await {
        told.push(event);
    }
    let refused = told.iter().find(|event| matches!(event.kind, EventKind::Refused(_)));
    assert_eq!(refused.is_some(), accepted.is_ok());
    if let Some(refused) = refused {
        let text = "root.late is not started: `root` is shutting down, and starts nothing any more";
        assert_eq!(refused.to_string(), text);
    }
    assert!(told.iter().all(|event| !matches!(event.kind, EventKind::Started) || event.path != "root.late"));
}

async fn a_handle_stays_good_over_the_restarts_of_its_supervisor(world: World) {
    let inner = supervisor("inner", RestartStrategy::one_for_one());
    let handle = inner.handle();
    let mut root = root();
    let id = root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    for round in 0..5 {
        world.probe.quiet().await;
        assert_eq!(handle.count().await.unwrap().specs, 0, "round {round}: what was added before is gone");
        handle.start_child(idle("added")).await.unwrap();
        assert_eq!(handle.count().await.unwrap().active, 1);
        tree.handle().kill_child(id).await.unwrap();
    }
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn a7_a_call_whose_supervisor_stops_before_it_can_answer_says_so(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let mut starting = Box::pin(handle.start_child(set_up("never", |_| pending())));
    let slow = handle.start_child(deaf("slow").with_shutdown_strategy(ShutdownStrategy::UNLIMITED)).await.unwrap();
    assert!(poll_once(&mut starting).await.is_none());
    let mut terminating = Box::pin(handle.terminate_child(slow));
    assert!(poll_once(&mut terminating).await.is_none());
    while state_of(&handle, slow).await != Some(ChildState::Stopping) {
        yield_now().await;
    }
    handle.shutdown().unwrap();
    let error = starting.await.unwrap_err();
    assert!(matches!(&error, SupervisorError::ShuttingDown { path } if path == "root"), "{error}");
    handle.kill_child(slow).await.unwrap();
    terminating.await.unwrap();
    let _unclean = tree.shutdown().await;
}

async fn a8_a_full_supervisor_refuses_and_a_place_that_is_free_again_can_be_taken(world: World) {
    let mut root = root().with_max_children(2);
    root.add_worker(idle("static"));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let id = handle.start_child(idle("a")).await.unwrap();
    let error = handle.start_child(idle("b")).await.unwrap_err();
    assert_eq!(error.to_string(), "`root` has its maximum of 2 children");
    handle.spawn(idle("c")).unwrap();
    world.probe.quiet().await;
    let told = events(&world.probe);
    let refused = |event: &supervisor_core::Event| match &event.kind {
        EventKind::Refused(SupervisorError::AtCapacity { max: 2, .. }) => event.path == "root.c",
        _ => false,
    };
    assert!(told.iter().any(refused), "a refused spawn is told");
    handle.terminate_child(id).await.unwrap();
    handle.start_child(idle("b")).await.expect_err("a stopped child keeps its place");
    handle.delete_child(id).await.unwrap();
    handle.start_child(idle("b")).await.unwrap();
    tree.shutdown().await.unwrap();
}

async fn n5_a_child_that_is_added_while_the_tree_starts_does_not_wait_for_that(world: World) {
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

async fn n5_a_child_that_is_added_while_its_group_restarts_is_the_last_to_start(world: World) {
    let (open, gate) = async_channel::unbounded();
    open.try_send(()).unwrap();
    let strings = Strings::new();
    let pulled = strings.clone();
    let mut root = supervisor("root", RestartStrategy::one_for_all());
    root.add_worker(gated("gated", &gate));
    root.add_worker(worker("brittle", move |shutdown| {
        let strings = pulled.clone();
        async move { strings.hang(shutdown).await }
    }));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    strings.pull(Err("boom"));
    while handle.children().await.unwrap()[0].state != ChildState::Starting {
        yield_now().await;
    }
    events(&world.probe);
    let mut call = Box::pin(handle.start_child(idle("added")));
    assert!(poll_once(&mut call).await.is_none());
    assert_eq!(handle.children().await.unwrap().len(), 3);
    assert!(poll_once(&mut call).await.is_none(), "it waits for its turn");
    open.try_send(()).unwrap();
    call.await.unwrap();
    let ready = |event: &supervisor_core::Event| matches!(event.kind, EventKind::Ready).then(|| event.path.clone());
    let ready: Vec<_> = events(&world.probe).iter().filter_map(ready).collect();
    assert_eq!(ready, ["root.gated", "root.brittle", "root.added"]);
    tree.shutdown().await.unwrap();
}

async fn r28_terminating_who_failed_keeps_its_group_down_and_names_it(world: World) {
    let strings = Strings::new();
    let pulled = strings.clone();
    let mut root = supervisor("root", RestartStrategy::one_for_all());
    let spec = worker("brittle", move |shutdown| {
        let strings = pulled.clone();
        async move { strings.hang(shutdown).await }
    });
    let id = root.add_worker(spec.with_backoff(Backoff::constant(Duration::from_secs(3600))));
    let sibling = root.add_worker(idle("sibling"));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    strings.pull(Err("boom"));
    while handle.count().await.unwrap().active > 0 {
        yield_now().await;
    }
    handle.terminate_child(id).await.unwrap();
    let told = events(&world.probe);
    let left = told.iter().find(|event| matches!(event.kind, EventKind::LeftDown { .. })).expect("it is told");
    let text = "root.brittle was terminated before its group was restarted; these stay down: sibling";
    assert_eq!(left.to_string(), text);
    // It may be on its way out still.
    world.probe.quiet().await;
    assert_eq!(state_of(&handle, sibling).await, Some(ChildState::Stopped));
    handle.restart_child(sibling).await.unwrap();
    handle.restart_child(id).await.unwrap();
    assert_eq!(handle.count().await.unwrap().active, 2);
    tree.shutdown().await.unwrap();
}

async fn p3_what_specifications_own_is_dropped_in_processes_of_their_own(world: World) {
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
    handle.spawn(owning("refused")).unwrap();
    handle.delete_child(deleted).await.unwrap();
    let owned = (Bomb(armed.clone()), census.enter());
    let failing = set_up("failed", move |_| {
        let _owned = &owned;
        async { Err("no route".into()) }
    });
    handle.start_child(failing).await.unwrap_err();
    // A whole subsystem. Two panics in one process, one while the other unwinds, would be the end of the program.
    struct Ruthless(crate::actors::Present);

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
    assert_eq!(handle.count().await.unwrap().active, 2, "no destructor took anybody down");
    tree.shutdown().await.unwrap();
}

async fn r_a_tree_that_is_dropped_takes_along_what_was_added(world: World) {
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

async fn n_what_was_added_to_a_supervisor_is_gone_after_its_restart(world: World) {
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

async fn children_that_are_added_from_many_sides_start_in_the_order_of_their_ids(world: World) {
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

fn brittle(strings: &Strings, census: &Census, backoff: Backoff) -> supervisor_core::ChildSpec {
    let (strings, census) = (strings.clone(), census.clone());
    let spec = worker("brittle", move |shutdown| {
        let (strings, present) = (strings.clone(), census.enter());
        async move {
            let _present = present;
            strings.hang(shutdown).await
        }
    });
    spec.with_backoff(backoff).with_restart_type(RestartType::Permanent)
}

async fn a_terminate_during_backoff_means_that_it_is_not_started(world: World) {
    let (strings, census) = (Strings::new(), Census::default());
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let delay = Duration::from_secs(10);
    let id = handle.start_child(brittle(&strings, &census, Backoff::constant(delay))).await.unwrap();
    strings.pull(Err("boom"));
    while state_of(&handle, id).await != Some(ChildState::Restarting) {
        yield_now().await;
    }
    handle.terminate_child(id).await.unwrap();
    world.sleep(2 * delay).await;
    assert_eq!((census.ever(), state_of(&handle, id).await), (1, Some(ChildState::Stopped)));
    tree.shutdown().await.unwrap();
}

async fn b_a_full_supervisor_lives_while_a_sibling_waits(world: World) {
    let (strings, census) = (Strings::new(), Census::default());
    let tree = world.start(root().with_max_children(2)).await.unwrap();
    let handle = tree.handle();
    let delay = Duration::from_secs(10);
    let id = handle.start_child(brittle(&strings, &census, Backoff::constant(delay))).await.unwrap();
    strings.pull(Err("boom"));
    while state_of(&handle, id).await != Some(ChildState::Restarting) {
        yield_now().await;
    }
    handle.start_child(idle("other")).await.unwrap();
    assert!(matches!(handle.start_child(idle("third")).await, Err(SupervisorError::AtCapacity { max: 2, .. })));
    world.sleep(2 * delay).await;
    assert_eq!(handle.count().await.unwrap().active, 2, "it has kept its place");
    tree.shutdown().await.unwrap();
}

async fn i_stable_uptime_restores_delay_and_budget(world: World) {
    let (strings, census) = (Strings::new(), Census::default());
    let strategy = RestartStrategy::one_for_one().with_intensity_and_period(2, Duration::from_secs(60));
    let tree = world.start(Supervisor::new("root").unwrap().with_restart_strategy(strategy)).await.unwrap();
    let handle = tree.handle();
    let second = Duration::from_secs(1);
    let backoff = Backoff::exponential(second, 8 * second).with_jitter(false).with_reset_after(30 * second);
    let id = handle.start_child(brittle(&strings, &census, backoff)).await.unwrap();
    let mut stream = handle.events();
    let mut delays = Vec::new();
    for uptime in [0, 0, 100, 0, 100] {
        world.sleep(uptime * second).await;
        strings.pull(Err("boom"));
        while let Some(event) = stream.next().await {
            match &event.kind {
                EventKind::Restarting { delay, .. } => delays.push(delay.as_secs()),
                EventKind::Ready => break,
                _ => {}
            }
        }
    }
    // Two failures close to each other are within the budget, as often as they come after a quiet time.
    assert_eq!(delays, [1, 2, 1, 2, 1]);
    assert_eq!(state_of(&handle, id).await, Some(ChildState::Running));
    tree.shutdown().await.unwrap();
}

async fn j_an_added_child_that_never_becomes_ready_times_out(world: World) {
    let tree = world.start(root()).await.unwrap();
    let begin = world.spawner.now();
    let spec = set_up("never", |_| pending()).with_start_timeout(Duration::from_secs(30));
    let error = tree.handle().start_child(spec).await.unwrap_err();
    assert_eq!(error.to_string(), "`root.never` failed to start: not ready within its start timeout of 30s");
    assert_eq!(world.spawner.now() - begin, Duration::from_secs(30));
    assert_eq!(tree.handle().count().await.unwrap().specs, 0);
    tree.shutdown().await.unwrap();
}

async fn j_shutdown_works_before_the_start_timeout_of_an_added_child(world: World) {
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

async fn d3_terminate_answers_when_the_child_is_gone_and_aborts_it_when_its_time_is_up(world: World) {
    let tree = world.start(root()).await.unwrap();
    let begin = world.spawner.now();
    let handle = tree.handle();
    let spec = deaf("deaf").with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::from_secs(7)));
    let id = handle.start_child(spec).await.unwrap();
    handle.terminate_child(id).await.unwrap();
    assert_eq!(world.spawner.now() - begin, Duration::from_secs(7));
    tree.shutdown().await.unwrap();
}
