//! The life of a lease in a tree, in virtual time, against a store in memory.

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use executor_sim::{Sim, Threads, block_for, sweep};
use lease::{
    Acquisition, Bid, Held, Holder, LastResort, LeaseError, LeaseEvent, LeaseEvents, LeaseState, LeaseStatus, Leased,
    LossReason, Memory, Renewal, Store, Token,
};
use supervisor_core::{
    AutoShutdown, BoxError, ChildSpec, ProcessShutdown, RestartType, SupervisionTree, Supervisor, SupervisorError,
    process, worker,
};

const SECOND: Duration = Duration::from_secs(1);

type Diary = Arc<Mutex<Vec<String>>>;

/// A store that can be out of reach.
#[derive(Clone)]
struct Flaky {
    store: Memory,
    is_down: Arc<Mutex<bool>>,
}

impl Flaky {
    fn new(sim: &Sim) -> Self {
        Self { store: Memory::with_clock(Arc::new(SimClock(sim.clock()))), is_down: Arc::default() }
    }

    fn set_down(&self, is_down: bool) {
        *self.is_down.lock().unwrap() = is_down;
    }

    async fn reach(&self) {
        if *self.is_down.lock().unwrap() {
            pending().await
        }
    }
}

impl Store for Flaky {
    async fn acquire(&self, bid: &Bid<'_>) -> Result<Acquisition, BoxError> {
        self.reach().await;
        self.store.acquire(bid).await
    }

    async fn renew(&self, bid: &Bid<'_>, token: Token) -> Result<Renewal, BoxError> {
        self.reach().await;
        self.store.renew(bid, token).await
    }

    async fn release(&self, holder: &Holder) -> Result<(), BoxError> {
        self.reach().await;
        self.store.release(holder).await
    }

    async fn freed(&self) {
        self.store.freed().await;
    }
}

struct SimClock<F>(F);

impl<F: Fn() -> Duration + Send + Sync + 'static> lease::Clock for SimClock<F> {
    fn now(&self) -> Duration {
        (self.0)()
    }
}

impl<F> std::fmt::Debug for SimClock<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SimClock")
    }
}

fn work(name: &'static str, diary: &Diary) -> impl Fn(Held) -> Supervisor + Send + Sync + use<> {
    let diary = diary.clone();
    move |held| {
        let diary = diary.clone();
        let mut work = Supervisor::new("work").unwrap();
        work.add_worker(worker("worker", move |shutdown: ProcessShutdown| {
            let (diary, held) = (diary.clone(), held.clone());
            async move {
                diary.lock().unwrap().push(format!("{name} begins with {}", held.token()));
                shutdown.await;
                process::sleep(SECOND).await;
                assert!(held.is_valid(), "it drains within its lease");
                diary.lock().unwrap().push(format!("{name} ends"));
            }
        }));
        work
    }
}

/// Starts a tree of this lease alone.
fn start(sim: &Sim, leased: Supervisor) -> SupervisionTree {
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(leased);
    sim.start(root).unwrap()
}

fn seen(events: &mut LeaseEvents) -> Vec<LeaseEvent> {
    std::iter::from_fn(|| events.try_next()).collect()
}

fn state(status: &LeaseStatus) -> LeaseState {
    status.snapshot().state
}

fn take(diary: &Diary) -> Vec<String> {
    std::mem::take(&mut *diary.lock().unwrap())
}

#[test]
fn a_shutdown_hands_the_lease_to_the_next_at_once() {
    sweep(0..50, |sim| {
        let (store, diary) = (Flaky::new(sim), Diary::default());
        let first = Leased::new("only", store.clone());
        let second = Leased::new("only", store);
        let (first_status, second_status) = (first.status(), second.status());
        let tree = start(sim, first.run(work("first", &diary)).unwrap());
        sim.advance(SECOND);
        let _other = start(sim, second.run(work("second", &diary)).unwrap());
        sim.advance(30 * SECOND);
        assert_eq!(take(&diary), ["first begins with 1"]);
        assert_eq!((state(&first_status), state(&second_status)), (LeaseState::Holding, LeaseState::Waiting));
        let holder = second_status.snapshot().holder.unwrap();
        assert!(holder.contains(&std::process::id().to_string()), "{holder}");
        let asked = sim.elapsed();
        sim.run_until(tree.shutdown()).unwrap();
        sim.advance(SECOND / 4);
        assert_eq!(take(&diary), ["first ends", "second begins with 2"]);
        assert!(sim.elapsed() - asked < SECOND * 3 / 2);
        assert_eq!(state(&first_status), LeaseState::Idle);
    });
}

