//! The facade on Tokio.

use std::{
    collections::BTreeSet,
    future::{IntoFuture, pending},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    time::Duration,
};

use futures_lite::future::block_on;
use supervision::{
    ShutdownStrategy, Supervisor, SupervisorError, SupervisorHandle, Tokio, TokioError, one_shot, process, start,
    worker,
};
use tokio::runtime::Builder;

fn root() -> Supervisor {
    Supervisor::new("root").expect("a valid name")
}

// Where smol is there, too, it is taken.
#[cfg(not(feature = "smol"))]
#[test]
fn outside_of_a_runtime_the_error_says_what_to_do() {
    assert!(matches!(Tokio::current(), Err(TokioError::NoRuntime)));
    let error = block_on(supervision::run(root()).into_future()).unwrap_err();
    assert!(format!("{error:#}").contains("no Tokio runtime here; call this inside one"), "{error:#}");
    assert!(block_on(start(root())).is_err());
}

#[test]
fn on_a_runtime_without_a_clock_the_error_says_what_to_do() {
    let runtime = Builder::new_current_thread().build().expect("a runtime");
    assert!(matches!(Tokio::try_from(runtime.handle().clone()), Err(TokioError::NoClock)));
    let error = runtime.block_on(supervision::run(root()).into_future()).unwrap_err();
    assert!(format!("{error:#}").contains("build it with `enable_time`"), "{error:#}");
}

#[tokio::test]
async fn every_process_is_a_task_of_its_own() {
    let tasks = Arc::new(Mutex::new(BTreeSet::new()));
    let mut inner = Supervisor::new("inner").unwrap();
    for _ in 0..10 {
        let tasks = tasks.clone();
        inner.add_worker(worker("w", move |shutdown| {
            let id = tokio::task::id().to_string();
            assert!(tasks.lock().unwrap().insert(id), "two processes in one task");
            shutdown
        }));
    }
    let mut root = root();
    root.add_worker(inner);
    let tree = start(root).await.unwrap();
    while tasks.lock().unwrap().len() < 10 {
        tokio::task::yield_now().await;
    }
    let mine = tokio::task::try_id().map(|id| id.to_string());
    assert!(mine.is_none_or(|mine| !tasks.lock().unwrap().contains(&mine)));
    tree.shutdown().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_paused_clock_is_paused_for_supervision_too() {
    let begin = tokio::time::Instant::now();
    let mut root = root();
    root.add_worker(worker("deaf", |_| pending::<()>()));
    let tree = start(root).await.unwrap();
    let outcome = tree.shutdown().await;
    assert!(matches!(outcome, Err(SupervisorError::UncleanShutdown(_))));
    assert_eq!(begin.elapsed(), Duration::from_secs(5));
}

#[test]
fn a6_a_tree_whose_runtime_is_shut_down_is_lost() {
    let alive = Arc::new(AtomicUsize::new(0));
    struct Alive(Arc<AtomicUsize>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.fetch_sub(1, SeqCst);
        }
    }

    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let mut root = root();
    for _ in 0..1000 {
        let alive = alive.clone();
        root.add_worker(worker("w", move |shutdown| {
            alive.fetch_add(1, SeqCst);
            let held = Alive(alive.clone());
            async move {
                let _held = held;
                shutdown.await;
            }
        }));
    }
    let mut tree = runtime.block_on(start(root)).unwrap();
    let handle = tree.handle();
    while alive.load(SeqCst) < 1000 {
        std::thread::yield_now();
    }
    drop(runtime);
    let error = block_on(tree.wait()).unwrap_err();
    assert!(matches!(error, SupervisorError::Lost { .. }), "{error}");
    assert_eq!(
        error.to_string(),
        "`root` was dropped by its executor before it had stopped; shut the tree down before its runtime"
    );
    assert_eq!(alive.load(SeqCst), 0);
    assert!(matches!(block_on(handle.count()), Err(SupervisorError::NotRunning { .. })));
}

