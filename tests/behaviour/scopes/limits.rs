//! How a scope is asked, and the time that it has.

use std::{future::pending, time::Duration};

use futures_lite::future::yield_now;
use supervisor_core::{
    ChildState, EventKind, Exit, ProcessShutdown, ShutdownStrategy, SupervisorError, UncleanStop, one_shot, process,
    worker,
};

use super::{owner, spawn};
use crate::{
    actors::{Census, Diary, Strings, deaf, events, exits_of, root, state_of},
    harness::World,
};

mount! { everywhere:
    s2_the_children_are_asked_when_the_owner_ends
    s2_an_aborted_owner_aborts_its_children
    s2_the_second_request_reaches_what_drains
}

mount! { virtual time:
    s2_what_is_left_at_the_limit_of_the_owner_is_aborted
    s2_a_child_has_its_own_time_within_that_of_the_owner
    s2_an_owner_that_ends_by_itself_bounds_its_scope
    s2_a_brutal_owner_asks_nothing
    s2_b2_an_owner_that_has_ended_misses_no_heartbeat
}

async fn s2_the_children_are_asked_when_the_owner_ends(world: World) {
    let diary = Diary::default();
    let (written, seen) = (diary.clone(), diary.clone());
    let mut root = root();
    root.add_worker(worker("owner", move |shutdown: ProcessShutdown| {
        let (diary, seen) = (written.clone(), seen.clone());
        async move {
            process::scope()?.spawn(worker("child", move |shutdown: ProcessShutdown| {
                let seen = seen.clone();
                async move {
                    shutdown.await;
                    seen.write("child is asked");
                }
            }))?;
            shutdown.await;
            diary.write("owner is asked");
            for _ in 0..10 {
                yield_now().await;
            }
            diary.write("owner ends");
            Ok::<_, SupervisorError>(())
        }
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
    assert_eq!(diary.take(), ["owner is asked", "owner ends", "child is asked"]);
}

async fn s2_an_aborted_owner_aborts_its_children(world: World) {
    let (census, strings) = (Census::default(), Strings::new());
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let within = census.clone();
    let spec = owner("owner", &strings, move |scope| {
        let present = within.enter();
        scope
            .spawn(one_shot("deaf", async move {
                let _present = present;
                pending::<()>().await;
            }))
            .unwrap();
    });
    let owner = handle.spawn(spec).unwrap();
    world.probe.quiet().await;
    let monitor = handle.monitor(owner).unwrap();
    handle.kill_child(owner).await.unwrap();
    assert_eq!(monitor.await, Exit::Aborted);
    assert_eq!(census.present(), 0);
    world.probe.quiet().await;
    assert_eq!(exits_of(&events(&world.probe), "root.owner.deaf"), ["was aborted"]);
    tree.shutdown().await.unwrap();
}

async fn s2_the_second_request_reaches_what_drains(world: World) {
    let (census, strings) = (Census::default(), Strings::new());
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let within = census.clone();
    let spec = owner("owner", &strings, move |scope| {
        let present = within.enter();
        let deaf = one_shot("deaf", async move {
            let _present = present;
            pending::<()>().await;
        });
        spawn(scope, deaf.with_shutdown_strategy(ShutdownStrategy::UNLIMITED));
    });
    let owner = handle.spawn(spec.with_shutdown_strategy(ShutdownStrategy::UNLIMITED)).unwrap();
    world.probe.quiet().await;
    let monitor = handle.monitor(owner).unwrap();
    // The owner ends well, and its child does not react to being asked.
    strings.pull(Ok(()));
    let scope = handle.supervisor("root.owner").await.unwrap();
    let is_draining = async || {
        let children = scope.children().await.unwrap();
        children.iter().all(|child| child.state == ChildState::Stopping)
    };
    while !is_draining().await {
        yield_now().await;
    }
    assert_eq!(census.present(), 1);
    assert_eq!(state_of(&handle, owner).await, Some(ChildState::Running), "its end is not complete");
    handle.kill_child(owner).await.unwrap();
    assert_eq!(monitor.await, Exit::Normal, "the exit says what its future did");
    assert_eq!(census.present(), 0);
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn s2_what_is_left_at_the_limit_of_the_owner_is_aborted(world: World) {
    let strings = Strings::new();
    let mut root = root();
    let limit = ShutdownStrategy::Graceful(Duration::from_secs(3));
    root.add_worker(owner("owner", &strings, |scope| spawn(scope, deaf("deaf"))).with_shutdown_strategy(limit));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let begin = world.spawner.now();
    let outcome = tree.shutdown().await;
    assert_eq!(world.spawner.now().duration_since(begin).as_secs(), 3);
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    let named: Vec<_> = unclean.iter().map(|unclean| (unclean.path.as_str(), unclean.stop.to_string())).collect();
    assert_eq!(named, [("root.owner.deaf", UncleanStop::Aborted.to_string())]);
}

async fn s2_a_child_has_its_own_time_within_that_of_the_owner(world: World) {
    let seconds = |seconds| ShutdownStrategy::Graceful(Duration::from_secs(seconds));
    // The default of a child, a longer time, and a time beyond that of the owner.
    for (own, within, stopped) in [(None, 10, 5), (Some(seconds(8)), 10, 8), (Some(seconds(8)), 6, 6)] {
        // At a shutdown, and after a failure.
        for fails in [false, true] {
            let strings = Strings::new();
            let tree = world.start(root()).await.unwrap();
            let handle = tree.handle();
            let child = move |scope: &_| {
                let deaf = one_shot("deaf", pending::<()>());
                spawn(scope, if let Some(own) = own { deaf.with_shutdown_strategy(own) } else { deaf });
            };
            let spec = owner("owner", &strings, child).with_shutdown_strategy(seconds(within));
            let owner = handle.spawn(spec).unwrap();
            world.probe.quiet().await;
            let (monitor, begin) = (handle.monitor(owner).unwrap(), world.spawner.now());
            if fails {
                strings.pull(Err("boom"));
            } else {
                handle.terminate_child(owner).await.unwrap();
            }
            monitor.await;
            assert_eq!(world.spawner.now().duration_since(begin).as_secs(), stopped);
            let _ = tree.shutdown().await;
        }
    }
}

async fn s2_an_owner_that_ends_by_itself_bounds_its_scope(world: World) {
    let strings = Strings::new();
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let limit = ShutdownStrategy::Graceful(Duration::from_secs(3));
    let spec = owner("owner", &strings, |scope| spawn(scope, deaf("deaf"))).with_shutdown_strategy(limit);
    let owner = handle.spawn(spec).unwrap();
    world.probe.quiet().await;
    let (monitor, begin) = (handle.monitor(owner).unwrap(), world.spawner.now());
    strings.pull(Err("boom"));
    assert_eq!(monitor.await.to_string(), "failed: boom");
    assert_eq!(world.spawner.now().duration_since(begin).as_secs(), 3);
    tree.shutdown().await.unwrap();
}

async fn s2_a_brutal_owner_asks_nothing(world: World) {
    let (strings, diary) = (Strings::new(), Diary::default());
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let written = diary.clone();
    let spec = owner("owner", &strings, move |scope| {
        let diary = written.clone();
        scope
            .spawn(worker("child", move |shutdown: ProcessShutdown| {
                let diary = diary.clone();
                async move {
                    shutdown.await;
                    diary.write("asked");
                }
            }))
            .unwrap();
    });
    let owner = handle.spawn(spec.with_shutdown_strategy(ShutdownStrategy::Brutal)).unwrap();
    world.probe.quiet().await;
    let monitor = handle.monitor(owner).unwrap();
    strings.pull(Ok(()));
    assert_eq!(monitor.await, Exit::Normal);
    assert!(diary.take().is_empty());
    tree.shutdown().await.unwrap();
}

async fn s2_b2_an_owner_that_has_ended_misses_no_heartbeat(world: World) {
    let strings = Strings::new();
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let limit = ShutdownStrategy::Graceful(Duration::from_secs(3));
    let spec = owner("owner", &strings, |scope| spawn(scope, deaf("deaf"))).with_shutdown_strategy(limit);
    let owner = handle.spawn(spec.with_watchdog(Duration::from_millis(500))).unwrap();
    world.probe.quiet().await;
    let (monitor, begin) = (handle.monitor(owner).unwrap(), world.spawner.now());
    strings.pull(Ok(()));
    assert_eq!(monitor.await, Exit::Normal);
    assert_eq!(world.spawner.now().duration_since(begin).as_secs(), 3);
    world.probe.quiet().await;
    assert!(!events(&world.probe).iter().any(|event| matches!(event.kind, EventKind::Unresponsive { .. })));
    tree.shutdown().await.unwrap();
}
