//! What of a runtime goes on while a poll blocks one of its threads. Time is real here: limits are generous upper ones, and a
//! poll blocks until the test releases it.

use std::{
    future::poll_fn,
    sync::mpsc::{self, Receiver, Sender},
    time::{Duration, Instant},
};

use executor_tokio::Tokio;
use supervisor_core::Spawner;
use tokio::runtime::{Builder, Runtime};

const MOMENT: Duration = Duration::from_millis(100);
const SOON: Duration = Duration::from_secs(5);

fn runtime() -> (Runtime, Tokio) {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    let tokio = runtime.handle().clone().try_into().expect("a runtime with a clock");
    (runtime, tokio)
}

/// Blocks a thread that a timer has woken, and with it the driver of the runtime, until what this returns is dropped.
fn hold_the_driver(runtime: &Runtime) -> Sender<()> {
    let (held, blocks) = hold();
    let (begun, begins) = mpsc::channel();
    runtime.spawn(async move {
        tokio::time::sleep(MOMENT).await;
        begun.send(()).expect("awaited");
        let _ = blocks.recv();
    });
    begins.recv_timeout(SOON).expect("nothing keeps it from that");
    held
}

fn hold() -> (Sender<()>, Receiver<()>) {
    mpsc::channel()
}

#[test]
fn a_timer_that_insists_is_heard_though_a_poll_holds_the_driver() {
    let (runtime, tokio) = runtime();
    let (heard, hears) = mpsc::channel();
    runtime.spawn(async move {
        let mut timer = tokio.timer();
        timer.as_mut().insist();
        // Set before, and to a later time: what counts is the last.
        timer.as_mut().reset(Some(tokio.now() + 1000 * SOON));
        timer.as_mut().reset(Some(tokio.now() + 4 * MOMENT));
        for _ in 0..3 {
            poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
            heard.send(()).expect("awaited");
            timer.as_mut().reset(Some(tokio.now() + MOMENT));
        }
    });
    let held = hold_the_driver(&runtime);
    for _ in 0..3 {
        hears.recv_timeout(SOON).expect("another thread takes the driver");
    }
    drop(held);
}

#[test]
fn a_timer_that_insists_late_is_heard_too() {
    let (runtime, tokio) = runtime();
    let (heard, hears) = mpsc::channel();
    runtime.spawn(async move {
        let mut timer = tokio.timer();
        timer.as_mut().reset(Some(tokio.now() + 4 * MOMENT));
        timer.as_mut().insist();
        poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
        heard.send(()).expect("awaited");
    });
    let held = hold_the_driver(&runtime);
    hears.recv_timeout(SOON).expect("another thread takes the driver");
    drop(held);
}

#[test]
fn a_nudge_from_outside_makes_another_thread_take_the_driver() {
    let (runtime, tokio) = runtime();
    let (heard, hears) = mpsc::channel();
    runtime.spawn(async move {
        tokio::time::sleep(3 * MOMENT).await;
        heard.send(()).expect("awaited");
    });
    let held = hold_the_driver(&runtime);
    tokio.nudge();
    hears.recv_timeout(SOON).expect("another thread takes the driver");
    drop(held);
}

#[test]
fn a_nudge_inside_a_poll_frees_the_task_woken_last() {
    let (runtime, tokio) = runtime();
    // Often, because one time in some thousands the other thread was about to sleep as the nudge came.
    for _ in 0..3000 {
        let (heard, hears) = mpsc::channel();
        let (held, blocks) = hold();
        let (wake, woken) = tokio::sync::oneshot::channel();
        runtime.spawn(async move {
            woken.await.expect("woken");
            heard.send(()).expect("awaited");
        });
        let tokio = tokio.clone();
        let blocker = runtime.spawn(async move {
            wake.send(()).expect("awaited");
            tokio.nudge();
            let _ = blocks.recv();
        });
        hears.recv_timeout(SOON).expect("another thread takes the task");
        drop(held);
        runtime.block_on(blocker).expect("no panic");
    }
}

#[test]
fn insisting_leaves_a_paused_clock_exact() {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    let tokio = Tokio::try_from(runtime.handle().clone()).expect("a runtime with a clock");
    runtime.block_on(async {
        let begin = tokio.now();
        let mut timer = tokio.timer();
        timer.as_mut().insist();
        timer.as_mut().reset(Some(begin + 1000 * SOON));
        tokio.nudge();
        poll_fn(|cx| timer.as_mut().poll_elapsed(cx)).await;
        assert_eq!(tokio.now() - begin, 1000 * SOON);
    });
}

#[test]
fn a_spawner_leaves_no_task_behind() {
    let (runtime, tokio) = runtime();
    let mut timer = tokio.timer();
    timer.as_mut().insist();
    timer.as_mut().reset(Some(tokio.now() + SOON));
    drop((timer, tokio));
    let begin = Instant::now();
    while runtime.metrics().num_alive_tasks() > 0 {
        assert!(begin.elapsed() < SOON, "{} tasks", runtime.metrics().num_alive_tasks());
        std::thread::sleep(MOMENT / 10);
    }
}