#[test]
fn a_named_handle_runs_the_tree_there() {
    let runtime = Builder::new_multi_thread().worker_threads(1).thread_name("elsewhere").enable_all().build().unwrap();
    let (sender, receiver) = async_channel::bounded(1);
    let mut root = root();
    root.add_worker(worker("w", move |shutdown| {
        let name = std::thread::current().name().unwrap_or_default().to_owned();
        sender.try_send(name).expect("asked once");
        shutdown
    }));
    let spawner = Tokio::try_from(runtime.handle().clone()).unwrap();
    let tree = block_on(root.start_on(spawner)).unwrap();
    assert_eq!(block_on(receiver.recv()).unwrap(), "elsewhere");
    block_on(tree.shutdown()).unwrap();
}

#[tokio::test]
async fn p7_sleep_and_current_work_only_inside_a_process() {
    let (sender, receiver) = async_channel::bounded(1);
    let mut root = root();
    root.add_worker(worker("w", move |shutdown| {
        let sender = sender.clone();
        async move {
            process::sleep(Duration::from_millis(1)).await;
            let leaked = tokio::spawn(async { process::current().is_some() }).await.unwrap();
            sender.send((process::current().is_some(), leaked)).await.unwrap();
            shutdown.await;
        }
    }));
    let tree = start(root).await.unwrap();
    assert_eq!(receiver.recv().await.unwrap(), (true, false));
    assert!(process::current().is_none());
    tree.shutdown().await.unwrap();
}

#[tokio::test]
#[should_panic = "called outside of a process"]
async fn sleep_outside_of_a_process_says_what_to_do() {
    process::sleep(Duration::ZERO).await;
}

#[test]
fn d3_limits_hold_though_a_poll_blocks_the_timer_thread() {
    const MOMENT: Duration = Duration::from_millis(100);
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(Some(wait)));
    let mut root = root().with_abort_grace(MOMENT);
    root.add_worker(
        worker("blocker", move |shutdown| {
            let wait = wait.lock().unwrap().take();
            async move {
                process::sleep(MOMENT).await;
                let _ = wait.map(|wait| wait.recv());
                shutdown.await;
            }
        })
        .with_shutdown_strategy(ShutdownStrategy::Graceful(MOMENT)),
    );
    // Only the supervisor's own timer ends its start.
    root.add_worker(worker("late", |_| pending::<()>()).with_explicit_ready().with_start_timeout(4 * MOMENT));
    let spawner = Tokio::try_from(runtime.handle().clone()).unwrap();
    let (outcome, outcomes) = mpsc::channel();
    std::thread::spawn(move || outcome.send(block_on(root.start_on(spawner)).map(drop)));
    let outcome = outcomes.recv_timeout(Duration::from_secs(5)).expect("the start timeout holds");
    assert!(matches!(&outcome, Err(SupervisorError::FailedToStart { path, .. }) if path == "root.late"), "{outcome:?}");
    drop(release);
}

#[cfg(unix)]
#[test]
fn sigterm_and_sigint_shut_the_tree_down_in_order() {
    // They do not come through the runtime, so it need not have IO.
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("a runtime");
    for signal in ["-TERM", "-INT"] {
        let (sender, receiver) = async_channel::bounded(1);
        let mut root = root();
        root.add_worker(worker("w", move |shutdown| {
            // The signals are heard from when the tree starts.
            let status = Command::new("kill").args([signal, &std::process::id().to_string()]).status();
            assert!(status.expect("`kill` runs").success());
            let sender = sender.clone();
            async move {
                shutdown.await;
                sender.send(()).await.expect("awaited");
            }
        }));
        runtime.block_on(supervision::run(root).until_signal().into_future()).unwrap();
        receiver.try_recv().expect("stopped in order");
    }
}

