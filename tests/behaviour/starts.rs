use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use supervisor_core::{InitializationError, RestartStrategy, StartFailure, SupervisorError, SupervisorFuture, worker};

use crate::{
    actors::{Census, Diary, Strings, present, root, set_up, supervisor, until},
    harness::World,
};

mount! { everywhere, also added at run time:
    r1_children_start_in_order_each_after_the_one_before
    a1_a_failed_start_names_its_path_and_chains_its_source
    a3_case_k_a_set_up_that_fails_at_a_restart_is_retried
    r5_nothing_to_run_is_not_a_failure
    n1_a_set_up_that_is_cut_short_runs_its_destructors
    n3_giving_up_in_the_first_start_is_a_failed_start
}

mod of_the_root {
    use super::{
        n1_shutdown_during_the_first_start_ends_it_and_says_so,
        r3_a_failed_start_deep_in_the_tree_stops_all_that_started,
    };

    mount! { everywhere:
        r3_a_failed_start_deep_in_the_tree_stops_all_that_started
        n1_shutdown_during_the_first_start_ends_it_and_says_so
    }
}

mount! { virtual time, also added at run time:
    a2_case_j_a_start_that_is_never_ready_times_out
    n1_case_j_shutdown_precedes_a_start_timeout
}

async fn r1_children_start_in_order_each_after_the_one_before(world: World) {
    let diary = Diary::default();
    let mut root = root();
    for name in ["a", "b", "c"] {
        let diary = diary.clone();
        root.add_worker(set_up(name, move |shutdown| {
            let diary = diary.clone();
            async move {
                diary.write(format!("{name} begins"));
                for _ in 0..10 {
                    futures_lite::future::yield_now().await;
                }
                diary.write(format!("{name} is ready"));
                Ok(until(shutdown))
            }
        }));
    }
    let tree = world.start(root).await.unwrap();
    assert_eq!(
        diary.take(),
        ["a begins", "a is ready", "b begins", "b is ready", "c begins", "c is ready"],
        "and all of that before the tree is there"
    );
    tree.shutdown().await.unwrap();
}

async fn a1_a_failed_start_names_its_path_and_chains_its_source(world: World) {
    let mut api = supervisor("api", RestartStrategy::one_for_one());
    api.add_worker(set_up("listener", |_| async {
        Err(InitializationError::failed(std::io::Error::other("address in use")))
    }));
    let mut root = root();
    root.add_worker(api);
    let error = world.start(root).await.unwrap_err();
    let SupervisorError::FailedToStart { path, cause: StartFailure::Failed(failure) } = &error else {
        panic!("not a failed start: {error:?}")
    };
    assert_eq!((path.as_str(), failure.message()), ("root.api.listener", "address in use"));
    assert_eq!(format!("{error:#}"), "`root.api.listener` failed to start: address in use");
    assert!(std::error::Error::source(&error).is_some());
}

async fn r3_a_failed_start_deep_in_the_tree_stops_all_that_started(world: World) {
    let census = Census::default();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(present("b", &census));
    inner.add_worker(set_up("c", |_| async { panic!("in set-up") }));
    let mut root = root();
    root.add_worker(present("a", &census));
    root.add_worker(inner);
    let error = world.start(root).await.unwrap_err();
    assert_eq!(format!("{error:#}"), "`root.inner.c` failed to start: panicked: in set-up");
    assert_eq!(census.present(), 0);
}

async fn a3_case_k_a_set_up_that_fails_at_a_restart_is_retried(world: World) {
    let (strings, attempts) = (Strings::new(), Arc::new(AtomicUsize::new(0)));
    let (pulled, counted) = (strings.clone(), attempts.clone());
    let budget = RestartStrategy::one_for_one().with_intensity_and_period(2, Duration::from_secs(3600));
    let mut fragile = supervisor("fragile", RestartStrategy::one_for_one()).with_restart_strategy(budget);
    fragile.add_worker(set_up("child", move |shutdown| {
        let (strings, attempt) = (pulled.clone(), counted.fetch_add(1, SeqCst));
        async move {
            if (1..4).contains(&attempt) {
                return Err("not yet".into());
            }
            let run: SupervisorFuture = Box::pin(async move { strings.hang(shutdown).await });
            Ok(run)
        }
    }));
    let mut root = root();
    root.add_worker(fragile);
    let tree = world.start(root).await.unwrap();
    strings.pull(Err("boom"));
    // The exit and two failed attempts are one too many for it; the root starts it anew, which fails once more.
    while attempts.load(SeqCst) < 5 {
        futures_lite::future::yield_now().await;
    }
    world.probe.quiet().await;
    assert_eq!(tree.handle().count().await.unwrap().active, 1);
    tree.shutdown().await.unwrap();
}

