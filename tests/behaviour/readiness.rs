//! B8: which children count for the readiness of a supervisor, and who may wait for it.

use std::{pin::pin, time::Duration};

use futures_lite::future::{poll_once, yield_now, zip};
use supervisor_core::{
    Backoff, ChildSpec, ChildState, EventKind, ProcessShutdown, RestartStrategy, Supervisor, SupervisorError,
    SupervisorHandle, process, worker,
};

use crate::{
    actors::{Strings, idle, root, set_up, state_of, supervisor, until},
    harness::World,
};

mount! { virtual time, also added at run time:
    b8_a_child_that_does_not_count_keeps_nothing_from_ready
    b8_what_is_below_a_child_that_does_not_count_is_disregarded
}

mount! { everywhere:
    b8_a_first_start_waits_for_a_child_that_does_not_count
    b8_ready_waits_for_the_first_start
    b8_ready_waits_over_a_restart_of_the_supervisor
    b8_ready_of_a_subtree_waits_for_nothing_beside_it
    d1_a_ping_is_answered_also_in_a_start_and_in_a_stop
    b8_a_supervisor_that_is_gone_for_good_is_never_ready
    b8_a_wait_that_is_dropped_leaves_nothing_behind
    n6_a_process_that_has_said_it_is_ready_can_wait_for_ready
    n6_a_starting_process_cannot_wait_for_one_that_may_follow
    n6_a_starting_process_can_wait_for_an_earlier_supervisor
    n6_a_process_that_has_to_stop_cannot_wait_for_one_that_is_down
    n6_a_starting_child_that_does_not_count_can_wait_for_ready
    n6_a_member_of_a_group_restart_cannot_wait_for_ready
    n6_a_starting_child_of_a_scope_can_wait_for_its_tree
}

const SECOND: Duration = Duration::from_secs(1);

fn inner() -> Supervisor {
    supervisor("inner", RestartStrategy::one_for_one())
}

/// A worker that runs for a second, and then waits for half a minute until it is restarted.
fn poller() -> ChildSpec {
    let poller = worker("poller", |_| async {
        process::sleep(SECOND).await;
        Err::<(), _>("no route")
    });
    poller.with_backoff(Backoff::constant(30 * SECOND))
}

async fn b8_a_child_that_does_not_count_keeps_nothing_from_ready(world: World) {
    for counts in [true, false] {
        let mut root = root();
        let _poller = root.add_worker(poller().with_readiness(counts));
        root.add_worker(idle("api"));
        let tree = world.start(root).await.unwrap();
        world.sleep(2 * SECOND).await;
        let snapshot = tree.snapshot().await;
        let poller = snapshot.find("root.poller").expect("it is there");
        assert_eq!((poller.state, poller.ready), (ChildState::Restarting, false), "what it is itself");
        assert_eq!(poller.spec.as_ref().map(|spec| spec.readiness), Some(counts));
        let begin = world.spawner.now();
        tree.ready().await.unwrap();
        let waited = if counts { 29 * SECOND } else { Duration::ZERO };
        assert_eq!((snapshot.ready, world.spawner.now() - begin), (!counts, waited));
        assert!(tree.handle().is_ready().await);
        let _ = tree.shutdown().await;
    }
}

async fn b8_what_is_below_a_child_that_does_not_count_is_disregarded(world: World) {
    for counts in [true, false] {
        let mut inner = inner();
        inner.add_worker(poller());
        let below = inner.handle();
        let mut root = root();
        root.add_worker(ChildSpec::from(inner).with_readiness(counts));
        let tree = world.start(root).await.unwrap();
        world.sleep(2 * SECOND).await;
        let begin = world.spawner.now();
        let snapshot = tree.snapshot().await;
        assert_eq!((snapshot.ready, snapshot.find("root.inner").map(|inner| inner.ready)), (!counts, Some(false)));
        tree.ready().await.unwrap();
        assert_eq!(world.spawner.now() - begin, if counts { 29 * SECOND } else { Duration::ZERO });
        // For its own supervisor the child counts.
        below.ready().await.unwrap();
        assert_eq!(world.spawner.now() - begin, 29 * SECOND);
        let _ = tree.shutdown().await;
    }
}

/// A worker whose set-up waits for the gate.
fn gated(name: &'static str, gate: &async_channel::Receiver<()>) -> ChildSpec {
    let gate = gate.clone();
    set_up(name, move |shutdown| {
        let gate = gate.clone();
        async move {
            let _open = gate.recv().await;
            Ok(until(shutdown))
        }
    })
}

