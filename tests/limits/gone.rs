//! Executors that end, with children on them or supervisors.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use futures_lite::future::yield_now;
use supervisor_core::{
    Backoff, ChildSpec, ChildState, EventKind, Events, Exit, Placement, ProcessShutdown, RestartCause, RestartStrategy,
    RestartType, SupervisionTree, Supervisor, SupervisorError, one_shot, worker,
};

use crate::{
    census::Census,
    other::Other,
    stage::{LIMIT, Stage, event, idle, supervisor},
};

stage! { everywhere:
    p1_a_supervisor_outlives_the_executor_of_its_children
    b4_a_tree_is_read_though_the_executor_of_children_is_gone
    p2_no_two_incarnations_run_at_once_when_a_supervisor_is_lost
    p2_it_holds_when_a_supervisor_is_lost_again_and_again
    p2_what_a_lost_supervisor_left_is_named_and_can_be_given_up
    n8_what_a_lost_supervisor_left_behind_is_named
    n8_it_is_named_while_the_restart_waits_too
    a6_subscribers_hear_of_a_lost_root_and_its_state_stays
    a6_the_stream_of_a_lost_root_ends_after_its_last_process
    n8_what_lets_go_in_time_is_not_named
    a7_what_a_lost_supervisor_had_not_read_is_refused
    p1_a_process_that_a_dead_executor_refuses_is_lost
    p1_destructors_that_panic_at_an_executors_end_harm_no_other
}

async fn p1_a_supervisor_outlives_the_executor_of_its_children(stage: Stage) {
    let other = stage.other(1);
    let mut root = Supervisor::new("root").unwrap().with_child_placement(other.placement()).with_abort_grace(LIMIT);
    root = root.with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(2, 50 * LIMIT));
    root.add_worker(idle("w").with_backoff(Backoff::constant(LIMIT / 4)));
    let mut tree = root.start_on(stage.spawner.clone()).await.unwrap();
    stage.sleep(LIMIT / 4).await;
    other.end();
    match stage.in_time("giving up", tree.wait()).await {
        Err(SupervisorError::GaveUp(gave_up)) => {
            assert!(gave_up.to_string().contains("dropped by its executor"), "{gave_up}")
        }
        outcome => panic!("{outcome:?}"),
    }
}

async fn b4_a_tree_is_read_though_the_executor_of_children_is_gone(stage: Stage) {
    let other = stage.other(1);
    let mut inner = supervisor("inner").with_child_placement(other.placement());
    inner.add_worker(idle("w").with_backoff(Backoff::constant(3600 * LIMIT)));
    let mut root = supervisor("root").with_child_placement(other.placement());
    root.add_worker(ChildSpec::from(inner).with_restart_type(RestartType::Temporary));
    root.add_worker(idle("v").with_backoff(Backoff::constant(3600 * LIMIT)));
    let handle = root.handle();
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    other.end();
    let is_restarting = async {
        loop {
            let snapshot = handle.snapshot().await;
            if snapshot.find("root.v").is_some_and(|v| v.state == ChildState::Restarting) {
                return snapshot;
            }
            stage.sleep(Duration::from_millis(1)).await;
        }
    };
    let snapshot = stage.in_time("the loss", is_restarting).await;
    let last = snapshot.find("root.v").unwrap().last_exit.as_ref().unwrap();
    assert_eq!(last.cause, RestartCause::Exit(Exit::Lost));
    // The other one may be lost while it is stopped, which is told.
    let _outcome = stage.in_time("the shutdown", tree.shutdown()).await;
}

/// Makes a worker that blocks in its first poll, wherever it runs.
fn port(stage: &Stage, census: &Census) -> ChildSpec {
    let (block, census) = (stage.blocks(), census.clone());
    let child = worker("port", move |shutdown: ProcessShutdown| {
        let (present, block) = (census.enter(), block());
        let is_first = census.ever() == 1;
        async move {
            let _present = present;
            if is_first {
                block.await;
            }
            shutdown.await;
        }
    });
    child.with_placement(Placement::On(stage.spawner.clone()))
}

/// A supervisor that is lost with its executor, when its child on the main one has begun to block.
struct Lost {
    tree: SupervisionTree,
    events: Events,
    census: Census,
}

/// Loses an executor. `adapt` sets where the supervisor runs, and what happens to it.
async fn lose(stage: &Stage, mut root: Supervisor, adapt: impl FnOnce(Supervisor, &Other) -> ChildSpec) -> Lost {
    let (other, census) = (stage.other(1), Census::default());
    let mut inner = supervisor("inner");
    inner.add_worker(port(stage, &census));
    root.add_worker(adapt(inner, &other));
    let events = root.handle().events();
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    stage.until("the first one", || census.ever() == 1).await;
    other.end();
    Lost { tree, events, census }
}

