//! What the store may still hold for this replica, though it does not need it any more.

use std::{mem, time::Duration};

use super::{BidId, Effect, Engine, Next, Request, RequestId, State};
use crate::{LeaseError, LeaseEvent};

/// What the store may still hold, though this replica does not need it any more.
#[derive(Debug)]
pub(super) struct Leftover {
    pub(super) bid: BidId,
    /// When it has ended there by itself, as far as this replica can tell. None once that has passed: then nothing waits for the release.
    pub(super) until: Option<Duration>,
    pub(super) release: Next,
    /// Whether it is the lease of a tenure: then its release is told.
    pub(super) is_tenure: bool,
}

/// What comes after a release.
#[derive(Debug)]
pub(super) enum Then {
    Wait(Duration),
    Finish(Result<(), LeaseError>),
}

impl Engine {
    /// Releases what the store may still hold for a bid.
    pub(super) fn leave(&mut self, bid: BidId, until: Duration, is_tenure: bool, now: Duration) {
        self.leftovers.push(Leftover { bid, until: Some(until), release: Next::At(now), is_tenure });
    }

    pub(super) fn release_then(&mut self, then: Then, now: Duration) {
        let until = matches!(then, Then::Finish(_)).then(|| now + self.timing.last_release());
        self.state = State::Releasing { then, until };
    }

    pub(super) fn tick_leftovers(&mut self, now: Duration) {
        let mut due = Vec::new();
        let mut given_up = Vec::new();
        let mut is_asking = self.leftovers.iter().any(|left| left.release.asked().is_some_and(|asked| now < asked.by));
        self.leftovers.retain_mut(|left| {
            if left.until.is_some_and(|until| until <= now) {
                if !left.is_tenure {
                    given_up.extend(left.release.asked());
                    return false;
                }
                // A store that did not answer may carry out the last renewal when it goes on, and hold the lease for its whole time. So
                // the release is repeated until the store answers.
                left.until = None;
            }
            match left.release {
                Next::Asked(asked) if asked.by <= now => {
                    given_up.push(asked);
                    left.release = Next::At(now.max(asked.sent + self.timing.renew_every));
                    due.push((left.bid, Some(left.is_awaited())));
                }
                // One at a time, the oldest first: a store that comes back has enough to do.
                Next::At(at) if at <= now && !is_asking => {
                    is_asking = true;
                    due.push((left.bid, None));
                }
                _ => {}
            }
            true
        });
        for asked in given_up {
            self.effects.push_back(Effect::Cancel(asked.id));
        }
        for (bid, failed) in due {
            if let Some(is_awaited) = failed {
                self.release_failed(self.timing.no_answer(), is_awaited);
                continue;
            }
            let asked = self.send(Request::Release(bid), bid, now);
            if let Some(left) = self.leftovers.iter_mut().find(|left| left.bid == bid) {
                left.release = Next::Asked(asked);
            }
        }
    }

    pub(super) fn answer_release(&mut self, id: RequestId, answer: Result<(), String>, now: Duration) {
        let Some(index) =
            self.leftovers.iter().position(|left| left.release.asked().is_some_and(|asked| asked.id == id))
        else {
            return;
        };
        match answer {
            Ok(()) => {
                let left = self.leftovers.remove(index);
                if left.is_tenure {
                    self.tell(LeaseEvent::Released);
                }
            }
            Err(error) => {
                if let Some(asked) = self.leftovers[index].release.asked() {
                    self.leftovers[index].release = Next::At(now.max(asked.sent + self.timing.renew_every));
                }
                self.release_failed(error, self.leftovers[index].is_awaited());
            }
        }
    }

    fn release_failed(&mut self, error: String, is_awaited: bool) {
        // What a request without an answer may have left is released without a word: that request was told already.
        if is_awaited {
            self.fail(error, |error| LeaseEvent::ReleaseFailed { error });
        }
    }

    /// Leaves `Releasing` when nothing is left to release, or it has taken long enough.
    pub(super) fn advance(&mut self, now: Duration) {
        let State::Releasing { until, .. } = &self.state else { return };
        if self.leftovers.iter().any(|left| left.until.is_some()) && until.is_none_or(|until| now < until) {
            return;
        }
        let State::Releasing { then, .. } = mem::replace(&mut self.state, State::Finished) else { return };
        match then {
            Then::Finish(result) => {
                let leftovers = mem::take(&mut self.leftovers);
                self.cancel_releases(leftovers);
                self.finish(result);
            }
            Then::Wait(until) => {
                self.tell(LeaseEvent::Waiting { holder: None });
                // The release of this replica's own lease is no sign that it should have it again.
                self.state = State::Waiting { until, not_before: until };
                self.tick(now);
            }
        }
    }

    pub(super) fn cancel_releases(&mut self, leftovers: Vec<Leftover>) {
        let asked = leftovers.into_iter().filter_map(|left| left.release.asked());
        self.effects.extend(asked.map(|asked| Effect::Cancel(asked.id)));
    }
}

impl Leftover {
    /// Whether people are told that its release fails.
    fn is_awaited(&self) -> bool {
        self.is_tenure && self.until.is_some()
    }
}
