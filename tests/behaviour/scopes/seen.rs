//! A scope is seen below its owner: in names, snapshots, outcomes, and by callers that wait.

use std::{future::pending, time::Duration};

use futures_lite::future::yield_now;
use supervisor_core::{
    Exit, ProcessShutdown, ShutdownStrategy, StopReason, SupervisorError, one_shot, process, worker,
};

use super::{owner, spawn};
use crate::{
    actors::{Diary, Strings, deaf, idle, root, set_up},
    harness::World,
};

mount! { everywhere:
    s3_a_scope_is_seen_below_its_owner
    s3_the_readiness_of_a_scope_is_not_that_of_its_owner
    s7_what_did_not_stop_well_in_a_scope_is_named
    s7_what_a_drained_scope_had_to_abort_is_named
    n6_a_child_of_a_scope_does_not_wait_for_its_owner
    n6_an_owner_may_wait_for_what_is_in_its_scope
}

async fn s3_a_scope_is_seen_below_its_owner(world: World) {
    let strings = Strings::new();
    let mut root = root();
    root.add_worker(owner("owner", &strings, |scope| spawn(scope, idle("child"))));
    root.add_worker(idle("plain"));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let mut below = handle.events_below("owner");
    world.probe.quiet().await;
    let snapshot = handle.snapshot().await;
    assert_eq!(snapshot.children.len(), 2);
    let owner = snapshot.find("root.owner").unwrap();
    assert_eq!(owner.kind, supervisor_core::ChildKind::Worker);
    assert!(owner.supervisor.is_some() && owner.ready, "{snapshot}");
    assert_eq!(owner.children[0].path, "root.owner.child");
    assert!(snapshot.find("root.plain").unwrap().supervisor.is_none());
    assert!(snapshot.to_string().contains("child"), "{snapshot}");
    assert!(snapshot.to_dot().contains(r#"label = "child"#), "{}", snapshot.to_dot());
    let scope = handle.supervisor("root.owner").await.unwrap();
    assert_eq!(scope.path(), "root.owner");
    assert_eq!(scope.children().await.unwrap()[0].name, "child");
    assert!(handle.supervisor("root.plain").await.is_err());
    strings.pull(Ok(()));
    strings.pulled(&world.probe).await;
    let mut told = Vec::new();
    while let Some(event) = futures_lite::future::poll_once(below.next()).await.flatten() {
        told.push(event.to_string());
    }
    for line in ["root.owner.child started", "root.owner.child ended normally", "root.owner ended normally"] {
        assert!(told.iter().any(|told| told == line), "{line}: {told:#?}");
    }
    tree.shutdown().await.unwrap();
    let last = handle.snapshot().await;
    assert!(last.find("root.owner").unwrap().children.is_empty(), "a scope goes with its process: {last}");
}

async fn s3_the_readiness_of_a_scope_is_not_that_of_its_owner(world: World) {
    let strings = Strings::new();
    let mut root = root();
    root.add_worker(owner("owner", &strings, |scope| {
        scope.spawn(set_up("never", |_| async { pending().await })).unwrap();
    }));
    let tree = world.start(root).await.unwrap();
    tree.ready().await.unwrap();
    // The set-up of the child goes on for ever.
    while tree.handle().snapshot().await.find("root.owner.never").is_none() {
        yield_now().await;
    }
    let snapshot = tree.handle().snapshot().await;
    assert!(snapshot.ready && snapshot.find("root.owner").unwrap().ready, "{snapshot}");
    assert!(!snapshot.find("root.owner.never").unwrap().ready);
    tree.shutdown().await.unwrap();
}

async fn s7_what_did_not_stop_well_in_a_scope_is_named(world: World) {
    let strings = Strings::new();
    let mut root = root();
    root.add_worker(owner("owner", &strings, |scope| {
        scope
            .spawn(worker("flusher", |shutdown: ProcessShutdown| async {
                shutdown.await;
                Err::<(), _>("disk full")
            }))
            .unwrap();
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let outcome = tree.shutdown().await;
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    let named: Vec<_> = unclean.iter().map(ToString::to_string).collect();
    assert_eq!(named, ["`root.owner.flusher` failed while stopping: disk full"]);
}

async fn s7_what_a_drained_scope_had_to_abort_is_named(world: World) {
    let mut root = root();
    root.add_worker(worker("owner", |shutdown: ProcessShutdown| async {
        let scope = process::scope()?;
        let brief = ShutdownStrategy::Graceful(Duration::from_millis(1));
        scope.spawn(deaf("deaf").with_shutdown_strategy(brief))?;
        shutdown.await;
        let exit = scope.stop().await?;
        let Exit::Shutdown(end) = &exit else { panic!("{exit}") };
        assert!(matches!(end.reason, StopReason::Requested) && end.unclean.len() == 1, "{end:?}");
        Ok::<_, SupervisorError>(())
    }));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let outcome = tree.shutdown().await;
    let Err(SupervisorError::UncleanShutdown(unclean)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(unclean.iter().map(|unclean| unclean.path.as_str()).collect::<Vec<_>>(), ["root.owner.deaf"]);
}

async fn n6_a_child_of_a_scope_does_not_wait_for_its_owner(world: World) {
    let (strings, diary) = (Strings::new(), Diary::default());
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let (written, above) = (diary.clone(), handle.clone());
    let spec = owner("owner", &strings, move |scope| {
        let (diary, above, own) = (written.clone(), above.clone(), scope.clone());
        scope
            .spawn(one_shot("child", async move {
                let stopped = own.stop().await;
                diary.write(format!("{:#?}", stopped.unwrap_err()));
                let owner = above.find("owner").await.unwrap()[0].id;
                // Carried out, and answered at once: it waits for this very process.
                diary.write(format!("{:?}", above.terminate_child(owner).await));
            }))
            .unwrap();
    });
    let owner = handle.spawn(spec).unwrap();
    handle.stopped(owner).await.unwrap();
    let deadlock = SupervisorError::WouldDeadlock { path: "root.owner".into() };
    assert_eq!(diary.take(), [format!("{deadlock:#?}"), "Ok(())".to_owned()]);
    tree.shutdown().await.unwrap();
}

async fn n6_an_owner_may_wait_for_what_is_in_its_scope(world: World) {
    let (tell, told) = async_channel::bounded(1);
    let mut root = root();
    root.add_worker(worker("owner", move |shutdown: ProcessShutdown| {
        let tell = tell.clone();
        async move {
            let scope = process::scope()?;
            let child = scope.start_child(idle("child")).await?;
            scope.terminate_child(child).await?;
            scope.start_child(idle("other")).await?;
            scope.stop().await?;
            let _ = tell.send(()).await;
            shutdown.await;
            Ok::<_, SupervisorError>(())
        }
    }));
    let tree = world.start(root).await.unwrap();
    told.recv().await.unwrap();
    tree.shutdown().await.unwrap();
}
