use std::{fmt, time::Duration};

use fastrand::Rng;

use crate::text::Time;

/// How long a restart waits.
///
/// Without one, which is the default and what OTP does, a child is restarted at once, and the restart intensity is the
/// only brake. Use one where what a child needs may be away for a while, a database say: then failing fast only burns
/// the intensity. A failure counts when it happens, not when its restart is due, so allow as many restarts as fit into
/// the outage that you want to sit out.
///
/// The wait before restart number `n` is a random time up to `min(max, initial * factor^n)`: the jitter keeps a thousand
/// children that failed together from coming back together. `n` starts again from zero once the child has run for
/// `reset_after`.
///
/// Serialized, a time without limit (`Duration::MAX`) is `null`.
#[derive(Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Backoff {
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::text::serialize::time"))]
    initial: Duration,
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::text::serialize::time"))]
    max: Duration,
    factor: f64,
    jitter: bool,
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::text::serialize::time"))]
    reset_after: Duration,
}

impl Backoff {
    /// Always the same wait, without jitter.
    pub const fn constant(delay: Duration) -> Self {
        Self { initial: delay, max: delay, factor: 1.0, jitter: false, reset_after: Duration::from_secs(60) }
    }

    /// A wait that doubles from `initial` up to `max`, with full jitter, and starts again after a minute without failure.
    pub const fn exponential(initial: Duration, max: Duration) -> Self {
        Self { initial, max, factor: 2.0, jitter: true, reset_after: Duration::from_secs(60) }
    }

    /// By how much each wait is longer than the one before: a finite number of at least 1. The default is 2.
    pub const fn with_factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Whether the wait is a random part of its length. On by default in [`exponential`](Self::exponential).
    pub const fn with_jitter(mut self, jitter: bool) -> Self {
        self.jitter = jitter;
        self
    }

    /// For how long a child has to run until its failures are forgotten. The default is 60 s.
    pub const fn with_reset_after(mut self, uptime: Duration) -> Self {
        self.reset_after = uptime;
        self
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.factor.is_finite() && self.factor >= 1.0
    }

    pub(crate) fn reset_after(&self) -> Duration {
        self.reset_after
    }

    /// The wait before the next start of a child that failed `failures` times before this one.
    pub(crate) fn delay(&self, failures: u32, rng: &mut Rng) -> Duration {
        if self.initial.is_zero() {
            return Duration::ZERO;
        }
        let grown = self.initial.as_secs_f64() * self.factor.powi(i32::try_from(failures).unwrap_or(i32::MAX));
        let longest = Duration::try_from_secs_f64(grown).map_or(self.max, |grown| grown.min(self.max));
        if self.jitter { longest.mul_f64(rng.f64()) } else { longest }
    }
}

impl fmt::Debug for Backoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { initial, max, factor, jitter, reset_after } = *self;
        f.debug_struct("Backoff")
            .field("initial", &Time(initial))
            .field("max", &Time(max))
            .field("factor", &factor)
            .field("jitter", &jitter)
            .field("reset_after", &Time(reset_after))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn grows_by_its_factor_up_to_its_maximum() {
        let backoff = Backoff::exponential(100 * MS, 1000 * MS).with_jitter(false);
        let delays: Vec<_> = (0..6).map(|n| backoff.delay(n, &mut Rng::with_seed(1)).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn constant_stays() {
        let backoff = Backoff::constant(70 * MS);
        assert!([0, 1, 100].iter().all(|n| backoff.delay(*n, &mut Rng::with_seed(1)) == 70 * MS));
    }

    #[test]
    fn jitter_is_full_and_keeps_within_bounds() {
        let backoff = Backoff::exponential(100 * MS, 100 * MS);
        let mut rng = Rng::with_seed(7);
        let delays: Vec<_> = (0..1000).map(|_| backoff.delay(3, &mut rng)).collect();
        assert!(delays.iter().all(|delay| *delay <= 100 * MS));
        assert!(delays.iter().any(|delay| *delay < 10 * MS) && delays.iter().any(|delay| *delay > 90 * MS));
    }

    #[test]
    fn no_number_is_too_large() {
        for initial in [Duration::ZERO, Duration::from_nanos(1), Duration::MAX] {
            for factor in [1.0, 2.0, f64::MAX] {
                let backoff = Backoff::exponential(initial, Duration::MAX).with_factor(factor);
                for failures in [0, 1, 1000, u32::MAX] {
                    backoff.delay(failures, &mut Rng::with_seed(1));
                    backoff.with_jitter(false).delay(failures, &mut Rng::with_seed(1));
                }
            }
        }
    }

    #[test]
    fn a_factor_that_does_not_grow_is_invalid() {
        let with = |factor| Backoff::exponential(MS, MS).with_factor(factor).is_valid();
        assert!(with(1.0) && with(2.5));
        assert!(!with(0.9) && !with(-2.0) && !with(f64::NAN) && !with(f64::INFINITY));
    }
}
