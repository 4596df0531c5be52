use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use supervisor_core::{
    AutoShutdown, Backoff, BoxError, Event, EventKind, Exit, RestartMode, RestartStrategy, RestartType, StopReason,
    SupervisorError, process, worker,
};

use crate::{
    actors::{Census, Strings, present, root, supervisor},
    harness::World,
};

mount! { everywhere, also added at run time:
    r15_case_f_instances_never_exceed_declared_children
    n2_case_l_two_children_that_fail_together_cost_one
    n8_case_n_restarting_a_supervisor_orphans_no_grandchild
    case_s_no_limit_is_too_large
    a1_case_u_a_give_up_error_tells_its_failures
    r35_failure_climbs_until_a_restart_covers_it
    r36_a_restarted_supervisor_runs_new_processes
    r36_a_restarted_supervisor_has_no_history
    r13_d5_all_ends_of_a_supervisor_restart_and_are_told_apart
}

mount! { virtual time, also added at run time:
    r31_case_h_crashes_slower_than_the_budget_never_trip_it
    r31_case_h_crashes_faster_than_the_budget_always_trip_it
    a_restart_waits_for_its_backoff
}

async fn r15_case_f_instances_never_exceed_declared_children(world: World) {
    let (strings, census) = (Strings::new(), Census::default());
    let mut root = supervisor("root", RestartStrategy::one_for_all());
    for name in ["a", "b", "c"] {
        let (strings, census) = (strings.clone(), census.clone());
        root.add_worker(worker(name, move |shutdown| {
            let (strings, present) = (strings.clone(), census.enter());
            async move {
                let _present = present;
                strings.hang(shutdown).await
            }
        }));
    }
    let tree = world.start(root).await.unwrap();
    for _ in 0..30 {
        strings.pull(Err("boom"));
        world.probe.quiet().await;
    }
    strings.pulled(&world.probe).await;
    assert!(census.most() <= 3);
    tree.shutdown().await.unwrap();
    assert_eq!(census.present(), 0);
}

