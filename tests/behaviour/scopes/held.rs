//! A child that does not yield, and keeps its thread.

use std::{
    sync::{
        Arc, Mutex,
        mpsc::{self, Receiver, Sender},
    },
    time::Duration,
};

use futures_lite::future::poll_once;
use supervisor_core::{
    ChildSpec, ProcessShutdown, RestartType, ShutdownStrategy, Supervisor, SupervisorError, SupervisorHandle,
    UncleanStop, process, worker,
};

use crate::{
    actors::{Diary, Strings, idle, root},
    harness::World,
};

mount! { two threads:
    s7_a_child_that_does_not_yield_holds_its_owner_up
    s7_a_shutdown_names_what_does_not_yield_and_its_owner
    s1_what_a_removed_supervisor_has_left_holds_the_owner_up
}

const GRACE: Duration = Duration::from_millis(50);

/// An owner whose child blocks its thread in its first poll, once, until the returned value is dropped.
fn owner_of_one_that_blocks(strings: &Strings, diary: &Diary) -> (ChildSpec, Sender<()>) {
    let (release, wait): (_, Receiver<()>) = mpsc::channel();
    let (wait, strings, diary) = (Arc::new(Mutex::new(Some(wait))), strings.clone(), diary.clone());
    let spec = worker("owner", move |shutdown: ProcessShutdown| {
        let (wait, strings, diary) = (wait.clone(), strings.clone(), diary.clone());
        async move {
            diary.write("starts");
            let scope = process::scope_with(|scope| scope.with_abort_grace(GRACE))?;
            let blocks = worker("blocker", move |shutdown: ProcessShutdown| {
                let wait = wait.lock().expect("no poison").take();
                async move {
                    match wait {
                        Some(wait) => drop(wait.recv()),
                        None => shutdown.await,
                    }
                }
            });
            let brief = ShutdownStrategy::Graceful(GRACE);
            scope.spawn(blocks.with_restart_type(RestartType::Temporary).with_shutdown_strategy(brief))?;
            strings.hang(shutdown).await
        }
    });
    (spec, release)
}

async fn until_it_blocks(world: &World, handle: &SupervisorHandle) {
    while handle.snapshot().await.find("root.owner.blocker").is_none() {
        world.sleep(Duration::from_millis(1)).await;
    }
    world.sleep(GRACE).await;
}

async fn s7_a_child_that_does_not_yield_holds_its_owner_up(world: World) {
    let (strings, diary) = (Strings::new(), Diary::default());
    let (owner, release) = owner_of_one_that_blocks(&strings, &diary);
    let mut root = root().with_abort_grace(GRACE);
    let id = root.add_worker(owner);
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    until_it_blocks(&world, &handle).await;
    strings.pull(Err("boom"));
    while !handle.snapshot().await.find("root.owner").unwrap().stuck {
        world.sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(diary.take(), ["starts"], "no successor beside it");
    assert_eq!(
        handle.terminate_child(handle.spawn(idle("other")).unwrap()).await,
        Ok(()),
        "the rest of the tree is served"
    );
    let monitor = handle.monitor(id).unwrap();
    drop(release);
    assert_eq!(monitor.await.to_string(), "failed: boom");
    world.probe.quiet().await;
    assert_eq!(diary.take(), ["starts"], "its successor");
    tree.shutdown().await.unwrap();
}

async fn s7_a_shutdown_names_what_does_not_yield_and_its_owner(world: World) {
    let (strings, diary) = (Strings::new(), Diary::default());
    let (owner, release) = owner_of_one_that_blocks(&strings, &diary);
    let mut root = root().with_abort_grace(GRACE);
    root.add_worker(owner);
    let tree = world.start(root).await.unwrap();
    until_it_blocks(&world, &tree.handle()).await;
    let outcome = tree.shutdown().await;
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    let named: Vec<_> = unclean.iter().map(|unclean| unclean.path.as_str()).collect();
    assert_eq!(named, ["root.owner.blocker", "root.owner"]);
    assert!(unclean.iter().all(|unclean| unclean.stop == UncleanStop::Abandoned), "{unclean:?}");
    drop(release);
}

async fn s1_what_a_removed_supervisor_has_left_holds_the_owner_up(world: World) {
    let (release, wait): (_, Receiver<()>) = mpsc::channel();
    let wait = Arc::new(Mutex::new(Some(wait)));
    let owner = worker("owner", move |shutdown: ProcessShutdown| {
        let wait = wait.clone();
        async move {
            let scope = process::scope()?;
            let mut below = Supervisor::new("below")?.with_abort_grace(GRACE);
            let blocks = worker("blocker", move |_| {
                let wait = wait.lock().expect("no poison").take();
                async move {
                    wait.map(|wait| wait.recv().is_err());
                }
            });
            below.add_worker(blocks.with_shutdown_strategy(ShutdownStrategy::Graceful(GRACE)));
            scope.spawn(ChildSpec::from(below).with_restart_type(RestartType::Temporary))?;
            shutdown.await;
            Ok::<_, SupervisorError>(())
        }
    });
    let mut root = root().with_abort_grace(GRACE);
    let id = root.add_worker(owner.with_restart_type(RestartType::Temporary));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    while handle.snapshot().await.find("root.owner.below.blocker").is_none() {
        world.sleep(Duration::from_millis(1)).await;
    }
    world.sleep(GRACE).await;
    let scope = handle.supervisor("root.owner").await.unwrap();
    let below = scope.find("below").await.unwrap()[0].id;
    // It stops without its worker, and is removed.
    assert!(matches!(scope.terminate_child(below).await, Err(SupervisorError::Stuck { .. })));
    assert_eq!(scope.children().await.unwrap(), []);
    let mut monitor = handle.monitor(id).unwrap();
    assert!(matches!(handle.terminate_child(id).await, Err(SupervisorError::Stuck { .. })));
    assert!(poll_once(&mut monitor).await.is_none(), "the owner is not gone before its worker");
    drop(release);
    assert_eq!(monitor.await.to_string(), "ended normally");
    let _ = tree.shutdown().await;
}
