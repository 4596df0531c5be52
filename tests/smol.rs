//! The facade on smol.

use std::{
    future::{IntoFuture, pending},
    process::Command,
    rc::Rc,
    sync::mpsc,
    thread,
    time::Duration,
};

use async_executor::LocalExecutor;
use supervision::{
    AutoShutdown, RestartType, Smol, Supervisor, SupervisorError, local_worker, one_shot, process, worker,
};

fn root() -> Supervisor {
    Supervisor::new("root").expect("a valid name")
}

/// Makes a root with one process that sends the thread it runs on, and whether it is in a Tokio runtime; its end is the
/// tree's.
fn witness() -> (Supervisor, mpsc::Receiver<(Option<String>, bool)>) {
    let (sender, receiver) = mpsc::channel();
    let mut root = root().with_auto_shutdown(AutoShutdown::AnySignificant);
    root.add_worker(
        one_shot("witness", async move {
            let thread = thread::current().name().map(str::to_owned);
            sender.send((thread, tokio::runtime::Handle::try_current().is_ok())).expect("the receiver waits");
        })
        .with_significance(),
    );
    (root, receiver)
}

#[test]
fn outside_of_a_tokio_runtime_a_tree_runs_on_smol() {
    let (root, seen) = witness();
    smol::block_on(supervision::run(root).into_future()).unwrap();
    let (thread, is_in_tokio) = seen.recv().unwrap();
    assert_eq!((thread.as_deref(), is_in_tokio), (Some("smol-1"), false));
}

#[cfg(feature = "tokio")]
#[test]
fn inside_a_tokio_runtime_a_tree_runs_on_tokio_if_enabled() {
    let (root, seen) = witness();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(supervision::run(root).into_future()).unwrap();
    assert!(seen.recv().unwrap().1);
}

#[test]
fn a_tree_that_is_started_is_shut_down_in_order() {
    smol::block_on(async {
        let mut root = root();
        root.add_worker(worker("sleeper", |shutdown| async move {
            process::sleep(Duration::from_millis(1)).await;
            shutdown.await;
        }));
        let tree = supervision::start(root).await.unwrap();
        assert_eq!(tree.handle().count().await.unwrap().active, 1);
        tree.shutdown().await.unwrap();
    });
}

#[test]
fn block_on_runs_a_tree_and_drops_what_it_leaves_behind() {
    struct Owned(mpsc::Sender<thread::ThreadId>);

    impl Drop for Owned {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
        }
    }

    let (sender, dropped) = mpsc::channel();
    let mut root = root();
    for name in ["running", "stopped"] {
        let owned = Owned(sender.clone());
        let spec = worker(name, move |shutdown| {
            let _owned = &owned;
            async move {
                if name == "running" {
                    shutdown.await;
                }
            }
        });
        root.add_worker(spec.with_restart_type(RestartType::Transient));
    }
    drop(sender);
    let enough = async {
        smol::Timer::after(Duration::from_millis(5)).await;
    };
    supervision::block_on(root, |run| run.with_shutdown(enough)).unwrap();
    assert_eq!(dropped.iter().collect::<Vec<_>>(), [thread::current().id(); 2]);
}

#[test]
fn block_on_answers_how_the_tree_ended() {
    let mut root = root();
    root.add_worker(worker("brittle", |_| async { Err::<(), _>("boom") }));
    let outcome = supervision::block_on(root, |run| run);
    assert!(matches!(&outcome, Err(SupervisorError::GaveUp(_))), "{outcome:?}");
}

#[test]
fn a6_the_end_of_an_executor_loses_its_tree() {
    let executor = std::sync::Arc::new(async_executor::Executor::new());
    let mut root = root();
    root.add_worker(worker("a", |_| pending::<()>()));
    let handle = root.handle();
    let mut tree = smol::block_on(executor.run(root.start_on(Smol::on(&executor)))).unwrap();
    drop(executor);
    assert!(matches!(smol::block_on(tree.wait()), Err(SupervisorError::Lost { path }) if path == "root"));
    assert!(matches!(smol::block_on(handle.count()), Err(SupervisorError::NotRunning { .. })));
}

#[cfg(unix)]
#[test]
fn a_signal_shuts_the_tree_down() {
    for signal in ["-TERM", "-INT"] {
        let mut root = root();
        root.add_worker(worker("signaller", move |shutdown| async move {
            // The signals are heard from when the tree starts.
            let status = Command::new("kill").args([signal, &std::process::id().to_string()]).status();
            assert!(status.expect("`kill` runs").success());
            shutdown.await;
        }));
        smol::block_on(supervision::run(root).until_signal().into_future()).unwrap();
    }
}

#[test]
fn p13_a_local_executor_in_a_local_worker_ends_with_it() {
    struct Ends(mpsc::Sender<Option<String>>, Rc<()>);

    impl Drop for Ends {
        fn drop(&mut self) {
            assert_eq!(Rc::strong_count(&self.1), 2);
            self.0.send(thread::current().name().map(str::to_owned)).expect("the receiver waits");
        }
    }

    let (sender, receiver) = mpsc::channel();
    let mut root = root().with_auto_shutdown(AutoShutdown::AnySignificant);
    let spec = local_worker("local", move |_| {
        let sender = sender.clone();
        async move {
            let (executor, shared) = (LocalExecutor::new(), Rc::new(()));
            let ends = Ends(sender, shared.clone());
            let forever = executor.spawn(async move {
                let _ends = ends;
                pending::<()>().await;
            });
            let sleep = executor.spawn(process::sleep(Duration::from_millis(1)));
            executor.run(sleep).await;
            assert_eq!(Rc::strong_count(&shared), 2);
            forever.detach();
            drop(executor);
        }
    });
    root.add_worker(spec.with_restart_type(RestartType::Transient).with_significance());
    supervision::block_on(root, |run| run).unwrap();
    assert_eq!(receiver.recv().unwrap().as_deref(), Some("root.local"));
}
