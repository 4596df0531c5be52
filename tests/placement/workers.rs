//! Workers on executors of their own.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use executor_smol::Smol;
use executor_tokio::{RuntimeConfiguration, Tokio};
use supervision::{
    ChildSpec, InitializationError, Placement, ProcessShutdown, RestartType, ShutdownStrategy, Spawner, Supervisable,
    SupervisorFuture, one_shot, process, worker,
};
use tokio::runtime::Builder;

use crate::{Threads, counting::Counting, on_both, supervisor};

#[test]
fn a_child_on_its_own_executor_sleeps_on_that_clock() {
    on_both(async |spawner| {
        let elsewhere = Counting::new(Smol::global());
        let counted = elsewhere.clone();
        let (tell, told) = async_channel::bounded(1);
        let mut root = supervisor("root");
        let child = worker("a", move |shutdown| {
            let (tell, counted) = (tell.clone(), counted.clone());
            async move {
                let timers_before = counted.timers();
                process::sleep(Duration::from_millis(1)).await;
                let current = process::current().expect("a process");
                tell.send((current.path(), counted.timers() - timers_before)).await.unwrap();
                shutdown.await;
            }
        });
        root.add_worker(child.with_placement(elsewhere));
        let tree = root.start_on(spawner).await.unwrap();
        assert_eq!(told.recv().await.unwrap(), ("root.a".to_owned(), 1));
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn a_child_elsewhere_may_terminate_itself_and_add_siblings() {
    on_both(async |spawner| {
        let mut root = supervisor("root");
        let (tell, told) = async_channel::bounded(1);
        let child = worker("a", move |_| {
            let tell = tell.clone();
            async move {
                let supervisor = process::current().expect("a process").supervisor();
                supervision::spawn(one_shot("b", async move { tell.send(()).await.unwrap() })).unwrap();
                let own = supervisor.find("a").await.unwrap()[0].id;
                supervisor.terminate_child(own).await.unwrap();
                pending::<()>().await;
            }
        });
        let child = child.with_shutdown_strategy(ShutdownStrategy::Brutal);
        let a = root.add_worker(child.with_placement(Smol::global()));
        let tree = root.start_on(spawner).await.unwrap();
        told.recv().await.unwrap();
        let mut events = tree.events();
        while tree.handle().children().await.unwrap().iter().any(|child| child.id == a && child.process.is_some()) {
            events.next().await.unwrap();
        }
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn a_spawner_is_a_placement_as_it_is_shared_or_not() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("elsewhere").build().unwrap();
    runtime.block_on(async {
        let shared: Arc<dyn Spawner> = Arc::new(Tokio::current().unwrap());
        let placements: [Placement; 5] = [
            Tokio::current().unwrap().into(),
            Arc::new(Tokio::current().unwrap()).into(),
            shared.clone().into(),
            Placement::On(shared),
            RuntimeConfiguration::single_threaded().into(),
        ];
        let (threads, mut root) = (Threads::default(), supervisor("root"));
        for placement in placements {
            root.add_worker(threads.worker("own").with_placement(placement));
        }
        let tree = root.start_on(Smol::global()).await.unwrap();
        while threads.0.lock().unwrap().len() < 5 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        tree.shutdown().await.unwrap();
        let mut ran_on = threads.take();
        ran_on.sort();
        assert_eq!(ran_on, ["elsewhere", "elsewhere", "elsewhere", "elsewhere", "root.own"]);
    });
}

#[test]
fn a_child_gets_a_fresh_runtime_for_each_of_its_processes() {
    on_both(async |spawner| {
        let threads = Threads::default();
        let mut root = supervisor("root");
        let child = threads.worker("hasher").with_placement(RuntimeConfiguration::single_threaded());
        let id = root.add_worker(child);
        let tree = root.start_on(spawner).await.unwrap();
        for round in 1..=3 {
            while threads.0.lock().unwrap().len() < round {
                smol::Timer::after(Duration::from_millis(1)).await;
            }
            if round < 3 {
                tree.handle().kill_child(id).await.unwrap();
            }
        }
        tree.shutdown().await.unwrap();
        assert_eq!(threads.take(), ["root.hasher"; 3]);
    });
}

/// A value that records where it is dropped.
struct SaysWhere(Threads);

impl Drop for SaysWhere {
    fn drop(&mut self) {
        self.0.here();
    }
}

#[test]
fn p3_what_a_child_owns_is_dropped_where_it_is_placed() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("elsewhere").build().unwrap();
    let elsewhere = Tokio::try_from(runtime.handle().clone()).unwrap();
    let threads = Threads::default();
    let owned = SaysWhere(threads.clone());
    let child = worker("a", move |_| {
        let _ = &owned;
        async {}
    });
    let child = child.with_placement(elsewhere).with_restart_type(RestartType::Transient);
    let mut root = supervisor("root");
    root.add_worker(child);
    smol::block_on(async {
        let tree = root.start_on(Smol::global()).await.unwrap();
        while tree.handle().count().await.unwrap().active > 0 {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        tree.shutdown().await.unwrap();
        while threads.0.lock().unwrap().is_empty() {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
    });
    assert_eq!(threads.take(), ["elsewhere"]);
}

/// A worker that is slow to be set up.
struct Slow(Arc<AtomicUsize>);

impl Supervisable for Slow {
    fn name(&self) -> &str {
        "slow"
    }

    async fn initialize(&self, shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
        for _ in 0..100 {
            futures_lite::future::yield_now().await;
        }
        self.0.fetch_add(1, SeqCst);
        Ok(Box::pin(async move {
            shutdown.await;
            Ok(())
        }))
    }
}

#[test]
fn a_set_up_on_a_fresh_executor_makes_its_child_ready() {
    on_both(async |spawner| {
        let (set_up, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(usize::MAX)));
        let (looked_at, tell) = (set_up.clone(), seen.clone());
        let mut root = supervisor("root");
        root.add_worker(ChildSpec::from(Slow(set_up)).with_placement(RuntimeConfiguration::single_threaded()));
        root.add_worker(worker("behind", move |shutdown| {
            tell.store(looked_at.load(SeqCst), SeqCst);
            shutdown
        }));
        let tree = root.start_on(spawner).await.unwrap();
        while seen.load(SeqCst) == usize::MAX {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        assert_eq!(seen.load(SeqCst), 1, "what stands behind it waits for it");
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn a_child_whose_executor_cannot_be_made_has_failed_to_start() {
    on_both(async |spawner| {
        let failing = Placement::fresh(|name| Err::<Smol, _>(format!("no threads left for {name}")));
        let panicking = Placement::fresh(|_| -> Result<Smol, String> { panic!("in the factory") });
        let outcomes = [
            (failing, "`root.a` failed to start: no threads left for root.a"),
            (panicking, "`root.a` failed to start: panicked: in the factory"),
        ];
        for (placement, expected) in outcomes {
            let mut root = supervisor("root");
            root.add_worker(worker("a", |shutdown| shutdown).with_placement(placement));
            root.add_worker(worker("b", |_| async { panic!("nothing is started behind a failed start") }));
            let error = root.start_on(spawner.clone()).await.unwrap_err();
            assert_eq!(format!("{error:#}"), expected);
        }
    });
}

#[test]
fn a_child_whose_executor_goes_away_restarts_on_a_fresh_one() {
    on_both(async |spawner| {
        let executors: Arc<Mutex<Vec<Arc<async_executor::Executor<'static>>>>> = Arc::default();
        let made = executors.clone();
        let placement = Placement::fresh(move |_| -> Result<Smol, String> {
            let executor = Arc::new(async_executor::Executor::new());
            let spawner = Smol::on(&executor);
            made.lock().unwrap().push(executor);
            Ok(spawner)
        });
        let mut root = supervisor("root");
        root.add_worker(worker("a", |shutdown| shutdown).with_placement(placement));
        let tree = root.start_on(spawner).await.unwrap();
        let mut events = tree.events();
        for _ in 0..3 {
            // The executor is not driven, so the process is dropped before its first poll.
            drop(executors.lock().unwrap().pop());
            let mut told = Vec::new();
            while told.last().is_none_or(|last| last != "root.a is ready") {
                told.push(events.next().await.unwrap().to_string());
            }
            assert_eq!(told[0], "root.a was dropped by its executor");
        }
        drop(executors.lock().unwrap().pop());
        drop(tree);
    });
}
