use std::{
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
};

use supervisor_core::{
    ProcessId, ProcessShutdown, RestartType, ShutdownStrategy, SupervisorError, UncleanStop, one_shot, process, worker,
};

use crate::{
    actors::{Bomb, Census, Diary, Strings, events, exits_of, root, set_up, until},
    harness::World,
};

mount! { everywhere, also added at run time:
    p1_case_c_a_panic_in_a_destructor_at_abort_is_one_exit
    p3_case_d_a_closure_that_panics_fails_only_its_child
    p4_case_g_a_panic_is_told_with_its_message
    p2_a_successor_finds_its_predecessors_resources_free
    p3_a_panic_in_a_specs_destructor_harms_no_other
    p5_every_incarnation_has_an_id_of_its_own
    p6_a_clone_in_a_subtask_fires_for_its_incarnation_only
    p7_the_context_is_there_in_user_code_and_nowhere_else
    a_one_shot_runs_once_and_can_hear_of_shutdown
    p3_an_error_that_panics_in_display_fails_its_own_process
}

async fn p1_case_c_a_panic_in_a_destructor_at_abort_is_one_exit(world: World) {
    let armed = Arc::new(AtomicBool::new(true));
    let mut root = root();
    let spec = worker("bomber", move |_| {
        let bomb = Bomb(armed.clone());
        async move {
            let _bomb = bomb;
            pending::<()>().await;
        }
    });
    root.add_worker(spec.with_shutdown_strategy(ShutdownStrategy::Brutal));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;

    let outcome = tree.shutdown().await;

    assert_eq!(exits_of(&events(&world.probe), "root.bomber"), ["panicked: in a destructor"]);
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("a panic is not clean: {outcome:?}") };
    assert_eq!(unclean.len(), 1);
    assert_eq!(unclean[0].path, "root.bomber");
    assert!(matches!(unclean[0].stop, UncleanStop::Failed(_)));
}

