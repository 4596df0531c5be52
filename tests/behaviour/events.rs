//! What subscribers hear.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    task::{Context, Wake, Waker},
    time::{Duration, Instant},
};

use futures_lite::{StreamExt, future::poll_once};
use supervisor_core::{
    Backoff, Event, EventKind, Events, Process, RestartStrategy, Spawner, Supervisor, Timer, one_shot, process, worker,
};

use crate::{
    actors::{Strings, idle, root, supervisor},
    harness::World,
};

mount! { everywhere:
    b3_a_subscriber_hears_all_in_order_until_the_end
    b3_a_handle_hears_its_subtree_over_restarts
    b3_those_who_hear_a_child_are_found_anew_whenever_one_comes_or_goes
    b3_a_subtree_can_be_picked_out
    b3_case_o_a_stalled_subscriber_loses_the_oldest_events
    b3_a_dropped_subscriber_is_forgotten
    b3_unread_events_are_dropped_with_their_subscriber
    b3_subscribing_takes_no_longer_beside_100_000_others
    p9_a_waker_that_panics_keeps_no_event_from_others
    p9_a_waker_that_panics_keeps_no_other_waiting_for_a_tree
    p9_a_waker_that_panics_keeps_no_answer_from_a_caller
    b3_a_subscriber_that_gave_up_is_not_kept_by_its_waker
    b3_after_the_end_the_stream_is_empty
    b3_the_events_of_a_supervisor_that_never_ran_end_with_it
}

mod timed {
    use super::b3_restarts_tell_their_attempt_and_delay;

    mount! { virtual time:
        b3_restarts_tell_their_attempt_and_delay
    }
}

/// An executor that has ended.
#[derive(Debug)]
struct Refuses;

impl Spawner for Refuses {
    fn spawn(&self, process: Process) {
        drop(process);
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        unreachable!("nothing runs here that could ask")
    }
}

/// Returns all events that are waiting, as text.
async fn waiting(events: &mut Events) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(Some(event)) = poll_once(events.next()).await {
        texts.push(event.to_string());
    }
    texts
}

async fn b3_a_subscriber_hears_all_in_order_until_the_end(world: World) {
    let mut root = root();
    let mut before = root.handle().events();
    root.add_worker(idle("a"));
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let mut since = tree.events();
    let id = tree.handle().children().await.unwrap()[0].id;
    tree.handle().kill_child(id).await.unwrap();
    world.probe.quiet().await;
    tree.shutdown().await.unwrap();

    // As a stream, and as it is.
    let mut all = Vec::new();
    while let Some(event) = StreamExt::next(&mut before).await {
        all.push(event.to_string());
    }
    let expected = [
        "root.a started",
        "root.a is ready",
        "root.a aborting",
        "root.a was aborted",
        "root.a restarting (attempt 1): was aborted",
        "root.a started",
        "root.a is ready",
        "root.a is stopping",
        "root.a ended normally",
        "root supervisor ended: shut down on request",
    ];
    assert_eq!(all, expected);
    let mut later = Vec::new();
    while let Some(event) = since.next().await {
        later.push(event.to_string());
    }
    assert_eq!(later, expected[2..]);
    assert_eq!((before.lost(), since.lost()), (0, 0));
}

async fn b3_a_handle_hears_its_subtree_over_restarts(world: World) {
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    inner.add_worker(idle("x"));
    let mut events = inner.handle().events();
    let mut root = root();
    root.add_worker(idle("other"));
    let id = root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let started = ["root.inner started", "root.inner.x started", "root.inner.x is ready", "root.inner is ready"];
    assert_eq!(waiting(&mut events).await, started);
    tree.handle().kill_child(id).await.unwrap();
    world.probe.quiet().await;
    let told = waiting(&mut events).await;
    assert!(told.contains(&"root.inner restarting (attempt 1): was killed".to_owned()), "{told:?}");
    assert_eq!(told[told.len() - 4..], started);
    assert!(told.iter().all(|text| text.starts_with("root.inner")), "{told:?}");
    tree.shutdown().await.unwrap();
    let last = waiting(&mut events).await;
    let end = "root.inner supervisor ended: shut down on request";
    assert_eq!(last.last().map(String::as_str), Some(end));
    assert!(events.next().await.is_none());
}

