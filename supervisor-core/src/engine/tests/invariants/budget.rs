use super::*;

/// The restarts within the period are never more than the intensity, and a supervisor gives up when one more is needed, no
/// sooner.
pub(super) struct ChargesStayWithinTheIntensity {
    intensity: usize,
    period: Duration,
    charges: Vec<Instant>,
}

impl ChargesStayWithinTheIntensity {
    pub(super) fn new(settings: &SupervisorSettings) -> Self {
        let strategy = settings.strategy;
        Self { intensity: strategy.intensity(), period: strategy.period(), charges: Vec::new() }
    }

    fn within_period(&self, now: Instant) -> usize {
        self.charges.iter().filter(|then| now - **then <= self.period).count()
    }
}

impl Invariant for ChargesStayWithinTheIntensity {
    fn effect(&mut self, effect: &Effect<Child>, Moment { now, .. }: Moment) {
        match effect {
            Effect::Emit { child, kind, .. } if matches!(**kind, EventKind::Restarting { .. }) => {
                self.charges.push(now);
                let (charges, intensity) = (self.within_period(now), self.intensity);
                assert!(charges <= intensity, "{} is restart {charges} of {intensity}", child.name);
            }
            Effect::GaveUp => {
                let (charges, intensity) = (self.within_period(now), self.intensity);
                assert_eq!(charges, intensity, "it gave up after {charges} restarts of {intensity}");
            }
            _ => {}
        }
    }
}