async fn p3_case_d_a_closure_that_panics_fails_only_its_child(world: World) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let mut root = root();
    root.add_worker(worker("clumsy", move |shutdown| {
        if counted.fetch_add(1, SeqCst) < 3 {
            panic!("while making the future");
        }
        shutdown
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(exits_of(&events(&world.probe), "root.clumsy"), ["panicked: while making the future"; 3]);
    assert_eq!(calls.load(SeqCst), 4);
    tree.shutdown().await.unwrap();
}

async fn p4_case_g_a_panic_is_told_with_its_message(world: World) {
    let mut root = root();
    root.add_worker(worker("doomed", |_| async { panic!("number {}", 7) }).with_restart_type(RestartType::Temporary));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(exits_of(&events(&world.probe), "root.doomed"), ["panicked: number 7"]);
    tree.shutdown().await.unwrap();
}

async fn p2_a_successor_finds_its_predecessors_resources_free(world: World) {
    let strings = Strings::new();
    let (pulled, census) = (strings.clone(), Census::default());
    let counted = census.clone();
    let mut root = root();
    root.add_worker(worker("holder", move |shutdown| {
        let (strings, present) = (pulled.clone(), counted.enter());
        async move {
            let _present = present;
            strings.hang(shutdown).await
        }
    }));
    let tree = world.start(root).await.unwrap();
    for round in 1..50 {
        strings.pull(Err("boom"));
        while census.ever() <= round {
            futures_lite::future::yield_now().await;
        }
    }
    tree.shutdown().await.unwrap();
    assert_eq!((census.most(), census.present()), (1, 0), "two incarnations never overlap");
}

async fn p3_a_panic_in_a_specs_destructor_harms_no_other(world: World) {
    let armed = Arc::new(AtomicBool::new(true));
    let census = Census::default();
    let (running, stopped) = ((Bomb(armed.clone()), census.enter()), (Bomb(armed.clone()), census.enter()));
    let mut root = root();
    root.add_worker(worker("running", move |shutdown| {
        let _owned = &running;
        shutdown
    }));
    let spec = worker("stopped", move |_| {
        let _owned = &stopped;
        async {}
    });
    root.add_worker(spec.with_restart_type(RestartType::Transient));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let outcome = tree.shutdown().await;
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("a panic is not clean: {outcome:?}") };
    assert_eq!(unclean[0].to_string(), "`root.running` panicked while stopping: in a destructor");
    world.probe.quiet().await;
    assert_eq!(census.present(), 0, "what a specification owns is dropped, be its child running or stopped");
}

async fn p5_every_incarnation_has_an_id_of_its_own(world: World) {
    let (strings, diary) = (Strings::new(), Diary::default());
    let (pulled, written) = (strings.clone(), diary.clone());
    let mut root = root();
    root.add_worker(worker("same-name", move |shutdown| {
        let (strings, diary) = (pulled.clone(), written.clone());
        async move {
            let me = process::current().expect("in a process");
            assert_eq!(me.path(), "root.same_name");
            diary.write(me.id().to_string());
            strings.hang(shutdown).await
        }
    }));
    let tree = world.start(root).await.unwrap();
    for _ in 0..3 {
        world.probe.quiet().await;
        strings.pull(Err("boom"));
        wait_for_exit(&world, "root.same_name").await;
    }
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
    let mut ids = diary.take();
    ids.dedup();
    assert_eq!(ids.len(), 4, "{ids:?}");
}

/// Waits for an exit when nothing counts as in flight until the worker has seen it.
async fn wait_for_exit(world: &World, path: &str) {
    loop {
        if !exits_of(&events(&world.probe), path).is_empty() {
            return;
        }
        futures_lite::future::yield_now().await;
    }
}

async fn p6_a_clone_in_a_subtask_fires_for_its_incarnation_only(world: World) {
    let (strings, clones) = (Strings::new(), async_channel::unbounded::<ProcessShutdown>());
    let (pulled, sender) = (strings.clone(), clones.0);
    let mut root = root();
    root.add_worker(worker("parent", move |shutdown| {
        let strings = pulled.clone();
        sender.try_send(shutdown.clone()).expect("kept open");
        async move { strings.hang(shutdown).await }
    }));
    let tree = world.start(root).await.unwrap();
    let first = clones.1.recv().await.unwrap();
    assert!(!first.is_requested());
    strings.pull(Err("boom"));
    first.await; // no shutdown was ever asked for: the incarnation has ended
    let second = clones.1.recv().await.unwrap();
    assert!(!second.is_requested());
    tree.shutdown().await.unwrap();
    assert!(second.is_requested());
}

async fn p7_the_context_is_there_in_user_code_and_nowhere_else(world: World) {
    struct Witness(Diary, Option<ProcessId>);

    impl Witness {
        fn see(&self, place: &str) {
            let me = process::current().expect("a context");
            assert_eq!(Some(me.id()), self.1);
            self.0.write(format!("{place} of {}", me.path()));
        }
    }

    impl Drop for Witness {
        fn drop(&mut self) {
            self.see("destructor");
        }
    }

    let diary = Diary::default();
    let written = diary.clone();
    let mut root = root();
    root.add_worker(set_up("witness", move |shutdown| {
        let witness = Witness(written.clone(), process::current().map(|me| me.id()));
        async move {
            witness.see("set-up");
            let run: supervisor_core::SupervisorFuture = Box::pin(async move {
                witness.see("future");
                shutdown.await;
                Ok(())
            });
            Ok(run)
        }
    }));
    let tree = world.start(root).await.unwrap();
    assert!(process::current().is_none());
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();
    let expected = ["set-up of root.witness", "future of root.witness", "destructor of root.witness"];
    assert_eq!(diary.take(), expected);
}

async fn a_one_shot_runs_once_and_can_hear_of_shutdown(world: World) {
    let diary = Diary::default();
    let (short, long) = (diary.clone(), diary.clone());
    let mut root = root();
    root.add_worker(one_shot("short", async move { short.write("short ran") }));
    root.add_worker(one_shot("long", async move {
        let shutdown = process::current().expect("in a process").shutdown();
        shutdown.await;
        long.write("long was asked to stop");
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let names: Vec<_> = tree.handle().children().await.unwrap().into_iter().map(|child| child.name).collect();
    assert!(names.contains(&"long".to_owned()));
    tree.shutdown().await.unwrap();
    assert_eq!(diary.take(), ["short ran", "long was asked to stop"]);
}

async fn p3_an_error_that_panics_in_display_fails_its_own_process(world: World) {
    #[derive(Debug)]
    struct Unspeakable;

    impl std::fmt::Display for Unspeakable {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("while displaying an error")
        }
    }

    impl std::error::Error for Unspeakable {}

    let mut root = root();
    let spec = worker("mute", |_| async { Err::<(), _>(Unspeakable) });
    root.add_worker(spec.with_restart_type(RestartType::Temporary));
    root.add_worker(set_up("fine", |shutdown| async { Ok(until(shutdown)) }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(exits_of(&events(&world.probe), "root.mute"), ["panicked: while displaying an error"]);
    tree.shutdown().await.unwrap();
}
