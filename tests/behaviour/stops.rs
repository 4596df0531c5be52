use std::time::Duration;

use supervisor_core::{BoxError, RestartStrategy, ShutdownOrder, ShutdownStrategy, SupervisorError, process, worker};

use crate::{
    actors::{Diary, Strings, deaf, root, set_up, supervisor},
    harness::World,
};

mount! { everywhere, also added at run time:
    r39_r45_children_stop_in_reverse_and_before_their_supervisor
    n1_case_p_nothing_starts_after_a_shutdown_in_a_restart
    d9_a_failed_last_flush_is_not_a_success
    a5_a_kill_during_the_shutdown_is_told_as_a_kill
    p6_case_q_a_cancelled_wait_does_not_fire_by_itself
}

mount! { virtual time, also added at run time:
    a5_the_outcome_names_all_who_were_aborted_in_the_tree
    r40_a5_the_abort_of_a_brutal_child_is_clean
    d8_a_concurrent_stop_takes_as_long_as_the_slowest
    r42_an_unlimited_stop_waits
    n8_a_supervisor_that_stops_by_itself_is_waited_for
    n8_a_limit_on_a_supervisor_is_a_budget_for_all_below
    n8_killing_a_supervisor_aborts_all_below_it
}

async fn r39_r45_children_stop_in_reverse_and_before_their_supervisor(world: World) {
    let diary = Diary::default();
    let tells = |name: &'static str| {
        let diary = diary.clone();
        worker(name, move |shutdown| {
            let diary = diary.clone();
            async move {
                shutdown.await;
                diary.write(name);
            }
        })
    };
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(tells("b"));
    inner.add_worker(tells("c"));
    let mut root = root();
    root.add_worker(tells("a"));
    root.add_worker(inner);
    root.add_worker(tells("d"));
    let tree = world.start(root).await.unwrap();
    tree.shutdown().await.unwrap();
    assert_eq!(diary.take(), ["d", "c", "b", "a"]);
}

async fn n1_case_p_nothing_starts_after_a_shutdown_in_a_restart(world: World) {
    let (strings, diary, handles) = (Strings::new(), Diary::default(), async_channel::bounded(1));
    let mut root = supervisor("root", RestartStrategy::one_for_all());
    handles.0.try_send(root.handle()).unwrap();
    for name in ["a", "b"] {
        let (strings, diary, handles) = (strings.clone(), diary.clone(), handles.1.clone());
        root.add_worker(set_up(name, move |shutdown| {
            let (strings, diary, handles) = (strings.clone(), diary.clone(), handles.clone());
            async move {
                diary.write(format!("{name} starts"));
                let run: supervisor_core::SupervisorFuture = Box::pin(async move {
                    if name == "a" {
                        return strings.hang(shutdown).await;
                    }
                    // Only the restart asks `b` to stop, so the shutdown comes in the middle of it.
                    shutdown.await;
                    handles.recv().await.unwrap().shutdown().unwrap();
                    Ok(())
                });
                Ok(run)
            }
        }));
    }
    let mut tree = world.start(root).await.unwrap();
    strings.pull(Err("boom"));
    tree.wait().await.unwrap();
    assert_eq!(diary.take(), ["a starts", "b starts"]);
}

async fn d9_a_failed_last_flush_is_not_a_success(world: World) {
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(worker("flusher", |shutdown| async {
        shutdown.await;
        Err::<(), BoxError>("disk full".into())
    }));
    let mut root = root();
    root.add_worker(inner);
    root.add_worker(worker("fine", |shutdown| shutdown));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let error = tree.shutdown().await.unwrap_err();
    assert_eq!(error.to_string(), "shutdown was not clean: `root.inner.flusher` failed while stopping: disk full");
}

async fn a5_a_kill_during_the_shutdown_is_told_as_a_kill(world: World) {
    let (asked, is_asked) = async_channel::unbounded();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    let handle = inner.handle();
    let id = inner.add_worker(
        worker("deaf", move |shutdown| {
            let asked = asked.clone();
            async move {
                shutdown.await;
                asked.try_send(()).unwrap();
                std::future::pending::<()>().await;
            }
        })
        .with_shutdown_strategy(ShutdownStrategy::UNLIMITED),
    );
    let mut root = root();
    root.add_worker(inner);
    let mut tree = world.start(root).await.unwrap();
    tree.handle().shutdown().unwrap();
    is_asked.recv().await.unwrap();
    handle.kill_child(id).await.unwrap();
    let error = tree.wait().await.unwrap_err();
    assert_eq!(error.to_string(), "shutdown was not clean: `root.inner.deaf` was killed before it had stopped");
}

async fn p6_case_q_a_cancelled_wait_does_not_fire_by_itself(world: World) {
    let diary = Diary::default();
    let written = diary.clone();
    let mut root = root();
    root.add_worker(worker("loop", move |mut shutdown| {
        let diary = written.clone();
        async move {
            for _ in 0..100 {
                let stopped = futures_lite::future::or(
                    async {
                        shutdown.wait_for_shutdown().await;
                        true
                    },
                    async {
                        futures_lite::future::yield_now().await;
                        false
                    },
                );
                if stopped.await {
                    return diary.write("stopped early");
                }
            }
            diary.write("looped");
            shutdown.await;
            diary.write("stopped");
        }
    }));
    let tree = world.start(root).await.unwrap();
    while diary.take().is_empty() {
        futures_lite::future::yield_now().await;
    }
    tree.shutdown().await.unwrap();
    assert_eq!(diary.take(), ["stopped"]);
}

