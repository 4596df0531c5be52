//! Futures that do not yield. Nothing can end them; but nothing has to wait for them either.

use std::{
    future::{Future, pending},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
    time::{Duration, Instant},
};

use futures_lite::future::poll_once;
use supervisor_core::{
    ChildSpec, EventKind, Exit, RestartStrategy, ShutdownStrategy, SupervisionTree, SupervisorError, SupervisorFuture,
    UncleanStop, task, worker,
};

use crate::{
    actors::{Census, events, present, root, set_up, supervisor},
    harness::World,
};

mount! { two threads, also added at run time:
    d3_case_e_a_shutdown_names_a_child_that_never_yields
    d3_case_e_a_child_that_blocks_as_it_is_ready_is_named
    d3_a_nested_supervisor_abandons_a_stuck_process
    d3_a_restart_waits_for_a_stuck_process_others_are_served
    d1_a_blocked_child_stalls_no_sibling
    p11_a9_an_abandoned_task_tells_its_result_at_its_end
    r44_a_kill_before_the_shutdown_is_absorbed
    r44_a_missed_heartbeat_before_a_shutdown_is_absorbed
}

/// A value that blocks a thread until it is released.
struct Block {
    release: Sender<()>,
    blocked: async_channel::Receiver<()>,
}

fn block() -> (Block, impl FnMut() + Send + Clone + 'static) {
    let (release, wait): (_, Receiver<()>) = mpsc::channel();
    let (sender, blocked) = async_channel::unbounded();
    let wait = Arc::new(std::sync::Mutex::new(wait));
    let block = move || {
        let _ = sender.try_send(());
        // Until a word comes, or until the test has ended, be it by a failure.
        let _ = wait.lock().expect("no poison").recv();
    };
    (Block { release, blocked }, block)
}

const GRACE: Duration = Duration::from_millis(50);

fn impatient(spec: ChildSpec) -> ChildSpec {
    spec.with_shutdown_strategy(ShutdownStrategy::Graceful(GRACE))
}

async fn in_time<T>(begin: Instant, future: impl Future<Output = T>) -> T {
    let result = future.await;
    assert!(begin.elapsed() < Duration::from_secs(3), "took {:?}", begin.elapsed());
    result
}

async fn d3_case_e_a_shutdown_names_a_child_that_never_yields(world: World) {
    let (blocked, mut block) = block();
    let census = Census::default();
    let mut root = root().with_abort_grace(GRACE);
    root.add_worker(present("sibling", &census));
    root.add_worker(impatient(worker("blocker", move |_| {
        block();
        async {}
    })));
    let tree = world.start(root).await.unwrap();
    blocked.blocked.recv().await.unwrap();
    let outcome = in_time(Instant::now(), tree.shutdown()).await;
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(unclean.len(), 1);
    assert_eq!(unclean[0].path, "root.blocker");
    assert!(matches!(unclean[0].stop, UncleanStop::Abandoned));
    assert_eq!(census.present(), 0, "the others were stopped in order all the same");
    drop(blocked.release);
}

async fn d3_case_e_a_child_that_blocks_as_it_is_ready_is_named(world: World) {
    let (blocked, block) = block();
    let mut root = root().with_abort_grace(GRACE);
    root.add_worker(impatient(set_up("blocker", move |_| {
        let mut block = block.clone();
        async move {
            let run: SupervisorFuture = Box::pin(async move {
                block();
                Ok(())
            });
            Ok(run)
        }
    })));
    root.add_worker(worker("after", |shutdown| shutdown));
    let begin = Instant::now();
    let tree = in_time(begin, world.start(root)).await.unwrap();
    blocked.blocked.recv().await.unwrap();
    let outcome = in_time(Instant::now(), tree.shutdown()).await;
    assert!(matches!(outcome, Err(SupervisorError::UncleanShutdown(_))), "{outcome:?}");
    drop(blocked.release);
}

async fn d3_a_nested_supervisor_abandons_a_stuck_process(world: World) {
    let (blocked, mut block) = block();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one()).with_abort_grace(GRACE);
    inner.add_worker(impatient(worker("blocker", move |_| {
        block();
        async {}
    })));
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    blocked.blocked.recv().await.unwrap();
    let outcome = in_time(Instant::now(), tree.shutdown()).await;
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(unclean.iter().map(|unclean| unclean.path.as_str()).collect::<Vec<_>>(), ["root.inner.blocker"]);
    drop(blocked.release);
}