/// Loses an executor, and waits until that is reported.
async fn lose_for_good(stage: &Stage, root: Supervisor, adapt: impl FnOnce(ChildSpec) -> ChildSpec) -> Lost {
    let place = |inner: Supervisor, other: &Other| adapt(ChildSpec::from(inner).with_placement(other.placement()));
    let mut lost = lose(stage, root, place).await;
    let told = event(&mut lost.events, |kind| matches!(kind, EventKind::Exited(Exit::Lost)));
    assert_eq!(stage.in_time("the loss", told).await.path, "root.inner");
    lost
}

async fn p2_no_two_incarnations_run_at_once_when_a_supervisor_is_lost(stage: Stage) {
    let Lost { tree, mut events, census } = lose(&stage, supervisor("root"), |mut inner, other| {
        inner.add_worker(idle("behind"));
        ChildSpec::from(inner).with_placement(lives_on(&stage, other.spawner.clone()))
    })
    .await;
    // The supervisor runs again, and waits for what it has left behind.
    let stuck = event(&mut events, |kind| matches!(kind, EventKind::Stuck));
    assert_eq!(stage.in_time("the grace", stuck).await.path, "root.inner.port");
    assert_eq!(census.ever(), 1);
    while census.ever() < 2 {
        stage.sleep(LIMIT).await;
    }
    assert_eq!(census.most(), 1);
    stage.in_time("ready", tree.ready()).await.unwrap();
    stage.in_time("the shutdown", tree.shutdown()).await.unwrap();
}

/// Returns a placement on that executor for the first start, and on the main one after that.
fn lives_on(stage: &Stage, first: Arc<dyn supervisor_core::Spawner>) -> Placement {
    let (main, first) = (stage.spawner.clone(), std::sync::Mutex::new(Some(first)));
    Placement::Fresh(Arc::new(move |_| Ok(first.lock().unwrap().take().unwrap_or_else(|| main.clone()))))
}

async fn p2_it_holds_when_a_supervisor_is_lost_again_and_again(stage: Stage) {
    let census = Census::default();
    let others: Vec<_> = (0..3).map(|_| stage.other(1)).collect();
    let mut spawners: Vec<_> = others.iter().map(|other| other.spawner.clone()).collect();
    spawners.push(stage.spawner.clone());
    spawners.reverse();
    let spawners = Arc::new(std::sync::Mutex::new(spawners));
    let left = spawners.clone();
    let placement = Placement::Fresh(Arc::new(move |_| Ok(left.lock().unwrap().pop().expect("one more"))));
    let mut inner = supervisor("inner");
    inner.add_worker(port(&stage, &census));
    let mut root = supervisor("root");
    root.add_worker(ChildSpec::from(inner).with_placement(placement));
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    for (n, other) in others.into_iter().enumerate() {
        stage.until("the next run", || spawners.lock().unwrap().len() == 3 - n).await;
        stage.until("the first one", || census.ever() == 1).await;
        stage.sleep(LIMIT / 4).await;
        other.end();
    }
    while census.ever() < 2 {
        stage.sleep(LIMIT).await;
    }
    assert_eq!(census.most(), 1);
    stage.in_time("ready", tree.ready()).await.unwrap();
    stage.in_time("the shutdown", tree.shutdown()).await.unwrap();
}

async fn p2_what_a_lost_supervisor_left_is_named_and_can_be_given_up(stage: Stage) {
    let Lost { tree, mut events, .. } = lose(&stage, supervisor("root"), |inner, other| {
        ChildSpec::from(inner).with_placement(lives_on(&stage, other.spawner.clone()))
    })
    .await;
    let stuck = event(&mut events, |kind| matches!(kind, EventKind::Stuck));
    assert_eq!(stage.in_time("the grace", stuck).await.path, "root.inner.port");
    let snapshot = tree.handle().snapshot().await;
    assert_eq!(snapshot.find("root.inner.port").unwrap().state, ChildState::Restarting);
    assert!(!snapshot.ready);
    is_named(stage.in_time("the shutdown", tree.shutdown()).await);
}

/// Checks that the process which was left behind is named, and no other.
fn is_named(outcome: Result<(), SupervisorError>) {
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(unclean.iter().map(|unclean| &*unclean.path).collect::<Vec<_>>(), ["root.inner.port"]);
}

