use std::{
    future::{Future, pending},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Waker},
    time::{Duration, Instant},
};

use futures_lite::future::poll_once;
use supervisor_core::{
    AutoShutdown, BoxError, ChildSpec, Placement, Process, RestartStrategy, RestartType, Spawner, SupervisorError,
    Timer, process, worker,
};

use crate::{
    actors::{Census, Strings, present, root, supervisor},
    harness::World,
};

mount! { everywhere:
    a_run_ends_well_when_it_is_asked_to_end
    nothing_runs_before_the_first_poll
    a6_case_r_a_dropped_run_stops_in_the_background
    a6_case_r_a_dropped_tree_stops_in_the_background
    a_tree_that_has_ended_says_how_every_time
    r55_d6_a_tree_whose_significant_work_is_done_is_a_success
    r55_d6_a_tree_whose_significant_work_failed_names_it
    r56_d6_a_significant_supervisor_that_gave_up_is_told
    the_first_shutdown_trigger_shuts_the_tree_down
    a_deep_tree_starts_and_stops
    n1_a_stop_before_the_first_poll_makes_no_executor
}

async fn a_run_ends_well_when_it_is_asked_to_end(world: World) {
    let census = Census::default();
    let mut root = root();
    root.add_worker(present("a", &census));
    root.run_on(world.spawner.clone()).with_shutdown(async {}).await.unwrap();
    assert_eq!(census.present(), 0);
}

async fn nothing_runs_before_the_first_poll(world: World) {
    let census = Census::default();
    let mut root = root();
    root.add_worker(present("a", &census));
    drop(root.run_on(world.spawner.clone()));
    assert_eq!(census.ever(), 0);
}

async fn until_not_running(handle: &supervisor_core::SupervisorHandle) {
    while handle.count().await.is_ok() {
        futures_lite::future::yield_now().await;
    }
}

async fn a6_case_r_a_dropped_run_stops_in_the_background(world: World) {
    let census = Census::default();
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(present("a", &census));
    let mut root = root();
    let handle = root.handle();
    root.add_worker(inner);
    root.add_worker(present("b", &census));
    {
        let mut run = pin!(root.run_on(world.spawner.clone()).into_future());
        assert!(run.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        while census.present() < 2 {
            futures_lite::future::yield_now().await;
        }
    }
    until_not_running(&handle).await;
    assert_eq!(census.present(), 0);
    let error = handle.children().await.unwrap_err();
    assert_eq!(error.to_string(), "supervisor `root` is not running");
}

async fn a6_case_r_a_dropped_tree_stops_in_the_background(world: World) {
    let census = Census::default();
    let mut root = root();
    root.add_worker(present("a", &census));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    drop(tree);
    until_not_running(&handle).await;
    assert_eq!(census.present(), 0);
}

async fn a_tree_that_has_ended_says_how_every_time(world: World) {
    let strings = Strings::new();
    let mut root = root()
        .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(0, Duration::from_secs(1)));
    root.add_worker(strings.worker("a"));
    let mut tree = world.start(root).await.unwrap();
    strings.pull(Err("boom"));
    for _ in 0..2 {
        assert!(matches!(tree.wait().await, Err(SupervisorError::GaveUp(_))));
    }
    assert!(matches!(tree.shutdown().await, Err(SupervisorError::GaveUp(_))));
}

fn job<F, Fut>(closure: F) -> ChildSpec
where
    F: FnMut() -> Fut + Send + 'static,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    let mut closure = closure;
    worker("job", move |_| closure()).with_restart_type(RestartType::Temporary).with_significance()
}

async fn r55_d6_a_tree_whose_significant_work_is_done_is_a_success(world: World) {
    let census = Census::default();
    let mut root = root().with_auto_shutdown(AutoShutdown::AnySignificant);
    root.add_worker(present("helper", &census));
    root.add_worker(job(|| async { Ok(()) }));
    root.run_on(world.spawner.clone()).await.unwrap();
    assert_eq!(census.present(), 0);
}

async fn r55_d6_a_tree_whose_significant_work_failed_names_it(world: World) {
    let mut root = root().with_auto_shutdown(AutoShutdown::AllSignificant);
    root.add_worker(job(|| async { Err("no input".into()) }));
    let error = root.run_on(world.spawner.clone()).await.unwrap_err();
    assert_eq!(format!("{error:#}"), "`root` shut down because its significant child `root.job` failed: no input");
}

