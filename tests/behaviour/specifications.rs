//! What a specification says, and what it owns.

use std::{
    pin::Pin,
    sync::{Arc, atomic::AtomicBool},
    time::Instant,
};

use futures_lite::future::yield_now;
use supervisor_core::{
    BoxError, ChildSpec, EventKind, InitializationError, Placement, Process, RestartStrategy, RestartType, Spawner,
    SupervisionTree, Supervisor, SupervisorFuture, Timer, one_shot, process, worker,
};

use crate::{
    actors::{Bomb, Census, Diary, events, failing, idle, root, set_up, supervisor, until},
    harness::{World, counting::Counting},
};

mount! { everywhere:
    r78_a_spec_that_runs_once_is_dropped_before_its_exit
    p3_an_ended_childs_spec_is_dropped_with_its_supervisor
    p3_an_unstarted_spec_is_dropped_with_its_supervisor
    r36_an_added_spec_is_dropped_when_its_supervisor_restarts
    r36_a_static_temporary_child_runs_again_after_a_restart
    a_one_shot_does_not_run_again_after_a_restart
    p3_a_spec_that_owns_nothing_needs_no_process_to_drop_it
    a2_ready_said_in_a_set_up_means_nothing
    p9_an_executor_that_panics_when_dropped_harms_no_supervisor
    p9_an_executor_factory_that_panics_in_drop_harms_nothing
    a_handle_keeps_no_executor_of_a_tree_that_has_ended
}

/// Owns something, and ends at once.
fn owner(name: &'static str, census: &Census) -> ChildSpec {
    let owned = census.enter();
    worker(name, move |_| {
        let _ = &owned;
        async {}
    })
}

async fn r78_a_spec_that_runs_once_is_dropped_before_its_exit(world: World) {
    let census = Census::default();
    let tree = world.start(root()).await.unwrap();
    let mut events = tree.events();
    tree.handle().spawn(owner("once", &census)).unwrap();
    while !matches!(events.next().await.unwrap().kind, EventKind::Exited(_)) {}
    assert_eq!(census.present(), 0);
    tree.shutdown().await.unwrap();
}

async fn p3_an_ended_childs_spec_is_dropped_with_its_supervisor(world: World) {
    let census = Census::default();
    let mut root = root();
    root.add_worker(owner("first", &census).with_restart_type(RestartType::Transient));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    handle.start_child(owner("second", &census).with_restart_type(RestartType::Transient)).await.unwrap();
    let owned = census.enter();
    let third = set_up("third", move |_| {
        let _ = &owned;
        async { Err(InitializationError::ignore()) }
    });
    handle.start_child(third).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(census.present(), 3, "they could be restarted");
    tree.shutdown().await.unwrap();
    world.probe.quiet().await;
    assert_eq!(census.present(), 0, "though a handle is left: {handle:?}");
}

async fn p3_an_unstarted_spec_is_dropped_with_its_supervisor(world: World) {
    let census = Census::default();
    let mut root = root();
    let handle = root.handle();
    root.add_worker(failing("first"));
    let owned = census.enter();
    root.add_worker(one_shot("second", async move { drop(owned) }));
    root.add_worker(owner("third", &census));
    world.start(root).await.unwrap_err();
    world.probe.quiet().await;
    assert_eq!(census.present(), 0, "though a handle is left: {handle:?}");
}

async fn r36_an_added_spec_is_dropped_when_its_supervisor_restarts(world: World) {
    let census = Census::default();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(owner("static", &census).with_restart_type(RestartType::Transient));
    let handle = inner.handle();
    let mut root = root();
    let id = root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    handle.start_child(owner("added", &census).with_restart_type(RestartType::Transient)).await.unwrap();
    world.probe.quiet().await;
    tree.handle().kill_child(id).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(census.present(), 1, "what is static runs again");
    tree.shutdown().await.unwrap();
    world.probe.quiet().await;
    assert_eq!(census.present(), 0);
}

/// Makes the tree of a supervisor that has restarted once.
async fn restarted(world: &World, inner: Supervisor) -> SupervisionTree {
    let mut root = root();
    let id = root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    tree.handle().kill_child(id).await.unwrap();
    world.probe.quiet().await;
    tree
}

async fn r36_a_static_temporary_child_runs_again_after_a_restart(world: World) {
    let census = Census::default();
    let counted = census.clone();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    let temporary = worker("temporary", move |_| {
        let _present = counted.enter();
        async {}
    });
    inner.add_worker(temporary.with_restart_type(RestartType::Temporary));
    let tree = restarted(&world, inner).await;
    assert_eq!(census.ever(), 2);
    tree.shutdown().await.unwrap();
}

async fn a_one_shot_does_not_run_again_after_a_restart(world: World) {
    let census = Census::default();
    let counted = census.clone();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(one_shot("once", async move { drop(counted.enter()) }));
    inner.add_worker(idle("idle"));
    let handle = inner.handle();
    let tree = restarted(&world, inner).await;
    let told = events(&world.probe);
    let starts =
        told.iter().filter(|event| event.path == "root.inner.once" && matches!(event.kind, EventKind::Started));
    assert_eq!((census.ever(), starts.count()), (1, 1), "{told:?}");
    let children: Vec<_> = handle.children().await.unwrap().into_iter().map(|child| child.name).collect();
    assert_eq!(children, ["idle"]);
    tree.shutdown().await.unwrap();
}

