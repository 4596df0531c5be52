use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use event_listener::Event;
use supervisor_core::BoxError;

use crate::{Acquisition, Bid, Clock, Holder, MachineClock, Renewal, Store, Token};

/// A store in the memory of this process, which counts time itself, as etcd does. For tests, and for programs that run alone.
///
/// A clone is the same lease: give one to each replica. It needs no executor. [`freed`](Store::freed) resolves after a release and a
/// deletion, and not at the end of the time, for which it has no timer.
#[derive(Clone)]
pub struct Memory {
    place: Arc<Place>,
}

struct Place {
    /// The clock of the store, and of no replica.
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
    freed: Event,
}

#[derive(Debug, Default)]
struct State {
    /// The token of the last grant.
    last: u64,
    grant: Option<Grant>,
}

#[derive(Debug)]
struct Grant {
    holder: Holder,
    token: Token,
    /// On the clock of the store.
    ends: Duration,
}

impl Memory {
    /// Makes a store for one lease, on the clock of the machine.
    pub fn new() -> Self {
        Self::with_clock(Arc::new(MachineClock::default()))
    }

    /// Makes a store for one lease that counts its time on this clock. In a simulation that is one of its clocks.
    pub fn with_clock(clock: Arc<dyn Clock>) -> Self {
        Self { place: Arc::new(Place { clock, state: Mutex::default(), freed: Event::new() }) }
    }

    /// Deletes the lease, as an operator does by hand: its holder has it no longer, and does not know.
    pub fn delete(&self) {
        self.free(|_| true);
    }

    /// Returns who has the lease now.
    pub fn holder(&self) -> Option<Holder> {
        self.with_grant(|grant| grant.holder.clone())
    }

    /// Returns the token of the one who has the lease now.
    pub fn token(&self) -> Option<Token> {
        self.with_grant(|grant| grant.token)
    }

    /// Returns the state without a grant whose time is over.
    fn state(&self) -> MutexGuard<'_, State> {
        // The clock is foreign code, which runs before the lock is taken.
        let now = self.place.clock.now();
        let mut state = self.place.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.grant.take_if(|grant| now >= grant.ends);
        state
    }

    fn with_grant<T>(&self, read: impl FnOnce(&Grant) -> T) -> Option<T> {
        self.state().grant.as_ref().map(read)
    }

    fn ends(&self, duration: Duration) -> Duration {
        self.place.clock.now().saturating_add(duration)
    }

    /// Ends the grant that this is true for, and tells those who wait.
    fn free(&self, is_meant: impl FnOnce(&Grant) -> bool) {
        let freed = self.state().grant.take_if(|grant| is_meant(grant)).is_some();
        if freed {
            // The wakers are foreign code: the lock is not held.
            self.place.freed.notify(usize::MAX);
        }
    }
}

impl Default for Memory {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (holder, token) = (self.holder(), self.token());
        f.debug_struct("Memory").field("holder", &holder).field("token", &token).finish_non_exhaustive()
    }
}

impl Store for Memory {
    async fn acquire(&self, bid: &Bid<'_>) -> Result<Acquisition, BoxError> {
        let ends = self.ends(bid.duration);
        let mut state = self.state();
        if let Some(grant) = state.grant.as_ref().filter(|grant| grant.holder != *bid.holder) {
            return Ok(Acquisition::HeldBy(grant.holder.to_string()));
        }
        state.last += 1;
        let token = Token::new(state.last);
        state.grant = Some(Grant { holder: bid.holder.clone(), token, ends });
        Ok(Acquisition::Granted { token, duration: bid.duration })
    }

    async fn renew(&self, bid: &Bid<'_>, token: Token) -> Result<Renewal, BoxError> {
        let ends = self.ends(bid.duration);
        let mut state = self.state();
        match state.grant.as_mut().filter(|grant| grant.token == token && grant.holder == *bid.holder) {
            Some(grant) => {
                grant.ends = ends;
                Ok(Renewal::Renewed(bid.duration))
            }
            None => Ok(Renewal::NotYours),
        }
    }

    async fn release(&self, holder: &Holder) -> Result<(), BoxError> {
        self.free(|grant| grant.holder == *holder);
        Ok(())
    }

    async fn freed(&self) {
        loop {
            // Before the look: a release between the two is not missed.
            let freed = self.place.freed.listen();
            if self.state().grant.is_none() {
                return;
            }
            freed.await;
        }
    }
}
