//! Calls from inside of processes: the context of a process, and calls that must not wait for their caller.

use std::sync::{Arc, Mutex};

use supervisor_core::{
    ChildState, EventKind, RestartStrategy, SupervisionTree, SupervisorError, one_shot, process, worker,
};

use crate::{
    actors::{Census, Diary, Strings, events, idle, root, set_up, state_of, supervisor, until},
    harness::World,
};

mount! { everywhere:
    a_process_can_add_a_sibling
    outside_of_a_process_no_child_can_be_added
    n6_case_w_a_worker_terminates_itself
    n6_case_w_a_worker_terminates_a_supervisor_above_it
    n6_case_w_a_worker_shuts_its_own_tree_down
    n6_start_child_in_set_up_of_a_group_member_would_deadlock
    start_child_in_a_set_up_works_outside_a_group_restart
    a_destructor_can_spawn_too
    n6_a_starting_process_cannot_wait_for_its_tree_to_be_ready
    n6_a_process_under_a_stopping_one_cannot_wait_for_ready
    n6_a_ready_process_can_wait_for_its_tree_to_be_ready
}

async fn a_process_can_add_a_sibling(world: World) {
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(worker("listener", |shutdown| async move {
        process::spawn(idle("connection"))?;
        assert_eq!(process::current().expect("a process").supervisor().path(), "root.inner");
        shutdown.await;
        Ok::<_, SupervisorError>(())
    }));
    let handle = inner.handle();
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let names: Vec<_> = handle.children().await.unwrap().into_iter().map(|child| child.name).collect();
    assert_eq!(names, ["listener", "connection"]);
    tree.shutdown().await.unwrap();
}