async fn d3_a_restart_waits_for_a_stuck_process_others_are_served(world: World) {
    let (blocked, mut block) = block();
    let census = Census::default();
    let counted = census.clone();
    let mut group = supervisor("group", RestartStrategy::one_for_all()).with_abort_grace(GRACE);
    let handle = group.handle();
    let first = group.add_worker(worker("first", |shutdown| shutdown));
    group.add_worker(impatient(worker("blocker", move |shutdown| {
        let present = counted.enter();
        if counted.ever() == 1 {
            block();
        }
        async move {
            let _present = present;
            shutdown.await;
        }
    })));
    let mut root = root();
    root.add_worker(group);
    let tree = world.start(root).await.unwrap();
    blocked.blocked.recv().await.unwrap();
    handle.kill_child(first).await.unwrap();
    let begin = Instant::now();
    while !events(&world.probe).iter().any(|event| matches!(event.kind, EventKind::Stuck)) {
        assert!(begin.elapsed() < Duration::from_secs(3));
        tokio::task::yield_now().await;
    }
    let states: Vec<_> = handle.children().await.unwrap().into_iter().map(|child| child.state).collect();
    assert_eq!(states, [supervisor_core::ChildState::Restarting, supervisor_core::ChildState::Stopping]);
    assert_eq!(census.ever(), 1, "nothing runs beside it");
    // B5, A7: a reload that joins the restart does not wait for it either.
    let stuck = SupervisorError::Stuck { path: "root.group.blocker".into() };
    assert_eq!(handle.reload_child(first).await, Err(stuck));
    blocked.release.send(()).unwrap();
    while handle.count().await.unwrap().active < 2 || census.ever() < 2 {
        assert!(begin.elapsed() < Duration::from_secs(3));
        tokio::task::yield_now().await;
    }
    assert_eq!(census.most(), 1);
    tree.shutdown().await.unwrap();
}

async fn d1_a_blocked_child_stalls_no_sibling(world: World) {
    let (blocked, mut block) = block();
    let census = Census::default();
    let counted = census.clone();
    let mut root = root();
    root.add_worker(worker("sibling", move |shutdown| {
        let _present = counted.enter();
        shutdown
    }));
    root.add_worker(worker("blocker", move |shutdown| {
        block();
        shutdown
    }));
    let tree = world.start(root).await.unwrap();
    blocked.blocked.recv().await.unwrap();
    let handle = tree.handle();
    let id = handle.find("sibling").await.unwrap()[0].id;
    for round in 2..12 {
        handle.kill_child(id).await.unwrap();
        let begin = Instant::now();
        while census.ever() < round || handle.count().await.unwrap().active < 2 {
            assert!(begin.elapsed() < Duration::from_secs(3), "the sibling is not restarted");
            tokio::task::yield_now().await;
        }
    }
    blocked.release.send(()).unwrap();
    tree.shutdown().await.unwrap();
}

async fn p11_a9_an_abandoned_task_tells_its_result_at_its_end(world: World) {
    let (blocked, mut block) = block();
    let tree = world.start(root().with_abort_grace(GRACE)).await.unwrap();
    let handle = tree.handle();
    let (child, mut result) = task("blocker", async move {
        block();
        7
    });
    let id = handle.spawn(impatient(child)).unwrap();
    blocked.blocked.recv().await.unwrap();
    let mut monitor = handle.monitor(id).unwrap();
    let outcome = in_time(Instant::now(), tree.shutdown()).await;
    assert!(matches!(outcome, Err(SupervisorError::UncleanShutdown(_))), "{outcome:?}");
    assert!(poll_once(&mut monitor).await.is_none(), "it has not ended");
    assert!(poll_once(&mut result).await.is_none(), "it has not ended");
    blocked.release.send(()).unwrap();
    let begin = Instant::now();
    assert_eq!(in_time(begin, monitor).await, Exit::Normal);
    assert_eq!(in_time(begin, result).await, Ok(7));
}

/// Starts a tree whose child `blocker` blocks, and waits until `abort` has aborted that child. Shuts the tree down before the child
/// has yielded.
async fn shut_down_during_an_abort(
    world: World,
    settings: impl FnOnce(ChildSpec) -> ChildSpec,
    abort: impl AsyncFnOnce(&SupervisionTree),
) -> Result<(), SupervisorError> {
    let (blocked, mut block) = block();
    let (asked, is_asked) = async_channel::unbounded();
    let mut root = root();
    root.add_worker(settings(worker("blocker", move |_| {
        block();
        pending::<()>()
    })));
    // It is asked when the stop has begun.
    root.add_worker(worker("after", move |shutdown| {
        let asked = asked.clone();
        async move {
            shutdown.await;
            asked.try_send(()).unwrap();
        }
    }));
    let mut tree = world.start(root).await.unwrap();
    blocked.blocked.recv().await.unwrap();
    abort(&tree).await;
    tree.handle().shutdown().unwrap();
    is_asked.recv().await.unwrap();
    blocked.release.send(()).unwrap();
    in_time(Instant::now(), tree.wait()).await
}

async fn r44_a_kill_before_the_shutdown_is_absorbed(world: World) {
    let kill = async |tree: &SupervisionTree| {
        let id = tree.handle().find("blocker").await.unwrap()[0].id;
        tree.handle().kill_child(id).await.unwrap();
    };
    assert_eq!(shut_down_during_an_abort(world, |blocker| blocker, kill).await, Ok(()));
}

async fn r44_a_missed_heartbeat_before_a_shutdown_is_absorbed(world: World) {
    let probe = world.probe.clone();
    let miss = async move |_: &SupervisionTree| {
        let is_missed = |event: &supervisor_core::Event| matches!(event.kind, EventKind::Unresponsive { .. });
        while !events(&probe).iter().any(is_missed) {
            tokio::task::yield_now().await;
        }
    };
    let outcome = shut_down_during_an_abort(world, |blocker| blocker.with_watchdog(GRACE), miss).await;
    assert_eq!(outcome, Ok(()));
}