async fn b3_those_who_hear_a_child_are_found_anew_whenever_one_comes_or_goes(world: World) {
    let mut inner = supervisor("inner", RestartStrategy::one_for_one());
    let child = inner.add_worker(idle("x"));
    let below = inner.handle();
    let mut root = root();
    root.add_worker(inner);
    let tree = world.start(root).await.unwrap();
    world.probe.quiet().await;
    let restart = async || {
        below.kill_child(child).await.unwrap();
        world.probe.quiet().await;
    };
    let heard = 5;
    restart().await;
    let mut above = tree.events();
    restart().await;
    assert_eq!(waiting(&mut above).await.len(), heard);
    let mut near = below.events();
    let second = tree.events();
    restart().await;
    assert_eq!((waiting(&mut above).await.len(), waiting(&mut near).await.len()), (heard, heard));
    drop((above, second));
    restart().await;
    assert_eq!(waiting(&mut near).await.len(), heard);
    drop(near);
    restart().await;
    let mut again = tree.events();
    restart().await;
    assert_eq!(waiting(&mut again).await.len(), heard);
    tree.shutdown().await.unwrap();
}

async fn b3_a_subtree_can_be_picked_out(world: World) {
    let mut root = root();
    for name in ["api", "api_v2"] {
        let mut inner = supervisor(name, RestartStrategy::one_for_one());
        inner.add_worker(idle("x"));
        root.add_worker(inner);
    }
    let streams = ["root.api", "api"].map(|name| root.handle().events_below(name));
    let tree = world.start(root).await.unwrap();
    tree.shutdown().await.unwrap();
    for mut events in streams {
        let mut paths: Vec<String> = Vec::new();
        while let Some(event) = events.next().await {
            paths.push(event.path.clone());
        }
        assert!(paths.contains(&"root.api".to_owned()) && paths.contains(&"root.api.x".to_owned()));
        assert!(paths.iter().all(|path| path == "root.api" || path == "root.api.x"), "{paths:?}");
    }
}

async fn b3_case_o_a_stalled_subscriber_loses_the_oldest_events(world: World) {
    let tree = world.start(root()).await.unwrap();
    let (mut stalled, mut quick) = (tree.events(), tree.events());
    let handle = tree.handle();
    let mut heard: Vec<Arc<Event>> = Vec::new();
    for _ in 0..Events::CAPACITY {
        // Started, ready, exited.
        handle.start_child(one_shot("x", async {})).await.unwrap();
        while let Some(Some(event)) = poll_once(quick.next()).await {
            heard.push(event);
        }
    }
    world.probe.quiet().await;
    while let Some(Some(event)) = poll_once(quick.next()).await {
        heard.push(event);
    }
    assert_eq!((heard.len(), quick.lost()), (3 * Events::CAPACITY, 0));
    assert_eq!(stalled.lost(), 2 * Events::CAPACITY as u64);
    let mut left = Vec::new();
    while let Some(Some(event)) = poll_once(stalled.next()).await {
        left.push(event);
    }
    // The very same events: one is made for all.
    assert_eq!(left.len(), Events::CAPACITY);
    assert!(left.iter().zip(&heard[2 * Events::CAPACITY..]).all(|(left, heard)| Arc::ptr_eq(left, heard)));
    tree.shutdown().await.unwrap();
}

async fn b3_a_dropped_subscriber_is_forgotten(world: World) {
    let tree = world.start(root()).await.unwrap();
    for _ in 0..100 {
        drop(tree.events());
    }
    let mut events = tree.events();
    tree.handle().start_child(idle("a")).await.unwrap();
    assert_eq!(waiting(&mut events).await, ["root.a started", "root.a is ready"]);
    tree.shutdown().await.unwrap();
}

