use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The restarts that still count.
pub(super) struct Window {
    intensity: usize,
    period: Duration,
    restarts: VecDeque<Instant>,
}

impl Window {
    pub(super) fn new(intensity: usize, period: Duration) -> Self {
        Self { intensity, period, restarts: VecDeque::new() }
    }

    /// Counts a restart. Returns whether it is allowed.
    pub(super) fn allows(&mut self, now: Instant) -> bool {
        while self.restarts.front().is_some_and(|then| now - *then > self.period) {
            self.restarts.pop_front();
        }
        self.restarts.push_back(now);
        self.restarts.len() <= self.intensity
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Window;

    #[test]
    fn a_restart_counts_until_its_period_is_over() {
        let (begin, second) = (Instant::now(), Duration::from_secs(1));
        let mut window = Window::new(2, second);
        let allowed = [0, 1, 1001, 1001, 1001].map(|at| window.allows(begin + Duration::from_millis(at)));
        assert_eq!(allowed, [true, true, true, false, false]);
    }
}
