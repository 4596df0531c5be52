use std::{collections::VecDeque, fmt, time::Duration};

use fastrand::Rng;

use super::RestartStrategy;
use crate::text::Time;

/// The wait before a restart.
///
/// Without one, which is the default and OTP's behaviour, a child is restarted at once, and the restart intensity is
/// the only brake. Use one if something that the child needs may be away for a while, such as a database: failing fast
/// would then only use up the intensity.
///
/// A backoff does not change the restart intensity: each failure counts when it happens. With the default of 1 restart
/// in 5 seconds a supervisor gives up at the second failure, which with a first wait of 100 ms is after 100 ms at most.
/// So allow as many restarts as fit into the longest outage to survive, or use
/// [`with_unlimited_restarts`](RestartStrategy::with_unlimited_restarts). When a supervisor starts a child that it
/// would give up on before the backoff reaches its longest wait, the log warns of that, once.
///
/// The wait before restart number `n` is a random time up to `min(max, initial * factor^n)`: with this jitter, a
/// thousand children that failed together do not restart together. `n` starts again from zero once the child has run
/// for `reset_after`.
///
/// ```
/// use std::time::Duration;
/// use supervision::{worker, Backoff};
///
/// // Up to 100 ms before the first restart, twice as long before each further one, and 10 s at most.
/// let backoff = Backoff::exponential(Duration::from_millis(100), Duration::from_secs(10));
/// let importer = worker("importer", |shutdown| shutdown).with_backoff(backoff);
/// # let _ = importer;
/// ```
///
/// Serialized, a time without limit (`Duration::MAX`) is `null`. The form that people write can be deserialized, too: see
/// `ChildConfig`.
#[must_use = "a backoff does nothing until a child or a supervisor has it"]
#[derive(Clone, Copy, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Backoff {
    #[cfg_attr(feature = "serde", serde(rename = "initial_seconds", with = "crate::format::seconds"))]
    pub(super) initial: Duration,
    #[cfg_attr(feature = "serde", serde(rename = "max_seconds", with = "crate::format::seconds"))]
    pub(super) max: Duration,
    pub(super) factor: f64,
    pub(super) jitter: bool,
    #[cfg_attr(feature = "serde", serde(rename = "reset_after_seconds", with = "crate::format::seconds"))]
    pub(super) reset_after: Duration,
}

impl Backoff {
    /// Makes a backoff that always waits the same time, without jitter.
    pub const fn constant(delay: Duration) -> Self {
        Self { initial: delay, max: delay, factor: 1.0, jitter: false, reset_after: Duration::from_secs(60) }
    }

    /// Makes a backoff whose wait doubles from `initial` up to `max`, with full jitter. It starts again after a minute
    /// without failure.
    pub const fn exponential(initial: Duration, max: Duration) -> Self {
        Self { initial, max, factor: 2.0, jitter: true, reset_after: Duration::from_secs(60) }
    }

    /// Sets the factor by which each wait is longer than the one before: a finite number of at least 1. The default is
    /// 2.
    pub const fn with_factor(mut self, factor: f64) -> Self {
        self.factor = factor;
        self
    }

    /// Uses the full wait instead of a random part of it. For tests that depend on exact times: without jitter,
    /// children that failed together restart together.
    pub const fn without_jitter(mut self) -> Self {
        self.jitter = false;
        self
    }

    /// Sets how long a child has to run until its failures are forgotten. The default is 60 s.
    pub const fn with_reset_after(mut self, uptime: Duration) -> Self {
        self.reset_after = uptime;
        self
    }

    /// Returns whether the settings can be used. For children that a crate of this workspace offers, as the next two.
    #[doc(hidden)]
    pub fn is_valid(&self) -> bool {
        self.factor.is_finite() && self.factor >= 1.0
    }

    pub(crate) fn longest(&self) -> Duration {
        self.max
    }

