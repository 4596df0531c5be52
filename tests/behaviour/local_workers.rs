//! Workers with a future that is not `Send`: each on a thread of its own.

use std::{
    cell::RefCell,
    future::{Future, pending},
    rc::Rc,
    sync::{Arc, Mutex},
    thread::{self, ThreadId},
    time::Duration,
};

use supervisor_core::{
    ChildId, ChildSpec, ChildState, PlacementKind, ProcessShutdown, RestartType, ShutdownStrategy, SupervisionTree,
    SupervisorError, UncleanStop, local_worker, one_shot, process, worker,
};

use crate::{
    actors::{Bomb, Census, Diary, Strings, events, exits_of, root, state_of},
    harness::World,
};

mount! { with other threads:
    p13_a_future_of_a_local_worker_keeps_an_rc_over_awaits
    p13_each_incarnation_has_a_named_thread_of_its_own
    p13_a_local_worker_is_dropped_on_its_thread_however_it_ends
    p13_a_closure_of_a_local_worker_that_panics_fails_its_child
    p1_a_panic_in_a_local_destructor_at_abort_is_one_exit
    p2_incarnations_of_a_local_worker_never_overlap
    p13_a_local_worker_answers_as_any_other
    a2_a_local_worker_may_say_when_it_is_ready
    b5_a_local_worker_can_be_reloaded
    n1_a_shutdown_stops_local_workers_in_reverse_order
    p13_local_workers_come_and_go_at_run_time
}

const MOMENT: Duration = Duration::from_millis(1);

async fn p13_a_future_of_a_local_worker_keeps_an_rc_over_awaits(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let mut root = root();
    let spec = local_worker("a", move |_| {
        let diary = written.clone();
        async move {
            let counter = Rc::new(RefCell::new(0));
            let other = counter.clone();
            for _ in 0..3 {
                process::sleep(MOMENT).await;
                *other.borrow_mut() += 1;
            }
            diary.write(format!("counted to {}", counter.borrow()));
        }
    });
    root.add_worker(spec.with_restart_type(RestartType::Transient));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    while tree.handle().count().await.unwrap().active > 0 {
        world.sleep(MOMENT).await;
    }
    // A supervisor counts an end before it reports it.
    world.probe.quiet().await;
    assert_eq!(diary.take(), ["counted to 3"]);
    assert_eq!(exits_of(&events(&world.probe), "root.a"), ["ended normally"]);
    tree.shutdown().await.unwrap();
}

/// The threads on which something ran, with their names.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<Vec<(ThreadId, String)>>>);

impl Threads {
    fn here(&self) {
        let thread = thread::current();
        self.0.lock().unwrap().push((thread.id(), thread.name().unwrap_or("?").to_owned()));
    }
}

/// Ends a process of this child, and waits for its exit.
async fn end_one(world: &World, tree: &SupervisionTree, child: ChildId) {
    let ended = tree.handle().monitor(child).unwrap();
    tree.handle().kill_child(child).await.unwrap();
    ended.await;
    world.probe.quiet().await;
}

async fn p13_each_incarnation_has_a_named_thread_of_its_own(world: World) {
    let threads = Threads::default();
    let seen = threads.clone();
    let mut root = root();
    let a = root.add_worker(
        local_worker("a", move |shutdown| {
            seen.here();
            let seen = seen.clone();
            async move {
                seen.here();
                process::sleep(MOMENT).await;
                seen.here();
                process::ready();
                shutdown.await;
            }
        })
        .with_explicit_ready(),
    );
    let tree = world.start(root).await.unwrap();
    for _ in 0..3 {
        end_one(&world, &tree, a).await;
    }
    tree.shutdown().await.unwrap();

    let mut seen = threads.0.lock().unwrap().clone();
    assert_eq!(seen.len(), 12, "closure and future ran once for each start");
    if world.is_simulated() {
        assert!(seen.iter().all(|(id, _)| *id == thread::current().id()));
        return;
    }
    assert!(seen.iter().all(|(_, name)| name == "root.a"), "{seen:?}");
    seen.dedup();
    assert_eq!(seen.len(), 4, "one thread for each incarnation");
}

/// A value that is neither `Send` nor dropped twice. It records whether it is dropped on the thread where it was made.
struct Bound {
    made: ThreadId,
    diary: Diary,
    _not_send: Rc<()>,
}

