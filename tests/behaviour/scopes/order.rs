//! The order of a shutdown: the owner first, or its children.

use futures_lite::future::yield_now;
use supervisor_core::{
    ChildSpec, ChildState, Exit, ProcessShutdown, ShutdownStrategy, SupervisorError, process, worker,
};

use super::{owner, spawn};
use crate::{
    actors::{Diary, Strings, deaf, idle, root, state_of},
    harness::World,
};

mount! { everywhere:
    s6_children_first_are_gone_before_the_owner_is_asked
    s6_children_first_does_not_hold_back_an_abort
    s6_children_first_without_a_scope_changes_nothing
}

/// An owner whose child writes down when it ends, and which writes down when it is asked.
fn asked_last(diary: &Diary) -> ChildSpec {
    let diary = diary.clone();
    let spec = worker("owner", move |shutdown: ProcessShutdown| {
        let (diary, seen) = (diary.clone(), diary.clone());
        async move {
            process::scope()?.spawn(worker("child", move |shutdown: ProcessShutdown| {
                let seen = seen.clone();
                async move {
                    shutdown.await;
                    for _ in 0..10 {
                        yield_now().await;
                    }
                    seen.write("child ends");
                }
            }))?;
            // In a task of its own, and in this one.
            let (waiter, beside) = (shutdown.clone(), diary.clone());
            let told = std::thread::spawn(move || {
                futures_lite::future::block_on(waiter);
                beside.write("a clone is asked");
            });
            shutdown.await;
            told.join().expect("no panic");
            diary.write("owner is asked");
            Ok::<_, SupervisorError>(())
        }
    });
    spec.with_children_first()
}

async fn s6_children_first_are_gone_before_the_owner_is_asked(world: World) {
    let diary = Diary::default();
    let mut root = root();
    let owner = root.add_worker(asked_last(&diary));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    assert!(tree.handle().child_spec(owner).await.unwrap().children_first);
    tree.shutdown().await.unwrap();
    assert_eq!(diary.take(), ["child ends", "a clone is asked", "owner is asked"]);
}

async fn s6_children_first_does_not_hold_back_an_abort(world: World) {
    let strings = Strings::new();
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    let spec = owner("owner", &strings, |scope| spawn(scope, deaf("deaf"))).with_children_first();
    let owner = handle.spawn(spec.with_shutdown_strategy(ShutdownStrategy::UNLIMITED)).unwrap();
    world.probe.quiet().await;
    let monitor = handle.monitor(owner).unwrap();
    let terminated = handle.terminate_child(owner);
    let killed = async {
        while state_of(&handle, owner).await != Some(ChildState::Stopping) {
            yield_now().await;
        }
        handle.kill_child(owner).await.unwrap();
    };
    let (terminated, ()) = futures_lite::future::zip(terminated, killed).await;
    terminated.unwrap();
    assert_eq!(monitor.await, Exit::Aborted);
    tree.shutdown().await.unwrap();
}

async fn s6_children_first_without_a_scope_changes_nothing(world: World) {
    let mut root = root();
    root.add_worker(idle("plain").with_children_first());
    let tree = world.start(root).await.unwrap();
    tree.shutdown().await.unwrap();
}
