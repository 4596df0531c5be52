//! What is asked of a running tree about its children.

use std::{future::pending, time::Duration};

use futures_lite::future::{poll_once, yield_now};
use supervisor_core::{
    AutoShutdown, Backoff, ChildKind, ChildState, EventKind, RestartMode, RestartStrategy, RestartType,
    ShutdownStrategy, Supervisor, SupervisorError, worker,
};

use crate::{
    actors::{Census, Strings, deaf, events, idle, root, set_up, state_of, supervisor},
    harness::World,
};

mount! { everywhere:
    r8_the_defaults_are_those_of_otp
    r68_the_spec_of_a_child_can_be_asked_for
    d2_find_returns_all_that_have_the_name
    r58_r63_r64_r65_the_life_of_a_child_by_calls
    r63_a_child_of_another_supervisor_is_not_found
    r70_n7_every_call_to_a_stopped_supervisor_is_an_error
    n7_a_spawn_that_is_never_served_is_told
    a_handle_stays_good_over_the_restarts_of_its_supervisor
    r70_a7_a_call_whose_supervisor_stops_first_is_an_error
    r28_terminating_the_failed_child_names_the_group_left_down
}

mod timed {
    use super::{
        a8_case_b_a_full_supervisor_lives_while_a_sibling_waits, b1_case_i_stable_uptime_restores_delay_and_budget,
        r28_case_a_a_terminate_during_backoff_cancels_the_start, r41_d3_terminate_aborts_a_child_when_its_time_is_up,
    };

    mount! { virtual time:
        r28_case_a_a_terminate_during_backoff_cancels_the_start
        a8_case_b_a_full_supervisor_lives_while_a_sibling_waits
        b1_case_i_stable_uptime_restores_delay_and_budget
        r41_d3_terminate_aborts_a_child_when_its_time_is_up
    }
}

async fn r68_the_spec_of_a_child_can_be_asked_for(world: World) {
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

async fn r8_the_defaults_are_those_of_otp(world: World) {
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(worker("w", |shutdown| shutdown));
    root.add_worker(Supervisor::new("s").unwrap());
    let tree = world.start(root).await.unwrap();
    let snapshot = tree.snapshot().await;
    let supervisor = snapshot.supervisor.as_ref().expect("it is one");
    assert_eq!((supervisor.mode, supervisor.intensity), (RestartMode::OneForOne, 1));
    assert_eq!((supervisor.period, supervisor.auto_shutdown), (Duration::from_secs(5), AutoShutdown::Never));
    let stops = [ShutdownStrategy::Graceful(Duration::from_secs(5)), ShutdownStrategy::UNLIMITED];
    for (child, stop) in tree.handle().children().await.unwrap().iter().zip(stops) {
        let spec = tree.handle().child_spec(child.id).await.unwrap();
        assert_eq!((spec.restart, spec.significant, spec.shutdown), (RestartType::Permanent, false, stop));
    }
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
    assert!(handle.find("stranger").await.unwrap().is_empty());
    tree.shutdown().await.unwrap();
}

async fn r58_r63_r64_r65_the_life_of_a_child_by_calls(world: World) {
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

async fn r63_a_child_of_another_supervisor_is_not_found(world: World) {
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

async fn r70_n7_every_call_to_a_stopped_supervisor_is_an_error(world: World) {
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

async fn n7_a_spawn_that_is_never_served_is_told(world: World) {
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
        // On another thread it may come when the supervisor has read its last message.
        let text = refused.to_string();
        let reason = text.strip_prefix("root.late refused: `root` is ").expect("the child and the reason");
        assert!(["shutting down", "not running"].iter().any(|why| reason.starts_with(why)), "{text}");
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

async fn r70_a7_a_call_whose_supervisor_stops_first_is_an_error(world: World) {
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

async fn r28_terminating_the_failed_child_names_the_group_left_down(world: World) {
    let strings = Strings::new();
    let mut root = supervisor("root", RestartStrategy::one_for_all());
    let spec = strings.worker("brittle");
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
    let text = "root.brittle was terminated during its group's restart; the restart is cancelled and these siblings stay \
                stopped: sibling";
    assert_eq!(left.to_string(), text);
    // It may be on its way out still.
    world.probe.quiet().await;
    assert_eq!(state_of(&handle, sibling).await, Some(ChildState::Stopped));
    handle.restart_child(sibling).await.unwrap();
    handle.restart_child(id).await.unwrap();
    assert_eq!(handle.count().await.unwrap().active, 2);
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

async fn r28_case_a_a_terminate_during_backoff_cancels_the_start(world: World) {
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

async fn a8_case_b_a_full_supervisor_lives_while_a_sibling_waits(world: World) {
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

async fn b1_case_i_stable_uptime_restores_delay_and_budget(world: World) {
    let (strings, census) = (Strings::new(), Census::default());
    let strategy = RestartStrategy::one_for_one().with_intensity_and_period(2, Duration::from_secs(60));
    let tree = world.start(Supervisor::new("root").unwrap().with_restart_strategy(strategy)).await.unwrap();
    let handle = tree.handle();
    let second = Duration::from_secs(1);
    let backoff = Backoff::exponential(second, 8 * second).without_jitter().with_reset_after(30 * second);
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

async fn r41_d3_terminate_aborts_a_child_when_its_time_is_up(world: World) {
    let tree = world.start(root()).await.unwrap();
    let begin = world.spawner.now();
    let handle = tree.handle();
    let spec = deaf("deaf").with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::from_secs(7)));
    let id = handle.start_child(spec).await.unwrap();
    handle.terminate_child(id).await.unwrap();
    assert_eq!(world.spawner.now() - begin, Duration::from_secs(7));
    tree.shutdown().await.unwrap();
}
