use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_channel::{Receiver, Sender};

use crate::{Clock, LeaseEvent, Token};

/// How many events wait for a listener. One that is slower loses the oldest.
const KEPT: usize = 256;

/// A view on a lease from outside, at any time: before its tree runs, while it waits, and after its end. A cheap clone.
#[derive(Clone)]
pub struct LeaseStatus(Arc<Mutex<Inner>>);

struct Inner {
    now: LeaseSnapshot,
    expiry: Option<(Duration, Arc<dyn Clock>)>,
    listeners: Vec<Sender<LeaseEvent>>,
}

/// What a lease is doing, at one moment. Displayed, it is one line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct LeaseSnapshot {
    /// What this replica does with the lease.
    pub state: LeaseState,
    /// The number of its grant, while the subtree is there.
    pub token: Option<Token>,
    /// Who else has the lease, as far as the store has said.
    pub holder: Option<String>,
    /// How long the lease lasts, unless it is renewed.
    #[cfg_attr(feature = "serde", serde(rename = "expires_in_seconds", serialize_with = "seconds"))]
    pub expires_in: Option<Duration>,
    /// How often the subtree has failed in a row.
    pub failures: u32,
    /// The last error of the store, or the last failure of the subtree, if nothing has gone well since.
    pub last_error: Option<String>,
}

/// What a replica does with a lease.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LeaseState {
    /// Its tree does not run.
    #[default]
    Idle,
    /// It waits to ask for the lease again.
    Waiting,
    /// It asks for the lease.
    Acquiring,
    /// It has the lease, and the subtree runs.
    Holding,
    /// No renewal has come in time, and the subtree stops.
    Stopping,
    /// The subtree is gone, and the lease is given back.
    Releasing,
    /// The store says that the lease is another one's, and the subtree is aborted.
    Lost,
}

impl fmt::Display for LeaseState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Idle => "idle",
            Self::Waiting => "waiting",
            Self::Acquiring => "acquiring",
            Self::Holding => "holding",
            Self::Stopping => "stopping",
            Self::Releasing => "releasing",
            Self::Lost => "lost",
        })
    }
}

impl LeaseStatus {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Inner { now: LeaseSnapshot::default(), expiry: None, listeners: Vec::new() })))
    }

    /// Returns what the lease is doing now.
    pub fn snapshot(&self) -> LeaseSnapshot {
        let inner = self.lock();
        let expires_in = inner.expiry.as_ref().map(|(expiry, clock)| expiry.saturating_sub(clock.now()));
        LeaseSnapshot { expires_in, ..inner.now.clone() }
    }

    /// Returns a stream of what happens from now on. A receiver that does not keep up loses the oldest of 256 events.
    pub fn events(&self) -> LeaseEvents {
        let (sender, receiver) = async_channel::bounded(KEPT);
        self.lock().listeners.push(sender);
        LeaseEvents(receiver)
    }

    pub(crate) fn set(&self, now: LeaseSnapshot, expiry: Option<(Duration, Arc<dyn Clock>)>) {
        let before = {
            let mut inner = self.lock();
            inner.now = now;
            std::mem::replace(&mut inner.expiry, expiry)
        };
        // A clock may be foreign code.
        drop(before);
    }

    pub(crate) fn tell(&self, event: &LeaseEvent) {
        let listeners = {
            let mut inner = self.lock();
            inner.listeners.retain(|listener| !listener.is_closed());
            inner.listeners.clone()
        };
        // Without the lock: this wakes a task, and a waker is foreign code.
        for listener in listeners {
            let _ = listener.force_send(event.clone());
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for LeaseStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LeaseStatus").field(&self.snapshot()).finish()
    }
}

/// A stream of what happens to a lease: see [`LeaseStatus::events`].
#[derive(Debug)]
pub struct LeaseEvents(Receiver<LeaseEvent>);

impl LeaseEvents {
    /// Waits for the next event. `None` once nothing can come any more, because the lease and all views on it
    /// were dropped: a program that keeps a [`LeaseStatus`] never sees that. Cancel-safe.
    pub async fn next(&mut self) -> Option<LeaseEvent> {
        self.0.recv().await.ok()
    }

    /// Returns the next event, if there is one.
    pub fn try_next(&mut self) -> Option<LeaseEvent> {
        self.0.try_recv().ok()
    }
}

impl fmt::Display for LeaseSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.state)?;
        if let Some(token) = self.token {
            write!(f, ", token {token}")?;
        }
        if let Some(expires_in) = self.expires_in {
            write!(f, ", expires in {:.1} s", expires_in.as_secs_f64())?;
        }
        if let Some(holder) = &self.holder {
            write!(f, ", held by {holder}")?;
        }
        if self.failures > 0 {
            write!(f, ", failed {} times", self.failures)?;
        }
        match &self.last_error {
            Some(error) => write!(f, ", last error: {error}"),
            None => Ok(()),
        }
    }
}

#[cfg(feature = "serde")]
fn seconds<S: serde::Serializer>(time: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&time.map(|time| time.as_secs_f64()), serializer)
}