async fn n2_case_l_two_children_that_fail_together_cost_one(world: World) {
    let strings = Strings::new();
    let mut root = root().with_restart_strategy(
        // A second restart would be one too many.
        RestartStrategy::one_for_all().with_intensity_and_period(1, Duration::from_secs(3600)),
    );
    for name in ["a", "b"] {
        root.add_worker(strings.worker(name));
    }
    // Stops when it is released, so that there is time for the other one to fail.
    let (release, gate) = async_channel::bounded::<()>(1);
    root.add_worker(worker("slow", move |shutdown| {
        let gate = gate.clone();
        async move {
            shutdown.await;
            let _ = gate.recv().await;
        }
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    strings.pull(Err("boom"));
    strings.pull(Err("boom"));
    let mut told = Vec::new();
    while exits(&told) < 2 {
        futures_lite::future::yield_now().await;
        told.extend(crate::actors::events(&world.probe));
    }
    release.try_send(()).unwrap();
    world.probe.quiet().await;
    told.extend(crate::actors::events(&world.probe));
    let restarts = told.iter().filter(|event| matches!(event.kind, EventKind::Restarting { .. })).count();
    assert_eq!(restarts, 1);
    drop(release);
    tree.shutdown().await.unwrap();
}

fn exits(events: &[Event]) -> usize {
    events.iter().filter(|event| matches!(event.kind, EventKind::Exited(_))).count()
}

async fn n8_case_n_restarting_a_supervisor_orphans_no_grandchild(world: World) {
    let census = Census::default();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    for name in ["a", "b", "c"] {
        inner.add_worker(present(name, &census));
    }
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    let id = tree.handle().find("inner").await.unwrap()[0].id;
    for _ in 0..20 {
        world.probe.quiet().await;
        tree.handle().kill_child(id).await.unwrap();
        world.probe.quiet().await;
    }
    assert_eq!(census.present(), 3);
    assert_eq!(census.most(), 3);
    tree.shutdown().await.unwrap();
    assert_eq!(census.present(), 0);
}

async fn case_s_no_limit_is_too_large(world: World) {
    let strings = Strings::new();
    let limitless = RestartStrategy::new(RestartMode::RestForOne).with_intensity_and_period(usize::MAX, Duration::MAX);
    let mut group = supervisor("group", limitless)
        .with_restart_strategy(limitless)
        .with_abort_grace(Duration::MAX)
        .with_default_backoff(Backoff::constant(Duration::ZERO));
    let spec = strings.worker("a");
    group.add_worker(
        spec.with_start_timeout(Duration::MAX)
            .with_shutdown_strategy(supervisor_core::ShutdownStrategy::Graceful(Duration::MAX)),
    );
    let mut root = root();
    root.add_worker(group);
    let tree = world.start(root).await.unwrap();
    for _ in 0..20 {
        strings.pull(Err("boom"));
        strings.pulled(&world.probe).await;
    }
    tree.shutdown().await.unwrap();
}

async fn a1_case_u_a_give_up_error_tells_its_failures(world: World) {
    let count = Arc::new(AtomicUsize::new(0));
    let mut root = root()
        .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(2, Duration::from_secs(5)));
    root.add_worker(worker("flaky", move |_| {
        let n = count.fetch_add(1, SeqCst);
        async move { Err::<(), BoxError>(format!("failure {n}").into()) }
    }));
    let error = root.run_on(world.spawner.clone()).await.unwrap_err();
    let SupervisorError::GaveUp(gave_up) = &error else { panic!("not a give-up: {error:?}") };
    assert_eq!((gave_up.path.as_str(), gave_up.intensity, gave_up.period), ("root", 2, Duration::from_secs(5)));
    let told: Vec<_> = gave_up.restarts.iter().map(|restart| format!("{} {}", restart.path, restart.cause)).collect();
    assert_eq!(told, ["root.flaky failed: failure 0", "root.flaky failed: failure 1", "root.flaky failed: failure 2"]);
    let told = "`root` gave up: more than 2 restarts in 5s; last failure: `root.flaky` failed";
    assert_eq!((error.to_string().as_str(), format!("{error:#}")), (told, format!("{told}: failure 2")));
    assert_eq!(std::error::Error::source(&error).map(ToString::to_string).as_deref(), Some("failure 2"));
}

async fn r35_failure_climbs_until_a_restart_covers_it(world: World) {
    let mut middle = supervisor("middle", RestartStrategy::one_for_one());
    let mut inner = supervisor("inner", RestartStrategy::one_for_one())
        .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(0, Duration::from_secs(5)));
    let (strings, outer_starts) = (Strings::new(), Census::default());
    inner.add_worker(strings.worker("leaf"));
    middle.add_worker(present("bystander", &outer_starts));
    middle.add_worker(inner);
    let mut root = root();
    root.add_worker(middle);
    let tree = world.start(root).await.unwrap();
    let mut told = Vec::new();
    strings.pull(Err("boom"));
    while told.is_empty() {
        futures_lite::future::yield_now().await;
        told = crate::actors::exits_of(&crate::actors::events(&world.probe), "root.middle.inner");
    }
    assert_eq!(told[0], "gave up: more than 0 restarts in 5s; last failure: `root.middle.inner.leaf` failed: boom");
    assert_eq!(outer_starts.ever(), 1, "those beside it were not touched");
    tree.shutdown().await.unwrap();
}

async fn r36_a_restarted_supervisor_runs_new_processes(world: World) {
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(worker("child", |shutdown| shutdown));
    let handle = inner.handle();
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    let id = tree.handle().find("inner").await.unwrap()[0].id;
    world.probe.quiet().await;
    let before = handle.children().await.unwrap();
    tree.handle().kill_child(id).await.unwrap();
    world.probe.quiet().await;
    let after = handle.children().await.unwrap();
    assert_eq!(before[0].id, after[0].id, "the child is the same");
    assert_ne!(before[0].process, after[0].process, "its process is another");
    assert_eq!(handle.path(), "root.inner");
    tree.shutdown().await.unwrap();
}

async fn r36_a_restarted_supervisor_has_no_history(world: World) {
    let (strings, once) = (Strings::new(), RestartStrategy::one_for_one());
    let mut inner =
        supervisor("inner", once).with_restart_strategy(once.with_intensity_and_period(1, Duration::from_secs(3600)));
    inner.add_worker(strings.worker("brittle"));
    let mut root = root();
    root.add_worker(inner);
    let mut stream = root.handle().events();
    let tree = world.start(root).await.unwrap();
    let fail = async || {
        strings.pull(Err("boom"));
        strings.pulled(&world.probe).await;
    };
    fail().await;
    let id = tree.handle().find("inner").await.unwrap()[0].id;
    tree.handle().kill_child(id).await.unwrap();
    world.probe.quiet().await;
    fail().await;
    let restarts = async || tree.handle().snapshot().await.find("root.inner").expect("it is there").restarts;
    assert_eq!(restarts().await, 1, "the one that killed it");
    fail().await;
    while restarts().await < 2 {
        stream.next().await.expect("the tree runs");
    }
    tree.shutdown().await.unwrap();
}

async fn r13_d5_all_ends_of_a_supervisor_restart_and_are_told_apart(world: World) {
    let (strings, none) = (Strings::new(), RestartStrategy::one_for_one());
    let mut inner = supervisor("inner", none)
        .with_restart_strategy(none.with_intensity_and_period(0, Duration::from_secs(5)))
        .with_auto_shutdown(AutoShutdown::AnySignificant);
    let job = strings.worker("job");
    inner.add_worker(job.with_restart_type(RestartType::Transient).with_significance());
    let handle = inner.handle();
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    // What it says of its end, and what ends it.
    type End<'a> = (fn(&StopReason) -> bool, &'a dyn Fn());
    let ends: [End<'_>; 3] = [
        (|reason| matches!(reason, StopReason::GaveUp(_)), &|| strings.pull(Err("boom"))),
        (|reason| matches!(reason, StopReason::AutoShutdown { .. }), &|| strings.pull(Ok(()))),
        (|reason| matches!(reason, StopReason::Requested), &|| handle.shutdown().unwrap()),
    ];
    for (is_that, end) in ends {
        world.probe.quiet().await;
        let mut stream = tree.events();
        end();
        let termination = loop {
            let event = stream.next().await.expect("the tree runs");
            match &event.kind {
                EventKind::Exited(Exit::Shutdown(termination)) if event.path == "root.inner" => {
                    break termination.clone();
                }
                _ => {}
            }
        };
        assert!(is_that(&termination.reason), "{termination:?}");
        world.probe.quiet().await;
        assert_eq!(handle.count().await.unwrap().active, 1, "it runs again");
    }
    tree.shutdown().await.unwrap();
}