/// Waits until a child of this name is starting. A tree with such a child is not quiet.
async fn until_starting(handle: &SupervisorHandle, name: &str) {
    let is_starting = async || {
        let found = handle.find(name).await.unwrap();
        found.first().is_some_and(|child| child.state == ChildState::Starting && child.process.is_some())
    };
    while !is_starting().await {
        yield_now().await;
    }
}

async fn b8_a_first_start_waits_for_a_child_that_does_not_count(world: World) {
    let (open, gate) = async_channel::bounded::<()>(1);
    let mut root = root();
    root.add_worker(gated("warm_up", &gate).with_readiness(false));
    let last = root.add_worker(idle("api"));
    let handle = root.handle();
    let (tree, ()) = zip(world.start(root), async {
        while handle.count().await.is_err() {
            yield_now().await;
        }
        assert!(!handle.snapshot().await.ready);
        assert!(poll_once(pin!(handle.ready())).await.is_none());
        // OTP's order of the start is kept.
        assert_eq!(state_of(&handle, last).await, Some(ChildState::Starting));
        drop(open);
        handle.ready().await.unwrap();
        assert_eq!(handle.count().await.unwrap().active, 2);
    })
    .await;
    tree.unwrap().shutdown().await.unwrap();
}

async fn b8_ready_waits_for_the_first_start(world: World) {
    let mut inner = inner();
    inner.add_worker(idle("a"));
    let mut root = root();
    let handles = [root.handle(), inner.handle()];
    root.add_worker(inner);
    for handle in &handles {
        assert!(poll_once(pin!(handle.ready())).await.is_none());
    }
    let (ready, tree) = zip(zip(handles[0].ready(), handles[1].ready()), world.start(root)).await;
    assert!(matches!(ready, (Ok(()), Ok(()))), "{ready:?}");
    tree.unwrap().shutdown().await.unwrap();
}

async fn b8_ready_waits_over_a_restart_of_the_supervisor(world: World) {
    let (open, gate) = async_channel::unbounded::<()>();
    let mut inner = inner();
    inner.add_worker(gated("a", &gate));
    let below = inner.handle();
    let mut root = root();
    let mut events = root.handle().events();
    let id = root.add_worker(inner);
    open.try_send(()).unwrap();
    let tree = world.start(root).await.unwrap();
    below.ready().await.unwrap();
    let process = below.snapshot().await.process;
    tree.handle().kill_child(id).await.unwrap();
    while !matches!(events.next().await.unwrap().kind, EventKind::Restarting { .. }) {}
    assert!(poll_once(pin!(below.ready())).await.is_none());
    let (ready, ()) = zip(below.ready(), async { open.try_send(()).unwrap() }).await;
    ready.unwrap();
    assert_ne!(below.snapshot().await.process, process);
    tree.shutdown().await.unwrap();
}

async fn b8_ready_of_a_subtree_waits_for_nothing_beside_it(world: World) {
    let (_never, gate) = async_channel::bounded::<()>(1);
    let mut inner = inner();
    inner.add_worker(idle("a"));
    let below = inner.handle();
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    tree.handle().spawn(gated("slow", &gate)).unwrap();
    until_starting(&tree.handle(), "slow").await;
    below.ready().await.unwrap();
    assert!(poll_once(pin!(tree.ready())).await.is_none());
    tree.shutdown().await.unwrap();
}

async fn b8_a_supervisor_that_is_gone_for_good_is_never_ready(world: World) {
    let gone = |answer: Result<(), SupervisorError>| {
        assert!(matches!(answer, Err(SupervisorError::NotRunning { .. })), "{answer:?}");
    };
    let never = inner();
    let handle = never.handle();
    let (answer, ()) = zip(handle.ready(), async { drop(never) }).await;
    gone(answer);
    gone(handle.ready().await);

    let (inner, root) = (inner(), root());
    let (below, top) = (inner.handle(), root.handle());
    let tree = world.start(root).await.unwrap();
    let id = tree.handle().start_child(inner).await.unwrap();
    below.ready().await.unwrap();
    tree.handle().terminate_child(id).await.unwrap();
    // It may be started by hand again.
    assert!(poll_once(pin!(below.ready())).await.is_none());
    let (answer, deleted) = zip(below.ready(), tree.handle().delete_child(id)).await;
    deleted.unwrap();
    gone(answer);
    tree.shutdown().await.unwrap();
    gone(top.ready().await);
}

