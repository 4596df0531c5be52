use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{
            AtomicUsize,
            Ordering::{Acquire, Relaxed, Release},
        },
    },
    task::{Context, Poll, Waker},
};

use futures_lite::Stream;

use super::Event;
use crate::incarnation::wake;

/// Number of subscribers in the program. Without one, no event is made for them.
static WANTED: AtomicUsize = AtomicUsize::new(0);

/// How often in the program the first subscriber of a supervisor has come, or the last one has gone. Changed under the lock of
/// the list, after the list.
static TURNS: AtomicUsize = AtomicUsize::new(0);

/// A stream of the [`Event`]s of a supervisor and of everything below it, from the moment of the call on.
///
/// [`SupervisorHandle::events`](crate::SupervisorHandle::events) returns it. It goes on over restarts of the supervisor, and
/// ends when the supervisor will not run again: when its tree has ended, or when it was removed.
///
/// A slow subscriber never slows supervision. It may be [`CAPACITY`](Self::CAPACITY) events behind. Beyond that it loses the
/// oldest events, and [`lost`](Self::lost) returns how many.
///
/// ```
/// # use supervision::{EventKind, Supervisor, SupervisorError};
/// # async fn watch(root: &Supervisor) -> Result<(), SupervisorError> {
/// let mut events = root.handle().events();
/// while let Some(event) = events.next().await {
///     if let EventKind::Restarting { .. } = event.kind {
///         println!("{event}"); // root.api.listener restarting (attempt 1): panicked: ...
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// A subscriber with nothing to read takes some hundred bytes. Dropping it frees them at once.
#[must_use = "dropping the stream ends the subscription"]
pub struct Events {
    subscription: Arc<Subscription>,
    /// The subscribers of the supervisor, of which it is one. They end with the supervisor, even if that has never run.
    subscribers: Weak<Subscribers>,
}

/// The state that the stream shares with the supervisors that fill it.
struct Subscription {
    /// If set, only events at one of these dotted names, and below, are put into the inbox.
    subtree: Option<[String; 2]>,
    /// Its index in the list of subscribers. Read and changed only under their lock.
    place: AtomicUsize,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    waiting: VecDeque<Arc<Event>>,
    lost: u64,
    /// The waker of the subscriber, while it waits for the next event.
    waker: Option<Waker>,
    /// No more events will come.
    is_over: bool,
}

/// An inbox that has been read keeps room for this many events.
const KEPT: usize = 32;

/// The subscribers of one supervisor and of all below it.
///
/// The lock is held while an event is put into each inbox, and each inbox has a lock of its own. No waker is woken, cloned or
/// dropped under either lock.
#[derive(Default)]
pub(crate) struct Subscribers(Mutex<State>);

#[derive(Default)]
struct State {
    list: Vec<Arc<Subscription>>,
    /// No more events will come.
    is_closed: bool,
}

/// The subscribers of a supervisor and of those above it, as far as they have any: all that get an event of this supervisor.
///
/// In a deep tree it takes longer to ask all of them than to tell the event. So the answer is kept until it may have changed.
#[derive(Default)]
pub(crate) struct Audience(Mutex<Kept>);

#[derive(Clone, Default)]
struct Kept {
    /// The state of [`TURNS`] for which this holds. At zero there was no subscriber in the program.
    turn: usize,
    lists: Arc<[Arc<Subscribers>]>,
}

impl Audience {
    /// Returns those of these lists that have a subscriber. `all` has to be the same for each call.
    pub(crate) fn of<'a>(&self, all: impl Iterator<Item = &'a Arc<Subscribers>>) -> Arc<[Arc<Subscribers>]> {
        // B3: read before the lists. So a subscriber that is missed here has a turn of its own, after this one.
        let turn = TURNS.load(Acquire);
        let kept = self.lock().clone();
        if kept.turn == turn {
            return kept.lists;
        }
        let lists: Arc<[_]> = all.filter(|subscribers| !subscribers.is_empty()).cloned().collect();
        // If another thread has kept an older answer meanwhile, or does now, the next call finds that.
        *self.lock() = Kept { turn, lists: lists.clone() };
        lists
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Events {
    /// Number of events that a subscriber may be behind. This is enough for some hundred restarts.
    pub const CAPACITY: usize = 1024;

    /// Whether the program has a subscriber.
    pub(crate) fn are_wanted() -> bool {
        WANTED.load(Relaxed) > 0
    }

    /// Waits for the next event, and returns it. Returns `None` when no more will come. Cancel-safe.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        let next = NextEvent(&self.subscription);
        poll_fn(|cx| next.0.poll_next(cx)).await
    }

    /// Returns how many events this subscriber has lost in all because it was too far behind.
    pub fn lost(&self) -> u64 {
        self.subscription.inbox().lost
    }
}

