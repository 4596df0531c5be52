use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use supervisor_core::Timer;

use crate::clock::{Alarm, Clock};

#[derive(Debug)]
pub(crate) struct SimTimer {
    clock: Arc<Clock>,
    /// How far the clock of its executor is ahead.
    ahead: Duration,
    deadline: Option<Instant>,
    alarm: Option<Alarm>,
}

impl SimTimer {
    pub(crate) fn new(clock: Arc<Clock>, ahead: Duration) -> Self {
        Self { clock, ahead, deadline: None, alarm: None }
    }

    fn disarm(&mut self) {
        if let Some(alarm) = self.alarm.take() {
            self.clock.clear(alarm);
        }
    }
}

impl Timer for SimTimer {
    fn reset(mut self: Pin<&mut Self>, deadline: Option<Instant>) {
        self.disarm();
        // A time from before there was this clock has passed.
        self.deadline = deadline.map(|deadline| deadline.checked_sub(self.ahead).unwrap_or_else(|| self.clock.now()));
    }

    fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.disarm();
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if self.clock.now() >= deadline {
            return Poll::Ready(());
        }
        let alarm = self.clock.set(deadline, cx.waker().clone());
        self.alarm = Some(alarm);
        Poll::Pending
    }
}

impl Drop for SimTimer {
    fn drop(&mut self) {
        self.disarm();
    }
}
