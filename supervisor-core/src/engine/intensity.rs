use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use crate::{error::GaveUp, observe::RestartCause, strategy::RestartStrategy};

/// The capacity for restarts that is always kept.
const KEPT: usize = 8;

/// The restarts that still count, and the last few of them for the history.
///
/// R36: it is part of the engine, so a restarted supervisor begins without a history.
#[derive(Debug)]
pub(super) struct Intensity<C> {
    limit: usize,
    period: Duration,
    window: VecDeque<Instant>,
    /// A1: the history in the error of a supervisor that gave up.
    history: VecDeque<Charge<C>>,
}

/// A failure that cost a restart.
#[derive(Debug)]
pub(crate) struct Charge<C> {
    pub(crate) child: C,
    pub(crate) at: Instant,
    pub(crate) cause: RestartCause,
}

impl<C> Intensity<C> {
    pub(super) fn new(strategy: RestartStrategy) -> Self {
        Self {
            limit: strategy.intensity(),
            period: strategy.period(),
            window: VecDeque::new(),
            history: VecDeque::new(),
        }
    }

    /// Counts a restart. Returns whether it is within the limit. `charge` makes what the history keeps, if there is one.
    ///
    /// R32, D4: a restart counts while `now - then <= period`, exactly. R34: no timer forgets it; this function does,
    /// at the next restart.
    pub(super) fn charge(&mut self, now: Instant, charge: impl FnOnce() -> Charge<C>) -> bool {
        if self.limit == usize::MAX {
            // The supervisor is never out of restarts, so there is nothing to count, and no history.
            return true;
        }
        // `None`: the period is longer than the clock has run.
        let oldest = now.checked_sub(self.period);
        let is_over = |then: Instant| oldest.is_some_and(|oldest| then < oldest);
        // A1: the last few restarts, and of those the ones that still count.
        while self.history.len() == GaveUp::MAX_HISTORY || self.history.front().is_some_and(|charge| is_over(charge.at))
        {
            self.history.pop_front();
        }
        self.history.push_back(charge());
        while self.window.front().is_some_and(|then| is_over(*then)) {
            self.window.pop_front();
        }
        // Otherwise the capacity for the largest storm of restarts would be kept for ever.
        if self.window.len() < self.window.capacity() / 4 {
            self.window.shrink_to(2 * self.window.len().max(KEPT));
        }
        // R31: as many as the limit are allowed, one more is not. S4: that one does not come, so it does not count later.
        let is_allowed = self.window.len() < self.limit;
        if is_allowed {
            self.window.push_back(now);
        }
        is_allowed
    }

    /// Returns how many restarts still count. R34: nothing has forgotten the others since the last restart.
    pub(super) fn used(&self, now: Instant) -> usize {
        let forgotten = self.window.partition_point(|then| now.saturating_duration_since(*then) > self.period);
        self.window.len() - forgotten
    }

    /// Returns how many restarts are held, and the capacity.
    #[cfg(test)]
    pub(super) fn room(&self) -> (usize, usize) {
        (self.window.len(), self.window.capacity())
    }

    pub(super) fn history(&self) -> impl Iterator<Item = &Charge<C>> {
        self.history.iter()
    }
}