#[test]
fn an_outage_stops_the_work_in_time_and_no_sooner() {
    sweep(0..50, |sim| {
        let (store, diary) = (Flaky::new(sim), Diary::default());
        let leased = Leased::new("only", store.clone());
        let (status, mut events) = (leased.status(), leased.status().events());
        let _tree = start(sim, leased.run(work("first", &diary)).unwrap());
        sim.advance(SECOND / 2);
        store.set_down(true);
        sim.advance(7 * SECOND);
        assert_eq!(take(&diary), ["first begins with 1"]);
        sim.advance(3 * SECOND);
        assert_eq!(take(&diary), ["first ends"]);
        let told = seen(&mut events);
        assert!(told.contains(&LeaseEvent::Lost { why: LossReason::NoRenewal }), "{told:?}");
        assert!(!told.contains(&LeaseEvent::Overrun), "{told:?}");
        store.set_down(false);
        sim.advance(20 * SECOND);
        assert_eq!(take(&diary), ["first begins with 2"]);
        assert_eq!(state(&status), LeaseState::Holding);
    });
}

#[test]
fn a_short_outage_changes_nothing() {
    sweep(0..50, |sim| {
        let (store, diary) = (Flaky::new(sim), Diary::default());
        let _tree = start(sim, Leased::new("only", store.clone()).run(work("first", &diary)).unwrap());
        sim.advance(SECOND);
        for _ in 0..5 {
            store.set_down(true);
            sim.advance(4 * SECOND);
            store.set_down(false);
            sim.advance(4 * SECOND);
        }
        assert_eq!(take(&diary), ["first begins with 1"]);
    });
}

#[test]
fn a_lease_that_was_deleted_aborts_the_work_at_the_next_renewal() {
    sweep(0..50, |sim| {
        let (store, diary) = (Flaky::new(sim), Diary::default());
        let leased = Leased::new("only", store.clone());
        let mut events = leased.status().events();
        let _tree = start(sim, leased.run(work("first", &diary)).unwrap());
        sim.advance(SECOND);
        store.store.delete();
        sim.advance(2 * SECOND);
        let told = seen(&mut events);
        assert!(told.contains(&LeaseEvent::Lost { why: LossReason::NotYours }), "{told:?}");
        assert_eq!(take(&diary), ["first begins with 1", "first begins with 2"], "aborted, and begun again");
    });
}

#[test]
fn the_subtree_hears_that_its_lease_is_lost() {
    sweep(0..20, |sim| {
        let store = Flaky::new(sim);
        let heard = Diary::default();
        let noted = heard.clone();
        let leased = Leased::new("only", store.clone()).run(move |held| {
            let noted = noted.clone();
            let mut work = Supervisor::new("work").unwrap();
            work.add_worker(worker("listener", move |_: ProcessShutdown| {
                let (noted, held) = (noted.clone(), held.clone());
                async move {
                    held.lost().await;
                    noted.lock().unwrap().push(format!("valid: {}", held.is_valid()));
                    pending::<()>().await;
                }
            }));
            work
        });
        let _tree = start(sim, leased.unwrap());
        sim.advance(SECOND);
        store.set_down(true);
        sim.advance(10 * SECOND);
        assert_eq!(take(&heard), ["valid: true"], "there is time left to stop");
    });
}

#[test]
fn a_subtree_that_keeps_failing_climbs_with_its_cause() {
    sweep(0..20, |sim| {
        let leased = Leased::new("only", Flaky::new(sim)).run(|_| {
            let mut work = Supervisor::new("work").unwrap();
            work.add_worker(worker("worker", |_: ProcessShutdown| async { Err::<(), _>("no such bucket") }));
            work
        });
        let mut root = Supervisor::new("root").unwrap();
        root.add_worker(leased.unwrap());
        let record = sim.run_for(root, 600 * SECOND);
        let outcome = format!("{:#}", record.outcome.unwrap_err());
        assert!(outcome.contains("the subtree has failed 3 times in a row"), "{outcome}");
        assert!(outcome.contains("no such bucket"), "{outcome}");
    });
}

