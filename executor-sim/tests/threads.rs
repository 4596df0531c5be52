//! What an executor with a limited number of threads does with polls that block them.

use std::{
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use executor_sim::{Sim, SimSpawner, Threads, block_for, block_for_good};
use futures_lite::future::yield_now;
use supervisor_core::{
    Exit, Spawner,
    contract::{Outcome, Specimen},
};

const SECOND: Duration = Duration::from_secs(1);
const SEEDS: u64 = 30;

/// A simulation with one executor, and what its processes said, in seconds.
struct World {
    sim: Sim,
    spawner: SimSpawner,
    said: Said,
}

#[derive(Clone, Default)]
struct Said(Arc<Mutex<Vec<String>>>);

impl World {
    fn new(seed: u64, threads: Threads) -> Self {
        let sim = Sim::with_threads(seed, threads);
        Self { spawner: sim.spawner(), sim, said: Said::default() }
    }

    fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) -> Outcome {
        spawn(&self.spawner, future)
    }

    /// Spawns a process, and lets it run until it waits.
    fn run(&self, future: impl Future<Output = ()> + Send + 'static) -> Outcome {
        let outcome = self.spawn(future);
        self.sim.advance(Duration::ZERO);
        outcome
    }

    /// A future that says this name and the time.
    fn say(&self, name: &'static str) -> impl Future<Output = ()> + Send + use<> {
        let (said, spawner, begin) = (self.said.clone(), self.spawner.clone(), self.begin());
        async move {
            said.0.lock().unwrap().push(format!("{name} {:?}", spawner.now() - begin));
        }
    }

    fn sleep(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        sleep(&self.spawner, time, false)
    }

    /// As a supervisor does it.
    fn sleep_insistently(&self, time: Duration) -> impl Future<Output = ()> + Send + use<> {
        sleep(&self.spawner, time, true)
    }

    /// A process that says its name once it was woken by hand.
    fn waiter(&self, name: &'static str) -> async_channel::Sender<()> {
        let (sender, receiver) = async_channel::bounded(1);
        let say = self.say(name);
        self.run(async move {
            receiver.recv().await.unwrap();
            say.await;
        });
        sender
    }

    /// A process that a timer wakes after a second, and that blocks then for ten.
    fn blocks_when_a_timer_wakes_it(&self) -> Outcome {
        let sleep = self.sleep(SECOND);
        self.run(async move {
            sleep.await;
            block_for(10 * SECOND).await;
        })
    }

    /// A process that says its name after so many seconds.
    fn says_after(&self, name: &'static str, seconds: u32) -> Outcome {
        let (sleep, say) = (self.sleep(seconds * SECOND), self.say(name));
        self.run(async move {
            sleep.await;
            say.await;
        })
    }

    fn begin(&self) -> std::time::Instant {
        self.spawner.now() - self.sim.elapsed()
    }

    fn said(&self) -> Vec<String> {
        let mut said = self.said.0.lock().unwrap().clone();
        said.sort();
        said
    }

    /// What was said after so much more time.
    fn said_after(&self, time: Duration) -> Vec<String> {
        self.sim.advance(time);
        self.said()
    }
}

fn spawn(spawner: &SimSpawner, future: impl Future<Output = ()> + Send + 'static) -> Outcome {
    let (process, outcome) = Specimen::new(future).into_parts();
    spawner.spawn(process);
    outcome
}

fn sleep(spawner: &SimSpawner, time: Duration, insists: bool) -> impl Future<Output = ()> + Send + use<> {
    let spawner = spawner.clone();
    async move {
        let mut timer = spawner.timer();
        if insists {
            timer.as_mut().insist();
        }
        timer.as_mut().reset(Some(spawner.now() + time));
        std::future::poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
    }
}

/// Whatever the seed, this is so.
fn always(threads: Threads, test: impl Fn(&World)) {
    for seed in 0..SEEDS {
        test(&World::new(seed, threads));
    }
}

