//! Waits for the shutdown signal, in the process's own task and in others.

use std::{
    future::{poll_fn, ready},
    sync::atomic::Ordering::{Acquire, Release},
};

use loom::{future::AtomicWaker, sync::atomic::AtomicBool, thread};

use super::*;

#[test]
fn p6_waiters_in_other_tasks_always_see_the_signal() {
    always(|| {
        let child = Child::new();
        let (_, shutdown) = child.begin();
        let waiters = [shutdown.clone(), shutdown].map(|shutdown| thread::spawn(move || block_on(shutdown)));
        child.cell.request(Flags::SHUTDOWN);
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
}

#[test]
fn p6_a_waiter_that_moves_to_another_task_sees_the_signal() {
    always(|| {
        let child = Child::new();
        let (_, mut shutdown) = child.begin();
        let waiter = thread::spawn(move || {
            let _ = Pin::new(&mut shutdown).poll(&mut Context::from_waker(Waker::noop()));
            block_on(shutdown);
        });
        child.cell.request(Flags::SHUTDOWN);
        waiter.join().unwrap();
    });
}

#[test]
fn p6_a_waiter_in_another_task_sees_the_end() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (id, shutdown) = child.begin();
        let process = child.process(id, ready(()));
        let waiter = thread::spawn(move || block_on(shutdown));
        block_on(process);
        waiter.join().unwrap();
        child.story()
    });
    assert_eq!(stories, ["polled, dropped, exit: ended normally"]);
}

#[test]
fn p6_a_waiter_in_another_task_sees_the_executors_drop() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (id, shutdown) = child.begin();
        let process = child.process(id, ready(()));
        let waiter = thread::spawn(move || block_on(shutdown));
        drop(process);
        waiter.join().unwrap();
        child.story()
    });
    assert_eq!(stories, ["dropped, exit: was dropped by its executor"]);
}

#[test]
fn a_signal_that_races_the_end_lets_all_go() {
    let stories = outcomes(|| {
        let child = Child::new();
        let (id, shutdown) = child.begin();
        let process = child.process(id, ready(()));
        let waiter = thread::spawn(move || block_on(shutdown));
        let executor = thread::spawn(move || block_on(process));
        child.cell.request(Flags::SHUTDOWN);
        waiter.join().unwrap();
        executor.join().unwrap();
        child.story()
    });
    assert_eq!(stories, ["polled, dropped, exit: ended normally"]);
}

#[test]
fn p6_a_cancelled_wait_takes_no_wake_from_another() {
    always(|| {
        let child = Child::new();
        let (_, shutdown) = child.begin();
        let remains = Arc::new(Inert);
        let (mut cancelled, waker) = (shutdown.clone(), Waker::from(remains.clone()));
        let canceller = thread::spawn(move || {
            let _ = Pin::new(&mut cancelled).poll(&mut Context::from_waker(&waker));
            drop(cancelled);
        });
        let waiter = thread::spawn(move || block_on(shutdown));
        child.cell.request(Flags::SHUTDOWN);
        canceller.join().unwrap();
        waiter.join().unwrap();
        assert_eq!(Arc::strong_count(&remains), 1, "its waker is gone");
    });
}

struct Inert;

impl Wake for Inert {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn p6_a_wait_that_begins_again_always_sees_the_signal() {
    always(|| {
        let child = Child::new();
        let (_, mut shutdown) = child.begin();
        let waiter = thread::spawn(move || {
            block_on(async {
                let _ = futures_lite::future::poll_once(shutdown.wait_for_shutdown()).await;
                let _ = futures_lite::future::poll_once(shutdown.clone()).await;
                shutdown.wait_for_shutdown().await;
            });
        });
        child.cell.request(Flags::SHUTDOWN);
        waiter.join().unwrap();
    });
}

struct Event(AtomicBool, AtomicWaker);

impl Event {
    fn happen(&self) {
        self.0.store(true, Release);
        self.1.wake();
    }
}

/// Makes a signal that wraps an event.
fn wrapped_event() -> (Arc<Event>, ProcessShutdown) {
    let event = Arc::new(Event(AtomicBool::new(false), AtomicWaker::new()));
    let inner = event.clone();
    let shutdown = ProcessShutdown::wrapped(poll_fn(move |cx| {
        inner.1.register_by_ref(cx.waker());
        if inner.0.load(Acquire) { Poll::Ready(()) } else { Poll::Pending }
    }));
    (event, shutdown)
}

#[test]
fn a_wrapped_future_is_driven_for_all_its_clones() {
    always(|| {
        let (event, shutdown) = wrapped_event();
        let waiters = [shutdown.clone(), shutdown].map(|shutdown| thread::spawn(move || block_on(shutdown)));
        event.happen();
        waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
    });
}

#[test]
fn a_driver_that_gives_up_leaves_the_wrapped_future_to_others() {
    always(|| {
        let (event, shutdown) = wrapped_event();
        let mut gives_up = shutdown.clone();
        let one = thread::spawn(move || {
            let _ = Pin::new(&mut gives_up).poll(&mut Context::from_waker(Waker::noop()));
        });
        let other = thread::spawn(move || block_on(shutdown));
        event.happen();
        one.join().unwrap();
        other.join().unwrap();
    });
}
