//! Trees that span executors: subtrees on another one, and on runtimes of their own.

use std::{
    collections::BTreeSet,
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use executor_smol::Smol;
use executor_tokio::{RuntimeConfiguration, Tokio};
use supervisor_core::{
    EventKind, Placement, ProcessShutdown, RestartStrategy, ShutdownStrategy, Spawner, Supervisor, SupervisorError,
    ambient, one_shot, worker,
};
use tokio::runtime::Builder;

fn supervisor(name: &'static str) -> Supervisor {
    let generous = RestartStrategy::one_for_one().with_intensity_and_period(100, Duration::from_secs(5));
    Supervisor::new(name).expect("a valid name").with_restart_strategy(generous)
}

/// The names of the threads on which somebody ran.
#[derive(Clone, Default)]
struct Threads(Arc<Mutex<Vec<String>>>);

impl Threads {
    fn here(&self) {
        self.0.lock().unwrap().push(thread::current().name().unwrap_or("?").to_owned());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }

    fn worker(&self, name: &'static str) -> supervisor_core::ChildSpec {
        let threads = self.clone();
        worker(name, move |shutdown: ProcessShutdown| {
            threads.here();
            shutdown
        })
    }
}

/// Runs a test with its root on Tokio, and again with its root on smol.
fn on_both(test: impl AsyncFn(Arc<dyn Spawner>)) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let spawner = Tokio::try_from(runtime.handle().clone()).unwrap();
    runtime.block_on(test(Arc::new(spawner)));
    smol::block_on(test(Arc::new(Smol::global())));
}

#[test]
fn a_subtree_runs_where_it_is_placed_and_all_below_it_inherit_that() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("elsewhere").build().unwrap();
    let elsewhere = Tokio::try_from(runtime.handle().clone()).unwrap();
    let threads = Threads::default();
    let mut innermost = supervisor("innermost");
    innermost.add_worker(threads.worker("a"));
    let mut inner = supervisor("inner").with_placement(Placement::on(elsewhere));
    inner.add_worker(threads.worker("b"));
    inner.add_worker(innermost);
    let mut root = supervisor("root");
    root.add_worker(inner);
    root.add_worker(threads.worker("c"));
    smol::block_on(async {
        let tree = root.start_on(Smol::global()).await.unwrap();
        while threads.0.lock().unwrap().len() < 3 {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        tree.shutdown().await.unwrap();
    });
    let mut ran_on = threads.take();
    ran_on.sort();
    assert_eq!(ran_on, ["elsewhere", "elsewhere", "smol-1"]);
}

#[test]
fn a_dedicated_runtime_has_threads_named_after_its_subtree_and_is_made_anew_for_each_start() {
    on_both(async |spawner| {
        for configuration in [RuntimeConfiguration::single_threaded(), RuntimeConfiguration::multi_threaded(2)] {
            let threads = Threads::default();
            let runtimes: Arc<Mutex<BTreeSet<String>>> = Arc::default();
            let seen = runtimes.clone();
            let mut crypto = supervisor("crypto").with_placement(configuration);
            crypto.add_worker(threads.worker("hasher"));
            crypto.add_worker(worker("witness", move |shutdown| {
                seen.lock().unwrap().insert(tokio::runtime::Handle::current().id().to_string());
                assert_eq!(ambient::current().expect("a process").name(), "root.crypto.witness");
                shutdown
            }));
            let handle = crypto.handle();
            let mut root = supervisor("root");
            let id = root.add_worker(crypto);
            let tree = root.start_on(spawner.clone()).await.unwrap();
            for round in 1..=3 {
                while runtimes.lock().unwrap().len() < round || handle.count().await.is_err() {
                    smol::Timer::after(Duration::from_millis(1)).await;
                }
                if round < 3 {
                    tree.handle().kill_child(id).await.unwrap();
                }
            }
            tree.shutdown().await.unwrap();
            assert_eq!(threads.take(), ["root.crypto"; 3]);
        }
    });
}

