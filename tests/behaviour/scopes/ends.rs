//! The end of an owner is complete when its scope has ended, and nothing of that is left.

use supervisor_core::{
    BoxError, EventKind, Exit, InvalidSpec, ProcessShutdown, RestartStrategy, Supervisor, SupervisorError, process,
    worker,
};

use super::{owner, owner_id, slow};
use crate::{
    actors::{Census, Diary, Strings, events, exits_of, idle, root},
    harness::World,
};

mount! { everywhere:
    s1_a_scope_ends_before_the_end_of_its_owner_is_told
    s1_a_successor_starts_beside_nothing_of_the_scope
    s1_a_destructor_may_open_the_scope
    s1_a_scope_that_was_stopped_starts_nothing
    s1_a_scope_in_a_scope_ends_first
    s1_a_process_has_one_scope
    s1_only_a_worker_has_a_scope
    s1_settings_that_do_not_fit_open_nothing
    s1_a_job_of_a_scope_returns_its_result
}

async fn s1_a_scope_ends_before_the_end_of_its_owner_is_told(world: World) {
    for how in ["returns", "fails", "panics", "is killed", "is terminated"] {
        let (census, strings) = (Census::default(), Strings::new());
        let (within, hung) = (census.clone(), strings.clone());
        let spec = worker("owner", move |shutdown| {
            let (census, strings) = (within.clone(), hung.clone());
            async move {
                for _ in 0..3 {
                    process::scope()?.spawn(slow("child", &census))?;
                }
                match strings.hang(shutdown).await {
                    Err(error) if error.to_string() == "panics" => panic!("boom"),
                    result => result,
                }
            }
        });
        let tree = world.start(root()).await.unwrap();
        let handle = tree.handle();
        let owner = handle.spawn(spec).unwrap();
        world.probe.quiet().await;
        assert_eq!(census.present(), 3);
        let monitor = handle.monitor(owner).unwrap();
        match how {
            "returns" => strings.pull(Ok(())),
            "is killed" => handle.kill_child(owner).await.unwrap(),
            "is terminated" => handle.terminate_child(owner).await.unwrap(),
            how => strings.pull(Err(how)),
        }
        let exit = monitor.await.to_string();
        assert_eq!(census.present(), 0, "{how}");
        let expected = match how {
            "returns" | "is terminated" => "ended normally",
            "fails" => "failed: fails",
            "panics" => "panicked: boom",
            _ => "was aborted",
        };
        assert_eq!(exit, expected);
        world.probe.quiet().await;
        assert_eq!(exits_of(&events(&world.probe), "root.owner").len(), 1, "{how}: its end is told once");
        tree.shutdown().await.unwrap();
    }
}

async fn s1_a_successor_starts_beside_nothing_of_the_scope(world: World) {
    let (census, strings, diary) = (Census::default(), Strings::new(), Diary::default());
    let (within, hung, written) = (census.clone(), strings.clone(), diary.clone());
    let mut root = root();
    root.add_worker(worker("owner", move |shutdown| {
        let (census, strings, diary) = (within.clone(), hung.clone(), written.clone());
        async move {
            diary.write(format!("starts beside {}", census.present()));
            for _ in 0..20 {
                process::scope()?.spawn(slow("child", &census))?;
            }
            strings.hang(shutdown).await
        }
    }));
    let tree = world.start(root).await.unwrap();
    for _ in 0..3 {
        world.probe.quiet().await;
        strings.pull(Err("boom"));
        strings.pulled(&world.probe).await;
    }
    assert_eq!(diary.take(), ["starts beside 0"; 4]);
    assert_eq!(census.ever(), 80);
    tree.shutdown().await.unwrap();
    assert_eq!(census.present(), 0);
}

async fn s1_a_destructor_may_open_the_scope(world: World) {
    struct Opens(Census);
    impl Drop for Opens {
        fn drop(&mut self) {
            process::scope().unwrap().spawn(slow("child", &self.0)).unwrap();
        }
    }
    let (census, strings) = (Census::default(), Strings::new());
    let (within, hung) = (census.clone(), strings.clone());
    let tree = world.start(root()).await.unwrap();
    let owner = tree.handle().spawn(worker("owner", move |shutdown| {
        let (opens, strings) = (Opens(within.clone()), hung.clone());
        async move {
            let _opens = opens;
            strings.hang(shutdown).await
        }
    }));
    let monitor = tree.handle().monitor(owner.unwrap());
    world.probe.quiet().await;
    let monitor = monitor.or_else(|_| tree.handle().monitor(owner_id(&tree.handle(), "owner")?)).unwrap();
    strings.pull(Ok(()));
    assert_eq!(monitor.await, Exit::Normal);
    assert_eq!(census.present(), 0);
    tree.shutdown().await.unwrap();
}