async fn lost_and_not_run_again(stage: Stage, adapt: impl FnOnce(ChildSpec) -> ChildSpec) {
    let Lost { tree, mut events, .. } = lose_for_good(&stage, supervisor("root"), adapt).await;
    is_named(stage.in_time("the shutdown", tree.shutdown()).await);
    let told = event(&mut events, |kind| matches!(kind, EventKind::Abandoned));
    assert_eq!(stage.in_time("its end", told).await.path, "root.inner.port");
}

async fn n8_what_a_lost_supervisor_left_behind_is_named(stage: Stage) {
    lost_and_not_run_again(stage, |inner| inner.with_restart_type(RestartType::Temporary)).await;
}

async fn n8_it_is_named_while_the_restart_waits_too(stage: Stage) {
    let slow = Backoff::constant(crate::stage::HOUR);
    lost_and_not_run_again(stage, |inner| inner.with_backoff(slow)).await;
}

async fn n8_what_lets_go_in_time_is_not_named(stage: Stage) {
    let root = supervisor("root").with_abort_grace(crate::stage::HOUR);
    let Lost { tree, census, .. } =
        lose_for_good(&stage, root, |inner| inner.with_restart_type(RestartType::Temporary)).await;
    // It blocks for longer than anything here takes, and shorter than the grace.
    tree.shutdown().await.unwrap();
    assert_eq!(census.present(), 0);
}

async fn a7_what_a_lost_supervisor_had_not_read_is_refused(stage: Stage) {
    let (other, census) = (stage.other(1), Census::default());
    let owner = |name| {
        let owned = census.enter();
        worker(name, move |_| {
            let _ = &owned;
            async {}
        })
    };
    let mut root = supervisor("root");
    root.add_worker(owner("static").with_restart_type(RestartType::Transient));
    let (handle, mut events) = (root.handle(), root.handle().events());
    let mut tree = root.start_on(other.spawner.clone()).await.unwrap();
    handle.start_child(owner("ended").with_restart_type(RestartType::Transient)).await.unwrap();
    for _ in 0..2 {
        let ended = event(&mut events, |kind| matches!(kind, EventKind::Exited(Exit::Normal)));
        stage.in_time("its end", ended).await;
    }
    handle.spawn(owner("late")).unwrap();
    other.end();
    let outcome = stage.in_time("the loss", tree.wait()).await;
    assert!(matches!(outcome, Err(SupervisorError::Lost { .. })), "{outcome:?}");
    let (mut refused, mut started) = (0, 0);
    while let Some(event) = stage.in_time("the end of the stream", events.next()).await {
        refused += usize::from(event.path == "root.late" && matches!(event.kind, EventKind::Refused(_)));
        started += usize::from(event.path == "root.late" && matches!(event.kind, EventKind::Started));
    }
    assert_eq!(refused + started, 1, "{refused} refused, {started} started");
    if stage.is_simulated() {
        assert_eq!(refused, 1, "it had no turn in between");
    }
    // Though a handle is left.
    stage.until("the drop", || census.present() == 0).await;
    drop(handle);
}

async fn a6_the_stream_of_a_lost_root_ends_after_its_last_process(stage: Stage) {
    let (other, census) = (stage.other(1), Census::default());
    let mut inner = supervisor("inner");
    inner.add_worker(idle("leaf"));
    inner.add_worker(port(&stage, &census));
    let mut root = supervisor("root");
    root.add_worker(inner);
    root.add_worker(idle("w"));
    let mut events = root.handle().events();
    let mut tree = root.start_on(other.spawner.clone()).await.unwrap();
    stage.until("the first one", || census.ever() == 1).await;
    other.end();
    let outcome = stage.in_time("the loss", tree.wait()).await;
    assert!(matches!(outcome, Err(SupervisorError::Lost { .. })), "{outcome:?}");
    let mut left = std::collections::BTreeSet::new();
    let mut last = None;
    while let Some(event) = events.next().await {
        let process = event.process.expect("they all have one");
        match event.kind {
            EventKind::Started => assert!(left.insert(process), "{event}"),
            EventKind::Exited(_) => assert!(left.remove(&process) || event.path == "root", "{event}"),
            _ => {}
        }
        last = Some(event);
    }
    assert!(left.is_empty(), "{left:?} have no end");
    assert_eq!(last.unwrap().path, "root");
}

