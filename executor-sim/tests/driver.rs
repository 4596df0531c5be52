//! Timers are heard while a thread waits for them.

mod world;

use std::sync::{Arc, Mutex};

use executor_sim::{Threads, block_for, block_for_good};
use futures_lite::future::yield_now;
use supervisor_core::Spawner;

use self::world::{SECOND, World, always, spawn};

fn one_driver() -> [Threads; 2] {
    [Threads::new(2).with_one_driver(), Threads::like_tokio(3)]
}

#[test]
fn a_timer_is_not_heard_while_the_driver_is_blocked() {
    for threads in one_driver() {
        always(threads, |world| {
            world.blocks_when_a_timer_wakes_it();
            world.says_after("timer", 5);
            assert_eq!(world.said_after(20 * SECOND), ["timer 11s"]);
        });
    }
}

#[test]
fn timers_that_another_executor_keeps_are_heard() {
    for threads in [Threads::new(2), Threads::new(2).with_lifo_slots()] {
        always(threads, |world| {
            world.blocks_when_a_timer_wakes_it();
            world.says_after("timer", 5);
            assert_eq!(world.said_after(20 * SECOND), ["timer 5s"]);
        });
    }
}

#[test]
fn a_nudge_from_outside_brings_the_driver_back() {
    for threads in one_driver() {
        always(threads, |world| {
            world.blocks_when_a_timer_wakes_it();
            world.says_after("due", 5);
            world.says_after("later", 8);
            assert!(world.said_after(7 * SECOND).is_empty());
            world.spawner.nudge();
            assert_eq!(world.said_after(20 * SECOND), ["due 7s", "later 8s"]);
        });
    }
}

#[test]
fn a_nudge_from_another_os_thread_brings_the_driver_back() {
    let world = World::new(1, Threads::like_tokio(2));
    let sleep = world.sleep(SECOND);
    world.run(async move {
        sleep.await;
        block_for_good().await;
    });
    let outcome = world.says_after("due", 5);
    world.sim.advance(6 * SECOND);
    let spawner = world.spawner.clone();
    let nudging = std::thread::spawn(move || spawner.nudge());
    world.sim.run_until(outcome.exit());
    nudging.join().unwrap();
    assert_eq!(world.said(), ["due 6s"]);
}

#[test]
fn a_poll_on_another_thread_brings_the_driver_back() {
    for threads in one_driver() {
        always(threads, |world| {
            world.blocks_when_a_timer_wakes_it();
            world.says_after("timer", 5);
            world.sim.advance(7 * SECOND);
            world.spawn(async {});
            assert_eq!(world.said_after(20 * SECOND), ["timer 7s"]);
        });
    }
}

#[test]
fn a_nudge_in_a_blocking_poll_needs_a_task_in_the_slot() {
    for (wakes, heard) in [(true, ["timer 5s", "woken 1s"].as_slice()), (false, &["timer 11s"])] {
        always(Threads::like_tokio(2), |world| {
            world.says_after("timer", 5);
            let waiter = world.waiter("woken");
            let (sleep, spawner) = (world.sleep(SECOND), world.spawner.clone());
            world.run(async move {
                sleep.await;
                if wakes {
                    waiter.try_send(()).unwrap();
                }
                spawner.nudge();
                block_for(10 * SECOND).await;
                std::future::pending::<()>().await;
                drop(waiter);
            });
            assert_eq!(world.said_after(20 * SECOND), heard);
        });
    }
}

#[test]
fn a_process_woken_with_others_leaves_the_driver_in_place() {
    for threads in one_driver() {
        always(threads, |world| {
            world.blocks_when_a_timer_wakes_it();
            world.says_after("with it", 1);
            world.says_after("timer", 5);
            let said = world.said_after(20 * SECOND);
            assert!(said.contains(&"timer 5s".to_owned()), "{said:?}");
        });
    }
}

#[test]
fn a_poll_woken_from_outside_leaves_the_driver_to_another() {
    for threads in one_driver() {
        always(threads, |world| {
            world.says_after("timer", 5);
            world.run(block_for(10 * SECOND));
            assert_eq!(world.said_after(20 * SECOND), ["timer 5s"]);
        });
    }
}