mod threads {
    use super::*;

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
    fn while_all_threads_are_blocked_the_executor_polls_nothing_and_others_go_on() {
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
    fn what_the_poll_did_before_has_happened_and_the_future_resolves_afterwards() {
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
    fn a_process_that_ends_in_the_poll_that_blocks_leaves_its_thread_occupied() {
        always(Threads::new(1), |world| {
            let outcome = world.run(futures_lite::future::or(block_for(SECOND), async {}));
            assert!(matches!(outcome.try_exit(), Some(Exit::Normal)));
            world.spawn(world.say("b"));
            assert_eq!(world.said_after(10 * SECOND), ["b 1s"]);
        });
    }

    #[test]
    fn nothing_reaches_a_process_that_blocks_and_an_abort_ends_it_afterwards() {
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
    fn a_process_that_was_woken_before_it_blocks_waits_for_the_end_of_the_block() {
        for threads in [Threads::new(2), Threads::like_tokio(2)] {
            always(threads, |world| {
                let say = world.say("after");
                world.spawn(async move {
                    // It wakes itself, and another time later on.
                    let woken = std::future::poll_fn(|cx| {
                        cx.waker().wake_by_ref();
                        std::task::Poll::Ready(())
                    });
                    woken.await;
                    block_for(SECOND).await;
                    say.await;
                });
                assert_eq!(world.said_after(10 * SECOND), ["after 1s"]);
            });
        }
    }

    #[test]
    fn a_thread_that_is_blocked_for_good_comes_back_never() {
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
    fn nothing_runs_on_an_executor_that_nobody_drives() {
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
    #[should_panic = "a simulated block outside of a simulated process"]
    fn a_block_in_the_future_of_a_test_is_refused() {
        Sim::with_seed(1).run_until(block_for(SECOND));
    }

    #[test]
    #[should_panic = "a simulated block outside of a simulated process"]
    fn a_block_on_another_executor_is_refused() {
        futures_lite::future::block_on(block_for_good());
    }

    #[test]
    #[should_panic = "the threads of a simulation are set before a process is spawned"]
    fn the_threads_of_a_simulation_are_not_changed_under_its_processes() {
        let sim = Sim::with_seed(1);
        spawn(&sim.spawner(), async {});
        sim.set_threads(Threads::new(1));
    }
}

mod slots {
    use super::*;

    /// Two waiters are woken, and then the thread blocks for ten seconds.
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
    fn what_a_poll_wakes_before_it_blocks_waits_in_the_slot_of_its_thread() {
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
    fn a_nudge_takes_it_out() {
        always(Threads::new(2).with_lifo_slots(), |world| {
            wakes_two_and_blocks(world, true);
            assert_eq!(world.said_after(20 * SECOND), ["first 0ns", "second 0ns"]);
        });
    }

    #[test]
    fn a_nudge_from_outside_does_not() {
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
    fn what_is_woken_from_outside_or_from_another_executor_does_not() {
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
}

mod driver {
    use super::*;

    fn one_driver() -> [Threads; 2] {
        [Threads::new(2).with_one_driver(), Threads::like_tokio(3)]
    }

    #[test]
    fn a_timer_is_not_heard_while_the_thread_that_drove_it_is_blocked() {
        for threads in one_driver() {
            always(threads, |world| {
                world.blocks_when_a_timer_wakes_it();
                world.says_after("timer", 5);
                assert_eq!(world.said_after(20 * SECOND), ["timer 11s"]);
            });
        }
    }

    #[test]
    fn where_somebody_else_keeps_the_timers_they_are_heard() {
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
    fn a_nudge_from_another_thread_of_the_operating_system_does_so_too() {
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
    fn a_nudge_in_the_poll_that_blocks_brings_it_back_only_with_what_was_in_the_slot() {
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
    fn what_a_timer_wakes_with_others_does_not_take_the_driver_away() {
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
    fn a_poll_that_blocks_after_a_wake_from_outside_leaves_the_driver_to_another() {
        for threads in one_driver() {
            always(threads, |world| {
                world.says_after("timer", 5);
                world.run(block_for(10 * SECOND));
                assert_eq!(world.said_after(20 * SECOND), ["timer 5s"]);
            });
        }
    }

    #[test]
    fn what_the_woken_process_wakes_in_its_turn_takes_the_driver_away_as_well() {
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
    fn a_timer_wakes_nobody_while_no_thread_is_free_and_not_an_insistent_one_either() {
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
    fn an_insistent_timer_is_heard_all_the_same_and_all_that_are_due_with_it() {
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
}
