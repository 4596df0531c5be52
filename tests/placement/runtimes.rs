//! Executors that are made for a supervisor, and end with it.

use std::{
    any::Any,
    collections::BTreeSet,
    future::pending,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use executor_smol::Smol;
use executor_tokio::RuntimeConfiguration;
use supervision::{
    ChildSpec, EventKind, Placement, ProcessShutdown, Supervisor, SupervisorError, one_shot, process, worker,
};

use crate::{Threads, on_both, supervisor};

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
                // An unsupervised task of the runtime: it is dropped with the runtime.
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

/// A function that keeps something of the process in which it is called.
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
