//! Trees that span executors: subtrees on another one, and on runtimes of their own.

use std::{
    any::Any,
    collections::BTreeSet,
    future::pending,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    thread,
    time::{Duration, Instant},
};

use executor_smol::Smol;
use executor_tokio::{RuntimeConfiguration, Tokio};
use supervision::{
    ChildSpec, EventKind, InitializationError, Placement, Process, ProcessShutdown, RestartStrategy, RestartType,
    ShutdownStrategy, Spawner, Supervisable, Supervisor, SupervisorError, SupervisorFuture, Timer, one_shot, process,
    worker,
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

    fn worker(&self, name: &'static str) -> ChildSpec {
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
fn a_subtree_runs_where_it_is_placed() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("elsewhere").build().unwrap();
    let elsewhere = Tokio::try_from(runtime.handle().clone()).unwrap();
    let threads = Threads::default();
    let mut innermost = supervisor("innermost");
    innermost.add_worker(threads.worker("a"));
    let mut inner = supervisor("inner").with_child_placement(elsewhere);
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
fn a_dedicated_runtime_is_made_anew_for_each_start() {
    on_both(async |spawner| {
        for configuration in [RuntimeConfiguration::single_threaded(), RuntimeConfiguration::multi_threaded(2)] {
            let threads = Threads::default();
            let runtimes: Arc<Mutex<BTreeSet<String>>> = Arc::default();
            let seen = runtimes.clone();
            let mut crypto = supervisor("crypto").with_child_placement(configuration);
            crypto.add_worker(threads.worker("hasher"));
            crypto.add_worker(worker("witness", move |shutdown| {
                seen.lock().unwrap().insert(tokio::runtime::Handle::current().id().to_string());
                assert_eq!(process::current().expect("a process").path(), "root.crypto.witness");
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
fn failures_and_unclean_stops_climb_across_executors() {
    on_both(async |spawner| {
        let starts = Arc::new(AtomicUsize::new(0));
        let counted = starts.clone();
        // Gives up at the first failure, on a runtime of its own, below a subtree on smol.
        let mut deepest = Supervisor::new("deepest")
            .unwrap()
            .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(0, Duration::from_secs(5)))
            .with_child_placement(RuntimeConfiguration::single_threaded());
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
        let mut middle = supervisor("middle").with_child_placement(Smol::global());
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
        inner =
            inner.with_child_placement(Placement::fresh(|name| Err::<Smol, _>(format!("no threads left for {name}"))));
        let mut root = supervisor("root");
        root.add_worker(inner);
        let error = root.start_on(spawner.clone()).await.unwrap_err();
        assert_eq!(error.to_string(), "`root.inner` failed to start: no threads left for root.inner");

        let panicking = Placement::fresh(|_| -> Result<Smol, String> { panic!("in the factory") });
        let error = supervisor("root").with_child_placement(panicking).start_on(spawner).await.unwrap_err();
        assert_eq!(error.to_string(), "`root` failed to start: panicked: in the factory");
    });
}

#[test]
fn case_v_a_runtime_that_dies_is_reported_and_replaced() {
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
        let mut inner = Supervisor::new("inner").unwrap().with_child_placement(placement);
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
        let mut inner =
            Supervisor::dynamic("inner").unwrap().with_child_placement(RuntimeConfiguration::multi_threaded(1));
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

const REAL_BELOW_VIRTUAL: &str = "it is placed on an executor with a real clock, below one with a virtual clock (a simulation, or a \
    Tokio clock that is paused), which does not wait for it; give both the same clock";

/// On executors in virtual time: a Tokio runtime whose clock is paused, and a simulation.
fn in_virtual_time(test: impl AsyncFn(Arc<dyn Spawner>)) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let spawner = Tokio::try_from(runtime.handle().clone()).unwrap();
    runtime.block_on(test(Arc::new(spawner)));
    let sim = executor_sim::Sim::with_seed(1);
    sim.run_until(test(Arc::new(sim.spawner())));
}

#[test]
fn a_real_clock_below_a_virtual_one_is_invalid() {
    let forbidden = || worker("a", |_| async { panic!("nothing is started") });
    let real = || Placement::from(Smol::global());
    in_virtual_time(async |spawner| {
        let mut child = supervisor("root");
        child.add_worker(forbidden().with_placement(real()));
        let mut below = supervisor("inner").with_child_placement(real());
        below.add_worker(forbidden());
        let mut nested = supervisor("root");
        nested.add_worker(below);
        let mut beside = supervisor("root");
        beside.add_worker(ChildSpec::from(supervisor("inner")).with_placement(real()));
        let mut root = supervisor("root").with_child_placement(real());
        root.add_worker(forbidden());
        for (root, path) in [(child, "root.a"), (nested, "root.inner"), (beside, "root.inner"), (root, "root")] {
            let error = root.start_on(spawner.clone()).await.unwrap_err();
            assert!(matches!(error, SupervisorError::InvalidSpec { .. }));
            assert_eq!(error.to_string(), format!("invalid specification of `{path}`: {REAL_BELOW_VIRTUAL}"));
        }
        // What is added to a tree that runs, too.
        let tree = supervisor("root").start_on(spawner).await.unwrap();
        let error = tree.handle().start_child(forbidden().with_placement(real())).await.unwrap_err();
        assert_eq!(error.to_string(), format!("invalid specification of `root.a`: {REAL_BELOW_VIRTUAL}"));
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn a_runtime_with_a_real_clock_below_a_virtual_one_fails() {
    let forbidden = || worker("a", |_| async { panic!("nothing is started") });
    in_virtual_time(async |spawner| {
        let mut child = supervisor("root");
        child.add_worker(forbidden().with_placement(RuntimeConfiguration::single_threaded()));
        let mut inner = supervisor("inner").with_child_placement(RuntimeConfiguration::single_threaded());
        inner.add_worker(forbidden());
        let mut nested = supervisor("root");
        nested.add_worker(inner);
        for (root, path) in [(child, "root.a"), (nested, "root.inner")] {
            let error = root.start_on(spawner.clone()).await.unwrap_err();
            assert_eq!(error.to_string(), format!("`{path}` failed to start: {REAL_BELOW_VIRTUAL}"));
        }
    });
}

#[test]
fn a_virtual_clock_below_a_real_one_is_valid() {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let paused = || Placement::from(Tokio::try_from(runtime.handle().clone()).unwrap());
    let real = || Placement::from(Smol::global());
    let idle = || worker("a", |shutdown| shutdown);
    let root = |inner: Supervisor| {
        let mut root = supervisor("root");
        root.add_worker(inner);
        root.start_on(Smol::global())
    };
    runtime.block_on(async {
        // The supervisor goes by its own clock, which is a real one, wherever its children are.
        let mut inner = supervisor("inner").with_child_placement(paused());
        inner.add_worker(idle());
        inner.add_worker(idle().with_placement(real()));
        root(inner).await.unwrap().shutdown().await.unwrap();

        let mut deep = supervisor("deep");
        deep.add_worker(idle().with_placement(real()));
        let mut inner = supervisor("inner").with_child_placement(paused());
        inner.add_worker(deep);
        let error = root(inner).await.unwrap_err();
        assert_eq!(error.to_string(), format!("invalid specification of `root.inner.deep.a`: {REAL_BELOW_VIRTUAL}"));
    });
}

/// Keeps something of the process in which it is called.
type Keep = fn() -> Box<dyn Any + Send>;

/// All that a process can hand to a task of its own.
const KEEPS: [(&str, Keep); 7] = [
    ("the process", || Box::new(process::current())),
    ("a handle", || Box::new(process::current().map(|process| process.supervisor()))),
    ("the shutdown", || Box::new(process::current().map(|process| process.shutdown()))),
    ("a sleep", || Box::new(process::sleep(Duration::from_secs(3600)))),
    ("a stream of events", || Box::new(process::current().map(|process| process.supervisor().events()))),
    ("a call", || {
        let supervisor = process::current().expect("a process").supervisor();
        Box::new(async move { supervisor.children().await })
    }),
    ("an id", || Box::new(supervision::spawn(one_shot("sibling", async {})).expect("it runs"))),
];

#[test]
fn what_a_task_keeps_of_a_process_keeps_no_runtime() {
    on_both(async |spawner| {
        for depth in 0..3 {
            for (what, keep) in KEEPS {
                let (held, until) = async_channel::bounded::<()>(1);
                let mut below: ChildSpec = worker("a", move |shutdown| {
                    // As long as one that is closed is not there, nothing is held.
                    let (held, kept) = (held.clone(), Mutex::new(keep()));
                    tokio::spawn(async move {
                        let _held = (held, kept);
                        loop {
                            tokio::time::sleep(Duration::from_millis(1)).await;
                        }
                    });
                    shutdown
                });
                for _ in 0..depth {
                    let mut nested = supervisor("nested");
                    nested.add_worker(below);
                    below = nested.into();
                }
                let mut inner = supervisor("inner").with_child_placement(RuntimeConfiguration::single_threaded());
                inner.add_worker(below);
                let mut root = supervisor("root");
                root.add_worker(inner);
                root.start_on(spawner.clone()).await.unwrap().shutdown().await.unwrap();
                // The sender in the closure went with the specification, the other one goes with the runtime.
                let ended = futures_lite::future::or(async { until.recv().await.is_err() }, async {
                    smol::Timer::after(Duration::from_secs(10)).await;
                    false
                });
                assert!(ended.await, "{what}, {depth} supervisors below the one with the runtime");
            }
        }
    });
}

#[test]
fn a_restart_leaves_no_runtime_though_tasks_keep_a_process() {
    on_both(async |spawner| {
        let (made, runtimes) = async_channel::unbounded();
        let mut inner = supervisor("inner").with_child_placement(RuntimeConfiguration::single_threaded());
        inner.add_worker(worker("a", move |shutdown: ProcessShutdown| {
            let (held, until) = async_channel::bounded::<()>(1);
            let process = process::current().expect("a process");
            tokio::spawn(async move {
                let _held = held;
                loop {
                    process.heartbeat();
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            });
            made.try_send(until).expect("awaited");
            shutdown
        }));
        let mut root = supervisor("root");
        let inner = root.add_worker(inner);
        let tree = root.start_on(spawner).await.unwrap();
        for _ in 0..30 {
            let until = runtimes.recv().await.expect("it is started again");
            while tree.handle().kill_child(inner).await.is_err() {
                smol::Timer::after(Duration::from_millis(1)).await;
            }
            let ended = futures_lite::future::or(async { until.recv().await.is_err() }, async {
                smol::Timer::after(Duration::from_secs(10)).await;
                false
            });
            assert!(ended.await, "the task of the process is dropped with its runtime");
        }
        runtimes.recv().await.expect("it is started again");
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn p7_a_kept_process_answers_after_its_end() {
    on_both(async |spawner| {
        let kept: Arc<Mutex<Option<process::CurrentProcess>>> = Arc::default();
        let keeping = kept.clone();
        let mut inner = supervisor("inner").with_child_placement(RuntimeConfiguration::single_threaded());
        inner.add_worker(worker("a", move |shutdown| {
            *keeping.lock().unwrap() = process::current();
            shutdown
        }));
        let mut root = supervisor("root");
        root.add_worker(inner);
        let tree = root.start_on(spawner).await.unwrap();
        while kept.lock().unwrap().is_none() {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        tree.shutdown().await.unwrap();
        let process = kept.lock().unwrap().take().expect("kept");
        assert_eq!(process.path(), "root.inner.a");
        assert!(process.shutdown().is_requested());
        assert!(
            matches!(process.supervisor().count().await, Err(SupervisorError::NotRunning { path }) if path == "root.inner")
        );
        assert_eq!(process.supervisor().snapshot().await.children[0].path, "root.inner.a");
        process.heartbeat();
        process.ready();
        assert_eq!(
            format!("{process:?}"),
            format!("CurrentProcess {{ id: {:?}, path: \"root.inner.a\" }}", process.id())
        );
    });
}

/// smol's executor, and how often somebody wanted a timer of it.
#[derive(Clone, Debug)]
struct Counting(Smol, Arc<AtomicUsize>);

impl Spawner for Counting {
    fn spawn(&self, process: Process) {
        self.0.spawn(process);
    }

    fn now(&self) -> Instant {
        self.0.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.1.fetch_add(1, SeqCst);
        self.0.timer()
    }
}

#[test]
fn a_child_on_its_own_executor_sleeps_on_that_clock() {
    on_both(async |spawner| {
        let timers = Arc::new(AtomicUsize::new(0));
        let elsewhere = Counting(Smol::global(), timers.clone());
        let (tell, told) = async_channel::bounded(1);
        let mut root = supervisor("root");
        let child = worker("a", move |shutdown| {
            let (tell, timers) = (tell.clone(), timers.clone());
            async move {
                let timers_before = timers.load(SeqCst);
                process::sleep(Duration::from_millis(1)).await;
                let current = process::current().expect("a process");
                tell.send((current.path(), timers.load(SeqCst) - timers_before)).await.unwrap();
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
fn a_supervisor_that_is_placed_runs_there_with_all_below_it() {
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().thread_name("elsewhere").build().unwrap();
    let elsewhere = Tokio::try_from(runtime.handle().clone()).unwrap();
    let threads = Threads::default();
    let mut inner = supervisor("inner");
    inner.add_worker(threads.worker("a"));
    let mut root = supervisor("root");
    root.add_worker(ChildSpec::from(inner).with_placement(elsewhere));
    smol::block_on(async {
        let tree = root.start_on(Smol::global()).await.unwrap();
        while threads.0.lock().unwrap().is_empty() {
            smol::Timer::after(Duration::from_millis(1)).await;
        }
        tree.shutdown().await.unwrap();
    });
    assert_eq!(threads.take(), ["elsewhere"]);
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

/// Says where it is dropped.
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

/// Takes its time to be set up.
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
            assert_eq!(error.to_string(), expected);
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
            // Nobody drives it, so the process is dropped before its first poll.
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
