use std::{
    future::pending,
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    task::{Wake, Waker},
};

use futures_lite::future::{block_on, or, poll_once};

use super::*;
use crate::process::{ControlCell, Flags};

struct Child(ControlCell);

impl Control for Child {
    fn cell(&self) -> &ControlCell {
        &self.0
    }

    fn segment(&self) -> &str {
        "child"
    }

    fn release(&self) {}
}

fn incarnation(child: &Arc<Child>) -> (ProcessId, ProcessShutdown) {
    let id = ProcessId::next();
    child.0.begin(id, Flags::NONE);
    (id, ProcessShutdown::of(child.clone(), id))
}

fn child() -> Arc<Child> {
    Arc::new(Child(ControlCell::new()))
}

fn is_fired(shutdown: &mut ProcessShutdown) -> bool {
    let polled = Pin::new(&mut *shutdown).poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(polled.is_ready(), shutdown.is_requested());
    polled.is_ready()
}

#[test]
fn the_signal_is_latched_and_fused() {
    let (mut shutdown, handle) = ProcessShutdown::paired();
    assert!(!is_fired(&mut shutdown));
    handle.trigger();
    for _ in 0..3 {
        assert!(is_fired(&mut shutdown));
        block_on(shutdown.wait_for_shutdown());
    }
}

#[test]
fn dropping_the_handle_triggers() {
    let (mut shutdown, handle) = ProcessShutdown::paired();
    drop(handle);
    assert!(is_fired(&mut shutdown));
}

#[test]
fn noop_never_fires() {
    assert!(!is_fired(&mut ProcessShutdown::noop()));
}

#[test]
fn a_wait_that_is_cancelled_in_a_select_loop_does_not_fire_by_itself_and_loses_nothing() {
    block_on(async {
        let (mut shutdown, handle) = ProcessShutdown::paired();
        let mut ticks = 0;
        let mut handle = Some(handle);
        loop {
            let stopped = or(
                async {
                    shutdown.wait_for_shutdown().await;
                    true
                },
                async { false },
            );
            if stopped.await {
                break;
            }
            ticks += 1;
            if ticks == 10 {
                handle.take().expect("triggered once").trigger();
            }
        }
        assert_eq!(ticks, 10);
    });
}

#[test]
fn waiting_in_a_loop_registers_one_waiter_at_most() {
    let child = child();
    let (_, mut shutdown) = incarnation(&child);
    let waiter = Arc::new(Counting::default());
    let waker = Waker::from(waiter.clone());
    for _ in 0..100 {
        assert!(Pin::new(&mut shutdown).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(Arc::strong_count(&waiter), 3, "ours, the waker's, the registered one's");
    drop(shutdown);
    assert_eq!(Arc::strong_count(&waiter), 2, "a dropped wait deregisters");
}

#[derive(Default)]
struct Counting(AtomicUsize);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_clone_fires_when_its_incarnation_ends_however_it_ends() {
    let child = child();
    let (id, mut shutdown) = incarnation(&child);
    let mut clone = shutdown.clone();
    assert!(!is_fired(&mut clone));
    child.0.end(id);
    assert!(is_fired(&mut clone));
    assert!(is_fired(&mut shutdown));
}

#[test]
fn a_clone_never_sees_the_signal_of_a_successor_nor_does_the_successor_see_its_own_early() {
    let child = child();
    let (first, old) = incarnation(&child);
    child.0.end(first);
    let (_, mut new) = incarnation(&child);
    assert!(is_fired(&mut old.clone()), "its own incarnation is over");
    assert!(!is_fired(&mut new));
    child.0.request(Flags::SHUTDOWN);
    assert!(is_fired(&mut new));
}

#[test]
fn a_wrapped_future_fires_all_clones_whoever_drives_it() {
    block_on(async {
        let (sender, receiver) = async_channel::bounded::<()>(1);
        let mut one = ProcessShutdown::wrapped(async move { receiver.recv().await });
        let mut two = one.clone();
        assert!(poll_once(&mut one).await.is_none());
        assert!(poll_once(&mut two).await.is_none());
        drop(one);
        sender.send(()).await.unwrap();
        two.await;
    });
}

#[test]
fn a_wrapped_future_wakes_all_that_wait_when_it_can_go_on() {
    let (sender, receiver) = async_channel::bounded::<()>(1);
    let mut shutdown = ProcessShutdown::wrapped(async move { receiver.recv().await });
    let waiters: Vec<_> = (0..3).map(|_| Arc::new(Counting::default())).collect();
    let mut clones: Vec<_> = waiters.iter().map(|_| shutdown.clone()).collect();
    for (clone, waiter) in clones.iter_mut().zip(&waiters) {
        assert!(Pin::new(clone).poll(&mut Context::from_waker(&Waker::from(waiter.clone()))).is_pending());
    }
    sender.try_send(()).unwrap();
    assert!(waiters.iter().all(|waiter| waiter.0.load(SeqCst) == 1));
    assert!(is_fired(&mut shutdown), "whoever looks drives it");
}

#[test]
fn a_wrapped_future_that_never_resolves_never_fires() {
    let mut shutdown = ProcessShutdown::wrapped(pending::<()>());
    assert!(!is_fired(&mut shutdown));
}