async fn b3_unread_events_are_dropped_with_their_subscriber(world: World) {
    let tree = world.start(root()).await.unwrap();
    let (slow, mut quick) = (tree.events(), tree.events());
    tree.handle().start_child(idle("a")).await.unwrap();
    let first = Arc::downgrade(&quick.next().await.unwrap());
    assert!(first.upgrade().is_some(), "the slow one has it to read");
    drop(slow);
    assert!(first.upgrade().is_none());
    tree.shutdown().await.unwrap();
}

async fn b3_subscribing_takes_no_longer_beside_100_000_others(world: World) {
    let tree = world.start(root()).await.unwrap();
    let begun = Instant::now();
    let all: Vec<_> = (0..100_000).map(|_| tree.events()).collect();
    drop(all);
    // Some hundredths of a second; where each one costs a step for each other, minutes.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let mut last = tree.events();
    tree.handle().start_child(idle("a")).await.unwrap();
    assert_eq!(waiting(&mut last).await, ["root.a started", "root.a is ready"]);
    tree.shutdown().await.unwrap();
}

/// A waker that counts, and panics as often as it is told to.
#[derive(Default)]
struct Bell {
    rung: AtomicUsize,
    is_broken: bool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.rung.fetch_add(1, SeqCst);
        assert!(!self.is_broken, "a waker of a test panics");
    }
}

/// Makes two broken wakers and two good ones, after and before them.
fn bells() -> [Arc<Bell>; 4] {
    [false, true, true, false].map(|is_broken| Arc::new(Bell { is_broken, ..Bell::default() }))
}

fn rung(bells: &[Arc<Bell>; 4]) -> [usize; 4] {
    bells.each_ref().map(|bell| bell.rung.load(SeqCst))
}

async fn p9_a_waker_that_panics_keeps_no_event_from_others(world: World) {
    let tree = world.start(root()).await.unwrap();
    let bells = bells();
    let mut streams = bells.each_ref().map(|_| tree.events());
    for (events, bell) in streams.iter_mut().zip(&bells) {
        let waker = Waker::from(bell.clone());
        assert!(Pin::new(&mut *events).poll_next(&mut Context::from_waker(&waker)).is_pending());
    }
    tree.handle().start_child(idle("a")).await.unwrap();
    assert_eq!(rung(&bells), [1; 4]);
    for events in &mut streams {
        assert_eq!(waiting(events).await, ["root.a started", "root.a is ready"]);
    }
    // And at the end.
    for (events, bell) in streams.iter_mut().zip(&bells) {
        let waker = Waker::from(bell.clone());
        assert!(Pin::new(&mut *events).poll_next(&mut Context::from_waker(&waker)).is_pending());
    }
    tree.shutdown().await.unwrap();
    assert_eq!(rung(&bells), [2; 4]);
}