#[test]
fn a_subtree_that_panics_as_it_is_made_is_a_failure() {
    sweep(0..20, |sim| {
        let leased = Leased::new("only", Flaky::new(sim)).with_max_failures(1);
        let mut events = leased.status().events();
        let leased = leased.run(|_| panic!("no settings"));
        let mut root = Supervisor::new("root").unwrap();
        root.add_worker(leased.unwrap());
        let record = sim.run_for(root, 60 * SECOND);
        assert!(format!("{:#}", record.outcome.unwrap_err()).contains("no settings"));
        let told = seen(&mut events);
        assert!(told.contains(&LeaseEvent::Released), "{told:?}");
    });
}

#[test]
fn work_that_is_done_ends_the_lease_if_it_is_to() {
    sweep(0..20, |sim| {
        let store = Flaky::new(sim);
        let leased = Leased::new("only", store.clone()).ends_with_subtree().run(|_| {
            let mut work = Supervisor::new("work").unwrap().with_auto_shutdown(AutoShutdown::AnySignificant);
            let once = worker("once", |_: ProcessShutdown| async {});
            work.add_worker(once.with_restart_type(RestartType::Transient).with_significance());
            work
        });
        let mut root = Supervisor::new("root").unwrap();
        root.add_worker(ChildSpec::from(leased.unwrap()).with_restart_type(RestartType::Transient));
        let tree = sim.start(root).unwrap();
        sim.advance(5 * SECOND);
        assert_eq!(store.store.holder(), None);
        assert_eq!(sim.run_until(tree.handle().count()).unwrap().active, 0, "it has ended well, for good");
    });
}

#[test]
fn a_replica_that_waits_is_ready_unless_it_is_not_to_be() {
    sweep(0..20, |sim| {
        for when_held in [false, true] {
            let store = Flaky::new(sim);
            let _holder = start(sim, Leased::new("only", store.clone()).run(work("first", &Diary::default())).unwrap());
            sim.advance(SECOND);
            let leased = Leased::new("only", store.clone());
            let leased = if when_held { leased.with_ready_when_held() } else { leased };
            let mut root = Supervisor::new("root").unwrap();
            root.add_worker(leased.run(work("second", &Diary::default())).unwrap());
            let handle = root.handle();
            let spawner = sim.executor();
            let start = root.start_on(spawner.spawner());
            let started = sim.run_until(futures_lite::future::or(async { Some(start.await) }, async {
                sim.sleep(5 * SECOND).await;
                None
            }));
            assert_eq!(started.is_some(), !when_held);
            drop((started, handle));
        }
    });
}

#[test]
fn readiness_goes_with_the_lease_if_it_is_to() {
    sweep(0..20, |sim| {
        let store = Flaky::new(sim);
        let leased = Leased::new("only", store.clone()).with_ready_when_held();
        let tree = start(sim, leased.run(work("first", &Diary::default())).unwrap());
        let is_ready = || sim.run_until(tree.handle().is_ready());
        sim.advance(SECOND);
        assert!(is_ready());
        store.set_down(true);
        sim.advance(20 * SECOND);
        assert!(!is_ready());
        store.set_down(false);
        sim.advance(20 * SECOND);
        assert!(is_ready());
    });
}

#[test]
fn a_subtree_that_does_not_yield_keeps_the_lease() {
    sweep(0..20, |sim| {
        let sim = Sim::with_threads(sim.seed(), Threads::new(3));
        let store = Flaky::new(&sim);
        let leased = Leased::new("only", store.clone()).with_last_resort(LastResort::Report);
        let mut events = leased.status().events();
        let leased = leased.run(|_| {
            let mut work = Supervisor::new("work").unwrap();
            work.add_worker(worker("blocker", |_: ProcessShutdown| block_for(100 * SECOND)));
            work
        });
        let _tree = start(&sim, leased.unwrap());
        sim.advance(SECOND);
        store.set_down(true);
        sim.advance(20 * SECOND);
        store.set_down(false);
        let told = seen(&mut events);
        assert!(told.contains(&LeaseEvent::Stuck) && told.contains(&LeaseEvent::Overrun), "{told:?}");
        assert!(!told.contains(&LeaseEvent::Released), "{told:?}");
    });
}

#[test]
fn times_that_do_not_fit_are_refused_before_anything_starts() {
    let leased = Leased::new("only", Memory::new()).with_duration(5 * SECOND);
    let Err(LeaseError::TooShort { granted, .. }) = leased.run(|_| unreachable!()) else { panic!("it fits") };
    assert_eq!(granted, 5 * SECOND);
    let leased = Leased::new("...", Memory::new());
    let refused = leased.run(|_| unreachable!());
    assert!(matches!(refused, Err(LeaseError::Supervisor(SupervisorError::InvalidName { .. }))), "{refused:?}");
}

