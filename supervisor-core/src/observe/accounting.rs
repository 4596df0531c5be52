use std::time::Duration;

use crate::incarnation::{Meter, Tally};

/// The numbers of a child's polls since it was added, over its restarts and those of the supervisors above it.
///
/// [`ChildSpec::with_accounting`](crate::ChildSpec::with_accounting) turns it on, and says what is measured. A poll that lasts is
/// counted when it returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Accounting {
    /// How often its processes were polled.
    pub polls: u64,
    /// How often the wakers of its processes were called. One poll may answer several wakes, and the first poll of a process needs
    /// none.
    pub wakes: u64,
    /// How long its polls have lasted together.
    #[cfg_attr(feature = "serde", serde(rename = "busy_seconds", with = "crate::format::seconds"))]
    pub busy: Duration,
    /// How long the slowest one of its polls has lasted.
    #[cfg_attr(feature = "serde", serde(rename = "slowest_poll_seconds", with = "crate::format::seconds"))]
    pub slowest_poll: Duration,
}

impl Accounting {
    pub(crate) fn of(meter: &Meter) -> Self {
        let Tally { polls, wakes, busy, slowest_poll } = meter.read();
        Self { polls, wakes, busy, slowest_poll }
    }

    /// Returns the sum of two. The slowest poll is the slower one.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            polls: self.polls.saturating_add(other.polls),
            wakes: self.wakes.saturating_add(other.wakes),
            busy: self.busy.saturating_add(other.busy),
            slowest_poll: self.slowest_poll.max(other.slowest_poll),
        }
    }
}