async fn p9_a_waker_that_panics_keeps_no_other_waiting_for_a_tree(world: World) {
    let tree = world.start(root()).await.unwrap();
    let (go, gate) = async_channel::bounded::<()>(1);
    let late = worker("late", move |shutdown| {
        let gate = gate.clone();
        async move {
            let _ = gate.recv().await;
            process::ready();
            shutdown.await;
        }
    });
    let mut events = tree.events();
    tree.handle().spawn(late.with_explicit_ready()).unwrap();
    assert_eq!(events.next().await.unwrap().to_string(), "root.late started");
    let bells = bells();
    let mut waits = bells.each_ref().map(|_| Box::pin(tree.ready()));
    for (wait, bell) in waits.iter_mut().zip(&bells) {
        let waker = Waker::from(bell.clone());
        assert!(wait.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    }
    go.send(()).await.unwrap();
    world.probe.quiet().await;
    assert!(rung(&bells).iter().all(|rung| *rung > 0), "{:?}", rung(&bells));
    for wait in waits {
        wait.await.unwrap();
    }
    tree.shutdown().await.unwrap();
}

async fn p9_a_waker_that_panics_keeps_no_answer_from_a_caller(world: World) {
    let mut root = root();
    let id = root.add_worker(idle("a"));
    let tree = world.start(root).await.unwrap();
    let handle = tree.handle();
    let bells = bells();
    let mut calls = bells.each_ref().map(|_| Box::pin(handle.terminate_child(id)));
    let answered: Vec<bool> = calls
        .iter_mut()
        .zip(&bells)
        .map(|(call, bell)| call.as_mut().poll(&mut Context::from_waker(&Waker::from(bell.clone()))).is_ready())
        .collect();
    world.probe.quiet().await;
    for ((call, is_answered), bell) in calls.into_iter().zip(answered).zip(&bells) {
        // Where another thread was quick, the first look has found the answer.
        if !is_answered {
            assert_eq!(bell.rung.load(SeqCst), 1);
            call.await.unwrap();
        }
    }
    tree.shutdown().await.unwrap();
}

async fn b3_a_subscriber_that_gave_up_is_not_kept_by_its_waker(world: World) {
    let tree = world.start(root()).await.unwrap();
    let mut events = tree.events();
    let bell = Arc::new(Bell::default());
    {
        let waker = Waker::from(bell.clone());
        let mut next = pin!(events.next());
        assert!(next.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        assert!(Arc::strong_count(&bell) > 2);
    }
    assert_eq!(Arc::strong_count(&bell), 1);
    tree.shutdown().await.unwrap();
}

async fn b3_after_the_end_the_stream_is_empty(world: World) {
    let tree = world.start(root()).await.unwrap();
    let handle = tree.handle();
    tree.shutdown().await.unwrap();
    world.probe.quiet().await;
    assert!(handle.events().next().await.is_none());
}

async fn b3_the_events_of_a_supervisor_that_never_ran_end_with_it(world: World) {
    let inner = supervisor("inner", RestartStrategy::one_for_one());
    let mut events = inner.handle().events();
    let mut tree = root();
    tree.add_worker(inner);
    tree.add_worker(worker(" ", |shutdown| shutdown));
    world.start(tree).await.unwrap_err();
    assert!(events.next().await.is_none());
    // Though a handle is kept; and a later subscriber sees the end at once.
    for (index, let_go) in [drop::<Supervisor>, |root: Supervisor| drop(root.run_on(Refuses))].into_iter().enumerate() {
        let alone = Supervisor::new("alone").unwrap();
        let handle = alone.handle();
        let mut events = handle.events();
        let_go(alone);
        assert!(events.next().await.is_none(), "{index}");
        assert!(handle.events().next().await.is_none(), "{index}");
    }
    let alone = Supervisor::new("alone").unwrap();
    let handle = alone.handle();
    let mut events = handle.events();
    alone.run_on(Refuses).await.unwrap_err();
    assert_eq!(events.next().await.unwrap().to_string(), "alone was dropped by its executor");
    assert!(events.next().await.is_none());
}

async fn b3_restarts_tell_their_attempt_and_delay(world: World) {
    let strings = Strings::new();
    let pulled = strings.clone();
    let second = Duration::from_secs(1);
    let mut root = root().with_default_backoff(Backoff::exponential(second, 4 * second).without_jitter());
    root.add_worker(worker("a", move |shutdown| {
        let strings = pulled.clone();
        async move {
            process::sleep(Duration::from_millis(1)).await;
            strings.hang(shutdown).await
        }
    }));
    let tree = world.start(root).await.unwrap();
    let mut events = tree.events();
    let mut told = Vec::new();
    while told.len() < 4 {
        strings.pull(Err("boom"));
        while let Some(event) = events.next().await {
            if let EventKind::Restarting { attempt, delay, .. } = &event.kind {
                told.push((*attempt, *delay));
                break;
            }
        }
    }
    assert_eq!(told, [(1, second), (2, 2 * second), (3, 4 * second), (4, 4 * second)]);
    tree.shutdown().await.unwrap();
}
