//! Accounting on one thread of Tokio, in real time and on a paused clock.

use std::{thread, time::Duration};

use executor_tokio::Tokio;
use supervisor_core::{Accounting, Supervisor, process, worker};
use tokio::runtime::Builder;

const BLOCKED: Duration = Duration::from_millis(20);

/// Runs a worker whose second poll blocks its thread, and returns its numbers after that.
fn of_a_blocking_worker(is_paused: bool) -> Accounting {
    let runtime = Builder::new_current_thread().enable_all().start_paused(is_paused).build().unwrap();
    runtime.block_on(async {
        let (done, is_done) = tokio::sync::oneshot::channel::<()>();
        let mut done = Some(done);
        let blocking = worker("blocking", move |shutdown| {
            let done = done.take();
            async move {
                process::sleep(Duration::from_secs(1) / 10).await;
                thread::sleep(BLOCKED);
                tokio::task::yield_now().await;
                drop(done);
                shutdown.await;
            }
        });
        let root = Supervisor::new("root").unwrap().with_worker(blocking.with_accounting());
        let tree = root.start_on(Tokio::current().unwrap()).await.unwrap();
        let _ = is_done.await;
        // Its last poll has returned by then: there is one thread.
        let accounting = tree.snapshot().await.find("root.blocking").unwrap().accounting.unwrap();
        tree.shutdown().await.unwrap();
        accounting
    })
}

#[test]
fn the_time_in_polls_is_real_on_a_real_clock() {
    let Accounting { polls, wakes, busy, slowest_poll, .. } = of_a_blocking_worker(false);
    assert!(slowest_poll >= BLOCKED && busy >= slowest_poll, "{busy:?} {slowest_poll:?}");
    assert!(busy < Duration::from_secs(1) / 10 + BLOCKED, "the sleep does not count: {busy:?}");
    assert_eq!((polls, wakes), (3, 2), "the sleep, and the yield");
}

#[test]
fn the_time_in_polls_is_virtual_on_a_paused_clock() {
    let accounting = of_a_blocking_worker(true);
    assert_eq!((accounting.busy, accounting.polls), (Duration::ZERO, 3));
}