async fn a5_the_outcome_names_all_who_were_aborted_in_the_tree(world: World) {
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(deaf("deaf").with_shutdown_strategy(ShutdownStrategy::Graceful(Duration::from_secs(2))));
    let mut root = root();
    root.add_worker(deaf("too"));
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    let begin = world.spawner.now();
    let error = tree.shutdown().await.unwrap_err();
    assert_eq!(world.spawner.now() - begin, Duration::from_secs(2 + 5));
    let SupervisorError::UncleanShutdown(unclean) = &error else { panic!("{error}") };
    let paths: Vec<_> = unclean.iter().map(|unclean| unclean.path.as_str()).collect();
    assert_eq!(paths, ["root.inner.deaf", "root.too"]);
    assert_eq!(
        error.to_string(),
        "shutdown was not clean: `root.inner.deaf` was aborted: did not stop in time; \
         `root.too` was aborted: did not stop in time"
    );
}

async fn r40_a5_the_abort_of_a_brutal_child_is_clean(world: World) {
    let mut root = root();
    root.add_worker(deaf("deaf").with_shutdown_strategy(ShutdownStrategy::Brutal));
    let tree = world.start(root).await.unwrap();
    let begin = world.spawner.now();
    tree.shutdown().await.unwrap();
    assert_eq!(world.spawner.now(), begin);
}

/// Takes this long to stop.
fn slow(name: &'static str, seconds: u64) -> supervisor_core::ChildSpec {
    worker(name, move |shutdown| async move {
        shutdown.await;
        process::sleep(Duration::from_secs(seconds)).await;
    })
}

async fn d8_a_concurrent_stop_takes_as_long_as_the_slowest(world: World) {
    for (order, expected) in [(ShutdownOrder::Reverse, 2 + 3 + 4), (ShutdownOrder::Concurrent, 4)] {
        let mut root = root().with_shutdown_order(order);
        root.add_worker(slow("a", 2));
        root.add_worker(slow("b", 3));
        root.add_worker(slow("c", 4));
        let tree = world.start(root).await.unwrap();
        world.probe.quiet().await;
        let begin = world.spawner.now();
        tree.shutdown().await.unwrap();
        assert_eq!((world.spawner.now() - begin).as_secs(), expected, "{order:?}");
    }
}

async fn r42_an_unlimited_stop_waits(world: World) {
    let mut root = root();
    root.add_worker(slow("archive", 100_000).with_shutdown_strategy(ShutdownStrategy::UNLIMITED));
    let tree = world.start(root).await.unwrap();
    tree.shutdown().await.unwrap();
}

async fn n8_a_supervisor_that_stops_by_itself_is_waited_for(world: World) {
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(slow("archive", 60).with_shutdown_strategy(ShutdownStrategy::UNLIMITED));
    let handle = inner.handle();
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    let begin = world.spawner.now();
    handle.shutdown().unwrap();
    world.sleep(Duration::from_secs(1)).await;
    tree.shutdown().await.unwrap();
    assert_eq!((world.spawner.now() - begin).as_secs(), 60);
}

async fn n8_a_limit_on_a_supervisor_is_a_budget_for_all_below(world: World) {
    let mut innermost = supervisor("innermost", RestartStrategy::one_for_one());
    innermost.add_worker(deaf("d").with_shutdown_strategy(ShutdownStrategy::UNLIMITED));
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(deaf("a").with_shutdown_strategy(ShutdownStrategy::UNLIMITED));
    inner.add_worker(innermost);
    inner.add_worker(deaf("b").with_shutdown_strategy(ShutdownStrategy::UNLIMITED));
    let budget = ShutdownStrategy::Graceful(Duration::from_secs(10));
    let mut root = root();
    root.add_worker(supervisor_core::ChildSpec::from(inner).with_shutdown_strategy(budget));
    let tree = world.start(root).await.unwrap();
    let begin = world.spawner.now();
    let Err(SupervisorError::UncleanShutdown(unclean)) = tree.shutdown().await else { panic!("three were aborted") };
    assert_eq!(world.spawner.now() - begin, Duration::from_secs(10));
    let mut paths: Vec<_> = unclean.iter().map(|unclean| unclean.path.as_str()).collect();
    paths.sort_unstable();
    assert_eq!(paths, ["root.inner.a", "root.inner.b", "root.inner.innermost.d"]);
}

async fn n8_killing_a_supervisor_aborts_all_below_it(world: World) {
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(deaf("a").with_shutdown_strategy(ShutdownStrategy::UNLIMITED));
    inner.add_worker(deaf("b"));
    let handle = inner.handle();
    let mut root = root();
    let spec = supervisor_core::ChildSpec::from(inner).with_restart_type(supervisor_core::RestartType::Transient);
    root.add_worker(spec);
    let tree = world.start(root).await.unwrap();
    let id = tree.handle().find("inner").await.unwrap()[0].id;
    let begin = world.spawner.now();
    let before = handle.children().await.unwrap();
    tree.handle().kill_child(id).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(world.spawner.now(), begin, "no child was given any time");
    let after = handle.children().await.unwrap();
    assert!(before.iter().zip(&after).all(|(before, after)| before.process != after.process));
    drop(tree);
}
