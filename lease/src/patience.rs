use std::time::Duration;

/// What a waiter has seen of a lease, for stores that do not count time themselves.
///
/// Such a store keeps a row with a version, which every renewal raises. A waiter may take the lease over when it has seen the same
/// version for the whole duration on its own clock. So no two clocks are compared, only rates: the holder counts its time from before
/// it asked, on a clock that may be slow by the drift, and stops before the end; the waiter counts from after it was answered, on a
/// clock that may be fast by the drift, and adds it.
#[derive(Debug)]
pub struct Patience<V> {
    seen: Option<(V, Duration)>,
}

impl<V> Default for Patience<V> {
    fn default() -> Self {
        Self { seen: None }
    }
}

impl<V: PartialEq> Patience<V> {
    /// Notes that a version was read, and returns whether the lease may be taken over from it, if it is still there then.
    ///
    /// `now` is the time after the answer, and `duration` what the holder was granted, which stands in the row.
    pub fn is_over(&mut self, version: V, now: Duration, duration: Duration, drift: f64) -> bool {
        match &self.seen {
            Some((seen, since)) if *seen == version => {
                now.saturating_sub(*since) >= duration.mul_f64(1.0 + drift.clamp(0.0, 1.0))
            }
            _ => {
                self.seen = Some((version, now));
                false
            }
        }
    }

    /// Forgets what was seen: the lease was free.
    pub fn forget(&mut self) {
        self.seen = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: Duration = Duration::from_secs(10);

    fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn a_version_has_to_stand_for_the_duration_and_the_drift() {
        let mut patience = Patience::default();
        assert!(!patience.is_over(1, at(500), D, 0.01));
        assert!(!patience.is_over(1, at(10_599), D, 0.01));
        assert!(patience.is_over(1, at(10_600), D, 0.01));
    }

    #[test]
    fn a_new_version_starts_the_wait_again() {
        let mut patience = Patience::default();
        assert!(!patience.is_over(1, at(0), D, 0.0));
        assert!(!patience.is_over(2, at(10_000), D, 0.0));
        assert!(!patience.is_over(2, at(19_999), D, 0.0));
        assert!(patience.is_over(2, at(20_000), D, 0.0));
    }

    #[test]
    fn a_clock_that_steps_back_gives_no_lease() {
        let mut patience = Patience::default();
        assert!(!patience.is_over(1, at(10_000), D, 0.0));
        assert!(!patience.is_over(1, at(5_000), D, 0.0));
    }
}
