//! Polls that do not end are named while they last, also where nothing else moves any more.

#[path = "harness/counting.rs"]
mod counting;

use std::{
    sync::{Arc, Mutex, mpsc},
    thread,
    time::{Duration, Instant},
};

use counting::Counting;

use executor_smol::Smol;
use executor_tokio::Tokio;
use futures_lite::future::block_on;
use supervision::{ChildSpec, Event, EventKind, Spawner, Supervisor, process, watch_polls, worker};
use tokio::runtime::Builder;

const LONGEST: Duration = Duration::from_millis(100);

/// Makes a worker that blocks its thread until it is released.
fn blocking(name: &'static str) -> (mpsc::Sender<()>, ChildSpec) {
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(Some(wait)));
    let child = worker(name, move |shutdown| {
        let wait = wait.lock().unwrap().take();
        async move {
            if let Some(wait) = wait {
                let _ = wait.recv();
            }
            shutdown.await;
        }
    });
    (release, child)
}

/// Runs a tree with a worker that blocks, and returns what is told of it meanwhile.
fn told_of_a_blocked_worker(spawner: impl Spawner) -> (Arc<Event>, Duration) {
    let _watch = watch_polls(LONGEST).unwrap();
    let (release, child) = blocking("parser");
    let mut telemetry = Supervisor::new("telemetry").unwrap();
    telemetry.add_worker(child);
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(telemetry);
    let mut events = root.handle().events();
    let begin = Instant::now();
    let run = thread::spawn(move || block_on(root.start_on(spawner)));
    let found = block_on(async {
        loop {
            let event = events.next().await.expect("the tree runs");
            if matches!(event.kind, EventKind::Blocked { .. }) {
                break event;
            }
        }
    });
    // It still is: it was not released.
    let took = begin.elapsed();
    drop(release);
    let tree = run.join().unwrap().unwrap();
    block_on(tree.shutdown()).unwrap();
    (found, took)
}

fn names_it(spawner: impl Spawner) {
    let (event, took) = told_of_a_blocked_worker(spawner);
    assert_eq!(event.path, "root.telemetry.parser");
    let EventKind::Blocked { lasted } = event.kind else { panic!("{event}") };
    assert!(LONGEST <= lasted && lasted <= took);
    assert!(event.to_string().starts_with("root.telemetry.parser is blocking its thread: one poll has lasted "));
}

/// Drives a runtime with one thread until the end of the test.
fn on_its_thread<R>(runtime: tokio::runtime::Runtime, test: impl FnOnce(Tokio) -> R) -> R {
    let spawner = Tokio::try_from(runtime.handle().clone()).unwrap();
    let (stop, stopped) = async_channel::bounded::<()>(1);
    let driver = thread::spawn(move || {
        runtime.block_on(async {
            let _ = stopped.recv().await;
        })
    });
    let result = test(spawner);
    drop(stop);
    driver.join().unwrap();
    result
}

#[test]
fn b2_a_blocked_poll_is_named_on_tokio_with_two_threads() {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    names_it(Tokio::try_from(runtime.handle().clone()).unwrap());
}

#[test]
fn b2_a_blocked_poll_is_named_on_tokio_with_one_thread() {
    on_its_thread(Builder::new_current_thread().enable_all().build().unwrap(), names_it);
}

#[test]
fn b2_a_blocked_poll_is_named_on_smol_with_its_one_thread() {
    names_it(Smol::global());
}

#[test]
fn b2_a_destructor_that_blocks_is_named_too() {
    struct Blocks(mpsc::Receiver<()>);

    impl Drop for Blocks {
        fn drop(&mut self) {
            let _ = self.0.recv();
        }
    }

    let _watch = watch_polls(LONGEST).unwrap();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let event = on_its_thread(runtime, |spawner| {
        let (release, wait) = mpsc::channel::<()>();
        let wait = Arc::new(Mutex::new(Some(Blocks(wait))));
        let mut root = Supervisor::new("root").unwrap();
        root.add_worker(worker("closer", move |shutdown| {
            let held = wait.lock().unwrap().take();
            async move {
                let _held = held;
                shutdown.await;
            }
        }));
        let mut events = root.handle().events();
        let tree = block_on(root.start_on(spawner)).unwrap();
        let stop = thread::spawn(move || block_on(tree.shutdown()));
        let found = block_on(async {
            loop {
                let event = events.next().await.expect("the tree runs");
                if matches!(event.kind, EventKind::Blocked { .. }) {
                    break event;
                }
            }
        });
        drop(release);
        stop.join().unwrap().unwrap();
        found
    });
    assert_eq!(event.path, "root.closer");
}

