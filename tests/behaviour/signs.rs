//! What workers say of themselves: that they are alive, and that they are ready.

use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use supervisor_core::{
    ChildSpec, ChildState, EventKind, Exit, ProcessShutdown, RestartStrategy, ShutdownStrategy, StartFailure,
    Supervisor, SupervisorError, process, worker,
};

use crate::{
    actors::{Diary, root, set_up},
    harness::World,
};

mount! { everywhere, also added at run time:
    a2_explicit_readiness_holds_up_those_behind
    a2_a_child_that_ends_before_it_is_ready_failed_to_start
    r6_explicit_readiness_of_a_set_up_is_refused
    r6_watchdogs_that_cannot_work_are_refused
    a2_a_task_of_a_worker_can_say_that_it_is_ready
    a2_readiness_said_twice_or_too_late_means_nothing
}

mount! { virtual time, also added at run time:
    b2_a_worker_that_hangs_is_restarted_with_the_reason
    b2_a_worker_with_heartbeats_is_left_alone
    b2_a_miss_is_found_between_d_and_2d_after_the_last_beat
}

const SECOND: Duration = Duration::from_secs(1);

async fn a2_explicit_readiness_holds_up_those_behind(world: World) {
    let diary = Diary::default();
    let mut root = root();
    let (warm, behind) = (diary.clone(), diary.clone());
    let cache = worker("cache", move |shutdown| {
        let warm = warm.clone();
        async move {
            process::sleep(Duration::from_millis(5)).await;
            warm.write("warm");
            process::ready();
            shutdown.await;
        }
    });
    root.add_worker(cache.with_explicit_ready());
    root.add_worker(worker("api", move |shutdown| {
        behind.write("api");
        shutdown
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(diary.take(), ["warm", "api"]);
    tree.shutdown().await.unwrap();
}

async fn a2_a_child_that_ends_before_it_is_ready_failed_to_start(world: World) {
    let mut root = root();
    root.add_worker(worker("cache", |_| async {}).with_explicit_ready());
    let error = world.start(root).await.unwrap_err();
    let SupervisorError::FailedToStart { cause, .. } = &error else { panic!("{error}") };
    assert!(matches!(cause, StartFailure::Ended));
    assert_eq!(error.to_string(), "`root.cache` failed to start: ended before it was ready");
}

async fn r6_explicit_readiness_of_a_set_up_is_refused(world: World) {
    let mut root = root();
    root.add_worker(set_up("db", |_| pending()).with_explicit_ready());
    let error = world.start(root).await.unwrap_err();
    assert!(error.to_string().contains("explicit readiness needs a closure or one-shot"), "{error}");
}

async fn r6_watchdogs_that_cannot_work_are_refused(world: World) {
    let inner = Supervisor::new("inner").unwrap();
    let refused = [
        (worker("a", |shutdown| shutdown).with_watchdog(Duration::ZERO), "the watchdog's time is zero"),
        (ChildSpec::from(inner).with_watchdog(SECOND), "a supervisor cannot have a watchdog; set it on its workers"),
    ];
    for (child, reason) in refused {
        let mut root = root();
        root.add_worker(worker("first", |_| async { panic!("nothing is started") }));
        root.add_worker(child);
        // Straight away, and not child by child.
        let error = root.start_on(world.spawner.clone()).await.unwrap_err();
        assert!(error.to_string().contains(reason), "{error}");
    }
}

async fn a2_a_task_of_a_worker_can_say_that_it_is_ready(world: World) {
    let mut root = root();
    let cache = worker("cache", |shutdown: ProcessShutdown| async move {
        let me = process::current().expect("a process");
        std::thread::spawn(move || me.ready()).join().expect("no panic");
        shutdown.await;
    });
    root.add_worker(cache.with_explicit_ready());
    let tree = world.start(root).await.unwrap();
    assert_eq!(tree.handle().count().await.unwrap().active, 1);
    tree.shutdown().await.unwrap();
}

async fn a2_readiness_said_twice_or_too_late_means_nothing(world: World) {
    let kept = Arc::new(std::sync::Mutex::new(None));
    let keep = kept.clone();
    let (speak, spoken_again) = async_channel::unbounded();
    let mut root = root();
    let spoken = worker("cache", move |shutdown: ProcessShutdown| {
        let speak = speak.clone();
        let earlier = keep.lock().unwrap().replace(process::current().expect("a process"));
        async move {
            match earlier {
                None => {
                    process::ready();
                    process::ready();
                    return Err("the first one fails");
                }
                // Its predecessor's word counts for nothing.
                Some(earlier) => {
                    earlier.ready();
                    speak.try_send(()).expect("there is room");
                }
            }
            shutdown.await;
            Ok(())
        }
    });
    root.add_worker(spoken.with_explicit_ready());
    let mut events = root.handle().events();
    let tree = world.start(root).await.unwrap();
    for _ in 0..2 {
        while !matches!(events.next().await.expect("the tree runs").kind, EventKind::Started) {}
    }
    spoken_again.recv().await.expect("the second one speaks");
    let children = tree.handle().children().await.unwrap();
    let cache = children.iter().find(|child| child.name == "cache").expect("it is there");
    assert_eq!(cache.state, ChildState::Starting);
    tree.shutdown().await.unwrap();
}

async fn b2_a_worker_that_hangs_is_restarted_with_the_reason(world: World) {
    let mut root = root();
    let mut events = root.handle().events();
    let hanging = worker("peer", |_| pending::<()>()).with_watchdog(4 * SECOND);
    root.add_worker(hanging.with_shutdown_strategy(ShutdownStrategy::Brutal));
    let tree = world.start(root).await.unwrap();
    let exit = loop {
        if let EventKind::Exited(exit) = &events.next().await.expect("the tree runs").kind {
            break exit.clone();
        }
    };
    assert!(matches!(exit, Exit::Unresponsive { within } if within == 4 * SECOND));
    assert_eq!(exit.to_string(), "was aborted: no heartbeat within 4s");
    world.probe.quiet().await;
    assert_eq!(tree.handle().count().await.unwrap().active, 1);
    tree.shutdown().await.unwrap();
}

async fn b2_a_worker_with_heartbeats_is_left_alone(world: World) {
    let mut root = root().with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(0, SECOND));
    let beating = worker("peer", |_| async {
        loop {
            process::sleep(3 * SECOND).await;
            process::heartbeat();
        }
    });
    // Also where it is asked for once, as by what runs for it elsewhere.
    let also_beating = worker("other", |_| async {
        let current = process::current().expect("this runs in a process");
        loop {
            process::sleep(3 * SECOND).await;
            current.heartbeat();
        }
    });
    for beating in [beating, also_beating] {
        root.add_worker(beating.with_watchdog(4 * SECOND).with_shutdown_strategy(ShutdownStrategy::Brutal));
    }
    let tree = world.start(root).await.unwrap();
    world.sleep(3600 * SECOND).await;
    assert_eq!(tree.handle().count().await.unwrap().active, 2);
    tree.shutdown().await.unwrap();
}

async fn b2_a_miss_is_found_between_d_and_2d_after_the_last_beat(world: World) {
    const WITHIN: Duration = Duration::from_secs(10);
    for millis in [0, 1, 2500, 9_999, 10_001, 17_000, 123_456] {
        let last = Duration::from_millis(millis);
        let mut root = root();
        let mut events = root.handle().events();
        let beats = Arc::new(AtomicUsize::new(0));
        let hanging = worker("peer", move |_| {
            let first = beats.fetch_add(1, SeqCst) == 0;
            async move {
                let mut left = last;
                while first && !left.is_zero() {
                    let step = left.min(5 * SECOND);
                    process::sleep(step).await;
                    process::heartbeat();
                    left -= step;
                }
                pending::<()>().await;
            }
        });
        root.add_worker(hanging.with_watchdog(WITHIN).with_shutdown_strategy(ShutdownStrategy::Brutal));
        let begin = world.spawner.now();
        let tree = world.start(root).await.unwrap();
        while !matches!(events.next().await.expect("the tree runs").kind, EventKind::Unresponsive { .. }) {}
        let after = world.spawner.now() - begin - last;
        assert!(WITHIN <= after && after <= 2 * WITHIN, "{after:?} after the last sign, which came after {last:?}");
        tree.shutdown().await.unwrap();
    }
}

#[test]
fn p7_heartbeat_and_ready_outside_of_a_process_do_nothing() {
    process::heartbeat();
    process::ready();
}