async fn s1_a_scope_that_was_stopped_starts_nothing(world: World) {
    let (census, diary) = (Census::default(), Diary::default());
    let (within, written) = (census.clone(), diary.clone());
    let mut root = root();
    root.add_worker(worker("owner", move |shutdown: ProcessShutdown| {
        let (census, diary) = (within.clone(), written.clone());
        async move {
            let scope = process::scope()?;
            scope.spawn(slow("child", &census))?;
            shutdown.await;
            // The listener's way: first no more connections, then those that are there, then what they needed.
            let exit = scope.stop().await?;
            diary.write(format!("{exit}; {} left", census.present()));
            diary.write(format!("{:#?}", process::scope()?.spawn(idle("late")).unwrap_err()));
            Ok::<_, BoxError>(())
        }
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
    assert_eq!(
        diary.take(),
        [
            "shut down on request; 0 left".to_owned(),
            format!("{:#?}", SupervisorError::NotRunning { path: "root.owner".into() }),
        ]
    );
}

async fn s1_a_scope_in_a_scope_ends_first(world: World) {
    let (census, strings, never) = (Census::default(), Strings::new(), Strings::new());
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let (within, inner) = (census.clone(), never.clone());
    let spec = owner("owner", &strings, move |scope| {
        let (census, inner) = (within.clone(), inner.clone());
        scope
            .spawn(owner("inner", &inner, move |scope| {
                scope.spawn(slow("child", &census)).unwrap();
            }))
            .unwrap();
    });
    let owner = handle.spawn(spec).unwrap();
    world.probe.quiet().await;
    let snapshot = handle.snapshot().await;
    assert!(snapshot.find("root.owner.inner.child").is_some(), "{snapshot}");
    let monitor = handle.monitor(owner).unwrap();
    strings.pull(Err("boom"));
    assert_eq!(monitor.await.to_string(), "failed: boom");
    assert_eq!(census.present(), 0);
    world.probe.quiet().await;
    let events = events(&world.probe);
    let exits = ["root.owner.inner.child", "root.owner.inner", "root.owner"]
        .map(|path| events.iter().position(|event| event.path == path && matches!(event.kind, EventKind::Exited(_))));
    assert!(exits.is_sorted() && exits[0].is_some(), "{exits:?}");
    tree.shutdown().await.unwrap();
}

async fn s1_a_process_has_one_scope(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let mut root = root();
    root.add_worker(worker("owner", move |shutdown| {
        let diary = written.clone();
        async move {
            let scope = process::scope_with(|scope| scope.with_max_children(1))?;
            let again = process::scope_with(|scope| scope).unwrap_err();
            diary.write(format!("{again:#?}"));
            scope.spawn(idle("child"))?;
            let full = process::scope()?.spawn(idle("child")).unwrap_err();
            diary.write(full.to_string());
            shutdown.await;
            Ok::<_, SupervisorError>(())
        }
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let written = diary.take();
    assert_eq!(written[0], format!("{:#?}", SupervisorError::ScopeIsOpen { path: "root.owner".into() }));
    assert!(written[1].contains("`root.owner` has its maximum of 1 children"), "{}", written[1]);
    assert_eq!(process::scope().unwrap_err(), SupervisorError::OutsideProcess);
    tree.shutdown().await.unwrap();
}

async fn s1_only_a_worker_has_a_scope(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let placement = supervisor_core::Placement::fresh({
        let spawner = world.spawner.clone();
        move |_| {
            written.write(format!("{:#?}", process::scope().unwrap_err()));
            Ok::<_, BoxError>(spawner.clone())
        }
    });
    let mut root = root();
    root.add_worker(Supervisor::new("inner").unwrap().with_child_placement(placement));
    let tree = world.start(root).await.unwrap();
    assert_eq!(diary.take(), [format!("{:#?}", SupervisorError::NoScope { path: "root.inner".into() })]);
    tree.shutdown().await.unwrap();
}

async fn s1_settings_that_do_not_fit_open_nothing(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let mut root = root();
    root.add_worker(worker("owner", move |shutdown| {
        let diary = written.clone();
        async move {
            let fresh = supervisor_core::Placement::fresh(|_| Err::<executor_smol::Smol, _>("never made"));
            let wrong = [
                process::scope_with(|scope| scope.with_restart_strategy(RestartStrategy::one_for_all())),
                process::scope_with(|scope| scope.with_worker(idle("static"))),
                process::scope_with(|_| Supervisor::new("another").unwrap()),
                process::scope_with(|scope| scope.with_child_placement(fresh)),
            ];
            for wrong in wrong {
                match wrong {
                    Err(SupervisorError::InvalidSpec { path, reason }) if path == "root.owner" => {
                        diary.write(format!("{reason:?}"));
                    }
                    other => diary.write(format!("{other:#?}")),
                }
            }
            process::scope()?.spawn(idle("child"))?;
            shutdown.await;
            Ok::<_, SupervisorError>(())
        }
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(
        diary.take(),
        [
            InvalidSpec::DynamicStrategy,
            InvalidSpec::DynamicWithChildren,
            InvalidSpec::DynamicShutdownOrder,
            InvalidSpec::ScopePlacement,
        ]
        .map(|reason| format!("{reason:?}"))
    );
    assert!(tree.handle().snapshot().await.find("root.owner.child").is_some());
    tree.shutdown().await.unwrap();
}

async fn s1_a_job_of_a_scope_returns_its_result(world: World) {
    let (tell, told) = async_channel::bounded(1);
    let mut root = root();
    root.add_worker(worker("owner", move |shutdown| {
        let tell = tell.clone();
        async move {
            let parts = (0..4).map(|n| process::scope()?.spawn_task("part", async move { n * n }));
            let mut sum = 0;
            for part in parts.collect::<Result<Vec<_>, _>>()? {
                sum += part.await.expect("it ends well");
            }
            let _ = tell.send(sum).await;
            shutdown.await;
            Ok::<_, SupervisorError>(())
        }
    }));
    let tree = world.start(root).await.unwrap();
    assert_eq!(told.recv().await.unwrap(), 14);
    tree.shutdown().await.unwrap();
}
