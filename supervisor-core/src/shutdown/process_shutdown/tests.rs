use std::{
    future::{pending, poll_fn},
    sync::{
        Barrier, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Wake, Waker},
    thread,
};

use futures_lite::future::{block_on, or, poll_once};

use super::*;
use crate::incarnation::{ControlCell, Flags};

struct Child(ControlCell);

impl Control for Child {
    fn cell(&self) -> &ControlCell {
        &self.0
    }

    fn name(&self) -> &str {
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
fn p6_the_signal_is_latched_and_fused() {
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
fn p6_case_q_a_cancelled_wait_loses_no_signal() {
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
fn p6_a_clone_fires_however_its_incarnation_ends() {
    let child = child();
    let (id, mut shutdown) = incarnation(&child);
    let mut clone = shutdown.clone();
    assert!(!is_fired(&mut clone));
    child.0.end(id, false);
    assert!(is_fired(&mut clone));
    assert!(is_fired(&mut shutdown));
}

#[test]
fn p6_a_clone_never_sees_the_signal_of_a_successor() {
    let child = child();
    let (first, old) = incarnation(&child);
    child.0.end(first, false);
    let (_, mut new) = incarnation(&child);
    assert!(is_fired(&mut old.clone()), "its own incarnation is over");
    assert!(!is_fired(&mut new));
    child.0.request(Flags::SHUTDOWN);
    assert!(is_fired(&mut new));
}

#[test]
fn a_wrapped_future_fires_all_its_clones() {
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
    assert!(is_fired(&mut shutdown), "a look drives it");
}

#[test]
fn a_wrapped_future_goes_with_its_last_waiter() {
    let (kept, dropped) = (Arc::new(Mutex::new(None)), Arc::new(()));
    let mut shutdown = {
        let (kept, dropped) = (kept.clone(), dropped.clone());
        ProcessShutdown::wrapped(poll_fn(move |cx| -> Poll<()> {
            let _dropped = &dropped;
            *kept.lock().unwrap() = Some(cx.waker().clone());
            Poll::Pending
        }))
    };
    let clone = shutdown.clone();
    assert!(!is_fired(&mut shutdown));
    drop(shutdown);
    assert_eq!(Arc::strong_count(&dropped), 2);
    drop(clone);
    assert_eq!(Arc::strong_count(&dropped), 1, "the future is gone, though what wakes it is kept");
    kept.lock().unwrap().take().unwrap().wake();
}

#[test]
fn a_wrapped_future_that_panics_fires_for_all_and_stays_fired() {
    let mut polls = 0;
    let mut one = ProcessShutdown::wrapped(poll_fn(move |_| -> Poll<()> {
        polls += 1;
        if polls == 1 { Poll::Pending } else { panic!("boom") }
    }));
    let mut two = one.clone();
    let waiter = Arc::new(Counting::default());
    assert!(Pin::new(&mut two).poll(&mut Context::from_waker(&Waker::from(waiter.clone()))).is_pending());
    assert!(is_fired(&mut one));
    assert_eq!(waiter.0.load(SeqCst), 1, "who waited is woken");
    for _ in 0..2 {
        assert!(is_fired(&mut one));
        assert!(is_fired(&mut two));
    }
}

#[test]
fn a_wrapped_future_may_look_at_its_own_signal() {
    let own = Arc::new(Mutex::new(None::<ProcessShutdown>));
    let looks = own.clone();
    let mut shutdown = ProcessShutdown::wrapped(poll_fn(move |cx| {
        let mut own = looks.lock().unwrap();
        let own = own.as_mut().expect("put there before the first poll");
        assert!(!own.is_requested());
        Pin::new(own).poll(cx)
    }));
    *own.lock().unwrap() = Some(shutdown.clone());
    let waiter = Arc::new(Counting::default());
    for _ in 0..3 {
        let waker = Waker::from(waiter.clone());
        assert!(Pin::new(&mut shutdown).poll(&mut Context::from_waker(&waker)).is_pending());
    }
    assert_eq!(waiter.0.load(SeqCst), 0, "it has nothing to do, so no task is woken");
    *own.lock().unwrap() = None;
}

/// The tools with which a future is woken and delayed in its first poll. In its second poll it is ready.
#[derive(Clone)]
struct HeldUp {
    bell: Arc<Mutex<Option<Waker>>>,
    polled: Arc<Barrier>,
    go_on: Arc<Barrier>,
}

fn held_up() -> (ProcessShutdown, HeldUp) {
    let barrier = || Arc::new(Barrier::new(2));
    let held_up = HeldUp { bell: Arc::default(), polled: barrier(), go_on: barrier() };
    let (polls, kept) = (AtomicUsize::new(0), held_up.clone());
    let shutdown = ProcessShutdown::wrapped(poll_fn(move |cx| {
        if polls.fetch_add(1, SeqCst) > 0 {
            return Poll::Ready(());
        }
        *kept.bell.lock().unwrap() = Some(cx.waker().clone());
        kept.polled.wait();
        kept.go_on.wait();
        Poll::Pending
    }));
    (shutdown, held_up)
}

#[test]
fn a_waiter_woken_during_a_foreign_poll_drives_it_next() {
    let (shutdown, HeldUp { bell, polled, go_on }) = held_up();
    let mut first = shutdown.clone();
    let driver = thread::spawn(move || assert!(!is_fired(&mut first)));
    polled.wait();
    bell.lock().unwrap().take().unwrap().wake();
    // It has happened what the future waits for, and the one who polls does not come back.
    let waiter = Arc::new(Counting::default());
    let mut second = shutdown;
    assert!(Pin::new(&mut second).poll(&mut Context::from_waker(&Waker::from(waiter.clone()))).is_pending());
    go_on.wait();
    driver.join().unwrap();
    assert_eq!(waiter.0.load(SeqCst), 1);
    assert!(is_fired(&mut second));
}

#[test]
fn a_waiter_that_meets_a_foreign_poll_is_not_woken_for_it() {
    let (shutdown, HeldUp { bell, polled, go_on }) = held_up();
    let mut first = shutdown.clone();
    let driver = thread::spawn(move || assert!(!is_fired(&mut first)));
    polled.wait();
    let waiter = Arc::new(Counting::default());
    let mut second = shutdown;
    assert!(Pin::new(&mut second).poll(&mut Context::from_waker(&Waker::from(waiter.clone()))).is_pending());
    go_on.wait();
    driver.join().unwrap();
    assert_eq!(waiter.0.load(SeqCst), 0, "nothing has happened");
    bell.lock().unwrap().take().unwrap().wake();
    assert_eq!(waiter.0.load(SeqCst), 1);
    assert!(is_fired(&mut second));
}

#[test]
fn p9_a_waker_that_panics_leaves_no_other_waiter_asleep() {
    struct Bomb;

    impl Wake for Bomb {
        fn wake(self: Arc<Self>) {
            panic!("in a waker");
        }
    }

    let (shutdown, handle) = ProcessShutdown::paired();
    let waiters: Vec<_> = (0..3).map(|_| Arc::new(Counting::default())).collect();
    let wakers = [Waker::from(Arc::new(Bomb))].into_iter().chain(waiters.iter().map(|waiter| waiter.clone().into()));
    let mut clones: Vec<_> = wakers.map(|waker| (shutdown.clone(), waker)).collect();
    for (clone, waker) in &mut clones {
        assert!(Pin::new(clone).poll(&mut Context::from_waker(waker)).is_pending());
    }
    handle.trigger();
    assert!(waiters.iter().all(|waiter| waiter.0.load(SeqCst) == 1));
    assert!(clones.iter_mut().all(|(clone, _)| is_fired(clone)));
}

#[test]
fn a_wrapped_future_that_never_resolves_never_fires() {
    let mut shutdown = ProcessShutdown::wrapped(pending::<()>());
    assert!(!is_fired(&mut shutdown));
}

#[test]
fn p6_run_until_looks_at_the_signal_first() {
    let (shutdown, handle) = ProcessShutdown::paired();
    assert_eq!(block_on(shutdown.run_until(async { 7 })), Some(7));
    let mut polls = 0;
    handle.trigger();
    let item = poll_fn(|_| {
        polls += 1;
        Poll::Ready(7)
    });
    assert_eq!(block_on(shutdown.run_until(item)), None);
    assert_eq!(polls, 0, "so nothing was taken that is lost");
}

#[test]
fn p6_run_until_hears_a_signal_while_it_waits() {
    let (shutdown, handle) = ProcessShutdown::paired();
    let mut running = pin!(shutdown.run_until(pending::<()>()));
    let waker = Arc::new(Counted::default());
    let task = Waker::from(waker.clone());
    assert!(running.as_mut().poll(&mut Context::from_waker(&task)).is_pending());
    handle.trigger();
    assert_eq!(waker.0.load(SeqCst), 1);
    assert_eq!(running.as_mut().poll(&mut Context::from_waker(&task)), Poll::Ready(None));
}

#[test]
fn p6_run_until_drives_a_future_that_is_wrapped() {
    let asked = ProcessShutdown::wrapped(std::future::ready(()));
    assert_eq!(block_on(asked.run_until(async { 7 })), None);
    assert_eq!(block_on(ProcessShutdown::noop().run_until(async { 7 })), Some(7));
}

#[derive(Default)]
struct Counted(AtomicUsize);

impl Wake for Counted {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}
