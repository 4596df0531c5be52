use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    mem,
    pin::Pin,
    ptr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, Weak,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use futures_lite::Stream;

use super::Event;
use crate::incarnation::wake;

/// How many subscribers there are in the program: without one, no event is made for them.
static WANTED: AtomicUsize = AtomicUsize::new(0);

/// What happens to a supervisor and to everything below it, from now on: a stream of [`Event`]s.
///
/// It comes from [`SupervisorHandle::events`](crate::SupervisorHandle::events), and goes on over restarts of the supervisor.
/// It ends when the supervisor will not run again: when its tree has ended, or it was removed.
///
/// A subscriber that does not keep up never slows supervision down. It is [`CAPACITY`](Self::CAPACITY) events behind at most;
/// beyond that it loses the oldest ones, and [`lost`](Self::lost) tells how many.
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
/// A subscriber that has nothing to read takes some hundred bytes, and one that is dropped is forgotten at once.
#[must_use = "dropping the stream ends the subscription"]
pub struct Events {
    subscription: Arc<Subscription>,
    /// Those that it is one of. They end with the supervisor, also where that has never run.
    subscribers: Weak<Subscribers>,
}

/// What the stream and those who feed it share.
struct Subscription {
    /// Only what happens at one of these dotted names and below.
    subtree: Option<[String; 2]>,
    /// Where it stands among the others. Looked at and changed under their lock only.
    place: AtomicUsize,
    inbox: Mutex<Inbox>,
}

#[derive(Default)]
struct Inbox {
    waiting: VecDeque<Arc<Event>>,
    lost: u64,
    /// The subscriber, when it waits for the next event.
    waker: Option<Waker>,
    /// Nothing is going to come any more.
    is_over: bool,
}

/// Room for more events than this is not kept when all of them are read.
const KEPT: usize = 32;

/// Who listens to one supervisor and all below it.
///
/// The lock is held for as long as it takes to put an event into each inbox, each under a lock of its own. Nobody is woken, and
/// no waker is cloned or dropped, under either.
#[derive(Default)]
pub(crate) struct Subscribers(Mutex<State>);

#[derive(Default)]
struct State {
    list: Vec<Arc<Subscription>>,
    /// Nothing is going to happen any more.
    is_closed: bool,
}

impl Events {
    /// How many events a subscriber may be behind: some hundred restarts.
    pub const CAPACITY: usize = 1024;

    /// Whether there are subscribers anywhere.
    pub(crate) fn are_wanted() -> bool {
        WANTED.load(Relaxed) > 0
    }

    /// The next event; `None` when there are no more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        let next = NextEvent(&self.subscription);
        poll_fn(|cx| next.0.poll_next(cx)).await
    }

    /// How many events were lost in all, because this subscriber was too far behind.
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
        // A subscriber that no longer waits is not kept alive by its waker.
        let waker = self.0.inbox().waker.take();
        drop(waker);
    }
}

impl Subscribers {
    /// A new one, which hears of this subtree only, if one is named: by either of two names.
    pub(crate) fn add(self: &Arc<Self>, subtree: Option<[String; 2]>) -> Events {
        // B3: without subscribers no event is made. Relaxed is enough: a supervisor looks at this under the lock of
        // its engine. So whoever subscribes, and reads the state after that, finds a change there, or hears of it.
        WANTED.fetch_add(1, Relaxed);
        let mut state = self.lock();
        let place = AtomicUsize::new(state.list.len());
        let inbox = Mutex::new(Inbox { is_over: state.is_closed, ..Inbox::default() });
        let subscription = Arc::new(Subscription { subtree, place, inbox });
        if !state.is_closed {
            state.list.push(subscription.clone());
        }
        drop(state);
        Events { subscription, subscribers: Arc::downgrade(self) }
    }

    fn remove(&self, subscription: &Subscription) {
        let mut state = self.lock();
        let (list, place) = (&mut state.list, subscription.place.load(Relaxed));
        // When all is over, nobody is left in here.
        if !list.get(place).is_some_and(|found| ptr::eq(&**found, subscription)) {
            return;
        }
        list.swap_remove(place);
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
        // P9: each under a guard, and under no lock: a waker that panics, or subscribes, holds up no other.
        woken.into_iter().for_each(wake);
    }

    /// Nothing is going to happen any more: the streams end.
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
        // One may have come meanwhile.
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
    /// Whom to wake.
    fn put(&mut self, event: Arc<Event>) -> Option<Waker> {
        // B3: the oldest goes, so whoever tells an event never waits, and memory has a bound.
        if self.waiting.len() >= Events::CAPACITY {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back(event);
        self.waker.take()
    }

    /// The next event, or the end, if either is there.
    fn take(&mut self) -> Option<Option<Arc<Event>>> {
        let event = self.waiting.pop_front();
        if self.waiting.is_empty() {
            self.waiting.shrink_to(KEPT);
        }
        if event.is_none() && !self.is_over { None } else { Some(event) }
    }

    /// Whom to wake.
    fn end(&mut self) -> Option<Waker> {
        self.is_over = true;
        self.waker.take()
    }
}