async fn r56_d6_a_significant_supervisor_that_gave_up_is_told(world: World) {
    let none = RestartStrategy::one_for_one().with_intensity_and_period(0, Duration::from_secs(1));
    let mut inner = supervisor("inner", none).with_restart_strategy(none);
    inner.add_worker(worker("a", |_| async { Err::<(), BoxError>("boom".into()) }));
    let mut root = root().with_auto_shutdown(AutoShutdown::AnySignificant);
    root.add_worker(ChildSpec::from(inner).with_restart_type(RestartType::Transient).with_significance());
    let error = root.run_on(world.spawner.clone()).await.unwrap_err();
    let SupervisorError::SignificantChildFailed { child, exit, .. } = &error else { panic!("{error}") };
    let gave_up = exit.gave_up().expect("it gave up");
    assert_eq!((child.as_str(), gave_up.restarts[0].path.as_str()), ("root.inner", "root.inner.a"));
    let story = "`root` shut down because its significant child `root.inner` gave up: more than 0 restarts in 1s; \
                 last failure: `root.inner.a` failed";
    assert_eq!((error.to_string().as_str(), format!("{error:#}")), (story, format!("{story}: boom")));
}

async fn the_first_shutdown_trigger_shuts_the_tree_down(world: World) {
    let root = root();
    root.run_on(world.spawner.clone()).with_shutdown(pending::<()>()).with_shutdown(async {}).await.unwrap();
}

/// An executor that keeps its processes, and starts them on another executor when it is told to.
#[derive(Clone, Debug)]
struct Held {
    on: Arc<dyn Spawner>,
    processes: Arc<Mutex<Vec<Process>>>,
}

impl Held {
    fn start_all(&self) {
        let held = std::mem::take(&mut *self.processes.lock().expect("no poison"));
        held.into_iter().for_each(|process| self.on.spawn(process));
    }
}

impl Spawner for Held {
    fn spawn(&self, process: Process) {
        self.processes.lock().expect("no poison").push(process);
    }

    fn now(&self) -> Instant {
        self.on.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.on.timer()
    }
}

async fn n1_a_stop_before_the_first_poll_makes_no_executor(world: World) {
    for is_asked_before in [true, false] {
        let (made, census) = (Arc::new(AtomicUsize::new(0)), Census::default());
        let (counted, on) = (made.clone(), world.spawner.clone());
        let mut root = root().with_child_placement(Placement::fresh(move |_| {
            counted.fetch_add(1, SeqCst);
            Ok::<_, String>(on.clone())
        }));
        root.add_worker(present("a", &census));
        let held = Held { on: world.spawner.clone(), processes: Arc::default() };
        let (ask, asked) = async_channel::bounded::<()>(1);
        let mut run = root
            .run_on(held.clone())
            .with_shutdown(async move {
                let _closed = asked.recv().await;
            })
            .into_future();
        if is_asked_before {
            ask.close();
        }
        assert!(poll_once(&mut run).await.is_none());
        held.start_all();
        while !is_asked_before && census.present() == 0 {
            futures_lite::future::yield_now().await;
        }
        ask.close();
        run.await.unwrap();
        assert_eq!((made.load(SeqCst), census.ever()), if is_asked_before { (0, 0) } else { (1, 1) });
    }
}

async fn a_deep_tree_starts_and_stops(world: World) {
    let (census, depth) = (Census::default(), Arc::new(AtomicUsize::new(0)));
    let mut tree = supervisor("s", RestartStrategy::one_for_one());
    for _ in 0..40 {
        let counted = depth.clone();
        tree.add_worker(present("w", &census));
        tree.add_worker(worker("d", move |shutdown| {
            let name = process::current().expect("in a process").path();
            counted.fetch_max(name.split('.').count(), SeqCst);
            shutdown
        }));
        let mut above = supervisor("s", RestartStrategy::one_for_one());
        above.add_worker(tree);
        tree = above;
    }
    let tree = world.start(tree).await.unwrap();
    world.probe.quiet().await;
    assert_eq!(census.present(), 40);
    assert_eq!(depth.load(SeqCst), 42);
    tree.shutdown().await.unwrap();
    assert_eq!(census.present(), 0);
}