#[test]
fn a_subtree_that_a_shutdown_stops_has_not_ended_by_itself() {
    sweep(0..200, |sim| {
        let leased = Leased::new("only", Memory::with_clock(Arc::new(SimClock(sim.clock())))).with_max_failures(1);
        let mut events = leased.status().events();
        let leased = leased.run(|_| {
            let mut work = Supervisor::new("work").unwrap();
            // It stops at once, and not well.
            work.add_worker(worker("worker", |shutdown: ProcessShutdown| async move {
                shutdown.await;
                Err::<(), BoxError>("it is in a hurry".into())
            }));
            work
        });
        let tree = start(sim, leased.unwrap());
        sim.advance(SECOND);
        // It names the worker.
        let error = sim.run_until(tree.shutdown()).unwrap_err();
        assert!(error.to_string().starts_with("shutdown was not clean"), "{error}");
        let told = seen(&mut events);
        let acquired = told.iter().filter(|event| matches!(event, LeaseEvent::Acquired { .. })).count();
        assert!(acquired == 1 && !told.iter().any(|event| matches!(event, LeaseEvent::Ended { .. })), "{told:?}");
    });
}

#[test]
fn a_shutdown_while_the_subtree_starts_is_clean() {
    sweep(0..500, |sim| {
        let store = Memory::with_clock(Arc::new(SimClock(sim.clock())));
        let leased = Leased::new("only", store.clone()).run(work("first", &Diary::default())).unwrap();
        let tree = start(sim, leased);
        sim.run_until(tree.shutdown()).unwrap();
        assert_eq!(store.holder(), None);
    });
}

#[test]
fn what_outlives_the_subtree_has_no_valid_lease() {
    sweep(0..20, |sim| {
        let store = Flaky::new(sim);
        let kept: Arc<Mutex<Option<Held>>> = Arc::default();
        let keeps = kept.clone();
        let leased = Leased::new("only", store.clone()).run(move |held| {
            *keeps.lock().unwrap() = Some(held.clone());
            work("first", &Diary::default())(held)
        });
        let tree = start(sim, leased.unwrap());
        sim.advance(SECOND);
        let held = kept.lock().unwrap().clone().unwrap();
        assert!(held.is_valid());
        sim.run_until(tree.shutdown()).unwrap();
        assert!(!held.is_valid());
        assert_eq!(held.time_left(), Duration::ZERO);
    });
}

#[test]
fn a_lease_that_was_deleted_is_not_valid_during_the_abort() {
    sweep(0..20, |sim| {
        let sim = Sim::with_threads(sim.seed(), Threads::new(3));
        let store = Flaky::new(&sim);
        let kept: Arc<Mutex<Option<Held>>> = Arc::default();
        let keeps = kept.clone();
        let leased = Leased::new("only", store.clone()).with_last_resort(LastResort::Report).run(move |held| {
            *keeps.lock().unwrap() = Some(held);
            let mut work = Supervisor::new("work").unwrap();
            work.add_worker(worker("blocker", |_: ProcessShutdown| block_for(100 * SECOND)));
            work
        });
        let _tree = start(&sim, leased.unwrap());
        sim.advance(SECOND);
        store.store.delete();
        sim.advance(2 * SECOND);
        assert!(!kept.lock().unwrap().as_ref().unwrap().is_valid());
    });
}

#[test]
fn a_subtree_that_gives_up_beside_a_stuck_process_is_told() {
    sweep(0..20, |sim| {
        let sim = Sim::with_threads(sim.seed(), Threads::new(3));
        let leased = Leased::new("only", Flaky::new(&sim)).with_last_resort(LastResort::Report);
        let mut events = leased.status().events();
        let leased = leased.run(|_| {
            let mut work = Supervisor::new("work").unwrap();
            work.add_worker(worker("blocker", |_: ProcessShutdown| block_for(300 * SECOND)));
            work.add_worker(worker("ill", |_: ProcessShutdown| async {
                process::sleep(SECOND).await;
                Err::<(), _>("it is ill")
            }));
            work
        });
        let _tree = start(&sim, leased.unwrap());
        sim.advance(60 * SECOND);
        let told = seen(&mut events);
        assert!(told.contains(&LeaseEvent::Stuck), "{told:?}");
        assert!(!told.contains(&LeaseEvent::Released), "{told:?}");
    });
}