async fn a6_subscribers_hear_of_a_lost_root_and_its_state_stays(stage: Stage) {
    let other = stage.other(1);
    let mut inner = supervisor("inner");
    inner.add_worker(idle("leaf"));
    let mut root = supervisor("root");
    root.add_worker(inner);
    root.add_worker(idle("w"));
    let handle = root.handle();
    let mut tree = root.start_on(other.spawner.clone()).await.unwrap();
    let mut events = handle.events();
    other.end();
    let outcome = stage.in_time("the loss", tree.wait()).await;
    assert!(matches!(outcome, Err(SupervisorError::Lost { .. })), "{outcome:?}");
    let told = async {
        let mut told = Vec::new();
        while let Some(event) = events.next().await {
            told.push((event.path.clone(), matches!(event.kind, EventKind::Exited(Exit::Lost))));
        }
        told
    };
    let told = stage.in_time("the end of the stream", told).await;
    assert_eq!(told.last(), Some(&("root".to_owned(), true)), "{told:?}");
    let snapshot = handle.snapshot().await;
    assert_eq!(snapshot.state, ChildState::Stopped);
    let paths: Vec<_> = snapshot.iter().map(|node| &*node.path).collect();
    assert_eq!(paths, ["root", "root.inner", "root.inner.leaf", "root.w"]);
    stage
        .in_time("the ends of children", async {
            while !handle.snapshot().await.iter().all(|node| node.state == ChildState::Stopped) {
                yield_now().await;
            }
        })
        .await;
    assert!(matches!(tree.ready().await, Err(SupervisorError::NotRunning { .. })));
}

/// A value that blocks in its destructor.
struct Slow(Arc<AtomicUsize>);

impl Drop for Slow {
    fn drop(&mut self) {
        self.0.fetch_add(1, SeqCst);
        std::thread::sleep(SLOW);
        self.0.fetch_add(1, SeqCst);
    }
}

/// In real time, also in the simulator: so not for long there.
const SLOW: Duration = Duration::from_millis(300);

async fn p1_a_process_that_a_dead_executor_refuses_is_lost(stage: Stage) {
    if stage.is_simulated() && stage.seed() > 3 {
        return;
    }
    let dropped = Arc::<AtomicUsize>::default();
    let (other, root) = (stage.other(1), supervisor("root"));
    let handle = root.handle();
    let mut events = handle.events();
    let tree = root.start_on(stage.spawner.clone()).await.unwrap();
    let placement = other.placement();
    other.end();
    let slow = Slow(dropped.clone());
    let once = one_shot("slow", async move { drop(slow) }).with_placement(placement);
    let begin = std::time::Instant::now();
    handle.start_child(once).await.unwrap();
    handle.start_child(idle("sibling")).await.unwrap();
    if !stage.is_simulated() {
        assert!(begin.elapsed() < SLOW, "the supervisor has waited: {:?}", begin.elapsed());
        assert_eq!(handle.count().await.unwrap().specs, 2, "it is not gone before its destructor has run");
    }
    let exited = event(&mut events, |kind| matches!(kind, EventKind::Exited(_)));
    let exited = stage.in_time("the exit", exited).await;
    assert!(matches!(exited.kind, EventKind::Exited(Exit::Lost)), "{exited}");
    assert_eq!((&*exited.path, dropped.load(SeqCst)), ("root.slow", 2));
    stage.in_time("the shutdown", tree.shutdown()).await.unwrap();
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("in a destructor");
    }
}

fn bombed(name: &'static str) -> ChildSpec {
    let bomb = Bomb;
    let child = worker(name, move |shutdown: ProcessShutdown| {
        let _owned = &bomb;
        let own = Bomb;
        async move {
            let _own = own;
            shutdown.await;
        }
    });
    child.with_restart_type(RestartType::Temporary)
}

async fn p1_destructors_that_panic_at_an_executors_end_harm_no_other(stage: Stage) {
    if stage.is_simulated() && stage.seed() > 20 {
        return;
    }
    let other = stage.other(1);
    let mut deeper = supervisor("deeper");
    let mut inner = supervisor("inner");
    let mut root = supervisor("root");
    for name in ["a", "b", "c"] {
        deeper.add_worker(bombed(name));
        inner.add_worker(bombed(name));
        root.add_worker(bombed(name));
    }
    inner.add_worker(deeper);
    root.add_worker(inner);
    let mut tree = root.start_on(other.spawner.clone()).await.unwrap();
    for name in ["d", "e"] {
        tree.handle().start_child(bombed(name)).await.unwrap();
    }
    other.end();
    let outcome = stage.in_time("the loss", tree.wait()).await;
    assert!(outcome.is_err(), "{outcome:?}");
    drop(tree);
}
