//! The life of a lease on one replica.
//!
//! ```text
//!              .------------------------------(9)------------------------------.
//!              v                                                               |
//!   --(1)-> Waiting --(2)--> Acquiring --(4)--> Holding --(5)-------------> Releasing --(10)--> Finished
//!              ^                |                  |  |                        ^
//!              '------(3)-------'                 (6) '---(7)---.              |
//!                                                  v            v              |
//!                                               Stopping -(7)-> Lost           |
//!                                                  |            |              |
//!                                                  '----(8)-----+--------------'
//! ```
//!
//! 1. `start`
//! 2. `tick`, when it is time to ask; `freed`, when the store says so
//! 3. `answer`, if another one has it, or the request failed; `tick`, if no answer comes
//! 4. `answer`: granted, and the inequality holds for what was granted. The subtree starts now
//! 5. `gone`: the subtree has ended, and everything below it is gone
//! 6. `tick`: no renewal has come in time, so the subtree has to stop; `answer`, if a renewal grants too little
//! 7. `answer`: the store says that the lease is not ours
//! 8. `gone`: and only now, because until then the work may go on
//! 9. `advance`: what may be left in the store is released, or has ended by itself
//! 10. `advance`: the same, when the supervisor above stops, or the subtree is done or keeps failing
//!
//! From `Waiting`, `Acquiring` and `Holding` a shutdown leads to `Releasing`, from the last one by way of `gone`: renewing goes on
//! while the subtree drains.
//!
//! Pure: it knows no clock, store, process or thread. Times are those of the replica's own clock. The driver (`keeper`) feeds it and
//! carries out its effects.

mod release;
mod tenure;
#[cfg(test)]
mod tests;

use std::{collections::VecDeque, mem, time::Duration};

use self::{
    release::{Leftover, Then},
    tenure::Tenure,
};
use crate::{Acquisition, LeaseError, LeaseEvent, LeaseState, Renewal, Token, timing::Timing};

/// The number of one request for the lease: the driver has a [`Holder`](crate::Holder) for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BidId(pub(crate) u64);

/// The number of one request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RequestId(pub(crate) u64);

/// A request to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Acquire(BidId),
    Renew(BidId, Token),
    Release(BidId),
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) enum Answer {
    Acquisition(Result<Acquisition, String>),
    Renewal(Result<Renewal, String>),
    Release(Result<(), String>),
}

/// How the subtree has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// It was done, or was asked to stop.
    Well,
    /// It gave up, panicked, failed to start, or was lost.
    Failed(String),
}

/// An effect: something that the engine wants done.
#[derive(Debug)]
pub(crate) enum Effect {
    /// Send a request to the store. It has a limit, which the engine keeps.
    Send(RequestId, Request),
    /// Drop a request that has not been answered.
    Cancel(RequestId),
    /// Start the subtree. Its end is reported with `gone`. The lease is valid until then, and the last resort acts then, unless
    /// the subtree is gone.
    Start(Token, Duration),
    /// Stop the subtree; what is left after that time is aborted.
    Stop(Duration),
    /// Tell the subtree, and the last resort, that the lease is valid until another time.
    ValidUntil(Duration),
    /// Tell the subtree that this replica does not count on the lease any more. It is valid for as long as it lasts.
    Lose,
    /// Tell the subtree that the lease is not valid any more.
    Revoke,
    /// Act as the last resort now: the subtree does not yield.
    ActNow,
    /// Tell all who listen.
    Tell(LeaseEvent),
    /// Finish. The last effect.
    Finish(Result<(), LeaseError>),
}

#[derive(Debug)]
enum State {
    Waiting {
        /// When it asks the next time.
        until: Duration,
        /// Others may try until then, whatever the store says.
        not_before: Duration,
    },
    Acquiring(Asked),
    Holding(Tenure),
    Stopping {
        tenure: Tenure,
        /// When what is left was aborted.
        abort_at: Duration,
    },
    Lost(Tenure),
    Releasing {
        then: Then,
        /// When it stops trying, if the end of the lease waits for it.
        until: Option<Duration>,
    },
    Finished,
}

/// A request that has been sent.
#[derive(Clone, Copy, Debug)]
struct Asked {
    id: RequestId,
    bid: BidId,
    sent: Duration,
    /// When it is given up.
    by: Duration,
}

