//! A program may end at any panic: by a hook, which hears of those that are caught, too. So there are none of ours.

use std::{
    hint, panic,
    sync::{
        Once,
        atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Waker},
    thread,
    time::Duration,
};

use executor_tokio::Tokio;
use supervisor_core::Spawner;
use tokio::runtime::Builder;

static PANICS: AtomicUsize = AtomicUsize::new(0);

/// Counts the panics of the whole program: no test in here has any of its own.
fn hear_panics() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, SeqCst);
            before(info);
        }));
    });
}

#[test]
fn a_runtime_with_a_clock_is_taken_without_a_panic() {
    hear_panics();
    for mut builder in [Builder::new_current_thread(), Builder::new_multi_thread()] {
        let runtime = builder.worker_threads(1).enable_time().build().expect("a runtime");
        let _ = Tokio::try_from(runtime.handle().clone()).expect("a runtime with a clock");
        let _ = runtime.block_on(async { Tokio::current() }).expect("a runtime with a clock");
    }
    assert_eq!(PANICS.load(SeqCst), 0);
}

#[test]
fn a_timer_of_an_ended_runtime_does_not_panic_elsewhere() {
    hear_panics();
    for round in 0..50 {
        let mut builder = if round % 2 == 0 { Builder::new_current_thread() } else { Builder::new_multi_thread() };
        let runtime = builder.worker_threads(1).enable_all().build().expect("a runtime");
        let tokio = Tokio::try_from(runtime.handle().clone()).expect("a runtime with a clock");
        let (polled, has_ended) = (AtomicBool::new(false), AtomicBool::new(false));
        thread::scope(|scope| {
            scope.spawn(|| {
                let mut timer = tokio.timer();
                timer.as_mut().reset(Some(tokio.now() + Duration::from_secs(3600)));
                while !has_ended.load(SeqCst) {
                    assert!(timer.as_mut().poll_elapsed(&mut Context::from_waker(Waker::noop())).is_pending());
                    polled.store(true, SeqCst);
                }
            });
            while !polled.load(SeqCst) {
                hint::spin_loop();
            }
            drop(runtime);
            has_ended.store(true, SeqCst);
        });
    }
    assert_eq!(PANICS.load(SeqCst), 0);
}
