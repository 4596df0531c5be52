//! The time in which this replica has the lease: renewals, and the stop of the subtree if they fail.

use std::{mem, time::Duration};

use super::{BidId, BodyEnd, Effect, Engine, Next, Request, RequestId, State, release::Then};
use crate::{LeaseError, LeaseEvent, LossReason, Renewal, Token, timing::Timing};

/// The lease while the subtree is there.
#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) bid: BidId,
    pub(super) token: Token,
    pub(super) begun: Duration,
    /// When it ends, by this replica's clock.
    pub(super) expiry: Duration,
    pub(super) renewal: Next,
    /// Whether the subtree does not yield.
    pub(super) is_stuck: bool,
    /// Whether the last resort was told.
    pub(super) has_overrun: bool,
    /// Why it ends in a failure, whatever the subtree does.
    pub(super) failure: Option<LeaseError>,
}

impl Engine {
    pub(super) fn answer_renewal(&mut self, id: RequestId, answer: Result<Renewal, String>, now: Duration) {
        let (State::Holding(tenure) | State::Stopping { tenure, .. }) = &mut self.state else { return };
        let Next::Asked(asked) = tenure.renewal else { return };
        if asked.id != id {
            return;
        }
        tenure.renewal = Next::At(now.max(asked.sent + self.timing.renew_every));
        match answer {
            // No answer is no loss: the lease goes on until it ends.
            Err(error) => self.fail(error, |error| LeaseEvent::RenewalFailed { error }),
            Ok(Renewal::NotYours) => {
                tenure.renewal = Next::Never;
                self.lose(now);
            }
            Ok(Renewal::Renewed(granted)) => {
                let expiry = self.timing.expiry(asked.sent, granted);
                if let Err(failure) = self.timing.fits(granted) {
                    // Shorter than a stop takes. The lease is what it was before this, or this, whichever ends first.
                    tenure.expiry = tenure.expiry.min(expiry);
                    tenure.failure = Some(failure);
                    let (expiry, is_holding) = (tenure.expiry, matches!(self.state, State::Holding(_)));
                    self.effects.push_back(Effect::ValidUntil(self.timing.gone_by(expiry)));
                    if is_holding {
                        self.stop_body(LossReason::TooShort, now);
                    }
                } else {
                    tenure.expiry = tenure.expiry.max(expiry);
                    self.effects.push_back(Effect::ValidUntil(self.timing.gone_by(tenure.expiry)));
                    self.last_error = None;
                }
            }
        }
    }

    /// Runs when the store says that the lease is not ours. Another one may have it now, so the subtree is aborted.
    fn lose(&mut self, now: Duration) {
        let mut tenure = match mem::replace(&mut self.state, State::Finished) {
            State::Holding(tenure) | State::Stopping { tenure, .. } => tenure,
            state => {
                self.state = state;
                return;
            }
        };
        // The last resort acts when the grace is over, and not only when the lease would have ended.
        tenure.expiry = tenure.expiry.min(now + self.timing.grace + self.timing.margin);
        self.effects.push_back(Effect::ValidUntil(self.timing.gone_by(tenure.expiry)));
        self.effects.push_back(Effect::Revoke);
        self.tell(LeaseEvent::Lost { why: LossReason::NotYours });
        self.effects.push_back(Effect::Stop(Duration::ZERO));
        self.state = State::Lost(tenure);
    }

    pub(super) fn tick_tenure(&mut self, now: Duration) {
        let timing = &self.timing;
        let (State::Holding(tenure) | State::Stopping { tenure, .. } | State::Lost(tenure)) = &mut self.state else {
            return;
        };
        if !tenure.has_overrun && timing.gone_by(tenure.expiry) <= now {
            tenure.has_overrun = true;
            self.effects.push_back(Effect::Tell(LeaseEvent::Overrun));
        }
        let (bid, token, expiry, renewal) = (tenure.bid, tenure.token, tenure.expiry, tenure.renewal);
        match renewal {
            Next::Asked(asked) if asked.by <= now => {
                tenure.renewal = Next::At(now.max(asked.sent + timing.renew_every));
                self.effects.push_back(Effect::Cancel(asked.id));
                self.fail(self.timing.no_answer(), |error| LeaseEvent::RenewalFailed { error });
            }
            // A lease that has ended cannot be renewed: the store would say so, or lie.
            Next::At(at) if at <= now && now < expiry => {
                let asked = self.send(Request::Renew(bid, token), bid, now);
                if let State::Holding(tenure) | State::Stopping { tenure, .. } | State::Lost(tenure) = &mut self.state {
                    tenure.renewal = Next::Asked(asked);
                }
            }
            // Without this there would always be something to do.
            Next::At(at) if at <= now => tenure.renewal = Next::Never,
            _ => {}
        }
        match &mut self.state {
            State::Holding(tenure) if self.timing.stop_at(tenure.expiry) <= now => {
                self.stop_body(LossReason::NoRenewal, now);
            }
            // Its own stop has this limit. Said again, in case the stop was late, or another one has begun it before.
            State::Stopping { abort_at, .. } if *abort_at <= now => {
                *abort_at = Duration::MAX;
                self.effects.push_back(Effect::Stop(Duration::ZERO));
            }
            _ => {}
        }
    }

    /// Stops the subtree while the lease is still ours, so that it is gone before the lease ends. Renewing goes on.
    fn stop_body(&mut self, why: LossReason, now: Duration) {
        let State::Holding(tenure) = mem::replace(&mut self.state, State::Finished) else { return };
        let abort_at = self.timing.abort_at(tenure.expiry);
        self.effects.push_back(Effect::Lose);
        self.tell(LeaseEvent::Lost { why });
        self.effects.push_back(Effect::Stop(abort_at.saturating_sub(now)));
        self.state = State::Stopping { tenure, abort_at };
    }

    /// Counts how the subtree has ended by itself, and decides what follows.
    pub(super) fn after(&mut self, end: BodyEnd, ran: Duration, random: u64, now: Duration) -> Then {
        let last = match end {
            BodyEnd::Well => {
                self.failures = 0;
                self.tell(LeaseEvent::Ended { failure: None });
                // Not at once: one that has nothing to do would be granted the lease all the time, and others never.
                let again = self.asked.map_or(now, |asked| now.max(asked + self.timing.renew_every));
                return if self.timing.ends_with_body { Then::Finish(Ok(())) } else { Then::Wait(again) };
            }
            BodyEnd::Failed(last) => last,
        };
        // One that has run for long enough has failed for the first time.
        let before = if ran >= self.timing.backoff.reset_after() { 0 } else { self.failures };
        self.failures = before + 1;
        self.fail(last.clone(), |failure| LeaseEvent::Ended { failure: Some(failure) });
        if self.failures >= self.timing.max_failures {
            Then::Finish(Err(LeaseError::KeepsFailing { failures: self.failures, last }))
        } else {
            // So that others can try in the meantime.
            Then::Wait(now.saturating_add(self.timing.backoff.wait(before, random)))
        }
    }
}

impl Tenure {
    pub(super) fn next_deadline<const N: usize>(&self, own: [Duration; N], timing: &Timing) -> Option<Duration> {
        let renewal = match self.renewal {
            Next::At(at) if at >= self.expiry => None,
            renewal => renewal.deadline(),
        };
        let overrun = (!self.has_overrun).then(|| timing.gone_by(self.expiry));
        own.into_iter().filter(|at| *at != Duration::MAX).chain(renewal).chain(overrun).min()
    }
}