#[test]
fn failure_climbs_and_shutdown_counts_across_executors() {
    on_both(async |spawner| {
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = starts.clone();
        // Gives up at the first failure, on a runtime of its own, below a subtree on smol.
        let mut deepest = Supervisor::new("deepest")
            .unwrap()
            .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(0, Duration::from_secs(5)))
            .with_placement(RuntimeConfiguration::single_threaded());
        deepest.add_worker(worker("brittle", move |shutdown| {
            let nth = counted.fetch_add(1, SeqCst);
            async move {
                if nth < 3 {
                    return Err("boom");
                }
                shutdown.await;
                Ok(())
            }
        }));
        let brief = ShutdownStrategy::Graceful(Duration::from_millis(10));
        deepest.add_worker(worker("deaf", |_| pending::<()>()).with_shutdown_strategy(brief));
        let mut middle = supervisor("middle").with_placement(Placement::on(Smol::global()));
        middle.add_worker(deepest);
        let mut root = supervisor("root");
        root.add_worker(middle);
        let mut events = root.handle().events();
        let tree = root.start_on(spawner).await.unwrap();
        while starts.load(SeqCst) < 4 {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        // It has climbed one supervisor, and no further.
        let Err(SupervisorError::UncleanShutdown(unclean)) = tree.shutdown().await else { panic!("one is deaf") };
        let named: Vec<_> = unclean.iter().map(ToString::to_string).collect();
        assert_eq!(named, ["`root.middle.deepest.deaf` was aborted, its time to stop was up"]);
        let mut gave_up = 0;
        while let Some(event) = events.next().await {
            gave_up += usize::from(matches!(event.kind, EventKind::GaveUp(_)));
        }
        assert_eq!(gave_up, 3);
    });
}

#[test]
fn an_executor_that_cannot_be_made_is_a_failed_start() {
    on_both(async |spawner| {
        let mut inner = supervisor("inner");
        inner = inner.with_placement(Placement::fresh(|name| Err::<Smol, _>(format!("no threads left for {name}"))));
        let mut root = supervisor("root");
        root.add_worker(inner);
        let error = root.start_on(spawner.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), "`root.inner` failed to start: no threads left for root.inner");

        let panicking = Placement::fresh(|_| -> Result<Smol, String> { panic!("in the factory") });
        let error = supervisor("root").with_placement(panicking).start_on(spawner).await.unwrap_err();
        assert_eq!(error.to_string(), "`root` failed to start: panicked: in the factory");
    });
}

#[test]
fn v_a_runtime_that_dies_under_its_processes_is_reported_as_that_and_a_restart_gets_a_fresh_one() {
    on_both(async |spawner| {
        let executors: Arc<Mutex<Vec<Arc<async_executor::Executor<'static>>>>> = Arc::default();
        let made = executors.clone();
        let placement = Placement::fresh(move |_| -> Result<Smol, String> {
            let executor = Arc::new(async_executor::Executor::new());
            let weak = Arc::downgrade(&executor);
            let spawner = Smol::on(&executor);
            made.lock().unwrap().push(executor);
            thread::spawn(move || {
                while let Some(executor) = weak.upgrade() {
                    executor.try_tick();
                    drop(executor);
                    thread::yield_now();
                }
            });
            Ok(spawner)
        });
        let mut inner = Supervisor::new("inner").unwrap().with_placement(placement);
        inner.add_worker(worker("a", |shutdown| shutdown));
        let handle = inner.handle();
        let mut root = supervisor("root");
        root.add_worker(inner);
        let tree = root.start_on(spawner).await.unwrap();
        let mut events = tree.events();
        drop(executors.lock().unwrap().pop());
        let mut told = Vec::new();
        while let Some(event) = events.next().await {
            told.push(event.to_string());
            if event.path == "root.inner" && matches!(event.kind, EventKind::Ready) {
                break;
            }
        }
        assert!(told.contains(&"root.inner.a was dropped by its executor".to_owned()), "{told:#?}");
        assert_eq!(handle.count().await.unwrap().active, 1);
        assert_eq!(executors.lock().unwrap().len(), 1);
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn a_dedicated_runtime_ends_when_its_last_process_has_ended() {
    smol::block_on(async {
        let mut inner = Supervisor::dynamic("inner").unwrap().with_placement(RuntimeConfiguration::multi_threaded(1));
        inner = inner.with_max_children(10);
        let handle = inner.handle();
        let mut root = supervisor("root");
        root.add_worker(inner);
        let tree = root.start_on(Smol::global()).await.unwrap();
        let (sender, receiver) = async_channel::bounded::<()>(1);
        handle
            .start_child(one_shot("spawns", async move {
                // A task of the runtime that nobody supervises: it is dropped with the runtime.
                tokio::spawn(async move {
                    let _held = sender;
                    pending::<()>().await;
                });
            }))
            .await
            .unwrap();
        tree.shutdown().await.unwrap();
        assert!(receiver.recv().await.is_err(), "the runtime has dropped what was left on it");
    });
}
