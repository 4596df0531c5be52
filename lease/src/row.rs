use std::time::Duration;

use crate::{Bid, Patience};

/// A lease as a row of a store that does not count time itself, such as a table of a database.
///
/// Each change of the row is a compare-and-swap: it names the [`mark`](Self::mark) of the row that it read, and changes nothing if
/// that is another one by now.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Row {
    /// The number of the last grant. No two grants have the same, also if the row was deleted in between.
    pub epoch: u64,
    /// A number that every change within an epoch raises.
    pub version: u64,
    /// The text of the [`Holder`](crate::Holder), or none if the lease was released.
    pub holder: Option<String>,
    /// For how long the holder may go without a renewal.
    pub duration: Duration,
}

impl Row {
    /// Makes the row of a lease that was just granted.
    pub fn new(epoch: u64, version: u64, holder: Option<String>, duration: Duration) -> Self {
        Self { epoch, version, holder, duration }
    }

    /// Returns what tells this state of the row from every other one.
    pub fn mark(&self) -> Mark {
        Mark { epoch: self.epoch, version: self.version }
    }
}

/// The state of a [`Row`] that was read, for the comparison in a compare-and-swap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Mark {
    /// The number of the last grant.
    pub epoch: u64,
    /// The number of the last change in it.
    pub version: u64,
}

/// The decision over a [`Row`] that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who asks has to know every answer")]
pub enum Claim {
    /// The lease is free, or its time is over, or it is this holder's by a request whose answer was lost: it may be taken with a
    /// compare-and-swap.
    Take,
    /// Another one has it.
    HeldBy(
        /// The text of that [`Holder`](crate::Holder).
        String,
    ),
}

impl Patience<Mark> {
    /// Decides whether the lease may be taken. `now` is the time on the bid's clock after the row was read.
    pub fn judge(&mut self, row: Option<&Row>, bid: &Bid<'_>, now: Duration) -> Claim {
        let held = row.and_then(|row| row.holder.as_ref().map(|holder| (row, holder)));
        match held {
            Some((row, holder)) if holder != bid.holder.as_str() => {
                if self.is_over(row.mark(), now, row.duration, bid.drift) {
                    Claim::Take
                } else {
                    Claim::HeldBy(holder.clone())
                }
            }
            _ => {
                self.forget();
                Claim::Take
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Holder, MachineClock};

    const D: Duration = Duration::from_secs(10);

    /// The decisions of one replica, at these seconds on its clock.
    struct Replica {
        holder: Holder,
        patience: Patience<Mark>,
        drift: f64,
    }

    impl Replica {
        fn new(drift: f64) -> Self {
            Self { holder: Holder::new(1), patience: Patience::default(), drift }
        }

        fn sees(&mut self, row: Option<&Row>, seconds: u64) -> Claim {
            let clock = MachineClock::default();
            // The time that this bid asks for is not the one that counts.
            let bid = Bid { holder: &self.holder, duration: Duration::from_secs(1), drift: self.drift, clock: &clock };
            self.patience.judge(row, &bid, Duration::from_secs(seconds))
        }
    }

    fn held(epoch: u64, version: u64) -> Row {
        Row::new(epoch, version, Some("other".to_owned()), D)
    }

    fn held_by_other() -> Claim {
        Claim::HeldBy("other".to_owned())
    }

    #[test]
    fn a_lease_without_a_row_or_a_holder_may_be_taken() {
        let mut replica = Replica::new(0.0);
        assert_eq!(replica.sees(None, 0), Claim::Take);
        assert_eq!(replica.sees(Some(&Row::new(7, 2, None, D)), 0), Claim::Take);
    }

    #[test]
    fn an_own_row_may_be_taken_again() {
        let mut replica = Replica::new(0.0);
        let row = Row::new(7, 2, Some(replica.holder.to_string()), D);
        assert_eq!(replica.sees(Some(&row), 0), Claim::Take);
    }

    #[test]
    fn a_held_row_may_be_taken_when_its_time_is_over() {
        let mut replica = Replica::new(0.5);
        assert_eq!(replica.sees(Some(&held(7, 2)), 0), held_by_other());
        assert_eq!(replica.sees(Some(&held(7, 2)), 14), held_by_other());
        assert_eq!(replica.sees(Some(&held(7, 2)), 15), Claim::Take);
    }

    #[test]
    fn a_row_of_another_epoch_starts_the_wait_again() {
        let mut replica = Replica::new(0.0);
        assert_eq!(replica.sees(Some(&held(7, 1)), 0), held_by_other());
        // Deleted and made again meanwhile: the same version, and another grant.
        assert_eq!(replica.sees(Some(&held(8, 1)), 10), held_by_other());
    }

    #[test]
    fn a_lease_that_was_free_meanwhile_starts_the_wait_again() {
        let mut replica = Replica::new(0.0);
        assert_eq!(replica.sees(Some(&held(7, 1)), 0), held_by_other());
        assert_eq!(replica.sees(None, 5), Claim::Take);
        assert_eq!(replica.sees(Some(&held(7, 1)), 10), held_by_other());
    }
}