    /// Returns after what time, at most, a supervisor with this strategy gives up on a child that fails at once each
    /// time; `None` if the wait reaches its longest value before that.
    pub(crate) fn cut_short_by(&self, strategy: &RestartStrategy) -> Option<Duration> {
        // With a factor close to 1 the wait hardly grows; there is no warning for that.
        const STEPS: u32 = 10_000;
        let (mut now, mut counted) = (Duration::ZERO, VecDeque::new());
        for failures in 0..STEPS {
            let wait = self.grown(failures);
            if wait == self.grown(failures + 1) {
                return None;
            }
            // D4: counted as the engine does, until exactly the period is over.
            while counted.front().is_some_and(|then| now - *then > strategy.period()) {
                counted.pop_front();
            }
            counted.push_back(now);
            if counted.len() > strategy.intensity() {
                return Some(now);
            }
            now = now.checked_add(wait)?;
        }
        None
    }

    #[doc(hidden)]
    pub fn reset_after(&self) -> Duration {
        self.reset_after
    }

    /// Returns the wait after `failures` earlier ones. The random number decides the jitter.
    #[doc(hidden)]
    pub fn wait(&self, failures: u32, random: u64) -> Duration {
        self.delay(failures, &mut Rng::with_seed(random))
    }

    /// Returns the wait before the next start of a child that failed `failures` times before this one.
    pub(crate) fn delay(&self, failures: u32, rng: &mut Rng) -> Duration {
        let longest = self.grown(failures);
        // B1: a random part of the whole wait, so that children which failed together do not restart together.
        if self.jitter { longest.mul_f64(rng.f64()) } else { longest }
    }

    /// Returns the wait without jitter.
    fn grown(&self, failures: u32) -> Duration {
        if self.initial.is_zero() {
            return Duration::ZERO;
        }
        let grown = self.initial.as_secs_f64() * self.factor.powi(i32::try_from(failures).unwrap_or(i32::MAX));
        Duration::try_from_secs_f64(grown).map_or(self.max, |grown| grown.min(self.max))
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
        let backoff = Backoff::exponential(100 * MS, 1000 * MS).without_jitter();
        let delays: Vec<_> = (0..6).map(|n| backoff.delay(n, &mut Rng::with_seed(1)).as_millis()).collect();
        assert_eq!(delays, [100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn constant_stays() {
        let backoff = Backoff::constant(70 * MS);
        assert!([0, 1, 100].iter().all(|n| backoff.delay(*n, &mut Rng::with_seed(1)) == 70 * MS));
    }

    #[test]
    fn a_give_up_before_the_longest_wait_cuts_it_short() {
        let backoff = Backoff::exponential(100 * MS, 30_000 * MS);
        let of = |intensity, seconds| {
            let strategy = RestartStrategy::one_for_one();
            backoff.cut_short_by(&strategy.with_intensity_and_period(intensity, Duration::from_secs(seconds)))
        };
        assert_eq!(backoff.cut_short_by(&RestartStrategy::default()), Some(100 * MS));
        assert_eq!(of(0, 5), Some(Duration::ZERO));
        assert_eq!(of(3, 5), Some(700 * MS), "failures after 0, 100, 300 and 700 ms");
        // The longest wait is reached after nine failures, in 51 s.
        assert!(of(8, 60).is_some());
        assert_eq!(of(9, 60), None);
        assert_eq!(of(5, 5), Some(Duration::from_millis(3100)));
        assert_eq!(of(6, 5), None, "the first of them do not count any more when the waits are long");
        assert_eq!(backoff.cut_short_by(&RestartStrategy::default().with_unlimited_restarts()), None);
        for never in [Backoff::constant(70 * MS), Backoff::exponential(Duration::ZERO, MS)] {
            assert_eq!(never.cut_short_by(&RestartStrategy::default()), None, "it does not grow");
        }
        let slow = Backoff::exponential(MS, Duration::MAX).with_factor(1.000_001);
        assert_eq!(slow.cut_short_by(&RestartStrategy::default().with_unlimited_restarts()), None);
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
                    backoff.without_jitter().delay(failures, &mut Rng::with_seed(1));
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
