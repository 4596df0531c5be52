//! What a process knows of itself, and the loop of a worker.

use std::{
    future::pending,
    sync::{Arc, Mutex},
};

use supervisor_core::{
    Exit, Failure, ProcessShutdown, RestartCause, RestartStrategy, RestartType, StartFailure, SupervisorError,
    one_shot, one_shot_with, process, worker, worker_with_setup,
};

use crate::{
    actors::{Diary, Strings, root, supervisor},
    harness::World,
};

mount! { everywhere:
    p7_a_process_knows_its_shutdown_and_its_supervisor
    p7_a_process_knows_which_child_it_is
    a_process_knows_its_attempt_and_the_exit_before
    a_failed_start_is_known_to_the_next_attempt
    a_restart_for_a_sibling_is_no_attempt_of_ones_own
    p5_after_its_end_a_process_knows_no_attempt
    p6_run_until_stops_a_worker_whose_items_are_always_there
    p6_run_until_works_in_another_task
    a_one_shot_from_a_closure_hears_of_shutdown
}

/// Writes down what its process knows of those before it.
fn historian(strings: &Strings, diary: &Diary) -> impl Fn(ProcessShutdown) -> Run + Send + 'static + use<> {
    let (strings, diary) = (strings.clone(), diary.clone());
    move |shutdown| {
        let (strings, diary) = (strings.clone(), diary.clone());
        Box::pin(async move {
            let me = process::current().expect("in a process");
            diary.write(match me.last_exit() {
                Some(RestartCause::Exit(exit)) => format!("{} after it {exit}", me.attempt()),
                Some(cause) => format!("{} after {cause:?}", me.attempt()),
                None => me.attempt().to_string(),
            });
            strings.hang(shutdown).await
        })
    }
}

type Run = supervisor_core::SupervisorFuture;

async fn line(diary: &Diary) -> String {
    loop {
        if let [line] = &*diary.take() {
            return line.clone();
        }
        futures_lite::future::yield_now().await;
    }
}

async fn p7_a_process_knows_its_shutdown_and_its_supervisor(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(worker("a", move |_| {
        let diary = written.clone();
        async move {
            diary.write(process::supervisor()?.path());
            process::shutdown().await;
            diary.write("asked to stop");
            Ok::<_, SupervisorError>(())
        }
    }));
    let tree = world.start(root().with_worker(inner)).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(process::supervisor().unwrap_err(), SupervisorError::OutsideProcess);
    let outside = std::panic::catch_unwind(|| drop(process::shutdown())).unwrap_err();
    let text = outside.downcast_ref::<&str>().copied().unwrap_or_default();
    assert_eq!(
        text,
        "`process::shutdown` was called outside of a process; take the signal in the process, and move it"
    );
    tree.shutdown().await.unwrap();
    assert_eq!(diary.take(), ["root.inner", "asked to stop"]);
}

async fn p7_a_process_knows_which_child_it_is(world: World) {
    let (strings, diary) = (Strings::new(), Diary::default());
    let (pulled, written) = (strings.clone(), diary.clone());
    let mut root = root();
    let id = root.add_worker(worker("a", move |shutdown| {
        let strings = pulled.clone();
        written.write(process::current().expect("in a process").child_id().to_string());
        async move { strings.hang(shutdown).await }
    }));
    let tree = world.start(root).await.unwrap();
    assert_eq!(line(&diary).await, id.to_string());
    strings.pull(Err("boom"));
    assert_eq!(line(&diary).await, id.to_string(), "each incarnation is one of the same child");
    tree.shutdown().await.unwrap();
}

async fn a_process_knows_its_attempt_and_the_exit_before(world: World) {
    let (strings, diary) = (Strings::new(), Diary::default());
    let mut root = root();
    let id = root.add_worker(worker("a", historian(&strings, &diary)));
    let tree = world.start(root).await.unwrap();
    assert_eq!(line(&diary).await, "0");
    strings.pull(Err("boom"));
    assert_eq!(line(&diary).await, "1 after it failed: boom");
    tree.handle().kill_child(id).await.unwrap();
    assert_eq!(line(&diary).await, "2 after it was aborted");
    tree.handle().terminate_child(id).await.unwrap();
    tree.handle().restart_child(id).await.unwrap();
    assert_eq!(line(&diary).await, "2 after it ended normally");
    tree.shutdown().await.unwrap();
}

async fn a_failed_start_is_known_to_the_next_attempt(world: World) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let mut root = root();
    root.add_worker(worker_with_setup("a", move |shutdown| {
        let me = process::current().expect("in a process");
        tell.lock().unwrap().push((me.attempt(), me.last_exit()));
        async move {
            if me.attempt() == 1 {
                return Err("no route".into());
            }
            Ok(async move {
                assert_eq!(me.attempt() % 2, 0, "the number stays the same while the process lives");
                if me.attempt() == 0 {
                    return Err("boom");
                }
                shutdown.await;
                Ok(())
            })
        }
    }));
    let tree = world.start(root).await.unwrap();
    while told.lock().unwrap().len() < 3 {
        futures_lite::future::yield_now().await;
    }
    world.probe.quiet().await;
    let expected = [
        (0, None),
        (1, Some(RestartCause::Exit(Exit::Failed(Failure::new("boom"))))),
        (2, Some(RestartCause::Start(StartFailure::Failed(Failure::new("no route"))))),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
    tree.shutdown().await.unwrap();
}

