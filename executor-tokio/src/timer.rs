use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;
use supervisor_core::{Spawner, Timer};
use tokio::time::{Sleep, sleep_until};

use crate::{Tokio, alarm::Alarm};

/// Tokio's timers reach about two years into the future. A later deadline is reached in steps.
const STEP: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pin_project! {
    pub(crate) struct TokioTimer {
        clock: Tokio,
        deadline: Option<Instant>,
        #[pin]
        sleep: Option<Sleep>,
        // For a timer that insists.
        alarm: Option<Alarm>,
    }
}

impl TokioTimer {
    pub(crate) fn new(clock: Tokio) -> Self {
        Self { clock, deadline: None, sleep: None, alarm: None }
    }

    fn arm(self: Pin<&mut Self>, deadline: Instant) {
        let mut this = self.project();
        let reachable = (this.clock.now() + STEP).min(deadline);
        if let Some(alarm) = this.alarm {
            match reachable == deadline {
                true => alarm.set(deadline, this.clock.runtime()),
                false => alarm.clear(),
            }
        }
        // A sleep belongs to the runtime in which it is made.
        let _entered = this.clock.runtime().handle.enter();
        match this.sleep.as_mut().as_pin_mut() {
            Some(sleep) => sleep.reset(reachable.into()),
            None => this.sleep.set(Some(sleep_until(reachable.into()))),
        }
    }

    fn disarm(self: Pin<&mut Self>) {
        let mut this = self.project();
        this.sleep.set(None);
        if let Some(alarm) = this.alarm {
            alarm.clear();
        }
    }
}

impl Timer for TokioTimer {
    fn reset(mut self: Pin<&mut Self>, deadline: Option<Instant>) {
        *self.as_mut().project().deadline = deadline;
        match deadline.filter(|_| !self.clock.runtime().has_ended()) {
            Some(deadline) => self.arm(deadline),
            None => self.disarm(),
        }
    }

    fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        // The sleep of a runtime that has ended panics when it is polled, and its clock means nothing any more.
        if self.clock.runtime().has_ended() {
            return Poll::Pending;
        }
        loop {
            // Looked at first: a task that has used up its share of Tokio's time is told that its sleep goes on.
            if self.clock.now() >= deadline {
                return Poll::Ready(());
            }
            let Some(sleep) = self.as_mut().project().sleep.as_pin_mut() else { return Poll::Pending };
            // The runtime may end at this very moment.
            let Ok(polled) = catch_unwind(AssertUnwindSafe(|| sleep.poll(cx))) else { return Poll::Pending };
            ready!(polled);
            if self.clock.now() < deadline {
                self.as_mut().arm(deadline);
            }
        }
    }

    fn insist(mut self: Pin<&mut Self>) {
        // Without another thread there is nobody to take over, and where the clock is paused it stays exact.
        if self.alarm.is_some() || !self.clock.runtime().has_threads {
            return;
        }
        *self.as_mut().project().alarm = Some(Alarm::default());
        if let Some(deadline) = self.deadline {
            self.reset(Some(deadline));
        }
    }
}