#[test]
fn the_futures_can_be_sent_and_the_types_shared() {
    fn is_send<T: Send>(_: &T) {}
    fn is_sync<T: Send + Sync>() {}
    is_send(&supervision::run(root()).into_future());
    is_send(&start(root()));
    is_sync::<supervision::SupervisionTree>();
    is_sync::<SupervisorHandle>();
    is_sync::<Supervisor>();
    is_sync::<SupervisorError>();
}

#[tokio::test]
async fn calls_that_come_in_too_fast_are_refused() {
    let mut root = Supervisor::new("root").unwrap();
    let idle = root.add_worker(worker("idle", |shutdown| shutdown));
    let tree = start(root).await.unwrap();
    let (handle, ran) = (tree.handle().clone(), Arc::<AtomicUsize>::default());
    let attempt = || {
        let ran = ran.clone();
        handle.spawn(one_shot("x", async move {
            ran.fetch_add(1, SeqCst);
        }))
    };
    // Nothing is read meanwhile: this task has the only thread.
    for _ in 0..SupervisorHandle::MAX_UNREAD {
        attempt().unwrap();
    }
    let refused = attempt().unwrap_err();
    let SupervisorError::Overloaded { path, unread } = &refused else { panic!("{refused:?}") };
    assert_eq!((path.as_str(), *unread), ("root", SupervisorHandle::MAX_UNREAD));
    assert!(matches!(handle.terminate_child(idle).await, Err(SupervisorError::Overloaded { .. })));
    assert!(matches!(handle.start_child(one_shot("y", async {})).await, Err(SupervisorError::Overloaded { .. })));
    assert_eq!(handle.count().await.unwrap().active, 1, "what needs no message is answered");
    assert_eq!(ran.load(SeqCst), 0);
    // A stop needs no room. What was sent before it is told to be refused.
    tree.shutdown().await.unwrap();
    assert_eq!(ran.load(SeqCst), 0);
}

/// Submits jobs, each when there is room for it. Returns how many were admitted before the pool stopped.
async fn submit(pool: SupervisorHandle, most: Arc<AtomicUsize>, alive: Arc<AtomicUsize>, jobs: usize) -> usize {
    for admitted in 0..jobs {
        let permit = match pool.reserve().await {
            Ok(permit) => permit,
            Err(SupervisorError::ShuttingDown { .. } | SupervisorError::NotRunning { .. }) => return admitted,
            Err(error) => panic!("{error:#}"),
        };
        let (most, alive) = (most.clone(), alive.clone());
        let job = one_shot("job", async move {
            most.fetch_max(alive.fetch_add(1, SeqCst) + 1, SeqCst);
            tokio::task::yield_now().await;
            alive.fetch_sub(1, SeqCst);
        });
        if permit.spawn(job).is_err() {
            return admitted;
        }
    }
    jobs
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a8_a_flood_of_reservations_keeps_the_bound() {
    const BOUND: usize = 100;
    const JOBS: usize = 10_000;
    for stops_in_the_middle in [false, true] {
        let pool = Supervisor::dynamic("pool").unwrap().with_max_children(BOUND);
        let handle = pool.handle();
        let tree = start(pool).await.unwrap();
        let (most, alive) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let callers = [(), ()].map(|()| tokio::spawn(submit(handle.clone(), most.clone(), alive.clone(), JOBS)));
        // The children, whether they run or not, are what takes memory.
        let mut children = 0;
        let is_over = |children| stops_in_the_middle && children > 0;
        while callers.iter().any(|caller| !caller.is_finished()) && !is_over(children) {
            children = children.max(handle.count().await.unwrap().specs);
            tokio::task::yield_now().await;
        }
        let stopping = tree.shutdown();
        tokio::time::timeout(Duration::from_secs(30), stopping).await.expect("a prompt shutdown").unwrap();
        let mut admitted = 0;
        for caller in callers {
            admitted += caller.await.unwrap();
        }
        assert_eq!(admitted < 2 * JOBS, stops_in_the_middle, "{admitted} of {}", 2 * JOBS);
        let most = most.load(SeqCst).max(children);
        assert!((1..=BOUND).contains(&most), "{most} at once");
    }
}