async fn a_restart_for_a_sibling_is_no_attempt_of_ones_own(world: World) {
    let (strings, never, diary) = (Strings::new(), Strings::new(), Diary::default());
    let mut root = supervisor("root", RestartStrategy::one_for_all());
    root.add_worker(worker("a", historian(&never, &diary)));
    root.add_worker(strings.worker("b"));
    let tree = world.start(root).await.unwrap();
    assert_eq!(line(&diary).await, "0");
    strings.pull(Err("boom"));
    assert_eq!(line(&diary).await, "0 after it ended normally");
    tree.shutdown().await.unwrap();
}

async fn p5_after_its_end_a_process_knows_no_attempt(world: World) {
    let (strings, seen) = (Strings::new(), async_channel::unbounded());
    let (pulled, sender) = (strings.clone(), seen.0);
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(worker("a", move |shutdown| {
        sender.try_send(process::current().expect("in a process")).expect("kept open");
        let strings = pulled.clone();
        async move { strings.hang(shutdown).await }
    }));
    let handle = inner.handle();
    let tree = world.start(root().with_worker(inner)).await.unwrap();
    let first = seen.1.recv().await.unwrap();
    strings.pull(Err("boom"));
    let second = seen.1.recv().await.unwrap();
    assert_eq!((second.attempt(), second.last_exit().is_some()), (1, true), "taken along, it still answers");
    assert_eq!((first.attempt(), first.last_exit()), (0, None));
    // The next run of the supervisor counts from the beginning: its first process is not the one that was the first.
    handle.shutdown().unwrap();
    let third = seen.1.recv().await.unwrap();
    assert_eq!((third.attempt(), third.last_exit()), (0, None));
    strings.pull(Err("boom"));
    let fourth = seen.1.recv().await.unwrap();
    assert_eq!((fourth.attempt(), second.attempt(), second.last_exit()), (1, 0, None));
    assert_eq!(first.child_id(), fourth.child_id());
    tree.shutdown().await.unwrap();
}

async fn p6_run_until_stops_a_worker_whose_items_are_always_there(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let spec = worker("a", move |shutdown: ProcessShutdown| {
        let diary = written.clone();
        async move {
            let mut taken = 0_u64;
            // An item is there in each poll. The yield lets others run on an executor with one thread.
            while let Some(item) = shutdown.run_until(async { 1 }).await {
                if taken == 0 {
                    diary.write("began");
                }
                taken += item;
                futures_lite::future::yield_now().await;
            }
            diary.write("stopped by itself");
        }
    });
    let tree = world.start(root().with_worker(spec)).await.unwrap();
    assert_eq!(line(&diary).await, "began");
    for _ in 0..10 {
        futures_lite::future::yield_now().await;
    }
    tree.shutdown().await.unwrap();
    assert_eq!(diary.take(), ["stopped by itself"]);
}

async fn p6_run_until_works_in_another_task(world: World) {
    let (sender, receiver) = async_channel::unbounded();
    let spec = worker("a", move |shutdown: ProcessShutdown| {
        sender.try_send(shutdown.clone()).expect("kept open");
        shutdown
    });
    let tree = world.start(root().with_worker(spec)).await.unwrap();
    let shutdown = receiver.recv().await.unwrap();
    assert_eq!(shutdown.run_until(async { 7 }).await, Some(7));
    let waits = shutdown.run_until(pending::<()>());
    let ends = tree.shutdown();
    let (told, outcome) = futures_lite::future::zip(waits, ends).await;
    assert_eq!((told, outcome), (None, Ok(())));
    assert_eq!(shutdown.run_until(async { 7 }).await, None, "the signal goes before an item");
}

async fn a_one_shot_from_a_closure_hears_of_shutdown(world: World) {
    let diary = Diary::default();
    let (own, also) = (diary.clone(), diary.clone());
    let mut root = root();
    // Not `Fn`: what it owns goes with its one call.
    let owned = String::from("owned");
    root.add_worker(one_shot_with("a", move |shutdown| async move {
        shutdown.await;
        own.write(owned);
    }));
    root.add_worker(one_shot("b", async move {
        process::shutdown().await;
        also.write("b");
    }));
    let spec = one_shot_with("c", |_| async { Err::<(), _>("boom") });
    assert!(format!("{spec:?}").contains("Temporary"), "{spec:?}");
    let id = root.add_worker(spec.with_restart_type(RestartType::Temporary));
    let tree = world.start(root).await.unwrap();
    while tree.handle().find("c").await.unwrap().iter().any(|child| child.id == id) {
        futures_lite::future::yield_now().await;
    }
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
    assert_eq!(diary.take(), ["b", "owned"]);
}
