use std::{
    fmt, mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use async_channel::{Receiver, Sender};
use futures_lite::Stream;

use super::Event;
use crate::process::guard;

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
/// # use supervisor_core::{EventKind, Supervisor, SupervisorError};
/// # async fn watch(root: &Supervisor) -> Result<(), SupervisorError> {
/// let mut events = root.handle().events();
/// while let Some(event) = events.next().await {
///     if let EventKind::Restarting { .. } = event.kind {
///         println!("{event}"); // `root.api.listener` is restarted (attempt 1), it panicked: ...
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Events {
    receiver: Pin<Box<Receiver<Arc<Event>>>>,
    subscription: Arc<Subscription>,
}

/// What the stream and those who feed it share.
struct Subscription {
    /// Only what happens there and below.
    subtree: Option<String>,
    lost: AtomicU64,
}

/// Who listens to one supervisor and all below it.
#[derive(Default)]
pub(crate) struct Subscribers(Mutex<State>);

#[derive(Default)]
struct State {
    list: Arc<[Subscriber]>,
    /// Nothing is going to happen any more.
    is_closed: bool,
}

#[derive(Clone)]
struct Subscriber {
    sender: Sender<Arc<Event>>,
    subscription: Arc<Subscription>,
}

impl Events {
    /// How many events a subscriber may be behind: some hundred restarts.
    pub const CAPACITY: usize = 1024;

    /// Whether there are subscribers anywhere.
    pub(crate) fn are_wanted() -> bool {
        WANTED.load(Ordering::Relaxed) > 0
    }

    /// The next event; `None` when there are no more. Cancel-safe.
    pub async fn next(&mut self) -> Option<Arc<Event>> {
        self.receiver.recv().await.ok()
    }

    /// How many events were lost in all, because this subscriber was too far behind.
    pub fn lost(&self) -> u64 {
        self.subscription.lost.load(Ordering::Relaxed)
    }
}

impl Stream for Events {
    type Item = Arc<Event>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Arc<Event>>> {
        self.receiver.as_mut().poll_next(cx)
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        WANTED.fetch_sub(1, Ordering::Relaxed);
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events").field("waiting", &self.receiver.len()).field("lost", &self.lost()).finish()
    }
}

impl Subscribers {
    /// A new one, who hears of this subtree only, if one is named.
    pub(crate) fn add(&self, subtree: Option<String>) -> Events {
        let (sender, receiver) = async_channel::bounded(Events::CAPACITY);
        let subscription = Arc::new(Subscription { subtree, lost: AtomicU64::new(0) });
        WANTED.fetch_add(1, Ordering::Relaxed);
        let mut state = self.lock();
        if !state.is_closed {
            let new = Subscriber { sender, subscription: subscription.clone() };
            state.list = state.present().chain([new]).collect();
        }
        drop(state);
        Events { receiver: Box::pin(receiver), subscription }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.lock().list.is_empty()
    }

    pub(crate) fn tell(&self, event: &Arc<Event>) {
        let list = self.lock().list.clone();
        let mut anybody_left = false;
        for Subscriber { sender, subscription } in &*list {
            if !subscription.covers(&event.path) {
                continue;
            }
            // Wakes the subscriber, and a waker is user code.
            let sent = guard(|| sender.force_send(event.clone()));
            if let Ok(Ok(Some(_oldest))) = &sent {
                subscription.lost.fetch_add(1, Ordering::Relaxed);
            }
            anybody_left |= matches!(sent, Ok(Err(_)));
        }
        if anybody_left {
            let mut state = self.lock();
            let present = state.present().collect();
            let before = mem::replace(&mut state.list, present);
            drop(state);
            drop(before);
        }
    }

    /// Nothing is going to happen any more: the streams end.
    pub(crate) fn close(&self) {
        let list = {
            let mut state = self.lock();
            state.is_closed = true;
            mem::take(&mut state.list)
        };
        for Subscriber { sender, .. } in &*list {
            let _ = guard(|| sender.close());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Those who still listen.
    fn present(&self) -> impl Iterator<Item = Subscriber> + '_ {
        self.list.iter().filter(|subscriber| !subscriber.sender.is_closed()).cloned()
    }
}

impl Subscription {
    fn covers(&self, path: &str) -> bool {
        let Some(subtree) = &self.subtree else { return true };
        path.strip_prefix(subtree.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }
}
