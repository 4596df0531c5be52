//! Backoff, watchdog and snapshots in virtual time, against models of a few lines each.

use std::{collections::BTreeMap, future::pending, time::Duration};

use executor_sim::{Sim, sweep};
use fastrand::Rng;
use futures_lite::future::or;
use supervisor_core::{
    Backoff, ChildState, Event, EventKind, Events, Exit, RestartCause, RestartStrategy, RestartType, ShutdownStrategy,
    Supervisor, one_shot, process, worker,
};

const SECOND: Duration = Duration::from_secs(1);

fn patient(name: &'static str, strategy: RestartStrategy) -> Supervisor {
    Supervisor::new(name).unwrap().with_restart_strategy(strategy.with_intensity_and_period(100_000, SECOND))
}

fn up_to(rng: &mut Rng, limit: Duration) -> Duration {
    Duration::from_millis(rng.u64(..=limit.as_millis() as u64))
}

/// Makes a worker that fails after this time each time, and then never again.
fn failing(name: &'static str, uptimes: Vec<Duration>) -> supervisor_core::ChildSpec {
    let mut uptimes = uptimes.into_iter();
    worker(name, move |shutdown| {
        let uptime = uptimes.next();
        async move {
            match uptime {
                Some(uptime) => process::sleep(uptime).await,
                None => shutdown.await,
            }
            if uptime.is_some() { Err("boom") } else { Ok(()) }
        }
    })
}

/// Returns the events of one child: when, and what.
fn story<'a>(record: &'a executor_sim::Record, path: &'a str) -> impl Iterator<Item = (Duration, &'a EventKind)> {
    record.events.iter().filter(move |(_, event)| event.path == path).map(|(at, event)| (*at, &event.kind))
}

#[test]
fn b1_delays_grow_and_start_again_after_a_stable_time() {
    sweep(0..300, |sim| {
        let mut rng = Rng::with_seed(sim.seed());
        let (initial, max) = (up_to(&mut rng, SECOND) + SECOND / 10, up_to(&mut rng, 20 * SECOND) + 2 * SECOND);
        let (reset_after, has_jitter) = (up_to(&mut rng, 30 * SECOND) + SECOND, rng.bool());
        let backoff = Backoff::exponential(initial, max).with_reset_after(reset_after);
        let backoff = if has_jitter { backoff } else { backoff.without_jitter() };
        let uptimes: Vec<_> = (0..rng.usize(1..20)).map(|_| up_to(&mut rng, 2 * reset_after)).collect();
        let mut root = patient("root", RestartStrategy::one_for_one());
        root.add_worker(failing("a", uptimes.clone()).with_backoff(backoff));
        let record = sim.run_for(root, 24 * 3600 * SECOND);

        // The model: what each delay may be, and that the start comes after exactly that.
        let (mut failures, mut uptimes, mut due) = (0, uptimes.iter(), None);
        for (at, kind) in story(&record, "root.a") {
            match kind {
                EventKind::Restarting { delay, attempt, .. } => {
                    if *uptimes.next().expect("it fails as often as it is told to") >= reset_after {
                        failures = 0;
                    }
                    let bound = initial.saturating_mul(2_u32.saturating_pow(failures)).min(max);
                    failures += 1;
                    assert_eq!(*attempt, failures);
                    assert!(if has_jitter { *delay <= bound } else { *delay == bound }, "{delay:?} of {bound:?}");
                    due = Some(at + *delay);
                }
                EventKind::Started => assert!(due.take().is_none_or(|due| due == at), "started at {at:?}\n{record}"),
                _ => {}
            }
        }
        assert!(uptimes.next().is_none() && due.is_none());
    });
}

#[test]
fn b1_jitter_is_drawn_from_all_of_its_range() {
    let mut delays = Vec::new();
    for seed in 0..200 {
        let mut root = patient("root", RestartStrategy::one_for_one());
        root.add_worker(failing("a", vec![SECOND]).with_backoff(Backoff::exponential(100 * SECOND, 100 * SECOND)));
        let record = Sim::with_seed(seed).run_for(root, 3600 * SECOND);
        delays.extend(story(&record, "root.a").filter_map(|(_, kind)| match kind {
            EventKind::Restarting { delay, .. } => Some(delay.as_secs_f64()),
            _ => None,
        }));
    }
    let mean = delays.iter().sum::<f64>() / delays.len() as f64;
    assert_eq!(delays.len(), 200);
    assert!((40.0..60.0).contains(&mean), "{mean}");
    assert!(delays.iter().any(|delay| *delay < 10.0) && delays.iter().any(|delay| *delay > 90.0));
}