async fn outside_of_a_process_no_child_can_be_added(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let error = process::spawn(idle("x")).unwrap_err();
    assert!(error.to_string().contains("call `spawn` on a `SupervisorHandle`"), "{error}");
    let mut root = root();
    root.add_worker(one_shot("other", async move {
        // Another thread, or a task that was spawned by other means, is not in the process.
        let outcome = std::thread::spawn(|| process::spawn(idle("x"))).join().expect("no panic");
        written.write(format!("{:#?}", outcome.unwrap_err()));
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(diary.take(), ["OutsideProcess"]);
    tree.shutdown().await.unwrap();
}

async fn n6_case_w_a_worker_terminates_itself(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let mut root = root();
    let id = root.add_worker(worker("a", move |shutdown| {
        let diary = written.clone();
        async move {
            let supervisor = process::current().expect("a process").supervisor();
            let own = supervisor.find("a").await?[0].id;
            supervisor.terminate_child(own).await?;
            diary.write("answered");
            shutdown.await;
            diary.write("asked");
            Ok::<_, SupervisorError>(())
        }
    }));
    let tree = world.start(root).await.unwrap();
    while diary.take().last().is_none_or(|line| line != "asked") {
        futures_lite::future::yield_now().await;
    }
    world.probe.quiet().await;
    let children = tree.handle().children().await.unwrap();
    assert_eq!((children[0].id, children[0].state), (id, ChildState::Stopped));
    tree.shutdown().await.unwrap();
}

async fn n6_case_w_a_worker_terminates_a_supervisor_above_it(world: World) {
    let census = Census::default();
    let counted = census.clone();
    let mut root = root();
    let top = root.handle();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    let mut innermost = supervisor("innermost", RestartStrategy::one_for_one());
    innermost.add_worker(worker("a", move |shutdown| {
        let (top, present) = (top.clone(), counted.enter());
        async move {
            let _present = present;
            let inner = top.find("inner").await?[0].id;
            top.terminate_child(inner).await?;
            shutdown.await;
            Ok::<_, SupervisorError>(())
        }
    }));
    inner.add_worker(innermost);
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    while tree.handle().children().await.unwrap()[0].state != ChildState::Stopped {
        futures_lite::future::yield_now().await;
    }
    assert_eq!((census.ever(), census.present()), (1, 0));
    tree.shutdown().await.unwrap();
}

async fn n6_case_w_a_worker_shuts_its_own_tree_down(world: World) {
    let place: Arc<Mutex<Option<SupervisionTree>>> = Arc::default();
    let (taken, diary) = (place.clone(), Diary::default());
    let written = diary.clone();
    let (go, gate) = async_channel::bounded::<()>(1);
    let mut root = root();
    let handle = root.handle();
    root.add_worker(worker("a", move |shutdown| {
        let (place, diary, gate) = (taken.clone(), written.clone(), gate.clone());
        async move {
            gate.recv().await?;
            let tree = place.lock().expect("no poison").take().expect("a tree");
            tree.shutdown().await?;
            diary.write("answered");
            shutdown.await;
            Ok::<_, supervisor_core::BoxError>(())
        }
    }));
    let tree = world.start(root).await.unwrap();
    *place.lock().unwrap() = Some(tree);
    go.try_send(()).unwrap();
    while handle.count().await.is_ok() {
        futures_lite::future::yield_now().await;
    }
    world.probe.quiet().await;
    assert_eq!(diary.take(), ["answered"]);
}

async fn n6_start_child_in_set_up_of_a_group_member_would_deadlock(world: World) {
    let (diary, strings) = (Diary::default(), Strings::new());
    let written = diary.clone();
    let mut root = supervisor("root", RestartStrategy::one_for_all());
    root.add_worker(set_up("a", move |shutdown| {
        let diary = written.clone();
        async move {
            let supervisor = process::current().expect("a process").supervisor();
            match supervisor.start_child(idle("added").with_restart_type(supervisor_core::RestartType::Temporary)).await
            {
                Ok(_) => diary.write("added"),
                Err(SupervisorError::WouldDeadlock { path }) => diary.write(format!("would deadlock under {path}")),
                Err(other) => diary.write(other.to_string()),
            }
            Ok(until(shutdown))
        }
    }));
    root.add_worker(strings.worker("b"));
    let tree = world.start(root).await.unwrap();
    strings.pull(Err("boom"));
    strings.pulled(&world.probe).await;
    // In the first start it starts beside, in a group restart it would have to wait for its turn.
    assert_eq!(diary.take(), ["added", "would deadlock under root"]);
    assert_eq!(tree.handle().count().await.unwrap().active, 2);
    tree.shutdown().await.unwrap();
}

async fn start_child_in_a_set_up_works_outside_a_group_restart(world: World) {
    let strings = Strings::new();
    let pulled = strings.clone();
    let mut root = root();
    root.add_worker(set_up("a", move |shutdown| {
        let strings = pulled.clone();
        async move {
            let supervisor = process::current().expect("a process").supervisor();
            supervisor.start_child(idle("added")).await?;
            Ok(Box::pin(async move { strings.hang(shutdown).await }) as supervisor_core::SupervisorFuture)
        }
    }));
    let tree = world.start(root).await.unwrap();
    for round in 1..5 {
        assert_eq!(tree.handle().find("added").await.unwrap().len(), round);
        strings.pull(Err("boom"));
        strings.pulled(&world.probe).await;
    }
    tree.shutdown().await.unwrap();
}

async fn a_destructor_can_spawn_too(world: World) {
    struct Successor;

    impl Drop for Successor {
        fn drop(&mut self) {
            process::spawn(idle("successor")).expect("a process");
        }
    }

    let tree = world.start(root()).await.unwrap();
    tree.handle().spawn(one_shot("a", async { drop(Successor) })).unwrap();
    let kept = Successor;
    tree.handle()
        .spawn(one_shot("b", async move {
            let _dropped_at_the_end = kept;
            panic!("boom");
        }))
        .unwrap();
    world.probe.quiet().await;
    assert_eq!(tree.handle().find("successor").await.unwrap().len(), 2);
    assert!(events(&world.probe).iter().any(|event| matches!(event.kind, EventKind::Exited(_))));
    tree.shutdown().await.unwrap();
}

/// A tree, for processes of it that wait until it is ready, and what they are answered.
struct Waits {
    give: async_channel::Sender<Arc<SupervisionTree>>,
    given: async_channel::Receiver<Arc<SupervisionTree>>,
    tell: async_channel::Sender<Result<(), SupervisorError>>,
    told: async_channel::Receiver<Result<(), SupervisorError>>,
}

impl Waits {
    fn new() -> Arc<Self> {
        let (give, given) = async_channel::unbounded();
        let (tell, told) = async_channel::unbounded();
        Arc::new(Self { give, given, tell, told })
    }

    /// Waits in the process.
    async fn wait(&self) {
        let tree = self.given.recv().await.expect("given by the test");
        let _ = self.tell.send(tree.ready().await).await;
    }
}

async fn n6_a_starting_process_cannot_wait_for_its_tree_to_be_ready(world: World) {
    let waits = Waits::new();
    let tree = Arc::new(world.start(root()).await.unwrap());
    let (handle, inside) = (tree.handle(), waits.clone());
    waits.give.send(tree).await.unwrap();
    let waiter = set_up("waiter", move |shutdown| {
        let waits = inside.clone();
        async move {
            waits.wait().await;
            Ok(until(shutdown))
        }
    });
    // The tree is dropped there, and shuts down.
    let _ = handle.start_child(waiter).await;
    let answer = waits.told.recv().await.unwrap();
    assert!(matches!(answer, Err(SupervisorError::WouldDeadlock { .. })), "{answer:?}");
}

async fn n6_a_process_under_a_stopping_one_cannot_wait_for_ready(world: World) {
    let waits = Waits::new();
    let inside = waits.clone();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(worker("waiter", move |_| {
        let waits = inside.clone();
        async move { waits.wait().await }
    }));
    let asked = waits.clone();
    // It is stopped first, and holds the stop up until the other has its answer.
    inner.add_worker(worker("slow", move |shutdown| {
        let waits = asked.clone();
        async move {
            shutdown.await;
            while waits.told.is_empty() {
                futures_lite::future::yield_now().await;
            }
        }
    }));
    let mut root = root();
    let id = root.add_worker(inner);
    let tree = Arc::new(world.start(root).await.unwrap());
    let handle = tree.handle();
    world.probe.quiet().await;
    let (stopped, ()) = futures_lite::future::zip(handle.terminate_child(id), async {
        while state_of(&handle, id).await != Some(ChildState::Stopping) {
            futures_lite::future::yield_now().await;
        }
        waits.give.send(tree.clone()).await.unwrap();
    })
    .await;
    stopped.unwrap();
    let answer = waits.told.recv().await.unwrap();
    assert!(matches!(answer, Err(SupervisorError::WouldDeadlock { .. })), "{answer:?}");
}

async fn n6_a_ready_process_can_wait_for_its_tree_to_be_ready(world: World) {
    let waits = Waits::new();
    let inside = waits.clone();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(worker("waiter", move |shutdown| {
        let waits = inside.clone();
        async move {
            waits.wait().await;
            shutdown.await;
        }
    }));
    let mut root = root();
    root.add_worker(inner);
    let tree = Arc::new(world.start(root).await.unwrap());
    let (let_go, held) = async_channel::bounded::<()>(1);
    let slow = set_up("slow", move |shutdown| {
        let held = held.clone();
        async move {
            let _ = held.recv().await;
            Ok(until(shutdown))
        }
    });
    let id = tree.handle().spawn(slow).unwrap();
    while state_of(&tree.handle(), id).await != Some(ChildState::Starting) {
        futures_lite::future::yield_now().await;
    }
    waits.give.send(tree.clone()).await.unwrap();
    while !waits.given.is_empty() {
        futures_lite::future::yield_now().await;
    }
    for _ in 0..10 {
        futures_lite::future::yield_now().await;
    }
    assert!(waits.told.is_empty(), "the tree is not ready");
    let_go.close();
    waits.told.recv().await.unwrap().unwrap();
}