impl Stream for Events {
    type Item = Arc<Event>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Arc<Event>>> {
        self.subscription.poll_next(cx)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        WANTED.fetch_sub(1, Relaxed);
        if let Some(subscribers) = self.subscribers.upgrade() {
            subscribers.remove(&self.subscription);
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = self.subscription.inbox().waiting.len();
        f.debug_struct("Events").field("waiting", &waiting).field("lost", &self.lost()).finish()
    }
}

/// A wait for the next event.
struct NextEvent<'a>(&'a Subscription);

impl Drop for NextEvent<'_> {
    fn drop(&mut self) {
        // The waker would keep the task of the subscriber alive though that no longer waits.
        let waker = self.0.inbox().waker.take();
        drop(waker);
    }
}

impl Subscribers {
    /// Adds a subscriber. If a subtree is given, as either of two names, the subscriber gets only its events.
    pub(crate) fn add(self: &Arc<Self>, subtree: Option<[String; 2]>) -> Events {
        // B3: without subscribers no event is made. Relaxed is enough: a supervisor reads this under the lock of its engine. So
        // a caller that subscribes, and then reads the state, finds each change there or gets its event.
        WANTED.fetch_add(1, Relaxed);
        let mut state = self.lock();
        let place = AtomicUsize::new(state.list.len());
        let inbox = Mutex::new(Inbox { is_over: state.is_closed, ..Inbox::default() });
        let subscription = Arc::new(Subscription { subtree, place, inbox });
        if !state.is_closed {
            state.list.push(subscription.clone());
            if state.list.len() == 1 {
                TURNS.fetch_add(1, Release);
            }
        }
        drop(state);
        Events { subscription, subscribers: Arc::downgrade(self) }
    }

    fn remove(&self, subscription: &Subscription) {
        let mut state = self.lock();
        let (list, place) = (&mut state.list, subscription.place.load(Relaxed));
        // A list that was closed is empty.
        if !list.get(place).is_some_and(|found| ptr::eq(&**found, subscription)) {
            return;
        }
        list.swap_remove(place);
        if list.is_empty() {
            TURNS.fetch_add(1, Release);
        }
        if let Some(moved) = list.get(place) {
            moved.place.store(place, Relaxed);
        }
        if list.len() < list.capacity() / 4 {
            let kept = list.len() * 2;
            list.shrink_to(kept);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().list.is_empty()
    }

    pub(crate) fn emit(&self, event: &Arc<Event>) {
        let woken: Vec<Waker> = {
            let state = self.lock();
            let those = state.list.iter().filter(|subscription| subscription.covers(&event.path));
            those.filter_map(|subscription| subscription.inbox().put(event.clone())).collect()
        };
        // P9: each under a guard, and under no lock. So a waker that panics, or subscribes, holds up no other.
        woken.into_iter().for_each(wake);
    }

    /// Ends all streams. No more events will come.
    pub(crate) fn close(&self) {
        let list = {
            let mut state = self.lock();
            state.is_closed = true;
            mem::take(&mut state.list)
        };
        for subscription in list {
            let waker = subscription.inbox().end();
            waker.into_iter().for_each(wake);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Subscribers {
    fn drop(&mut self) {
        self.close();
    }
}

impl Subscription {
    fn covers(&self, path: &str) -> bool {
        let Some(subtree) = &self.subtree else { return true };
        let is_in =
            |top: &String| path.strip_prefix(top.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        subtree.iter().any(is_in)
    }

    fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Option<Arc<Event>>> {
        if let Some(event) = self.inbox().take() {
            return Poll::Ready(event);
        }
        let waker = cx.waker().clone();
        let mut inbox = self.inbox();
        // An event may have come in the meantime.
        if let Some(event) = inbox.take() {
            return Poll::Ready(event);
        }
        let before = inbox.waker.replace(waker);
        drop(inbox);
        drop(before);
        Poll::Pending
    }

    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox {
    /// Adds an event, and returns the waker to wake.
    fn put(&mut self, event: Arc<Event>) -> Option<Waker> {
        // B3: the oldest event is dropped. So the supervisor never waits, and memory has a bound.
        if self.waiting.len() >= Events::CAPACITY {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(event);
        self.waker.take()
    }

    /// Takes the next event, or the end, if there is one.
    fn take(&mut self) -> Option<Option<Arc<Event>>> {
        let event = self.waiting.pop_front();
        if self.waiting.is_empty() {
            self.waiting.shrink_to(KEPT);
        }
        if event.is_none() && !self.is_over { None } else { Some(event) }
    }

    /// Ends the stream, and returns the waker to wake.
    fn end(&mut self) -> Option<Waker> {
        self.is_over = true;
        self.waker.take()
    }
}