impl Bound {
    fn new(diary: &Diary) -> Self {
        Self { made: thread::current().id(), diary: diary.clone(), _not_send: Rc::new(()) }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        let place = if thread::current().id() == self.made { "on its thread" } else { "elsewhere" };
        let process = process::current().map(|process| process.path());
        self.diary.write(format!("dropped {place} in {}", process.unwrap_or_default()));
    }
}

/// Makes a local worker that holds a bound value, and runs `life`.
fn bound<Fut: Future<Output = Result<(), &'static str>> + 'static>(
    diary: &Diary,
    life: impl Fn(ProcessShutdown) -> Fut + Send + Clone + 'static,
) -> ChildSpec {
    let diary = diary.clone();
    local_worker("a", move |shutdown| {
        let (diary, life) = (diary.clone(), life.clone());
        async move {
            let _bound = Bound::new(&diary);
            diary.write("made");
            process::ready();
            life(shutdown).await
        }
    })
    .with_explicit_ready()
    .with_restart_type(RestartType::Temporary)
}

async fn p13_a_local_worker_is_dropped_on_its_thread_however_it_ends(world: World) {
    let diary = Diary::default();
    let run = async |spec: ChildSpec, end: &dyn Fn(&SupervisionTree, ChildId)| {
        let mut root = root();
        let a = root.add_worker(spec);
        let tree = world.start(root).await.unwrap();
        end(&tree, a);
        world.probe.quiet().await;
        while tree.handle().count().await.is_ok_and(|count| count.active > 0) {
            world.sleep(MOMENT).await;
        }
        let _outcome = tree.shutdown().await;
        assert_eq!(diary.take(), ["made", "dropped on its thread in root.a"]);
        exits_of(&events(&world.probe), "root.a").remove(0)
    };
    let by_itself: &dyn Fn(&SupervisionTree, ChildId) = &|_, _| {};
    let asked: &dyn Fn(&SupervisionTree, ChildId) = &|tree, _| tree.handle().shutdown().unwrap();
    let killed: &dyn Fn(&SupervisionTree, ChildId) = &|tree, a| {
        drop(futures_lite::future::block_on(futures_lite::future::poll_once(tree.handle().kill_child(a))));
    };

    // Each ends after a wait, so in a later poll than the first.
    let ends = bound(&diary, async |_| {
        process::sleep(MOMENT).await;
        Ok(())
    });
    assert_eq!(run(ends, by_itself).await, "ended normally");
    let fails = bound(&diary, async |_| {
        process::sleep(MOMENT).await;
        Err("boom")
    });
    assert_eq!(run(fails, by_itself).await, "failed: boom");
    let panics = bound(&diary, async |_| {
        process::sleep(MOMENT).await;
        panic!("ouch")
    });
    assert_eq!(run(panics, by_itself).await, "panicked: ouch");
    let stops = bound(&diary, async |shutdown| {
        shutdown.await;
        Ok(())
    });
    assert_eq!(run(stops, asked).await, "ended normally");
    let deaf = || bound(&diary, async |_| pending().await);
    assert_eq!(run(deaf().with_shutdown_strategy(ShutdownStrategy::Brutal), asked).await, "was aborted");
    assert_eq!(run(deaf().with_shutdown_strategy(ShutdownStrategy::Graceful(MOMENT)), asked).await, "was aborted");
    assert_eq!(run(deaf(), killed).await, "was aborted");
}

async fn p13_a_closure_of_a_local_worker_that_panics_fails_its_child(world: World) {
    let mut root = root();
    let spec = local_worker("a", |shutdown| -> ProcessShutdown {
        drop(shutdown);
        panic!("while making the future")
    });
    root.add_worker(spec.with_restart_type(RestartType::Temporary));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(exits_of(&events(&world.probe), "root.a"), ["panicked: while making the future"]);
    tree.shutdown().await.unwrap();
}

async fn p1_a_panic_in_a_local_destructor_at_abort_is_one_exit(world: World) {
    let mut root = root();
    let spec = local_worker("bomber", |_| async {
        let _bomb = (Bomb(Arc::new(true.into())), Rc::new(()));
        process::ready();
        pending::<()>().await;
    });
    root.add_worker(spec.with_explicit_ready().with_shutdown_strategy(ShutdownStrategy::Brutal));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let outcome = tree.shutdown().await;
    assert_eq!(exits_of(&events(&world.probe), "root.bomber"), ["panicked: in a destructor"]);
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("a panic is not clean: {outcome:?}") };
    assert!(matches!(unclean[0].stop, UncleanStop::Failed(_)));
}