async fn b8_a_wait_that_is_dropped_leaves_nothing_behind(world: World) {
    let mut root = root();
    let handle = root.handle();
    for _ in 0..3 {
        assert!(poll_once(pin!(handle.ready())).await.is_none());
    }
    let (open, gate) = async_channel::bounded::<()>(1);
    root.add_worker(gated("a", &gate));
    let (tree, ()) = zip(world.start(root), async {
        while handle.count().await.is_err() {
            yield_now().await;
        }
        for _ in 0..3 {
            assert!(poll_once(pin!(handle.ready())).await.is_none());
        }
        drop(open);
    })
    .await;
    let tree = tree.unwrap();
    handle.ready().await.unwrap();
    tree.shutdown().await.unwrap();
}

/// A worker that waits for the supervisor in its set-up, and tells the answer.
fn waiting_in_set_up(handle: &SupervisorHandle, answers: &async_channel::Sender<String>) -> ChildSpec {
    let (handle, answers) = (handle.clone(), answers.clone());
    set_up("waiter", move |shutdown| {
        let (handle, answers) = (handle.clone(), answers.clone());
        async move {
            let _ = answers.send(told(handle.ready().await)).await;
            Ok(until(shutdown))
        }
    })
}

fn told(answer: Result<(), SupervisorError>) -> String {
    match answer {
        Ok(()) => "ready".into(),
        Err(SupervisorError::WouldDeadlock { path }) => format!("{path} would wait"),
        Err(error) => error.to_string(),
    }
}

async fn n6_a_starting_process_cannot_wait_for_one_that_may_follow(world: World) {
    let (answers, answer) = async_channel::unbounded();
    let (mut inner, mut root) = (inner(), root());
    inner.add_worker(idle("a"));
    root.add_worker(waiting_in_set_up(&inner.handle(), &answers));
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    assert_eq!(answer.recv().await.unwrap(), "inner would wait");
    tree.shutdown().await.unwrap();
}

async fn n6_a_starting_process_can_wait_for_an_earlier_supervisor(world: World) {
    let (answers, answer) = async_channel::unbounded();
    let (open, gate) = async_channel::bounded::<()>(1);
    let (inner, mut root) = (inner(), root());
    let below = inner.handle();
    root.add_worker(inner);
    root.add_worker(idle("beside"));
    let tree = world.start(root).await.unwrap();
    below.spawn(gated("slow", &gate)).unwrap();
    until_starting(&below, "slow").await;
    tree.handle().spawn(waiting_in_set_up(&below, &answers)).unwrap();
    until_starting(&tree.handle(), "waiter").await;
    assert!(answer.is_empty());
    drop(open);
    assert_eq!(answer.recv().await.unwrap(), "ready");
    tree.shutdown().await.unwrap();
}

async fn n6_a_process_that_has_to_stop_cannot_wait_for_one_that_is_down(world: World) {
    let (answers, answer) = async_channel::unbounded();
    let (mut root, never) = (root(), inner());
    let (handle, answers) = (never.handle(), answers.clone());
    let waiter = worker("waiter", move |_: ProcessShutdown| {
        let (handle, answers) = (handle.clone(), answers.clone());
        async move {
            let _ = answers.send(told(handle.ready().await)).await;
        }
    });
    root.add_worker(waiter);
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert!(answer.is_empty());
    // It is waiting, and does not look at its shutdown.
    tree.shutdown().await.unwrap();
    assert_eq!(answer.recv().await.unwrap(), "inner would wait");
    drop(never);
}

async fn n6_a_starting_child_that_does_not_count_can_wait_for_ready(world: World) {
    for counts in [true, false] {
        let (answers, answer) = async_channel::unbounded();
        let (open, gate) = async_channel::unbounded::<()>();
        let mut root = root();
        root.add_worker(gated("slow", &gate));
        let top = root.handle();
        open.try_send(()).unwrap();
        let tree = world.start(root).await.unwrap();
        let slow = tree.handle().find("slow").await.unwrap()[0].id;
        tree.handle().kill_child(slow).await.unwrap();
        until_starting(&top, "slow").await;
        tree.handle().spawn(waiting_in_set_up(&top, &answers).with_readiness(counts)).unwrap();
        if !counts {
            until_starting(&top, "waiter").await;
            open.try_send(()).unwrap();
        }
        assert_eq!(answer.recv().await.unwrap(), if counts { "root would wait" } else { "ready" });
        tree.shutdown().await.unwrap();
    }
}