#[test]
fn b1_a_group_stops_at_once_and_starts_after_the_delay() {
    sweep(0..100, |sim| {
        let mut root = patient("root", RestartStrategy::one_for_all());
        let delay = up_to(&mut Rng::with_seed(sim.seed()), 60 * SECOND) + SECOND;
        root.add_worker(worker("before", |shutdown| shutdown));
        root.add_worker(failing("a", vec![SECOND]).with_backoff(Backoff::constant(delay)));
        root.add_worker(worker("behind", |shutdown| shutdown));
        let record = sim.run_for(root, 3600 * SECOND);
        for path in ["root.before", "root.a", "root.behind"] {
            let of = |wanted: fn(&EventKind) -> bool| {
                story(&record, path).filter(|(_, kind)| wanted(kind)).map(|(at, _)| at).collect::<Vec<_>>()
            };
            assert_eq!(of(|kind| matches!(kind, EventKind::Exited(_)))[0], SECOND, "{path}");
            assert_eq!(of(|kind| matches!(kind, EventKind::Started)), [Duration::ZERO, SECOND + delay], "{path}");
        }
    });
}

#[test]
fn b1_shutdown_and_terminate_do_not_wait_for_a_delay() {
    sweep(0..100, |sim| {
        let mut rng = Rng::with_seed(sim.seed());
        let mut root = patient("root", RestartStrategy::one_for_one()).with_max_children(1);
        let backoff = Backoff::constant(1000 * SECOND);
        let a = root.add_worker(failing("a", vec![SECOND]).with_backoff(backoff));
        let tree = sim.start(root).unwrap();
        sim.advance(SECOND + up_to(&mut rng, 900 * SECOND));
        let (begin, handle) = (sim.elapsed(), tree.handle());
        assert!(sim.run_until(handle.start_child(one_shot("b", async {}))).is_err());
        if rng.bool() {
            sim.run_until(handle.terminate_child(a)).unwrap();
        }
        sim.run_until(tree.shutdown()).unwrap();
        assert_eq!(sim.elapsed(), begin);
    });
}

#[test]
fn b2_a_miss_is_found_at_the_first_look_without_a_beat() {
    sweep(0..500, |sim| {
        let mut rng = Rng::with_seed(sim.seed());
        let within = up_to(&mut rng, 20 * SECOND) + SECOND;
        let mut pauses: Vec<_> = (0..rng.usize(..30)).map(|_| up_to(&mut rng, within.mul_f64(1.4))).collect();
        // Not at the very moment of a look: who comes first then is a matter of luck.
        pauses.iter_mut().for_each(|pause| *pause += Duration::from_micros(7));
        let beats = pauses.clone();
        let mut root = patient("root", RestartStrategy::one_for_one());
        let beating = worker("a", move |_| {
            let beats = beats.clone();
            async move {
                for pause in beats {
                    process::sleep(pause).await;
                    process::heartbeat();
                }
                pending::<()>().await;
            }
        });
        let beating = beating.with_watchdog(within).with_restart_type(RestartType::Temporary);
        root.add_worker(beating.with_shutdown_strategy(ShutdownStrategy::Brutal));
        let record = sim.run_for(root, 3600 * SECOND);

        // The model: looks at every multiple of `within`, each of which wants a sign since the one before.
        let signs = pauses.iter().scan(Duration::ZERO, |at, pause| {
            *at += *pause;
            Some(*at)
        });
        let signs: Vec<_> = signs.collect();
        let is_missed = |look: &u32| !signs.iter().any(|sign| within * (look - 1) < *sign && *sign <= within * *look);
        let expected = within * (1..).find(is_missed).expect("the signs end");
        let exits: Vec<_> = story(&record, "root.a")
            .filter(|(_, kind)| matches!(kind, EventKind::Exited(Exit::Unresponsive { .. })))
            .map(|(at, _)| at)
            .collect();
        assert_eq!(exits, [expected], "within {within:?}, signs at {signs:?}");
    });
}

