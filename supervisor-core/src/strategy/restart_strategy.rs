use std::{fmt, time::Duration};

use crate::text::Restarts;

/// The children that are restarted when one fails.
#[expect(clippy::exhaustive_enums, reason = "what users set; OTP has these three")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum RestartMode {
    /// Only the child that failed: for children that do not depend on each other. The default.
    #[default]
    OneForOne,
    /// All children: for children that cannot work without each other.
    OneForAll,
    /// The child that failed and all that were started after it: for children that depend on the ones before them.
    RestForOne,
}

/// The restart strategy of a supervisor: which children it restarts, and how often before it gives up.
///
/// A supervisor that has to restart more than `intensity` times within `period` gives up: it stops all its children,
/// and ends. The supervisor above it then decides. So a fault that a restart does not cure climbs the tree, until a
/// restart covers enough of it, or the root gives up and the program gets the error.
///
/// The default is one-for-one with 1 restart in 5 seconds, as in OTP: a second failure so soon after the first shows
/// that the restart did not help.
///
/// ```
/// use std::time::Duration;
/// use supervision::{RestartMode, RestartStrategy};
///
/// let strategy = RestartStrategy::rest_for_one().with_intensity_and_period(3, Duration::from_secs(10));
/// assert_eq!(strategy.mode(), RestartMode::RestForOne);
/// assert_eq!(RestartStrategy::default().intensity(), 1);
/// ```
#[must_use = "a strategy does nothing until a supervisor has it: pass it to `with_restart_strategy`"]
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct RestartStrategy {
    mode: RestartMode,
    #[cfg_attr(feature = "serde", serde(with = "crate::format::number"))]
    intensity: usize,
    #[cfg_attr(feature = "serde", serde(rename = "period_seconds", with = "crate::format::seconds"))]
    period: Duration,
}

impl RestartStrategy {
    /// Makes a strategy with this mode, and the default intensity of 1 restart in 5 seconds.
    pub const fn new(mode: RestartMode) -> Self {
        // R8, R31: one restart in 5 seconds is allowed, a second one ends the supervisor.
        Self { mode, intensity: 1, period: Duration::from_secs(5) }
    }

    /// Makes a strategy that restarts only the child that failed.
    pub const fn one_for_one() -> Self {
        Self::new(RestartMode::OneForOne)
    }

    /// Makes a strategy that restarts all children.
    pub const fn one_for_all() -> Self {
        Self::new(RestartMode::OneForAll)
    }

    /// Makes a strategy that restarts the child that failed and those that were started after it.
    pub const fn rest_for_one() -> Self {
        Self::new(RestartMode::RestForOne)
    }

    /// Allows `intensity` restarts within `period`; at one more, the supervisor gives up. A group that is restarted
    /// together counts once; each attempt to restart counts. With zero the supervisor gives up at the first failure. A
    /// restart counts for exactly `period`, which must not be zero.
    ///
    /// Each restart takes 16 bytes while it counts, up to twice that right after the buffer has grown. So an intensity
    /// of a million takes some 16 to 32 MB at most, and only if there are so many restarts in a period.
    #[doc(alias = "max_restarts")]
    #[doc(alias = "max_seconds")]
    pub const fn with_intensity_and_period(mut self, intensity: usize, period: Duration) -> Self {
        self.intensity = intensity;
        self.period = period;
        self
    }

    /// Allows any number of restarts: the supervisor never gives up, and no restart is counted. For children whose
    /// failures need no reaction above, usually together with a [`Backoff`](crate::Backoff), which is then the only
    /// brake.
    ///
    /// ```
    /// use std::time::Duration;
    /// use supervision::{Backoff, RestartStrategy, Supervisor, SupervisorError};
    ///
    /// # fn main() -> Result<(), SupervisorError> {
    /// let peers = Supervisor::new("peers")?
    ///     .with_restart_strategy(RestartStrategy::one_for_one().with_unlimited_restarts())
    ///     .with_default_backoff(Backoff::exponential(Duration::from_millis(100), Duration::from_secs(30)));
    /// # let _ = peers;
    /// # Ok(())
    /// # }
    /// ```
    pub const fn with_unlimited_restarts(mut self) -> Self {
        self.intensity = usize::MAX;
        self
    }

    /// Returns which children are restarted.
    pub const fn mode(&self) -> RestartMode {
        self.mode
    }

    /// Returns how many restarts are allowed within the period; `usize::MAX` if there is no limit.
    pub const fn intensity(&self) -> usize {
        self.intensity
    }

    /// Returns the time within which the intensity is allowed.
    pub const fn period(&self) -> Duration {
        self.period
    }
}

impl fmt::Debug for RestartStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mode, intensity, period } = *self;
        f.debug_struct("RestartStrategy")
            .field("mode", &mode)
            .field("allows", &format_args!("{}", Restarts { intensity, period }))
            .finish()
    }
}

impl Default for RestartStrategy {
    fn default() -> Self {
        // R8.
        Self::one_for_one()
    }
}
