use std::time::Duration;

use supervisor_core::Backoff;

use crate::{LeaseError, last_resort::LOOK};

/// The times of a lease, and the inequality that they have to fulfil.
///
/// With the time that the store has granted, and the moment before the request was sent, on this replica's own clock:
///
/// ```text
/// sent                                                                       expiry = sent + granted (1 - drift)
///  |---- renewals, each `renew_every` after the last ----|--- stop ---|- grace -|- margin -|
///                                                     stop_at     abort_at   gone_by    expiry
/// ```
///
/// At `stop_at` the subtree is asked to stop, at `abort_at` what is left of it is aborted, and at `gone_by` the last resort acts. A
/// renewal that succeeds moves all of them. There has to be room for one renewal that fails before it comes to a stop:
/// `granted (1 - drift) >= stop + grace + margin + 2 renew_every + request`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Timing {
    pub(crate) duration: Duration,
    pub(crate) stop: Duration,
    pub(crate) grace: Duration,
    pub(crate) margin: Duration,
    pub(crate) renew_every: Duration,
    pub(crate) request: Duration,
    pub(crate) drift: f64,
    pub(crate) backoff: Backoff,
    pub(crate) max_failures: u32,
    pub(crate) ends_with_body: bool,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            duration: Duration::from_secs(15),
            stop: Duration::from_secs(5),
            grace: Duration::from_secs(1),
            margin: Duration::from_millis(500),
            renew_every: Duration::from_secs(2),
            request: Duration::from_secs(2),
            drift: 0.01,
            backoff: Backoff::exponential(Duration::from_secs(1), Duration::from_secs(60)),
            max_failures: 3,
            ends_with_body: false,
        }
    }
}

impl Timing {
    /// The shortest time that one of the parts may have.
    const LEAST: Duration = Duration::from_millis(1);
    /// The longest duration, so that no sum of times overflows.
    const MOST: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

    /// Checks the settings themselves. Runs before anything starts.
    pub(crate) fn check(&self) -> Result<(), LeaseError> {
        let parts = [
            ("the duration", self.duration),
            ("the abort grace", self.grace),
            ("the margin", self.margin),
            ("the renewal interval", self.renew_every),
            ("the request limit", self.request),
        ];
        if let Some((what, time)) = parts.into_iter().find(|(_, time)| *time < Self::LEAST) {
            return Err(LeaseError::Invalid { what, why: format!("{time:?} is less than a millisecond") });
        }
        if self.margin < LOOK * 2 {
            let why =
                format!("{:?} is less than the {:?} that the last resort needs to look twice", self.margin, LOOK * 2);
            return Err(LeaseError::Invalid { what: "the margin", why });
        }
        if self.duration > Self::MOST {
            return Err(LeaseError::Invalid { what: "the duration", why: "it is more than a hundred years".into() });
        }
        if !(0.0..=0.5).contains(&self.drift) {
            return Err(LeaseError::Invalid { what: "the drift", why: format!("{} is not in 0..=0.5", self.drift) });
        }
        if !self.backoff.is_valid() {
            return Err(LeaseError::Invalid { what: "the backoff", why: "its factor has to be at least 1".into() });
        }
        if self.max_failures == 0 {
            return Err(LeaseError::Invalid { what: "the number of failures", why: "it has to be at least 1".into() });
        }
        self.fits(self.duration)
    }

    /// Checks that the parts fit into the time that the store has granted.
    pub(crate) fn fits(&self, granted: Duration) -> Result<(), LeaseError> {
        let needed = [self.stop, self.grace, self.margin, self.renew_every, self.renew_every, self.request]
            .into_iter()
            .fold(Duration::ZERO, Duration::saturating_add);
        if self.usable(granted) >= needed { Ok(()) } else { Err(LeaseError::TooShort { granted, needed }) }
    }

    /// Returns the part of a granted time that this replica's clock may count, if it is the slowest that there is.
    fn usable(&self, granted: Duration) -> Duration {
        granted.mul_f64(1.0 - self.drift)
    }

    /// Returns the end of a lease that was asked for at `sent`. From before the request: the store counts from some time after
    /// that, so it never gives the lease to another one before this.
    pub(crate) fn expiry(&self, sent: Duration, granted: Duration) -> Duration {
        sent.saturating_add(self.usable(granted))
    }

    /// Returns when the last resort acts.
    pub(crate) fn gone_by(&self, expiry: Duration) -> Duration {
        expiry.saturating_sub(self.margin)
    }

    pub(crate) fn abort_at(&self, expiry: Duration) -> Duration {
        self.gone_by(expiry).saturating_sub(self.grace)
    }

    pub(crate) fn stop_at(&self, expiry: Duration) -> Duration {
        self.abort_at(expiry).saturating_sub(self.stop)
    }

    /// Returns for how long the store may still hold a lease that was asked for at `sent`, and whose answer was lost. By the fastest
    /// clock that there is.
    pub(crate) fn may_last_until(&self, sent: Duration) -> Duration {
        sent.saturating_add(self.request).saturating_add(self.duration.mul_f64(1.0 + self.drift))
    }

    /// Returns how long an end waits for its release, and not longer: the lease ends by itself, too.
    pub(crate) fn last_release(&self) -> Duration {
        self.request.saturating_mul(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_fit() {
        assert!(Timing::default().check().is_ok());
    }

    #[test]
    fn a_grant_that_is_too_short_is_refused() {
        let timing = Timing { duration: Duration::from_secs(12), ..Timing::default() };
        let Err(LeaseError::TooShort { granted, needed }) = timing.check() else { panic!("it fits") };
        assert_eq!((granted, needed), (Duration::from_secs(12), Duration::from_millis(12_500)));
    }

    #[test]
    fn parts_that_are_nothing_are_refused() {
        for timing in [
            Timing { grace: Duration::ZERO, ..Timing::default() },
            Timing { margin: Duration::from_millis(99), ..Timing::default() },
            Timing { renew_every: Duration::ZERO, ..Timing::default() },
            Timing { request: Duration::ZERO, ..Timing::default() },
            Timing { drift: f64::NAN, ..Timing::default() },
            Timing { drift: 0.6, ..Timing::default() },
            Timing { max_failures: 0, ..Timing::default() },
        ] {
            assert!(matches!(timing.check(), Err(LeaseError::Invalid { .. })), "{timing:?}");
        }
    }

    #[test]
    fn a_duration_without_end_overflows_nothing() {
        let timing = Timing { stop: Duration::MAX, ..Timing::default() };
        assert!(matches!(timing.check(), Err(LeaseError::TooShort { .. })));
        let timing = Timing { duration: Duration::MAX, drift: 0.0, ..Timing::default() };
        assert!(matches!(timing.check(), Err(LeaseError::Invalid { .. })));
    }
}