/// Crashes once every so often.
async fn crash_every(interval: Duration, world: &World) -> Result<(), SupervisorError> {
    let mut root = root()
        .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(3, Duration::from_secs(6)));
    root.add_worker(worker("crasher", move |_| async move {
        process::sleep(interval).await;
        Err::<(), BoxError>("crash".into())
    }));
    let sleeping = world.clone();
    let trigger = async move { sleeping.sleep(100 * interval + interval / 2).await };
    root.run_on(world.spawner.clone()).with_shutdown(trigger).await
}

async fn r31_case_h_crashes_slower_than_the_budget_never_trip_it(world: World) {
    let outcome = crash_every(Duration::from_millis(2001), &world).await;
    // Crashing is all it can do, so it is still asleep when its 5 seconds to stop are over, or crashes while stopping.
    assert!(matches!(outcome, Err(SupervisorError::UncleanShutdown(_))), "{outcome:?}");
}

async fn r31_case_h_crashes_faster_than_the_budget_always_trip_it(world: World) {
    let outcome = crash_every(Duration::from_millis(1999), &world).await;
    assert!(matches!(outcome, Err(SupervisorError::GaveUp(_))), "{outcome:?}");
}

async fn a_restart_waits_for_its_backoff(world: World) {
    let begin = world.spawner.now();
    let (times, clock) = (crate::actors::Diary::default(), world.spawner.clone());
    let written = times.clone();
    let mut root = root()
        .with_default_backoff(Backoff::exponential(Duration::from_secs(1), Duration::from_secs(5)).without_jitter());
    root.add_worker(worker("crasher", move |_| {
        written.write((clock.now() - begin).as_secs().to_string());
        async { Err::<(), BoxError>("crash".into()) }
    }));
    let sleeping = world.clone();
    let trigger = async move { sleeping.sleep(Duration::from_secs(18)).await };
    root.run_on(world.spawner.clone()).with_shutdown(trigger).await.unwrap();
    assert_eq!(times.take(), ["0", "1", "3", "7", "12", "17"]);
}