async fn p3_a_spec_that_owns_nothing_needs_no_process_to_drop_it(world: World) {
    let (census, spawner) = (Census::default(), Counting::new(world.spawner.clone()));
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(idle("idle"));
    let mut root = root();
    root.add_worker(inner);
    root.add_worker(worker("ended", |_| async {}).with_restart_type(RestartType::Transient));
    let tree = world.probe.start(root, spawner.clone()).await.unwrap();
    let owned = census.enter();
    let once = set_up("set_up", move |_| {
        let _ = &owned;
        async { Ok::<SupervisorFuture, _>(Box::pin(async { Ok(()) })) }
    });
    let held = census.enter();
    for child in [owner("closure", &census), once, one_shot("one_shot", async move { drop(held) })] {
        tree.handle().spawn(child).unwrap();
    }
    world.probe.quiet().await;
    // What is ready still has to end.
    while tree.handle().count().await.unwrap().active > 1 {
        yield_now().await;
    }
    assert_eq!(census.present(), 0);
    tree.shutdown().await.unwrap();
    world.probe.quiet().await;
    let starts = events(&world.probe).iter().filter(|event| matches!(event.kind, EventKind::Started)).count();
    assert_eq!((starts, spawner.processes()), (6, 7), "the root has none above that tells of it");
}

async fn a2_ready_said_in_a_set_up_means_nothing(world: World) {
    let diary = Diary::default();
    let (first, second) = (diary.clone(), diary.clone());
    let mut root = root();
    root.add_worker(set_up("first", move |shutdown| {
        let diary = first.clone();
        async move {
            process::ready();
            for _ in 0..10 {
                yield_now().await;
            }
            diary.write("the first is set up");
            Ok(until(shutdown))
        }
    }));
    root.add_worker(worker("second", move |shutdown| {
        second.write("the second starts");
        shutdown
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(diary.take(), ["the first is set up", "the second starts"]);
    tree.shutdown().await.unwrap();
}

/// Two destructors that panic together would be the end of the program.
#[test]
fn p3_what_is_never_started_is_dropped_under_a_guard() {
    let mut root = root();
    let armed = Arc::new(AtomicBool::new(true));
    for name in ["a", "b"] {
        let bomb = Bomb(armed.clone());
        root.add_worker(worker(name, move |_| {
            let _ = &bomb;
            async {}
        }));
    }
    drop(root);
}

#[test]
fn a_spec_has_the_name_of_its_processes() {
    assert_eq!(idle("my worker").name(), "my_worker");
}

/// The world's executor, and something that it owns.
#[derive(Debug)]
struct Owns<T>(Arc<dyn Spawner>, T);

impl<T: std::fmt::Debug + Send + Sync + 'static> Spawner for Owns<T> {
    fn spawn(&self, process: Process) {
        self.0.spawn(process);
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.0.timer()
    }

    fn is_virtual(&self) -> bool {
        self.0.is_virtual()
    }
}

#[derive(Debug)]
struct Explodes;

impl Drop for Explodes {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("in a destructor");
        }
    }
}

/// Children that come and go in every way, each with a placement of its own, leave the supervisor as it was.
async fn come_and_go(world: World, placement: impl Fn() -> Placement) {
    let tree = world.start(root().with_max_children(2)).await.unwrap();
    let handle = tree.handle();
    let child = |name| idle(name).with_placement(placement());
    for restart in [RestartType::Temporary, RestartType::Transient] {
        let id = handle.start_child(child("a").with_restart_type(restart)).await.unwrap();
        handle.terminate_child(id).await.unwrap();
        let _ = handle.delete_child(id).await;
    }
    handle.spawn(one_shot("b", async {}).with_placement(placement())).unwrap();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one()).with_child_placement(placement());
    inner.add_worker(child("c"));
    world.probe.quiet().await;
    let id = handle.start_child(inner).await.unwrap();
    handle.start_child(idle("d")).await.unwrap();
    handle.start_child(child("one too many")).await.unwrap_err();
    handle.terminate_child(id).await.unwrap();
    handle.delete_child(id).await.unwrap();
    handle.start_child(idle("after")).await.unwrap();
    drop(child("never added"));
    tree.shutdown().await.unwrap();
}

async fn p9_an_executor_that_panics_when_dropped_harms_no_supervisor(world: World) {
    let spawner = world.spawner.clone();
    come_and_go(world, move || Placement::from(Owns(spawner.clone(), Explodes))).await;
}

async fn p9_an_executor_factory_that_panics_in_drop_harms_nothing(world: World) {
    let spawner = world.spawner.clone();
    let placement = move || {
        let (spawner, owned) = (spawner.clone(), Explodes);
        Placement::fresh(move |_| {
            let _ = &owned;
            Ok::<_, BoxError>(spawner.clone())
        })
    };
    come_and_go(world, placement).await;
}

async fn a_handle_keeps_no_executor_of_a_tree_that_has_ended(world: World) {
    let owned = Arc::new(());
    let placement = |owned: &Arc<()>| Placement::from(Owns(world.spawner.clone(), owned.clone()));
    let mut inner = supervisor("inner", RestartStrategy::one_for_one()).with_child_placement(placement(&owned));
    inner.add_worker(idle("a"));
    let handles = [inner.handle(), {
        let mut root = root().with_child_placement(placement(&owned));
        root.add_worker(inner);
        let tree = world.start(root).await.unwrap();
        let handle = tree.handle().clone();
        tree.shutdown().await.unwrap();
        handle
    }];
    world.probe.quiet().await;
    // A virtual clock is kept to tell its times, with the executor that has it.
    if !world.spawner.is_virtual() {
        assert_eq!(Arc::strong_count(&owned), 1);
    }
    for handle in &handles {
        assert!(!handle.snapshot().await.children.is_empty());
    }
}