async fn r5_nothing_to_run_is_not_a_failure(world: World) {
    let mut root = root();
    root.add_worker(set_up("unconfigured", |_| async { Err(InitializationError::ignore()) }));
    root.add_worker(worker("configured", |shutdown| shutdown));
    let tree = world.start(root).await.unwrap();
    let counts = tree.handle().count().await.unwrap();
    assert_eq!((counts.specs, counts.active), (2, 1));
    tree.shutdown().await.unwrap();
}

async fn n1_shutdown_during_the_first_start_ends_it_and_says_so(world: World) {
    let mut root = root();
    let handle = root.handle();
    root.add_worker(set_up("impatient", move |_| {
        handle.shutdown().unwrap();
        pending()
    }));
    let error = world.start(root).await.unwrap_err();
    assert!(matches!(error, SupervisorError::ShutdownDuringStart), "{error}");
}

async fn n1_a_set_up_that_is_cut_short_runs_its_destructors(world: World) {
    struct Flag(Arc<AtomicBool>);

    impl Drop for Flag {
        fn drop(&mut self) {
            self.0.store(true, SeqCst);
        }
    }

    let dropped = Arc::new(AtomicBool::new(false));
    let flag = dropped.clone();
    let mut root = root();
    let handle = root.handle();
    root.add_worker(set_up("half-way", move |_| {
        let (flag, handle) = (Flag(flag.clone()), handle.clone());
        async move {
            let _held = flag;
            handle.shutdown().unwrap();
            pending().await
        }
    }));
    // A run that is asked to stop while it starts has done what it was asked.
    root.run_on(world.spawner.clone()).await.unwrap();
    assert!(dropped.load(SeqCst));
}

async fn n3_giving_up_in_the_first_start_is_a_failed_start(world: World) {
    let strings = Strings::new();
    let pulled = strings.clone();
    let none = RestartStrategy::one_for_one().with_intensity_and_period(0, Duration::from_secs(5));
    let mut inner = supervisor("inner", none).with_restart_strategy(none);
    inner.add_worker(set_up("brittle", move |shutdown| {
        let strings = pulled.clone();
        async move {
            let run: SupervisorFuture = Box::pin(async move { strings.hang(shutdown).await });
            Ok(run)
        }
    }));
    inner.add_worker(set_up("slow", move |_| {
        strings.pull(Err("boom"));
        pending()
    }));
    let mut root = root();
    root.add_worker(inner);
    let error = world.start(root).await.unwrap_err();
    let SupervisorError::FailedToStart { path, cause: StartFailure::GaveUp(gave_up) } = &error else {
        panic!("not a give-up: {error:?}")
    };
    assert_eq!(path, "root.inner");
    assert_eq!(gave_up.restarts.len(), 1);
    assert_eq!(gave_up.restarts[0].path, "root.inner.brittle");
    assert_eq!(gave_up.restarts[0].cause.to_string(), "failed: boom");
}

async fn a2_case_j_a_start_that_is_never_ready_times_out(world: World) {
    let begin = world.spawner.now();
    let mut root = root();
    root.add_worker(set_up("never", |_| pending()).with_start_timeout(Duration::from_secs(30)));
    let error = world.start(root).await.unwrap_err();
    assert_eq!(error.to_string(), "`root.never` failed to start: not ready within its start timeout of 30s");
    assert_eq!(world.spawner.now() - begin, Duration::from_secs(30));
}

async fn n1_case_j_shutdown_precedes_a_start_timeout(world: World) {
    let begin = world.spawner.now();
    let mut root = root();
    root.add_worker(set_up("never", |_| pending()).with_start_timeout(Duration::from_secs(30)));
    let sleeping = world.clone();
    let trigger = async move { sleeping.sleep(Duration::from_secs(10)).await };
    root.run_on(world.spawner.clone()).with_shutdown(trigger).await.unwrap();
    assert_eq!(world.spawner.now() - begin, Duration::from_secs(10));
}