async fn p2_incarnations_of_a_local_worker_never_overlap(world: World) {
    let strings = Strings::new();
    let (pulled, census) = (strings.clone(), Census::default());
    let counted = census.clone();
    let mut root = root();
    root.add_worker(local_worker("holder", move |shutdown| {
        let (strings, present) = (pulled.clone(), counted.enter());
        async move {
            let _present = (present, Rc::new(()));
            strings.hang(shutdown).await
        }
    }));
    let tree = world.start(root).await.unwrap();
    for round in 1..50 {
        strings.pull(Err("boom"));
        while census.ever() <= round {
            world.sleep(MOMENT).await;
        }
    }
    tree.shutdown().await.unwrap();
    assert_eq!((census.most(), census.present()), (1, 0), "two incarnations never overlap");
}

async fn p13_a_local_worker_answers_as_any_other(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let mut root = root();
    let spec = local_worker("a", move |shutdown| {
        let diary = written.clone();
        async move {
            let current = process::current().expect("a process");
            let siblings = current.supervisor().children().await.expect("it runs").len();
            let local = Rc::new(format!("{} attempt {} of {siblings}", current.path(), current.attempt()));
            process::heartbeat();
            process::sleep(MOMENT).await;
            process::spawn(one_shot("b", async {})).expect("it runs");
            diary.write(&**local);
            process::ready();
            shutdown.await;
        }
    });
    let a = root.add_worker(spec.with_explicit_ready().with_watchdog(Duration::from_secs(60)));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(diary.take(), ["root.a attempt 0 of 1"]);
    assert_eq!(tree.handle().child_spec(a).await.unwrap().placement, PlacementKind::Local);
    assert_eq!(exits_of(&events(&world.probe), "root.b"), ["ended normally"]);
    tree.shutdown().await.unwrap();
}

async fn a2_a_local_worker_may_say_when_it_is_ready(world: World) {
    let diary = Diary::default();
    let (warm, behind) = (diary.clone(), diary.clone());
    let mut root = root();
    let cache = local_worker("cache", move |shutdown| {
        let warm = warm.clone();
        async move {
            let local = Rc::new("warm");
            process::sleep(MOMENT).await;
            warm.write(*local);
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

async fn b5_a_local_worker_can_be_reloaded(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let mut root = root();
    let a = root.add_worker(local_worker("a", move |shutdown| {
        let bound = Bound::new(&written);
        async move {
            let _bound = bound;
            shutdown.await;
        }
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    tree.handle().reload_child(a).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(diary.take(), ["dropped on its thread in root.a"]);
    assert_eq!(state_of(&tree.handle(), a).await, Some(ChildState::Running));
    tree.shutdown().await.unwrap();
}

async fn n1_a_shutdown_stops_local_workers_in_reverse_order(world: World) {
    let diary = Diary::default();
    let mut root = root();
    for name in ["a", "b", "c"] {
        let diary = diary.clone();
        root.add_worker(
            local_worker(name, move |shutdown| {
                let diary = diary.clone();
                async move {
                    let local = Rc::new(name);
                    process::ready();
                    shutdown.await;
                    diary.write(*local);
                }
            })
            .with_explicit_ready(),
        );
    }
    let tree = world.start(root).await.unwrap();
    tree.shutdown().await.unwrap();
    assert_eq!(diary.take(), ["c", "b", "a"]);
}

async fn p13_local_workers_come_and_go_at_run_time(world: World) {
    let census = Census::default();
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    for _ in 0..20 {
        let counted = census.clone();
        let spec = local_worker("a", move |shutdown| {
            let present = (counted.enter(), Rc::new(()));
            async move {
                let _present = present;
                process::ready();
                shutdown.await;
            }
        });
        let a = handle.start_child(spec.with_explicit_ready()).await.unwrap();
        assert_eq!(census.present(), 1);
        handle.terminate_child(a).await.unwrap();
        assert_eq!(census.present(), 0);
        handle.delete_child(a).await.unwrap();
    }
    assert_eq!(census.ever(), 20);
    tree.shutdown().await.unwrap();
}