/// A request that is repeated.
#[derive(Clone, Copy, Debug)]
enum Next {
    At(Duration),
    Asked(Asked),
    /// It is not repeated any more.
    Never,
}

pub(crate) struct Engine {
    timing: Timing,
    state: State,
    effects: VecDeque<Effect>,
    leftovers: Vec<Leftover>,
    requests: u64,
    bids: u64,
    /// When it has asked the last time.
    asked: Option<Duration>,
    /// The largest token that was granted.
    last_token: Option<Token>,
    /// Failures of the subtree in a row.
    failures: u32,
    /// Whether the supervisor above stops.
    is_stopping: bool,
    /// Who has the lease, as far as the store has said.
    other: Option<String>,
    last_error: Option<String>,
}

impl Engine {
    pub(crate) fn new(timing: Timing) -> Self {
        Self {
            timing,
            state: State::Finished,
            effects: VecDeque::new(),
            leftovers: Vec::new(),
            requests: 0,
            bids: 0,
            asked: None,
            last_token: None,
            failures: 0,
            is_stopping: false,
            other: None,
            last_error: None,
        }
    }

    /// Begins: asks for the lease at once.
    pub(crate) fn start(&mut self, now: Duration) {
        self.tell(LeaseEvent::Waiting { holder: None });
        self.state = State::Waiting { until: now, not_before: now };
        self.tick(now);
    }

