use std::{
    fmt,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_channel::{Receiver, Sender};

use crate::{Clock, Token};

/// The lease, as the subtree that it is for sees it: the subtree is built with it, and hands clones to its workers.
///
/// Supervision stops the subtree before the lease can end, so most workers never ask. Ask where a step must not happen late: before a
/// write that the store of that write cannot fence, and after something that may have taken long. A worker that finds the lease over
/// waits for its stop. If it returned, its supervisor would start it again, unless the stop has reached that before.
///
/// ```
/// use std::future::pending;
/// use lease::Held;
///
/// # async fn next_job() -> String { String::new() }
/// # fn send(job: String, token: u64) {}
/// async fn work(held: Held) {
///     loop {
///         let job = next_job().await;
///         if !held.is_valid() {
///             return pending().await; // until it is stopped
///         }
///         send(job, held.token().as_u64()); // the receiver refuses a smaller token than it has seen
///     }
/// }
/// ```
#[derive(Clone)]
pub struct Held {
    token: Token,
    term: Arc<Term>,
}

/// One tenure, shared by the keeper of the lease and the subtree.
pub(crate) struct Term {
    clock: Arc<dyn Clock>,
    /// Until when the lease is valid, in nanoseconds of the clock.
    until: AtomicU64,
    /// Whether it is not valid any more, whatever the time is.
    is_revoked: AtomicBool,
    /// Closed when the lease is lost.
    open: Receiver<()>,
    close: Sender<()>,
}

impl Held {
    pub(crate) fn new(token: Token, term: Arc<Term>) -> Self {
        Self { token, term }
    }

    /// Returns the number of this grant, which is larger than that of every grant before: see [`Token`].
    pub fn token(&self) -> Token {
        self.token
    }

    /// Returns whether the lease is still this replica's. It reads a clock that goes on while the machine sleeps, so it is right in
    /// the first step after that. It stays true while the subtree drains, for as long as the lease is renewed, and is false from the
    /// moment when the subtree is gone: for code that has outlived it.
    pub fn is_valid(&self) -> bool {
        !self.time_left().is_zero()
    }

    /// Returns for how long the lease is valid at least: until the next renewal, it only gets less.
    pub fn time_left(&self) -> Duration {
        if self.term.is_revoked.load(SeqCst) { Duration::ZERO } else { self.term.time_left() }
    }

    /// Waits until this replica does not count on the lease any more: the store says that it is another one's, or no renewal has come
    /// in time. The subtree is asked to stop at the same time. Resolves at once if that has happened, and when the subtree has ended.
    /// Cancel-safe.
    pub fn lost(&self) -> impl Future<Output = ()> + Send + 'static {
        let open = self.term.open.clone();
        async move {
            // Nothing is ever sent: it ends when it is closed.
            let _ = open.recv().await;
        }
    }
}

impl Term {
    pub(crate) fn new(clock: Arc<dyn Clock>) -> Self {
        let (close, open) = async_channel::bounded(1);
        Self { clock, until: AtomicU64::new(0), is_revoked: AtomicBool::new(false), open, close }
    }

    pub(crate) fn set_until(&self, until: Duration) {
        // 584 years of uptime.
        self.until.store(u64::try_from(until.as_nanos()).unwrap_or(u64::MAX), SeqCst);
    }

    /// Takes note that the lease is not this replica's any more: the store says so, or it is about to be given back.
    pub(crate) fn revoke(&self) {
        self.is_revoked.store(true, SeqCst);
        self.lose();
    }

    /// Returns whether the time is over in which the subtree has to be gone.
    pub(crate) fn is_over(&self) -> bool {
        self.time_left().is_zero()
    }

    pub(crate) fn lose(&self) {
        self.close.close();
    }

    fn time_left(&self) -> Duration {
        Duration::from_nanos(self.until.load(SeqCst)).saturating_sub(self.clock.now())
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Held").field("token", &self.token).field("time_left", &self.time_left()).finish()
    }
}
