//! What a poll wakes goes into the slot of its thread.

mod world;

use executor_sim::{Threads, block_for};
use futures_lite::future::yield_now;
use supervisor_core::Spawner;

use self::world::{SECOND, World, always, spawn};

/// Wakes two waiters, and then blocks the thread for ten seconds.
fn wakes_two_and_blocks(world: &World, nudges: bool) {
    let [first, second] = ["first", "second"].map(|name| world.waiter(name));
    let spawner = world.spawner.clone();
    world.run(async move {
        first.try_send(()).unwrap();
        second.try_send(()).unwrap();
        if nudges {
            spawner.nudge();
        }
        block_for(10 * SECOND).await;
    });
}

#[test]
fn what_a_blocking_poll_wakes_waits_in_its_slot() {
    always(Threads::new(2).with_lifo_slots(), |world| {
        let waiter = world.waiter("woken");
        world.run(async move {
            waiter.try_send(()).unwrap();
            block_for(10 * SECOND).await;
        });
        assert_eq!(world.said_after(20 * SECOND), ["woken 10s"]);
    });
}

#[test]
fn the_slot_holds_one_and_the_one_before_goes_to_the_queue() {
    always(Threads::new(2).with_lifo_slots(), |world| {
        wakes_two_and_blocks(world, false);
        assert_eq!(world.said_after(20 * SECOND), ["first 0ns", "second 10s"]);
    });
}

#[test]
fn without_slots_nothing_waits() {
    always(Threads::new(2), |world| {
        wakes_two_and_blocks(world, false);
        assert_eq!(world.said_after(20 * SECOND), ["first 0ns", "second 0ns"]);
    });
}

#[test]
fn a_nudge_empties_the_slot() {
    always(Threads::new(2).with_lifo_slots(), |world| {
        wakes_two_and_blocks(world, true);
        assert_eq!(world.said_after(20 * SECOND), ["first 0ns", "second 0ns"]);
    });
}

#[test]
fn a_nudge_from_outside_leaves_the_slot() {
    always(Threads::new(2).with_lifo_slots(), |world| {
        wakes_two_and_blocks(world, false);
        world.spawner.nudge();
        assert_eq!(world.said_after(20 * SECOND), ["first 0ns", "second 10s"]);
    });
}

#[test]
fn what_a_poll_spawns_goes_into_the_slot() {
    always(Threads::new(2).with_lifo_slots(), |world| {
        let (spawner, say) = (world.spawner.clone(), world.say("spawned"));
        world.run(async move {
            spawn(&spawner, say);
            block_for(10 * SECOND).await;
        });
        assert_eq!(world.said_after(20 * SECOND), ["spawned 10s"]);
    });
}

#[test]
fn what_is_woken_from_outside_takes_no_slot() {
    always(Threads::new(2).with_lifo_slots(), |world| {
        let elsewhere = world.sim.executor_with(Threads::new(1).with_lifo_slots());
        let [by_test, by_other] = ["by test", "by other"].map(|name| world.waiter(name));
        world.run(block_for(10 * SECOND));
        by_test.try_send(()).unwrap();
        spawn(&elsewhere.spawner(), async move {
            by_other.try_send(()).unwrap();
            block_for(10 * SECOND).await;
        });
        assert_eq!(world.said_after(20 * SECOND), ["by other 0ns", "by test 0ns"]);
    });
}

#[test]
fn a_process_that_yields_takes_no_slot() {
    always(Threads::new(2).with_lifo_slots(), |world| {
        let (waiter, say) = (world.waiter("woken"), world.say("yielded"));
        world.run(async move {
            yield_now().await;
            say.await;
            waiter.try_send(()).unwrap();
            std::future::poll_fn(|cx| {
                cx.waker().wake_by_ref();
                std::task::Poll::Ready(())
            })
            .await;
            block_for(10 * SECOND).await;
        });
        assert_eq!(world.said_after(20 * SECOND), ["woken 10s", "yielded 0ns"]);
    });
}