#[test]
fn a_process_that_yields_before_it_blocks_wakes_a_thread() {
    for threads in one_driver() {
        always(threads, |world| {
            world.says_after("timer", 5);
            let sleep = world.sleep(SECOND);
            world.run(async move {
                sleep.await;
                yield_now().await;
                block_for(10 * SECOND).await;
            });
            assert_eq!(world.said_after(20 * SECOND), ["timer 5s"]);
        });
    }
}

#[test]
fn a_timer_without_a_free_thread_needs_another_keeper() {
    for (threads, heard) in [(Threads::new(1), "timer 5s"), (Threads::like_tokio(1), "timer 10s")] {
        always(threads, |world| {
            world.run(block_for(10 * SECOND));
            let elsewhere = world.sim.executor();
            let (sleep, say) = (world.sleep(5 * SECOND), world.say("timer"));
            spawn(&elsewhere.spawner(), async move {
                sleep.await;
                say.await;
            });
            assert_eq!(world.said_after(20 * SECOND), [heard]);
        });
    }
}

#[test]
fn a_process_woken_in_turn_takes_the_driver_away_too() {
    always(Threads::like_tokio(2), |world| {
        world.says_after("timer", 5);
        let (sender, receiver) = async_channel::bounded(1);
        world.run(async move {
            receiver.recv().await.unwrap();
            block_for(10 * SECOND).await;
        });
        let sleep = world.sleep(SECOND);
        world.run(async move {
            sleep.await;
            sender.try_send(()).unwrap();
            // A process yields at its end, and so wakes another thread.
            std::future::pending::<()>().await;
        });
        assert_eq!(world.said_after(20 * SECOND), ["timer 11s"]);
    });
}

#[test]
fn no_timer_is_heard_while_no_thread_is_free() {
    for threads in [Threads::new(1).with_one_driver(), Threads::like_tokio(1)] {
        always(threads, |world| {
            world.blocks_when_a_timer_wakes_it();
            let (sleep, say) = (world.sleep_insistently(5 * SECOND), world.say("insistent"));
            world.run(async move {
                sleep.await;
                say.await;
            });
            world.spawner.nudge();
            assert_eq!(world.said_after(20 * SECOND), ["insistent 11s"]);
        });
    }
}

#[test]
fn an_insistent_timer_is_heard_with_all_that_are_due() {
    for threads in one_driver() {
        always(threads, |world| {
            world.blocks_when_a_timer_wakes_it();
            world.says_after("due", 3);
            world.says_after("later", 7);
            let (sleep, say) = (world.sleep_insistently(5 * SECOND), world.say("insistent"));
            world.run(async move {
                sleep.await;
                say.await;
            });
            assert_eq!(world.said_after(20 * SECOND), ["due 5.001s", "insistent 5.001s", "later 7s"]);
        });
    }
}

#[test]
fn a_timer_may_begin_to_insist_while_it_is_waited_for() {
    let world = World::new(1, Threads::like_tokio(2));
    world.blocks_when_a_timer_wakes_it();
    let timer = Arc::new(Mutex::new(world.spawner.timer()));
    timer.lock().unwrap().as_mut().reset(Some(world.spawner.now() + 5 * SECOND));
    let (polled, say) = (timer.clone(), world.say("insistent"));
    world.run(async move {
        std::future::poll_fn(|cx| polled.lock().unwrap().as_mut().poll_elapsed(cx)).await;
        say.await;
    });
    timer.lock().unwrap().as_mut().insist();
    assert_eq!(world.said_after(20 * SECOND), ["insistent 5.001s"]);
}

#[test]
fn an_insistent_timer_of_an_executor_that_hears_is_on_time() {
    always(Threads::like_tokio(2), |world| {
        let (sleep, say) = (world.sleep_insistently(5 * SECOND), world.say("insistent"));
        world.run(async move {
            sleep.await;
            say.await;
        });
        assert_eq!(world.said_after(20 * SECOND), ["insistent 5s"]);
    });
}

#[test]
fn the_sleep_of_a_test_needs_no_executor_that_hears() {
    let world = World::new(1, Threads::like_tokio(1));
    world.run(block_for_good());
    world.sim.run_until(world.sim.sleep(SECOND));
    assert_eq!(world.sim.elapsed(), SECOND);
}