#[test]
fn b2_a_poll_that_runs_an_executor_is_named_when_it_blocks() {
    // The inner process comes and goes; the outer one is in one poll all the time, which is not to be forgotten over it.
    let _watch = watch_polls(LONGEST).unwrap();
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(Some(wait)));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(worker("outer", move |shutdown| {
        let wait = wait.lock().unwrap().take();
        async move {
            if let Some(wait) = wait {
                let inner = async_executor::Executor::new();
                let inner = Arc::new(inner);
                let mut below = Supervisor::new("below").unwrap();
                below.add_worker(worker("inner", |shutdown| shutdown));
                block_on(inner.run(async { below.start_on(Smol::on(&inner)).await?.shutdown().await })).unwrap();
                let _ = wait.recv();
            }
            shutdown.await;
        }
    }));
    let mut events = root.handle().events();
    let tree = block_on(root.start_on(Smol::global())).unwrap();
    let event = block_on(async {
        loop {
            let event = events.next().await.expect("the tree runs");
            if matches!(event.kind, EventKind::Blocked { .. }) {
                break event;
            }
        }
    });
    assert_eq!(event.path, "root.outer");
    drop(release);
    block_on(tree.shutdown()).unwrap();
}

#[test]
fn b2_polls_that_end_are_not_reported() {
    async fn quiet() -> usize {
        let mut root = Supervisor::new("root").unwrap();
        root.add_worker(worker("busy", |_| async {
            for _ in 0..1000 {
                futures_lite::future::yield_now().await;
            }
        }));
        let mut events = root.handle().events();
        // A permanent child that ends and ends: the second restart is one too many.
        let _gave_up = root.run_on(Smol::global()).await;
        let mut blocked = 0;
        while let Some(event) = events.next().await {
            blocked += usize::from(matches!(event.kind, EventKind::Blocked { .. }));
        }
        blocked
    }

    let _watch = watch_polls(Duration::from_secs(3600)).unwrap();
    assert_eq!(block_on(quiet()), 0);
}

#[test]
fn timers_behind_a_blocked_poll_are_heard_when_it_is_found() {
    // Long enough that the timer was not heard before.
    let _watch = watch_polls(3 * LONGEST).unwrap();
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let spawner = Counting::new(Tokio::try_from(runtime.handle().clone()).unwrap());
    let (release, wait) = mpsc::channel::<()>();
    let wait = Arc::new(Mutex::new(Some(wait)));
    let mut root = Supervisor::new("root").unwrap();
    root.add_worker(worker("blocker", move |shutdown| {
        let wait = wait.lock().unwrap().take();
        async move {
            // Its thread has waited for all timers of the runtime when this one wakes it.
            process::sleep(LONGEST).await;
            let _ = wait.map(|wait| wait.recv());
            shutdown.await;
        }
    }));
    let (heard, hears) = mpsc::channel();
    root.add_worker(worker("sleeper", move |shutdown| {
        let heard = heard.clone();
        async move {
            process::sleep(2 * LONGEST).await;
            heard.send(()).unwrap();
            shutdown.await;
        }
    }));
    let mut events = root.handle().events();
    let tree = block_on(root.start_on(spawner.clone())).unwrap();
    hears.recv_timeout(100 * LONGEST).expect("another thread waits for the timers now");
    block_on(async { while !matches!(events.next().await.expect("the tree runs").kind, EventKind::Blocked { .. }) {} });
    // Others watch in this test program, too: each tells once.
    thread::sleep(10 * LONGEST);
    let counted = spawner.nudges();
    assert!((1..=8).contains(&counted), "{counted} nudges for one poll");
    drop(release);
    block_on(tree.shutdown()).unwrap();
}
