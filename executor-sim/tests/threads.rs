//! A poll that blocks occupies a thread of its executor.

mod world;

use std::{
    future::poll_fn,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::Poll,
    time::Duration,
};

use executor_sim::{Sim, Threads, block_for, block_for_good};
use futures_lite::future::or;
use supervisor_core::Exit;

use self::world::{SECOND, always, spawn};

#[test]
fn a_poll_that_blocks_occupies_the_thread_that_polled_it() {
    always(Threads::new(1), |world| {
        world.run(block_for(10 * SECOND));
        world.spawn(world.say("b"));
        assert!(world.said_after(9 * SECOND).is_empty());
        assert_eq!(world.said_after(SECOND), ["b 10s"]);
    });
    always(Threads::new(2), |world| {
        world.run(block_for(10 * SECOND));
        world.spawn(world.say("b"));
        assert_eq!(world.said_after(Duration::ZERO), ["b 0ns"]);
    });
}

#[test]
fn an_executor_with_all_threads_blocked_polls_nothing() {
    always(Threads::like_tokio(2), |world| {
        let elsewhere = world.sim.executor_with(Threads::new(1));
        world.run(block_for(10 * SECOND));
        world.run(block_for(20 * SECOND));
        world.spawn(world.say("b"));
        spawn(&elsewhere.spawner(), world.say("elsewhere"));
        assert_eq!(world.said_after(9 * SECOND), ["elsewhere 0ns"]);
        assert_eq!(world.said_after(SECOND), ["b 10s", "elsewhere 0ns"]);
    });
}

#[test]
fn what_a_poll_did_before_it_blocked_has_happened() {
    always(Threads::new(1), |world| {
        let (before, after) = (world.say("before"), world.say("then"));
        world.spawn(async move {
            before.await;
            block_for(SECOND).await;
            block_for(SECOND).await;
            after.await;
        });
        assert_eq!(world.said_after(SECOND * 3 / 2), ["before 0ns"]);
        assert_eq!(world.said_after(SECOND), ["before 0ns", "then 2s"]);
    });
}

#[test]
fn two_blocks_in_one_poll_add_up() {
    always(Threads::new(1), |world| {
        let after = world.say("after");
        world.spawn(async move {
            futures_lite::future::zip(block_for(SECOND), block_for(2 * SECOND)).await;
            after.await;
        });
        assert_eq!(world.said_after(10 * SECOND), ["after 3s"]);
    });
}

#[test]
fn a_process_that_ends_as_it_blocks_keeps_its_thread() {
    always(Threads::new(1), |world| {
        let outcome = world.run(or(block_for(SECOND), async {}));
        assert!(matches!(outcome.try_exit(), Some(Exit::Normal)));
        world.spawn(world.say("b"));
        assert_eq!(world.said_after(10 * SECOND), ["b 1s"]);
    });
}

#[test]
fn an_abort_ends_a_blocked_process_after_the_block() {
    for threads in [Threads::unlimited(), Threads::new(2), Threads::like_tokio(2)] {
        always(threads, |world| {
            let say = world.say("never");
            let outcome = world.run(async move {
                block_for(10 * SECOND).await;
                say.await;
            });
            outcome.abort();
            world.sim.advance(9 * SECOND);
            assert!(outcome.try_exit().is_none());
            world.sim.advance(SECOND);
            assert!(matches!(outcome.try_exit(), Some(Exit::Aborted)));
            assert!(world.said().is_empty());
        });
    }
}

#[test]
fn a_process_woken_before_it_blocks_is_polled_after() {
    for threads in [Threads::new(2), Threads::like_tokio(2)] {
        always(threads, |world| {
            let (polls, say) = (Arc::new(AtomicUsize::new(0)), world.say("after"));
            let counted = polls.clone();
            let wakes_itself = poll_fn(move |cx| {
                cx.waker().wake_by_ref();
                counted.fetch_add(1, SeqCst);
                Poll::Pending
            });
            world.spawn(or(wakes_itself, async move {
                block_for(SECOND).await;
                say.await;
            }));
            world.sim.advance(SECOND / 2);
            assert_eq!(polls.load(SeqCst), 1);
            assert_eq!(world.said_after(SECOND), ["after 1s"]);
        });
    }
}

#[test]
fn a_blocked_poll_goes_on_before_its_thread_polls_others() {
    for threads in [Threads::new(1), Threads::new(1).with_lifo_slots()] {
        always(threads, |world| {
            let has_gone_on = Arc::new(AtomicBool::new(false));
            let (goes_on, sees) = (has_gone_on.clone(), has_gone_on.clone());
            world.run(async move {
                block_for(SECOND).await;
                goes_on.store(true, SeqCst);
            });
            let seen = world.run(async move { assert!(sees.load(SeqCst)) });
            world.sim.advance(2 * SECOND);
            assert!(matches!(seen.try_exit(), Some(Exit::Normal)));
        });
    }
}

#[test]
fn a_thread_blocked_for_good_never_comes_back() {
    let sim = Sim::with_seed(1);
    let elsewhere = sim.executor_with(Threads::new(1));
    let blocked = spawn(&elsewhere.spawner(), block_for_good());
    sim.advance(SECOND);
    let waiting = spawn(&elsewhere.spawner(), async {});
    sim.advance(1_000_000 * SECOND);
    assert!(blocked.try_exit().is_none() && waiting.try_exit().is_none());
    elsewhere.end();
    for outcome in [blocked, waiting] {
        assert!(matches!(outcome.try_exit(), Some(Exit::Lost)));
    }
}

#[test]
fn an_executor_without_threads_runs_nothing() {
    let sim = Sim::with_seed(1);
    let elsewhere = sim.executor_with(Threads::none());
    let kept = spawn(&elsewhere.spawner(), async {});
    sim.advance(1_000_000 * SECOND);
    assert!(kept.try_exit().is_none());
    assert_eq!(sim.processes(), 1);
    elsewhere.end();
    assert!(matches!(kept.try_exit(), Some(Exit::Lost)));
    assert_eq!(sim.processes(), 0);
}

#[test]
fn on_unlimited_threads_a_block_holds_up_its_own_process_alone() {
    always(Threads::unlimited(), |world| {
        let waiter = world.waiter("woken");
        world.says_after("timer", 2);
        let (sleep, say) = (world.sleep(SECOND), world.say("blocked"));
        world.run(async move {
            sleep.await;
            waiter.try_send(()).unwrap();
            block_for(10 * SECOND).await;
            say.await;
        });
        assert_eq!(world.said_after(20 * SECOND), ["blocked 11s", "timer 2s", "woken 1s"]);
    });
}

#[test]
#[should_panic = "no simulated process here to block"]
fn a_block_in_the_future_of_a_test_is_refused() {
    Sim::with_seed(1).run_until(block_for(SECOND));
}

#[test]
#[should_panic = "no simulated process here to block"]
fn a_block_on_another_executor_is_refused() {
    futures_lite::future::block_on(block_for_good());
}

#[test]
#[should_panic = "the threads of a simulation must be set before a process is spawned"]
fn threads_cannot_change_under_running_processes() {
    let sim = Sim::with_seed(1);
    spawn(&sim.spawner(), async {});
    sim.set_threads(Threads::new(1));
}