    /// Returns the next effect. All have to be carried out before the next input.
    pub(crate) fn next_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    /// Returns when `tick` has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Duration> {
        let own = match &self.state {
            State::Waiting { until, .. } => Some(*until),
            State::Acquiring(asked) => Some(asked.by),
            State::Holding(tenure) => tenure.next_deadline([self.timing.stop_at(tenure.expiry)], &self.timing),
            State::Stopping { tenure, abort_at } => tenure.next_deadline([*abort_at], &self.timing),
            State::Lost(tenure) => tenure.next_deadline([], &self.timing),
            State::Releasing { until, .. } => *until,
            State::Finished => return None,
        };
        // Those whose turn has not come wait for the one that is under way.
        let is_asking = self.leftovers.iter().any(|left| left.release.asked().is_some());
        let release =
            |left: &Leftover| left.release.deadline().filter(|_| !is_asking || left.release.asked().is_some());
        let leftovers = self.leftovers.iter().flat_map(|left| [left.until, release(left)]).flatten();
        own.into_iter().chain(leftovers).min()
    }

    /// Takes note of the time. Runs at least when the next deadline has come.
    pub(crate) fn tick(&mut self, now: Duration) {
        self.tick_leftovers(now);
        match &mut self.state {
            State::Waiting { until, .. } if *until <= now => self.acquire(now),
            State::Acquiring(asked) if asked.by <= now => {
                let asked = *asked;
                self.effects.push_back(Effect::Cancel(asked.id));
                self.acquisition_failed(asked, self.timing.no_answer(), now);
            }
            State::Holding(_) | State::Stopping { .. } | State::Lost(_) => self.tick_tenure(now),
            _ => {}
        }
        self.advance(now);
    }

    /// Takes note of an answer of the store. One to a request that was given up is ignored.
    pub(crate) fn answer(&mut self, id: RequestId, answer: Answer, now: Duration) {
        match answer {
            Answer::Acquisition(answer) => self.answer_acquisition(id, answer, now),
            Answer::Renewal(answer) => self.answer_renewal(id, answer, now),
            Answer::Release(answer) => self.answer_release(id, answer, now),
        }
        // The time may have passed while the answer was under way.
        self.tick(now);
    }

    /// Takes note that the lease may be free.
    pub(crate) fn freed(&mut self, now: Duration) {
        if let State::Waiting { until, not_before } = &mut self.state {
            // A store that says so all the time is not asked all the time.
            let least = self.asked.map_or(now, |asked| asked + self.timing.renew_every / 20);
            *until = (*until).min(now.max(least).max(*not_before));
            self.tick(now);
        }
    }

    /// Takes note that the subtree is gone, with everything below it: all futures dropped, all destructors run.
    /// `random` decides how long it waits after a failure.
    pub(crate) fn gone(&mut self, end: BodyEnd, random: u64, now: Duration) {
        let (tenure, own_end) = match mem::replace(&mut self.state, State::Finished) {
            State::Holding(tenure) => (tenure, Some(end).filter(|_| !self.is_stopping)),
            // It was made to stop, so how it has ended says nothing.
            State::Stopping { tenure, .. } | State::Lost(tenure) => (tenure, None),
            state => {
                self.state = state;
                return;
            }
        };
        if let Next::Asked(asked) = tenure.renewal {
            self.effects.push_back(Effect::Cancel(asked.id));
        }
        self.effects.push_back(Effect::Revoke);
        self.leave(tenure.bid, tenure.expiry, true, now);
        let then = match (tenure.failure, own_end) {
            _ if self.is_stopping => Then::Finish(Ok(())),
            (Some(failure), _) => Then::Finish(Err(failure)),
            (None, Some(end)) => self.after(end, now.saturating_sub(tenure.begun), random, now),
            (None, None) => Then::Wait(now),
        };
        self.release_then(then, now);
        self.tick(now);
    }

    /// Takes note that the subtree was aborted, and has not yielded in its grace. The lease is kept, and nothing is released: the
    /// work may go on.
    pub(crate) fn stuck(&mut self, now: Duration) {
        if let State::Holding(tenure) | State::Stopping { tenure, .. } | State::Lost(tenure) = &mut self.state {
            if !mem::replace(&mut tenure.is_stuck, true) {
                self.tell(LeaseEvent::Stuck);
                self.effects.push_back(Effect::ActNow);
            }
        }
        self.tick(now);
    }

    /// Takes note that the supervisor above begins to stop: the lease is not asked for any more. If the subtree is there, that
    /// supervisor stops it, and the lease is renewed until it is gone.
    pub(crate) fn stop(&mut self, now: Duration) {
        if mem::replace(&mut self.is_stopping, true) {
            return;
        }
        match &mut self.state {
            State::Waiting { .. } => self.release_then(Then::Finish(Ok(())), now),
            State::Acquiring(asked) => {
                let asked = *asked;
                self.effects.push_back(Effect::Cancel(asked.id));
                self.leave(asked.bid, self.timing.may_last_until(asked.sent), false, now);
                self.release_then(Then::Finish(Ok(())), now);
            }
            State::Releasing { then: then @ Then::Wait(_), until } => {
                *then = Then::Finish(Ok(()));
                *until = Some(now + self.timing.last_release());
            }
            _ => {}
        }
        self.tick(now);
    }

    /// Finishes though the subtree may still be there. Runs when the supervisor above has stopped everything else: it has abandoned
    /// what is left. Nothing is released, because the work may go on, and the last resort stays set.
    pub(crate) fn abandon(&mut self, now: Duration) {
        self.stop(now);
        if let State::Holding(_) | State::Stopping { .. } | State::Lost(_) = self.state {
            self.finish(Ok(()));
        }
    }

    pub(crate) fn state(&self) -> LeaseState {
        match self.state {
            State::Waiting { .. } => LeaseState::Waiting,
            State::Acquiring(_) => LeaseState::Acquiring,
            State::Holding(_) => LeaseState::Holding,
            State::Stopping { .. } => LeaseState::Stopping,
            State::Lost(_) => LeaseState::Lost,
            State::Releasing { .. } => LeaseState::Releasing,
            State::Finished => LeaseState::Idle,
        }
    }

    /// Returns the token and the end of the lease, while the subtree is there.
    pub(crate) fn tenure(&self) -> Option<(Token, Duration)> {
        match &self.state {
            State::Holding(tenure) | State::Stopping { tenure, .. } | State::Lost(tenure) => {
                Some((tenure.token, tenure.expiry))
            }
            _ => None,
        }
    }

    /// Returns the first bid that is still needed.
    pub(crate) fn oldest_bid(&self) -> BidId {
        let own = match &self.state {
            State::Acquiring(asked) => Some(asked.bid),
            State::Holding(tenure) | State::Stopping { tenure, .. } | State::Lost(tenure) => Some(tenure.bid),
            _ => None,
        };
        self.leftovers.iter().map(|left| left.bid).chain(own).min().unwrap_or(BidId(self.bids + 1))
    }

    pub(crate) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting { .. })
    }

    pub(crate) fn holder(&self) -> Option<&str> {
        self.other.as_deref()
    }

    pub(crate) fn last_error(&self) -> Option<&str> {
        self.last_error.as_deref()
    }

    pub(crate) fn failures(&self) -> u32 {
        self.failures
    }

    fn acquire(&mut self, now: Duration) {
        self.asked = Some(now);
        self.bids += 1;
        let bid = BidId(self.bids);
        let asked = self.send(Request::Acquire(bid), bid, now);
        self.state = State::Acquiring(asked);
    }

    fn send(&mut self, request: Request, bid: BidId, now: Duration) -> Asked {
        self.requests += 1;
        let id = RequestId(self.requests);
        self.effects.push_back(Effect::Send(id, request));
        Asked { id, bid, sent: now, by: now + self.timing.request }
    }

    fn answer_acquisition(&mut self, id: RequestId, answer: Result<Acquisition, String>, now: Duration) {
        let State::Acquiring(asked) = self.state else { return };
        if asked.id != id {
            return;
        }
        match answer {
            Ok(Acquisition::HeldBy(other)) => {
                if self.other.as_ref() != Some(&other) {
                    self.tell(LeaseEvent::Waiting { holder: Some(other.clone()) });
                }
                self.other = Some(other);
                self.last_error = None;
                self.wait_to_ask_again(asked.sent, now);
            }
            Ok(Acquisition::Granted { token, duration }) => self.granted(asked, token, duration, now),
            Err(error) => self.acquisition_failed(asked, error, now),
        }
    }

    /// Begins to hold the lease, if what was granted is enough.
    fn granted(&mut self, asked: Asked, token: Token, duration: Duration, now: Duration) {
        // From before the request was sent: an answer may be as late as it likes.
        let expiry = self.timing.expiry(asked.sent, duration);
        let failure = match self.last_token {
            Some(before) if token <= before => Some(LeaseError::TokenDidNotGrow { token, before }),
            _ => self.timing.fits(duration).err(),
        };
        if let Some(failure) = failure {
            self.leave(asked.bid, expiry, false, now);
            self.release_then(Then::Finish(Err(failure)), now);
            return;
        }
        self.last_token = Some(token);
        // The store has nothing else for this replica, or it would not have granted this.
        let (over, leftovers) = mem::take(&mut self.leftovers).into_iter().partition(|left| left.until.is_none());
        self.leftovers = leftovers;
        self.cancel_releases(over);
        if self.timing.stop_at(expiry) <= now {
            self.acquisition_failed(asked, "the answer came too late to use the lease".into(), now);
            return;
        }
        self.other = None;
        self.last_error = None;
        self.tell(LeaseEvent::Acquired { token });
        self.effects.push_back(Effect::Start(token, self.timing.gone_by(expiry)));
        self.state = State::Holding(Tenure {
            bid: asked.bid,
            token,
            begun: now,
            expiry,
            renewal: Next::At(asked.sent + self.timing.renew_every),
            is_stuck: false,
            has_overrun: false,
            failure: None,
        });
    }

    /// Waits to ask again. The store may have granted the lease all the same, so it is released.
    fn acquisition_failed(&mut self, asked: Asked, error: String, now: Duration) {
        self.fail(error, |error| LeaseEvent::AcquisitionFailed { error });
        self.leave(asked.bid, self.timing.may_last_until(asked.sent), false, now);
        self.wait_to_ask_again(asked.sent, now);
    }

    fn wait_to_ask_again(&mut self, sent: Duration, now: Duration) {
        self.state = State::Waiting { until: now.max(sent + self.timing.renew_every), not_before: now };
    }

    fn finish(&mut self, result: Result<(), LeaseError>) {
        self.state = State::Finished;
        self.effects.push_back(Effect::Finish(result));
    }

    fn fail(&mut self, error: String, event: impl FnOnce(String) -> LeaseEvent) {
        self.last_error = Some(error.clone());
        self.tell(event(error));
    }

    fn tell(&mut self, event: LeaseEvent) {
        self.effects.push_back(Effect::Tell(event));
    }
}

impl Next {
    fn asked(self) -> Option<Asked> {
        match self {
            Self::Asked(asked) => Some(asked),
            Self::At(_) | Self::Never => None,
        }
    }

    fn deadline(self) -> Option<Duration> {
        match self {
            Self::At(at) => Some(at),
            Self::Asked(asked) => Some(asked.by),
            Self::Never => None,
        }
    }
}

impl Timing {
    fn no_answer(&self) -> String {
        format!("no answer within {:?}", self.request)
    }
}
