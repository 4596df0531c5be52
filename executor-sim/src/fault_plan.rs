use std::time::Duration;

use supervisor_core::{Exit, Failure, Process};

use crate::fault::{Fault, What, When};

/// The faults that are going to strike one process.
///
/// Times are counted from the start of the simulation.
pub(crate) struct FaultPlan {
    strokes: Vec<Stroke>,
    is_ready: bool,
    /// The times at which the process has to be looked at.
    alarms: Vec<Duration>,
    /// The time until which it is not polled; an inner `None` is for good.
    stalled: Option<Option<Duration>>,
}

struct Stroke {
    fault: Fault,
    /// The time, once it is known.
    at: Option<Duration>,
}

/// An intervention in place of a poll.
pub(crate) enum Intervention {
    Drop,
    BreakOff(Exit),
    Stall,
    /// Until this time; `None` is for good.
    Block(Option<Duration>),
}

impl FaultPlan {
    pub(crate) fn new(faults: Vec<Fault>) -> Self {
        let strokes = faults.into_iter().map(|fault| Stroke { fault, at: None }).collect();
        Self { strokes, is_ready: false, alarms: Vec::new(), stalled: None }
    }

    pub(crate) fn add(&mut self, fault: Fault) {
        self.strokes.push(Stroke { fault, at: None });
        // Processes that were ready before are ready for this one, too.
        self.is_ready = false;
    }

    pub(crate) fn is_refused(&self) -> bool {
        self.strokes.iter().any(|stroke| matches!(stroke.fault.what, What::Refuse))
    }

    pub(crate) fn wakes_late_by(&self) -> Option<Duration> {
        self.strokes.iter().find_map(|stroke| match stroke.fault.what {
            What::DelayWakes(up_to) => Some(up_to),
            _ => None,
        })
    }

    /// Notes that the process is ready: from now on the times are known of everything that counts from ready.
    pub(crate) fn notice_ready(
        &mut self,
        process: &Process,
        now: Duration,
        mut draw: impl FnMut(Duration) -> Duration,
    ) {
        if self.is_ready || self.strokes.is_empty() || !process.is_ready() {
            return;
        }
        self.is_ready = true;
        for stroke in &mut self.strokes {
            let after = match stroke.fault.when {
                When::Start => continue,
                When::Ready(after) => after,
                When::SomeTime(within) => draw(within),
            };
            let at = *stroke.at.get_or_insert(now + after);
            self.alarms.push(at);
        }
    }

    pub(crate) fn take_alarms(&mut self) -> Vec<Duration> {
        std::mem::take(&mut self.alarms)
    }

    /// Stalls the process until this time; `None` is for good.
    pub(crate) fn stall(&mut self, until: Option<Duration>) {
        self.alarms.extend(until);
        self.stalled = Some(until);
    }

    /// Returns whether its next poll is going to block.
    pub(crate) fn is_about_to_block(&self, now: Duration) -> bool {
        let mut due = self.strokes.iter().filter(|stroke| stroke.at.is_some_and(|at| at <= now));
        due.any(|stroke| matches!(stroke.fault.what, What::Block(_)))
    }

    pub(crate) fn intervention(&mut self, now: Duration) -> Option<Intervention> {
        match self.stalled {
            Some(until) if until.is_none_or(|until| now < until) => return Some(Intervention::Stall),
            _ => self.stalled = None,
        }
        let is_due = |stroke: &Stroke| match stroke.fault.when {
            When::Start => stroke.fault.is_blow(),
            _ => stroke.fault.is_blow() && stroke.at.is_some_and(|at| at <= now),
        };
        let due = self.strokes.iter().position(is_due)?;
        Some(match self.strokes.remove(due).fault.what {
            What::Panic(message) => Intervention::BreakOff(Exit::Panicked(Failure::new(message))),
            What::Fail(message) => Intervention::BreakOff(Exit::Failed(Failure::new(message))),
            What::Stall(lasting) => {
                self.stall(lasting.map(|lasting| now.saturating_add(lasting)));
                Intervention::Stall
            }
            What::Block(lasting) => Intervention::Block(lasting.map(|lasting| now.saturating_add(lasting))),
            What::Lose | What::Refuse | What::DelayWakes(_) => Intervention::Drop,
        })
    }
}
