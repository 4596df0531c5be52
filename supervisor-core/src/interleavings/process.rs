//! One process that is asked to stop, aborted, dropped, or ends by itself.

use std::{
    future::{pending, poll_fn, ready},
    sync::atomic::Ordering::{Acquire, Release},
};

use futures_lite::future::poll_once;
use loom::{future::AtomicWaker, sync::atomic::AtomicBool, thread};

use super::*;

#[test]
fn p1_an_abort_around_the_first_poll_is_one_exit() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (id, _) = child.begin();
        let process = child.process(id, pending());
        let executor = thread::spawn(move || block_on(process));
        child.cell.request(Flags::ABORT);
        executor.join().unwrap();
        child.story()
    });
    assert_eq!(stories, ["dropped, exit: was aborted", "polled, dropped, exit: was aborted"]);
}

#[test]
fn p1_an_abort_that_races_the_end_of_the_work_is_one_exit() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (id, _) = child.begin();
        let done = Arc::new((AtomicBool::new(false), AtomicWaker::new()));
        let work = done.clone();
        let process = child.process(
            id,
            poll_fn(move |cx| {
                work.1.register_by_ref(cx.waker());
                if work.0.load(Acquire) { Poll::Ready(()) } else { Poll::Pending }
            }),
        );
        let executor = thread::spawn(move || block_on(process));
        let other = child.clone();
        let aborter = thread::spawn(move || other.cell.request(Flags::ABORT));
        done.0.store(true, Release);
        done.1.wake();
        executor.join().unwrap();
        aborter.join().unwrap();
        child.story()
    });
    assert_eq!(
        stories,
        ["dropped, exit: was aborted", "polled, dropped, exit: ended normally", "polled, dropped, exit: was aborted"]
    );
}

#[test]
fn p1_an_abort_that_races_the_executors_drop_is_one_exit() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (id, _) = child.begin();
        let mut process = child.process(id, pending());
        let executor = thread::spawn(move || {
            block_on(poll_once(&mut process));
            drop(process);
        });
        child.cell.request(Flags::ABORT);
        executor.join().unwrap();
        child.story()
    });
    assert_eq!(stories, ["dropped, exit: was aborted", "polled, dropped, exit: was dropped by its executor"]);
}

#[test]
fn r78_a_last_incarnation_drops_its_spec_before_its_exit() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (id, _) = child.begin();
        let process = child.process(id, ready(()));
        let executor = thread::spawn(move || block_on(process));
        child.cell.request(Flags::ABORT | Flags::NO_SUCCESSOR);
        child.wait_for("exit");
        executor.join().unwrap();
        child.story()
    });
    assert_eq!(
        stories,
        [
            "dropped, released, exit: was aborted",
            "polled, dropped, exit: ended normally",
            "polled, dropped, released, exit: ended normally"
        ]
    );
}

#[test]
fn a_process_that_waits_for_its_signal_always_sees_it() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (id, shutdown) = child.begin();
        let process = child.process(id, shutdown);
        let executor = thread::spawn(move || block_on(process));
        child.cell.request(Flags::SHUTDOWN);
        executor.join().unwrap();
        child.story()
    });
    assert_eq!(stories, ["polled, dropped, exit: ended normally"]);
}

#[test]
fn p1_a_signal_and_an_abort_after_it_are_one_exit() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (id, shutdown) = child.begin();
        let process = child.process(id, shutdown);
        let executor = thread::spawn(move || block_on(process));
        child.cell.request(Flags::SHUTDOWN);
        child.cell.request(Flags::ABORT);
        executor.join().unwrap();
        child.story()
    });
    assert_eq!(
        stories,
        ["dropped, exit: was aborted", "polled, dropped, exit: ended normally", "polled, dropped, exit: was aborted"]
    );
}
