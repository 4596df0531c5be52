//! The end of a child, as code outside of it learns of it: monitors, results of tasks, waits for the end.

use std::{
    future::{pending, ready},
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use futures_lite::future::{poll_once, yield_now};
use supervisor_core::{
    BoxError, ChildId, ChildState, Exit, Process, ProcessShutdown, RestartType, Spawner, StopReason, Supervisor,
    SupervisorError, SupervisorHandle, Timer, one_shot, process, task, worker, worker_with_setup,
};

use crate::{
    actors::{Bomb, Census, Strings, deaf, idle, present, root, state_of},
    harness::World,
};

mount! { everywhere:
    p11_a_monitor_tells_how_the_process_ends
    p11_a_monitor_tells_after_the_future_was_dropped
    p11_a_monitor_watches_one_incarnation
    p11_a_monitor_of_a_child_that_was_not_read_gets_its_exit
    p11_a_monitor_of_a_child_that_waits_for_its_turn
    p11_a_monitor_of_a_child_that_is_refused_says_aborted
    p11_a_monitor_of_what_does_not_run_is_refused
    p11_a_monitor_outlives_its_supervisor
    monitors_that_were_dropped_are_forgotten
    a_supervisor_is_monitored_like_a_worker
    stop_waits_for_a_nested_supervisor
    n6_stop_from_below_is_carried_out_and_answers
    stopped_waits_over_restarts
    stopped_waits_for_a_child_that_was_not_read_yet
    stopping_resolves_when_the_stop_begins
    a9_a_task_returns_its_result
    a9_a_task_tells_a_panic_and_where_it_says_so
    a9_an_exit_is_the_error_of_a_task_and_told_once
    a9_a_task_has_its_id_from_the_call_on
    a9_a_task_is_aborted_by_its_handle
    a9_a_task_aborted_before_it_began_does_not_run
    a9_a_task_that_is_refused_ends_as_aborted
    a9_a_task_that_is_lost_says_so
    a9_a_task_is_detached_when_its_handle_is_dropped
    a9_p3_an_unwanted_result_is_dropped_in_the_process
    a9_p1_a_destructor_that_panics_takes_the_result
    a_task_is_spawned_from_inside_a_process
    a9_a_task_resolves_when_its_supervisor_ends
}

async fn p11_a_monitor_tells_how_the_process_ends(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let gate = async_channel::bounded::<()>(1);
    let wait = || {
        let gate = gate.1.clone();
        async move {
            let _ = gate.recv().await;
        }
    };
    let normal = handle.spawn(one_shot("normal", wait())).unwrap();
    let (open, failed) = (wait(), wait());
    let failed = handle.spawn(one_shot("failed", async move {
        failed.await;
        Err::<(), _>("no route")
    }));
    let panicked = handle.spawn(one_shot("panicked", async move {
        open.await;
        panic!("boom")
    }));
    let aborted = handle.spawn(deaf("aborted")).unwrap();
    world.probe.quiet().await;
    let monitors = [normal, failed.unwrap(), panicked.unwrap(), aborted].map(|id| handle.monitor(id).unwrap());
    handle.kill_child(aborted).await.unwrap();
    gate.0.close();
    let mut exits = Vec::new();
    for monitor in monitors {
        exits.push(monitor.await.to_string());
    }
    assert_eq!(exits, ["ended normally", "failed: no route", "panicked: boom", "was aborted"]);
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn p11_a_monitor_tells_after_the_future_was_dropped(world: World) {
    let (census, mut root) = (Census::default(), root());
    let id = root.add_worker(present("w", &census).with_restart_type(RestartType::Temporary));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let monitor = tree.handle().monitor(id).unwrap();
    assert_eq!(monitor.process(), tree.handle().children().await.unwrap()[0].process);
    tree.handle().kill_child(id).await.unwrap();
    assert_eq!(monitor.await, Exit::Aborted);
    assert_eq!(census.present(), 0);
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn p11_a_monitor_watches_one_incarnation(world: World) {
    let (strings, mut root) = (Strings::new(), root());
    let id = root.add_worker(strings.worker("w"));
    let tree = world.start(root).await.unwrap();
    let mut processes = Vec::new();
    for round in 0..5 {
        world.probe.quiet().await;
        let [one, mut other] = [(), ()].map(|()| tree.handle().monitor(id).unwrap());
        processes.push(one.process());
        assert!(poll_once(&mut other).await.is_none());
        strings.pull(if round % 2 == 0 { Ok(()) } else { Err("cut") });
        assert_eq!((one.await.is_normal(), other.await.is_normal()), (round % 2 == 0, round % 2 == 0));
    }
    processes.dedup();
    assert_eq!(processes.len(), 5, "each round has a process of its own");
    tree.shutdown().await.unwrap();
}

async fn p11_a_monitor_of_a_child_that_was_not_read_gets_its_exit(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    for round in 0..20 {
        let gate = async_channel::bounded::<()>(1);
        let opened = gate.1.clone();
        let id = handle.spawn(one_shot("w", async move {
            let _ = opened.recv().await;
            if round % 2 == 0 { Ok(()) } else { Err("cut") }
        }));
        // At once: the supervisor may not have read that there is such a child.
        let id = id.unwrap();
        let [one, other] = [(), ()].map(|()| handle.monitor(id).unwrap());
        gate.0.close();
        let exits = [one.await, other.await].map(|exit| exit.to_string());
        let expected = if round % 2 == 0 { "ended normally" } else { "failed: cut" };
        assert_eq!(exits, [expected, expected]);
    }
    world.probe.quiet().await;
    assert!(matches!(handle.monitor(never_added()), Err(SupervisorError::NotFound { .. })));
    tree.shutdown().await.unwrap();
}

/// Returns the id of a child of another supervisor.
fn never_added() -> ChildId {
    root().add_worker(idle("foreign"))
}

async fn p11_a_monitor_of_a_child_that_waits_for_its_turn(world: World) {
    let (census, mut root) = (Census::default(), root());
    let (open, gate) = async_channel::bounded::<()>(1);
    let (tell, begun) = async_channel::bounded(1);
    root.add_worker(worker_with_setup("first", move |shutdown| {
        let (gate, tell) = (gate.clone(), tell.clone());
        async move {
            let _ = tell.try_send(());
            let _ = gate.recv().await;
            Ok(shutdown)
        }
    }));
    let second = root.add_worker(present("second", &census).with_restart_type(RestartType::Temporary));
    let handle = root.handle();
    let mut starting = Box::pin(world.start(root));
    assert!(poll_once(&mut starting).await.is_none());
    begun.recv().await.unwrap();
    let monitor = handle.monitor(second).unwrap();
    assert_eq!((monitor.process(), census.present()), (None, 0));
    open.close();
    let tree = starting.await.unwrap();
    handle.kill_child(second).await.unwrap();
    assert_eq!(monitor.await, Exit::Aborted);
    assert_eq!(census.present(), 0);
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn p11_a_monitor_of_a_child_that_is_refused_says_aborted(world: World) {
    let tree = world.start(root().with_unique_names()).await.unwrap();
    let handle = tree.handle();
    handle.start_child(idle("w")).await.unwrap();
    let refused = handle.spawn(idle("w")).unwrap();
    // The supervisor may have refused it already.
    match handle.monitor(refused) {
        Ok(monitor) => assert_eq!(monitor.await, Exit::Aborted),
        Err(refused) => assert!(matches!(refused, SupervisorError::NotFound { .. }), "{refused}"),
    }
    // Its supervisor ends first.
    handle.shutdown().unwrap();
    if let Ok(monitor) = handle.spawn(idle("late")).and_then(|late| handle.monitor(late)) {
        assert_eq!(monitor.await, Exit::Aborted);
    }
    tree.shutdown().await.unwrap();
}

async fn p11_a_monitor_of_what_does_not_run_is_refused(world: World) {
    let mut root = root();
    let id = root.add_worker(idle("w"));
    let handle = root.handle();
    assert!(matches!(handle.monitor(id), Err(SupervisorError::NotRunning { .. })));
    let tree = world.start(root).await.unwrap();
    handle.terminate_child(id).await.unwrap();
    let refused = handle.monitor(id).unwrap_err();
    assert!(matches!(&refused, SupervisorError::ChildNotRunning { path } if path == "root.w"), "{refused}");
    handle.delete_child(id).await.unwrap();
    assert!(matches!(handle.monitor(id), Err(SupervisorError::NotFound { .. })));
    tree.shutdown().await.unwrap();
}

async fn p11_a_monitor_outlives_its_supervisor(world: World) {
    let mut root = root();
    let id = root.add_worker(idle("w"));
    let tree = world.start(root).await.unwrap();
    let monitor = tree.handle().monitor(id).unwrap();
    tree.shutdown().await.unwrap();
    assert_eq!(monitor.await, Exit::Normal);
}

async fn monitors_that_were_dropped_are_forgotten(world: World) {
    let mut root = root();
    let id = root.add_worker(idle("w"));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let kept = tree.handle().monitor(id).unwrap();
    for _ in 0..10_000 {
        drop(tree.handle().monitor(id).unwrap());
    }
    tree.handle().terminate_child(id).await.unwrap();
    assert_eq!(kept.await, Exit::Normal);
    tree.shutdown().await.unwrap();
}

async fn a_supervisor_is_monitored_like_a_worker(world: World) {
    let (mut root, mut inner) = (root(), Supervisor::new("inner").unwrap());
    inner.add_worker(idle("w"));
    let id = root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    let monitor = tree.handle().monitor(id).unwrap();
    tree.handle().terminate_child(id).await.unwrap();
    let Exit::Shutdown(end) = monitor.await else { panic!("it stopped in order") };
    assert_eq!(end.reason, StopReason::Requested);
    tree.shutdown().await.unwrap();
}

async fn stop_waits_for_a_nested_supervisor(world: World) {
    let (census, mut root) = (Census::default(), root());
    let mut inner = Supervisor::new("inner").unwrap();
    inner.add_worker(present("w", &census));
    let handle = inner.handle();
    let id = root.add_worker(supervisor_core::ChildSpec::from(inner).with_restart_type(RestartType::Transient));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(census.present(), 1);
    let Ok(Exit::Shutdown(end)) = handle.stop().await else { panic!("it stopped in order") };
    assert_eq!((&end.reason, census.present()), (&StopReason::Requested, 0));
    assert!(matches!(handle.stop().await, Err(SupervisorError::NotRunning { .. })));
    world.probe.quiet().await;
    assert_eq!(state_of(&tree.handle(), id).await, Some(ChildState::Stopped));
    // A root, too.
    let root = tree.handle();
    let Ok(Exit::Shutdown(end)) = root.stop().await else { panic!("it stopped in order") };
    assert!(end.unclean.is_empty());
    tree.shutdown().await.unwrap();
}

async fn n6_stop_from_below_is_carried_out_and_answers(world: World) {
    let (told, answers) = async_channel::bounded(1);
    let mut root = root();
    root.add_worker(worker("w", move |shutdown: ProcessShutdown| {
        let told = told.clone();
        async move {
            let answer = process::current().expect("in a process").supervisor().stop().await;
            let _ = told.try_send(answer);
            shutdown.await;
        }
    }));
    let mut tree = world.start(root).await.unwrap();
    assert!(matches!(answers.recv().await.unwrap(), Err(SupervisorError::WouldDeadlock { .. })));
    tree.wait().await.unwrap();
}

async fn stopped_waits_over_restarts(world: World) {
    let (strings, mut root) = (Strings::new(), root());
    let id = root.add_worker(strings.worker("w").with_restart_type(RestartType::Transient));
    let other = root.add_worker(idle("other"));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let mut stopped = Box::pin(handle.stopped(id));
    assert!(poll_once(&mut stopped).await.is_none());
    strings.pull(Err("cut"));
    strings.pulled(&world.probe).await;
    assert!(poll_once(&mut stopped).await.is_none(), "it was restarted");
    strings.pull(Ok(()));
    stopped.await.unwrap();
    assert_eq!(state_of(&handle, id).await, Some(ChildState::Stopped));
    // With the supervisor.
    let mut stopped = Box::pin(handle.stopped(other));
    assert!(poll_once(&mut stopped).await.is_none());
    tree.shutdown().await.unwrap();
    stopped.await.unwrap();
}

async fn stopped_waits_for_a_child_that_was_not_read_yet(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let gate = async_channel::bounded::<()>(1);
    let opened = gate.1.clone();
    let id = handle
        .spawn(one_shot("w", async move {
            let _ = opened.recv().await;
        }))
        .unwrap();
    // At once: the supervisor may not have read that there is such a child.
    let mut stopped = Box::pin(handle.stopped(id));
    for _ in 0..3 {
        assert!(poll_once(&mut stopped).await.is_none());
        yield_now().await;
    }
    gate.0.close();
    stopped.await.unwrap();
    assert_eq!(handle.count().await.unwrap().specs, 0);
    tree.shutdown().await.unwrap();
}

async fn stopping_resolves_when_the_stop_begins(world: World) {
    let (release, released) = async_channel::bounded::<()>(1);
    let mut root = root();
    root.add_worker(worker("slow", move |shutdown: ProcessShutdown| {
        let released = released.clone();
        async move {
            shutdown.await;
            let _ = released.recv().await;
        }
    }));
    let handle = root.handle();
    assert!(matches!(handle.stopping().await, Err(SupervisorError::NotRunning { .. })));
    let mut tree = world.start(root).await.unwrap();
    let mut stopping = pin!(handle.stopping());
    assert!(poll_once(stopping.as_mut()).await.is_none());
    // A change that is no stop.
    handle.start_child(idle("other")).await.unwrap();
    assert!(poll_once(stopping.as_mut()).await.is_none());
    handle.shutdown().unwrap();
    stopping.await.unwrap();
    handle.stopping().await.unwrap();
    assert!(!handle.children().await.unwrap().is_empty(), "it has only begun");
    release.send(()).await.unwrap();
    tree.wait().await.unwrap();
    assert!(matches!(handle.stopping().await, Err(SupervisorError::NotRunning { .. })));
}

async fn a9_a_task_returns_its_result(world: World) {
    let tree = world.start(root()).await.unwrap();
    let sum = tree.handle().spawn_task("sum", async { 3 + 4 }).unwrap();
    assert_eq!(sum.await, Ok(7));
    // An `Err` is a result like any other.
    let mut parsed = tree.handle().start_task("parse", async { "x".parse::<u8>().is_err() }).await.unwrap();
    assert_eq!((&mut parsed).await, Ok(true));
    assert!(parsed.is_finished());
    world.probe.quiet().await;
    assert_eq!(tree.handle().count().await.unwrap().specs, 0, "a task is temporary");
    tree.shutdown().await.unwrap();
}

async fn a9_a_task_tells_a_panic_and_where_it_says_so(world: World) {
    let tree = world.start(root()).await.unwrap();
    let task = tree.handle().spawn_task("task", async {
        if true {
            panic!("boom")
        }
    });
    let Err(Exit::Panicked(panic)) = task.unwrap().await else { panic!("it panicked") };
    assert_eq!(panic.message(), "boom");
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn a9_an_exit_is_the_error_of_a_task_and_told_once(world: World) {
    async fn length(jobs: &SupervisorHandle, text: Option<&'static str>) -> Result<usize, BoxError> {
        Ok(jobs.spawn_task("length", async move { text.expect("no text").len() })?.await?)
    }
    let tree = world.start(root()).await.unwrap();
    assert_eq!(length(&tree.handle(), Some("abc")).await.unwrap(), 3);
    let error = length(&tree.handle(), None).await.unwrap_err();
    assert!(matches!(error.downcast_ref(), Some(Exit::Panicked(_))), "{error:?}");
    assert_eq!((error.to_string().as_str(), error.source().is_none()), ("panicked: no text", true));
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn a9_a_task_has_its_id_from_the_call_on(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    // At once: the supervisor may not have read that there is such a child.
    let mut spawned = handle.spawn_task("a", pending::<()>()).unwrap();
    let id = spawned.id().expect("it was handed over");
    let (child, other) = task("b", async {});
    assert_eq!(other.id(), None);
    assert_eq!(handle.start_child(child).await.ok(), other.id());
    assert!(id < other.id().expect("it was handed over"));
    assert_eq!(other.await, Ok(()));
    world.probe.quiet().await;
    assert_eq!(handle.child(id).await.unwrap().id, id);
    handle.kill_child(id).await.unwrap();
    assert_eq!((&mut spawned).await, Err(Exit::Aborted));
    assert_eq!(spawned.id(), Some(id), "also after its end");
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn a9_a_task_is_aborted_by_its_handle(world: World) {
    let census = Census::default();
    let tree = world.start(root()).await.unwrap();
    let (own, handle) = (census.clone(), tree.handle());
    let task = handle.start_task("task", async move {
        let _present = own.enter();
        pending::<()>().await
    });
    let task = task.await.unwrap();
    world.probe.quiet().await;
    assert_eq!((census.present(), task.is_finished()), (1, false));
    assert_eq!(task.id(), Some(tree.handle().children().await.unwrap()[0].id));
    task.abort();
    assert_eq!(task.await, Err(Exit::Aborted));
    assert_eq!(census.present(), 0);
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn a9_a_task_aborted_before_it_began_does_not_run(world: World) {
    let tree = world.start(root()).await.unwrap();
    let has_run = Arc::new(AtomicBool::new(false));
    let own = has_run.clone();
    let (child, task) = task("task", async move { own.store(true, SeqCst) });
    task.abort();
    tree.handle().spawn(child).unwrap();
    assert_eq!(task.await, Err(Exit::Aborted));
    assert!(!has_run.load(SeqCst));
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn a9_a_task_that_is_refused_ends_as_aborted(world: World) {
    let mut root = root();
    root.add_worker(deaf("w"));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    // With a destructor, and without one: the first is dropped in a process, the second is not.
    let text = String::from("text");
    let (first, one) = task("one", async move { drop(text) });
    let (second, other) = task("other", ready(()));
    // Its executor refuses the process that would drop it.
    let text = String::from("text");
    let (third, lost) = task("lost", async move { drop(text) });
    // The supervisor hears of the shutdown first.
    handle.shutdown().unwrap();
    handle.spawn(first).unwrap();
    handle.spawn(second).unwrap();
    handle.spawn(third.with_placement(Gone(world.spawner.clone()))).unwrap();
    assert_eq!((one.await, other.await, lost.await), (Err(Exit::Aborted), Err(Exit::Aborted), Err(Exit::Aborted)));
    // One that never had a supervisor.
    let (child, task) = task("task", async {});
    drop(child);
    assert_eq!(task.await, Err(Exit::Aborted));
    let _ = tree.shutdown().await;
}

/// An executor that drops what it is given.
#[derive(Debug)]
struct Gone(Arc<dyn Spawner>);

impl Spawner for Gone {
    fn spawn(&self, process: Process) {
        drop(process);
    }

    fn now(&self) -> std::time::Instant {
        self.0.now()
    }

    fn is_virtual(&self) -> bool {
        self.0.is_virtual()
    }

    fn timer(&self) -> std::pin::Pin<Box<dyn Timer>> {
        self.0.timer()
    }
}

async fn a9_a_task_that_is_lost_says_so(world: World) {
    let tree = world.start(root()).await.unwrap();
    let (child, task) = task("task", async { 1 });
    tree.handle().spawn(child.with_placement(Gone(world.spawner.clone()))).unwrap();
    assert_eq!(task.await, Err(Exit::Lost));
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn a9_a_task_is_detached_when_its_handle_is_dropped(world: World) {
    let tree = world.start(root()).await.unwrap();
    let (gate, done) = (async_channel::bounded::<()>(1), async_channel::bounded::<()>(1));
    let (opened, tell) = (gate.1.clone(), done.0.clone());
    drop(tree.handle().spawn_task("task", async move {
        let _ = opened.recv().await;
        let _ = tell.try_send(());
    }));
    world.probe.quiet().await;
    gate.0.close();
    done.1.recv().await.unwrap();
    tree.shutdown().await.unwrap();
}

/// Tells in which process it is dropped.
struct Witness(async_channel::Sender<Option<String>>);

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.0.try_send(process::current().map(|current| current.path()));
    }
}

async fn a9_p3_an_unwanted_result_is_dropped_in_the_process(world: World) {
    let tree = world.start(root()).await.unwrap();
    let (told, dropped) = async_channel::unbounded();
    let gate = async_channel::bounded::<()>(1);
    let opened = gate.1.clone();
    drop(tree.handle().spawn_task("task", async move {
        let _ = opened.recv().await;
        Witness(told)
    }));
    gate.0.close();
    assert_eq!(dropped.recv().await.unwrap().as_deref(), Some("root.task"));
    tree.shutdown().await.unwrap();
}

async fn a9_p1_a_destructor_that_panics_takes_the_result(world: World) {
    let tree = world.start(root()).await.unwrap();
    let bomb = Bomb(Arc::new(AtomicBool::new(true)));
    let polled = AtomicUsize::new(0);
    // Not an `async` block, whose variables go before it returns: this one is dropped after it has returned.
    let task = tree.handle().spawn_task(
        "task",
        std::future::poll_fn(move |_| {
            let _owned = &bomb;
            std::task::Poll::Ready(polled.fetch_add(1, SeqCst))
        }),
    );
    let Err(Exit::Panicked(panic)) = task.unwrap().await else { panic!("its destructor panicked") };
    assert_eq!(panic.message(), "in a destructor");
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
}

async fn a_task_is_spawned_from_inside_a_process(world: World) {
    assert!(matches!(process::spawn_task("lost", async {}), Err(SupervisorError::OutsideProcess)));
    let (told, results) = async_channel::bounded(1);
    let mut root = root();
    root.add_worker(one_shot("parent", async move {
        let sum = process::spawn_task("sum", async { 3 + 4 })?.await;
        told.try_send(sum).map_err(BoxError::from)
    }));
    let tree = world.start(root).await.unwrap();
    assert_eq!(results.recv().await.unwrap(), Ok(7));
    tree.shutdown().await.unwrap();
}

async fn a9_a_task_resolves_when_its_supervisor_ends(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let task = handle.start_task("task", async {
        process::current().expect("in a process").shutdown().await;
        "asked"
    });
    let task = task.await.unwrap();
    tree.shutdown().await.unwrap();
    assert_eq!(task.await, Ok("asked"));
}
