//! What a poll does before it blocks, and what it takes along: the task that it woke, and the timers of its executor.

use std::sync::{Arc, Mutex};

use futures_lite::future::poll_once;
use supervisor_core::{
    ChildSpec, EventKind, ProcessShutdown, ShutdownStrategy, SupervisionTree, SupervisorError, SupervisorHandle,
    UncleanProcess, UncleanStop, process, worker,
};

use crate::stage::{LIMIT, Stage, event, idle, supervisor};

stage! { everywhere:
    d3_a_poll_that_says_ready_and_blocks_holds_up_no_shutdown
    d3_a_poll_that_spawns_and_blocks_holds_up_no_start
    d3_a_poll_that_asks_for_shutdown_and_blocks_is_abandoned
    d3_a_poll_that_makes_a_call_and_blocks_does_not_delay_it
    d3_a_poll_that_drops_its_tree_and_blocks_delays_no_shutdown
    d3_a_stop_holds_its_limit_though_polls_woken_by_timers_block
    b2_a_worker_that_blocks_after_a_timer_is_found
}

/// Makes a worker that does something and blocks, in one poll, when it is told to go on.
fn acts(
    stage: &Stage,
    gate: &async_channel::Receiver<()>,
    act: impl FnMut() + Send + 'static,
) -> (ChildSpec, async_channel::Receiver<()>) {
    let (say, begun) = async_channel::unbounded();
    let (block, gate, act) = (stage.blocks(), gate.clone(), Arc::new(Mutex::new(act)));
    let child = worker("w", move |_: ProcessShutdown| {
        let (say, block, gate, act) = (say.clone(), block(), gate.clone(), act.clone());
        async move {
            let _ = gate.recv().await;
            let _ = say.try_send(());
            (*act.lock().unwrap())();
            block.await;
        }
    });
    (child.with_shutdown_strategy(ShutdownStrategy::Graceful(LIMIT)), begun)
}

fn names_it(outcome: Result<(), SupervisorError>) {
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    let [UncleanProcess { path, stop: UncleanStop::Abandoned, .. }] = &unclean[..] else { panic!("{unclean:?}") };
    assert_eq!(path, "root.w");
}

async fn d3_a_poll_that_says_ready_and_blocks_holds_up_no_shutdown(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let (child, begun) = acts(&stage, &gate, process::ready);
    let mut root = supervisor("root");
    root.add_worker(child.with_explicit_ready());
    let handle = root.handle();
    open.try_send(()).unwrap();
    let tree = stage.in_time("the start", root.start_on(stage.spawner.clone())).await.unwrap();
    begun.recv().await.unwrap();
    assert_eq!(handle.count().await.unwrap().active, 1);
    names_it(stage.in_time("the shutdown", tree.shutdown()).await);
}

async fn d3_a_poll_that_spawns_and_blocks_holds_up_no_start(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let (child, begun) = acts(&stage, &gate, || assert!(process::spawn(idle("spawned")).is_ok()));
    let mut root = supervisor("root");
    root.add_worker(child);
    let mut events = root.handle().events();
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    stage.sleep(LIMIT).await;
    open.try_send(()).unwrap();
    begun.recv().await.unwrap();
    let spawned =
        async { while event(&mut events, |kind| matches!(kind, EventKind::Ready)).await.path != "root.spawned" {} };
    stage.in_time("the start", spawned).await;
    names_it(stage.in_time("the shutdown", tree.shutdown()).await);
}

async fn d3_a_poll_that_asks_for_shutdown_and_blocks_is_abandoned(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let mut root = supervisor("root");
    let handle = root.handle();
    let (child, begun) = acts(&stage, &gate, move || handle.shutdown().unwrap());
    root.add_worker(child);
    let mut tree = root.start_on(stage.spawner.clone()).await.unwrap();
    stage.sleep(LIMIT).await;
    open.try_send(()).unwrap();
    begun.recv().await.unwrap();
    names_it(stage.in_time("the shutdown", tree.wait()).await);
}

async fn d3_a_poll_that_makes_a_call_and_blocks_does_not_delay_it(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let mut root = supervisor("root");
    let handle: SupervisorHandle = root.handle();
    let sibling = root.add_worker(idle("sibling"));
    // It asks, and does not wait for the answer.
    let ask = move || {
        let _answer = futures_lite::future::block_on(poll_once(handle.terminate_child(sibling)));
    };
    let (child, begun) = acts(&stage, &gate, ask);
    root.add_worker(child);
    let mut events = root.handle().events();
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    stage.sleep(LIMIT).await;
    open.try_send(()).unwrap();
    begun.recv().await.unwrap();
    let gone = event(&mut events, |kind| matches!(kind, EventKind::Exited(_)));
    assert_eq!(stage.in_time("the call", gone).await.path, "root.sibling");
    names_it(stage.in_time("the shutdown", tree.shutdown()).await);
}

async fn d3_a_poll_that_drops_its_tree_and_blocks_delays_no_shutdown(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let tree: Arc<Mutex<Option<SupervisionTree>>> = Arc::default();
    let held = tree.clone();
    let (child, begun) = acts(&stage, &gate, move || drop(held.lock().unwrap().take()));
    let mut root = supervisor("root");
    let mut events = root.handle().events();
    root.add_worker(child);
    *tree.lock().unwrap() = Some(root.start_on(stage.spawner.clone()).await.unwrap());
    stage.sleep(LIMIT).await;
    open.try_send(()).unwrap();
    begun.recv().await.unwrap();
    let ended = event(&mut events, |kind| matches!(kind, EventKind::Ended(_)));
    assert_eq!(stage.in_time("the end", ended).await.path, "root");
}

/// Sleeps, and blocks in the poll in which it is woken by that.
fn sleeper(stage: &Stage, name: &'static str, begin: &async_channel::Receiver<()>) -> ChildSpec {
    let (block, begin) = (stage.blocks(), begin.clone());
    let child = worker(name, move |_: ProcessShutdown| {
        let (block, begin) = (block(), begin.clone());
        async move {
            let _ = begin.recv().await;
            process::sleep(LIMIT / 4).await;
            block.await;
        }
    });
    child.with_shutdown_strategy(ShutdownStrategy::Graceful(LIMIT))
}

async fn d3_a_stop_holds_its_limit_though_polls_woken_by_timers_block(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let mut root = supervisor("root");
    root.add_worker(idle("idle"));
    // The second one blocks after the stop has begun, when a thread waits for the supervisor's own timer.
    let (later, second) = async_channel::unbounded();
    root.add_worker(sleeper(&stage, "early", &gate));
    root.add_worker(sleeper(&stage, "late", &second));
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    open.try_send(()).unwrap();
    stage.sleep(LIMIT).await;
    later.try_send(()).unwrap();
    let outcome = stage.in_time("the shutdown", tree.shutdown()).await;
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    let mut paths: Vec<_> = unclean.iter().map(|unclean| unclean.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["root.early", "root.late"]);
}

async fn b2_a_worker_that_blocks_after_a_timer_is_found(stage: Stage) {
    let (open, gate) = async_channel::unbounded();
    let mut root = supervisor("root");
    let mut events = root.handle().events();
    root.add_worker(sleeper(&stage, "w", &gate).with_watchdog(LIMIT));
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    open.try_send(()).unwrap();
    let found = event(&mut events, |kind| matches!(kind, EventKind::Unresponsive { .. }));
    assert_eq!(stage.in_time("the watchdog", found).await.path, "root.w");
    names_it(stage.in_time("the shutdown", tree.shutdown()).await);
}
