//! Dynamic supervisors: children that come and go.

use std::{future::pending, time::Duration};

use supervisor_core::{
    ChildState, EventKind, RestartStrategy, RestartType, ShutdownStrategy, Supervisor, SupervisorError,
    SupervisorHandle, one_shot, process, worker,
};

use crate::{
    actors::{Census, Strings, deaf, events, idle, present, root, supervisor},
    harness::World,
};

mount! { everywhere:
    r7_r71_each_child_has_its_own_spec_and_restarts_alone
    r73_an_ended_child_leaves_nothing_behind
    r69_a_dynamic_supervisor_has_nothing_to_restart_or_delete
    r75_children_of_a_dynamic_one_may_be_supervisors
    r50_case_m_all_significant_counts_added_children
    a_flood_of_spawns_does_not_delay_a_shutdown
    a_flood_of_spawns_does_not_delay_an_exit
}

mod timed {
    use super::{a4_a_budget_bounds_the_whole_stop_and_names_the_aborted, r46_a_dynamic_supervisor_stops_all_at_once};

    mount! { virtual time:
        r46_a_dynamic_supervisor_stops_all_at_once
        a4_a_budget_bounds_the_whole_stop_and_names_the_aborted
    }
}

fn pool(intensity: usize) -> (Supervisor, SupervisorHandle) {
    let strategy = RestartStrategy::one_for_one().with_intensity_and_period(intensity, Duration::from_secs(5));
    let pool = Supervisor::dynamic("pool").unwrap().with_restart_strategy(strategy);
    let handle = pool.handle();
    (pool, handle)
}

async fn r7_r71_each_child_has_its_own_spec_and_restarts_alone(world: World) {
    let (pool, handle) = pool(100);
    let tree = world.start(pool).await.unwrap();
    let (strings, census) = (Strings::new(), Census::default());
    for name in ["a", "b", "c"] {
        let (strings, census) = (strings.clone(), census.clone());
        let spec = worker(name, move |shutdown| {
            let (strings, present) = (strings.clone(), census.enter());
            async move {
                let _present = present;
                strings.hang(shutdown).await
            }
        });
        handle.start_child(spec).await.unwrap();
    }
    world.probe.quiet().await;
    for _ in 0..10 {
        strings.pull(Err("boom"));
        strings.pulled(&world.probe).await;
    }
    assert_eq!((census.ever(), census.present(), census.most()), (13, 3, 3));
    let names: Vec<_> = handle.children().await.unwrap().into_iter().map(|child| child.name).collect();
    assert_eq!(names, ["a", "b", "c"]);
    tree.shutdown().await.unwrap();
}

async fn r73_an_ended_child_leaves_nothing_behind(world: World) {
    let (pool, handle) = pool(0);
    let tree = world.start(pool).await.unwrap();
    let census = Census::default();
    for n in 0..300 {
        let (owned, counted) = (census.enter(), census.clone());
        let spec = worker("child", move |_| {
            let (_owned, present) = (&owned, counted.enter());
            async move {
                drop(present);
                if n % 3 == 0 { Err("boom") } else { Ok(()) }
            }
        });
        match n % 3 {
            0 => handle.spawn(spec).unwrap(),
            1 => handle.start_child(spec.with_restart_type(RestartType::Transient)).await.unwrap(),
            _ => handle.start_child(spec.with_restart_type(RestartType::Temporary)).await.unwrap(),
        };
    }
    world.probe.quiet().await;
    assert_eq!(handle.count().await.unwrap().specs, 0);
    assert!(handle.children().await.unwrap().is_empty());
    assert_eq!((census.ever(), census.present()), (600, 0), "neither processes nor what their specifications own");
    tree.shutdown().await.unwrap();
}

async fn r69_a_dynamic_supervisor_has_nothing_to_restart_or_delete(world: World) {
    let (pool, handle) = pool(0);
    let mut root = root();
    root.add_worker(pool);
    let tree = world.start(root).await.unwrap();
    let id = handle.start_child(idle("a")).await.unwrap();
    let error = handle.restart_child(id).await.unwrap_err();
    assert!(matches!(&error, SupervisorError::Dynamic { path } if path == "root.pool"), "{error}");
    assert!(matches!(handle.delete_child(id).await, Err(SupervisorError::Dynamic { .. })));
    handle.terminate_child(id).await.unwrap();
    assert_eq!(handle.count().await.unwrap().specs, 0);
    assert!(matches!(handle.terminate_child(id).await, Err(SupervisorError::NotFound { .. })), "it is forgotten");
    tree.shutdown().await.unwrap();
}

async fn r75_children_of_a_dynamic_one_may_be_supervisors(world: World) {
    let (pool, handle) = pool(5);
    let mut root = root();
    root.add_worker(pool);
    let tree = world.start(root).await.unwrap();
    let census = Census::default();
    let mut session = supervisor("session", RestartStrategy::one_for_one());
    session.add_worker(present("part", &census));
    let session_handle = session.handle();
    let id = handle.start_child(session).await.unwrap();
    assert_eq!(session_handle.path(), "root.pool.session");
    session_handle.start_child(idle("added")).await.unwrap();
    handle.kill_child(id).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(session_handle.count().await.unwrap().specs, 1, "restarted, without what was added");
    let mut ended = session_handle.events();
    handle.terminate_child(id).await.unwrap();
    world.probe.quiet().await;
    assert_eq!((census.ever(), census.present()), (2, 0));
    assert!(matches!(session_handle.count().await, Err(SupervisorError::NotRunning { .. })));
    while ended.next().await.is_some() {}
    tree.shutdown().await.unwrap();
}