async fn n6_a_member_of_a_group_restart_cannot_wait_for_ready(world: World) {
    let (answers, answer) = async_channel::unbounded();
    let strings = Strings::new();
    let mut root = supervisor("root", RestartStrategy::one_for_all());
    let top = root.handle();
    // It does not count, and the one after it, which counts, waits for it.
    root.add_worker(waiting_in_set_up(&top, &answers).with_readiness(false));
    root.add_worker(strings.worker("brittle"));
    let tree = world.start(root).await.unwrap();
    assert_eq!(answer.recv().await.unwrap(), "root would wait", "in the first start");
    strings.pull(Err("boom"));
    strings.pulled(&world.probe).await;
    assert_eq!(answer.recv().await.unwrap(), "root would wait", "in a group restart");
    tree.ready().await.unwrap();
    tree.shutdown().await.unwrap();
}

async fn n6_a_starting_child_of_a_scope_can_wait_for_its_tree(world: World) {
    let (answers, answer) = async_channel::unbounded();
    let (open, gate) = async_channel::unbounded::<()>();
    let (begin, begun) = async_channel::bounded::<()>(1);
    let mut root = root();
    root.add_worker(gated("slow", &gate));
    let top = root.handle();
    root.add_worker(worker("owner", move |shutdown: ProcessShutdown| {
        let (top, answers, begun) = (top.clone(), answers.clone(), begun.clone());
        async move {
            let _begin = begun.recv().await;
            process::scope()?.spawn(waiting_in_set_up(&top, &answers))?;
            shutdown.await;
            Ok::<_, SupervisorError>(())
        }
    }));
    open.try_send(()).unwrap();
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    handle.kill_child(handle.find("slow").await.unwrap()[0].id).await.unwrap();
    until_starting(&handle, "slow").await;
    drop(begin);
    while handle.snapshot().await.find("root.owner.waiter").is_none_or(|waiter| waiter.process.is_none()) {
        yield_now().await;
    }
    assert!(answer.is_empty(), "it waits: nothing above its owner waits for it");
    open.try_send(()).unwrap();
    assert_eq!(answer.recv().await.unwrap(), "ready");
    tree.shutdown().await.unwrap();
}

async fn d1_a_ping_is_answered_also_in_a_start_and_in_a_stop(world: World) {
    let (open, gate) = async_channel::bounded::<()>(1);
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let mut root = root();
    root.add_worker(worker("slow_to_stop", move |shutdown: ProcessShutdown| {
        let stopped = stopped.clone();
        async move {
            shutdown.await;
            let _ = stopped.recv().await;
        }
    }));
    root.add_worker(gated("slow_to_start", &gate));
    let handle = root.handle();
    let not_running = |answer| assert!(matches!(answer, Err(SupervisorError::NotRunning { .. })), "{answer:?}");
    not_running(handle.ping().await);
    let (tree, ()) = zip(world.start(root), async {
        while handle.count().await.is_err() {
            yield_now().await;
        }
        handle.ping().await.unwrap();
        drop(open);
    })
    .await;
    let ended = zip(tree.unwrap().shutdown(), async {
        while handle.snapshot().await.state != ChildState::Stopping {
            yield_now().await;
        }
        handle.ping().await.unwrap();
        drop(stop);
    });
    ended.await.0.unwrap();
    not_running(handle.ping().await);
}

async fn n6_a_process_that_has_said_it_is_ready_can_wait_for_ready(world: World) {
    let (tell, told) = async_channel::unbounded();
    let mut root = root();
    let own = root.handle();
    let waiter = worker("waiter", move |shutdown: ProcessShutdown| {
        let (own, tell) = (own.clone(), tell.clone());
        async move {
            process::ready();
            // Its supervisor has not read that yet.
            let _ = tell.send(own.ready().await).await;
            shutdown.await;
        }
    });
    root.add_worker(waiter.with_explicit_ready());
    let tree = world.start(root).await.unwrap();
    assert!(told.recv().await.expect("an answer").is_ok());
    tree.shutdown().await.unwrap();
}