/// The facts about each child, as the events of a tree tell them.
#[derive(Debug, Default, PartialEq)]
struct Known {
    state: Option<ChildState>,
    restarts: u32,
    last_exit: Option<RestartCause>,
    since: Duration,
}

/// A reader that follows the events of a tree.
#[derive(Default)]
struct Follower(BTreeMap<String, Known>);

impl Follower {
    fn see(&mut self, at: Duration, event: &Event) {
        let above = |path: &str| format!("{path}.");
        if matches!(event.kind, EventKind::Started) {
            // What was below it begins anew.
            self.0.retain(|path, _| !path.starts_with(&above(&event.path)));
        }
        let known = self.0.entry(event.path.clone()).or_default();
        let state = match &event.kind {
            EventKind::Started => {
                known.restarts += u32::from(known.state.is_some());
                ChildState::Starting
            }
            EventKind::Ready => ChildState::Running,
            EventKind::Restarting { .. } => ChildState::Restarting,
            EventKind::Stopping => ChildState::Stopping,
            EventKind::Exited(exit) => {
                known.last_exit = Some(RestartCause::Exit(exit.clone()));
                ChildState::Stopped
            }
            _ => return,
        };
        (known.state, known.since) = (Some(state), at);
    }
}

#[test]
fn b4_a_snapshot_says_what_the_events_have_said() {
    sweep(0..200, |sim| {
        let mut rng = Rng::with_seed(sim.seed());
        let mut root = patient("root", RestartStrategy::one_for_one());
        let mut inner = patient("inner", RestartStrategy::rest_for_one());
        let mut uptimes = || (0..5).map(|_| up_to(&mut rng, 100 * SECOND) + SECOND / 1000).collect();
        inner.add_worker(failing("a", uptimes()));
        inner.add_worker(failing("b", uptimes()).with_backoff(Backoff::constant(20 * SECOND)));
        root.add_worker(inner);
        root.add_worker(failing("c", uptimes()).with_restart_type(RestartType::Transient));
        root.add_worker(worker("d", |_| process::sleep(200 * SECOND)).with_restart_type(RestartType::Transient));

        let handle = root.handle();
        let (mut follower, mut events) = (Follower::default(), handle.events());
        let tree = sim.start(root).unwrap();
        let follow_for = |time: Duration, follower: &mut Follower, events: &mut Events| {
            let follow = async {
                while let Some(event) = events.next().await {
                    follower.see(sim.elapsed(), &event);
                }
            };
            sim.run_until(or(follow, sim.sleep(time)));
        };
        let compare = |follower: &Follower| {
            let (snapshot, now) = (sim.run_until(handle.snapshot()), sim.elapsed());
            for node in snapshot.iter().skip(1) {
                let known = follower.0.get(&node.path).unwrap_or_else(|| panic!("{} was never told of", node.path));
                let last_exit = node.last_exit.as_ref().map(|last| last.cause.clone());
                assert_eq!(
                    (Some(node.state), node.restarts, last_exit),
                    (known.state, known.restarts, known.last_exit.clone()),
                    "{}\n{snapshot}",
                    node.path
                );
                if node.state == ChildState::Running {
                    assert_eq!(node.since, Some(now - known.since), "{}", node.path);
                }
                assert_eq!(
                    node.ready,
                    node.iter().all(|node| is_out_of_the_way(node.state)) && node.state == ChildState::Running
                );
            }
        };
        for _ in 0..40 {
            follow_for(10 * SECOND, &mut follower, &mut events);
            // What happens at this very moment is over a moment later.
            sim.advance(Duration::ZERO);
            follow_for(Duration::ZERO, &mut follower, &mut events);
            compare(&follower);
        }
        let _unclean = sim.run_until(tree.shutdown());
        follow_for(SECOND, &mut follower, &mut events);
        compare(&follower);
    });
}

fn is_out_of_the_way(state: ChildState) -> bool {
    matches!(state, ChildState::Running | ChildState::Stopped)
}