async fn r50_case_m_all_significant_counts_added_children(world: World) {
    let root = root().with_auto_shutdown(supervisor_core::AutoShutdown::AllSignificant);
    let mut tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let (first, second) = (Strings::new(), Strings::new());
    for (name, strings) in [("first", &first), ("second", &second)] {
        let spec = strings.worker(name);
        handle.spawn(spec.with_significance()).unwrap();
    }
    // An exit goes before a start that comes at the same time, so both have to be there.
    world.probe.quiet().await;
    first.pull(Ok(()));
    first.pulled(&world.probe).await;
    assert_eq!(handle.count().await.unwrap().active, 1, "one is left");
    second.pull(Ok(()));
    tree.wait().await.unwrap();
}

const FLOOD: usize = 20_000;

async fn a_flood_of_spawns_does_not_delay_a_shutdown(world: World) {
    let (pool, handle) = pool(0);
    let census = Census::default();
    let tree = world.start(pool).await.unwrap();
    for _ in 0..FLOOD {
        let (census, owned) = (census.clone(), census.enter());
        handle
            .spawn(
                one_shot("drop", async move {
                    let _present = (owned, census.enter());
                    pending::<()>().await;
                })
                .with_shutdown_strategy(ShutdownStrategy::Brutal),
            )
            .unwrap();
    }
    tree.shutdown().await.unwrap();
    world.probe.quiet().await;
    let told = events(&world.probe);
    let refused = told.iter().filter(|event| matches!(event.kind, EventKind::Refused(_))).count();
    let started = told.iter().filter(|event| matches!(event.kind, EventKind::Started)).count();
    assert_eq!(started + refused, FLOOD, "not one is lost");
    assert_eq!(census.present(), 0, "and none leaves anything behind");
    if world.is_simulated() {
        // The supervisor had no turn before all of them, and the shutdown, were there.
        assert_eq!(started, 0);
    }
}

async fn a_flood_of_spawns_does_not_delay_an_exit(world: World) {
    let strings = Strings::new();
    let mut root = root();
    let spec = strings.worker("brittle");
    root.add_worker(spec);
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    world.probe.quiet().await;
    strings.pull(Err("boom"));
    for _ in 0..FLOOD {
        handle.spawn(one_shot("drop", async {})).unwrap();
    }
    world.probe.quiet().await;
    let told = events(&world.probe);
    let position = told.iter().position(|event| matches!(event.kind, EventKind::Restarting { .. })).expect("a restart");
    let before = told[..position].iter().filter(|event| matches!(event.kind, EventKind::Started)).count();
    if world.is_simulated() {
        // A batch or a few, in whatever order things happen.
        assert!(before < FLOOD / 4, "{before} were started before the exit was looked at");
    }
    tree.shutdown().await.unwrap();
}

async fn r46_a_dynamic_supervisor_stops_all_at_once(world: World) {
    let (pool, handle) = pool(0);
    let tree = world.start(pool).await.unwrap();
    for _ in 0..100 {
        let slow = worker("slow", |shutdown| async move {
            shutdown.await;
            process::sleep(Duration::from_secs(2)).await;
        });
        handle.start_child(slow).await.unwrap();
    }
    handle.start_child(deaf("deaf")).await.unwrap();
    let begin = world.spawner.now();
    let error = tree.shutdown().await.unwrap_err();
    assert_eq!(error.to_string(), "shutdown was not clean: `pool.deaf` was aborted: did not stop in time");
    assert_eq!(world.spawner.now() - begin, Duration::from_secs(5));
}

async fn a4_a_budget_bounds_the_whole_stop_and_names_the_aborted(world: World) {
    let (pool, handle) = pool(0);
    let mut api = supervisor("api", RestartStrategy::one_for_one());
    api.add_worker(deaf("patient").with_shutdown_strategy(ShutdownStrategy::UNLIMITED));
    api.add_worker(pool);
    let mut root = root().with_shutdown_budget(Duration::from_secs(8));
    root.add_worker(deaf("first"));
    root.add_worker(api);
    root.add_worker(deaf("brutal").with_shutdown_strategy(ShutdownStrategy::Brutal));
    root.add_worker(deaf("quick").with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::from_secs(1))));
    let tree = world.start(root).await.unwrap();
    handle.start_child(deaf("conn")).await.unwrap();
    assert_eq!(handle.children().await.unwrap()[0].state, ChildState::Running);
    let begin = world.spawner.now();
    let error = tree.shutdown().await.unwrap_err();
    // 1 s for `quick`, 5 s for `conn`, and what is left of the 8 s for `patient` and `first` together.
    assert_eq!(world.spawner.now() - begin, Duration::from_secs(8));
    let SupervisorError::UncleanShutdown(unclean) = &error else { panic!("{error}") };
    let mut paths: Vec<_> = unclean.iter().map(|unclean| unclean.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["root.api.patient", "root.api.pool.conn", "root.first", "root.quick"]);
}
