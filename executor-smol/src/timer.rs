use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Instant,
};

use async_io::Timer;

use crate::spawner::Target;

/// A timer of `async-io`, which fires once each time that it is set.
pub(crate) struct SmolTimer {
    /// The executor that tells the time. The timers outlive it.
    executor: Target,
    deadline: Option<Instant>,
    timer: Timer,
}

impl SmolTimer {
    pub(crate) fn new(executor: Target) -> Self {
        Self { executor, deadline: None, timer: Timer::never() }
    }
}

impl supervisor_core::Timer for SmolTimer {
    fn reset(mut self: Pin<&mut Self>, deadline: Option<Instant>) {
        self.deadline = deadline;
        match deadline {
            Some(deadline) => self.timer.set_at(deadline),
            None => self.timer = Timer::never(),
        }
    }

    fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        if self.executor.has_ended() {
            return Poll::Pending;
        }
        // Checked first: once the timer has fired it does not fire again, but it stays elapsed. It never fires early.
        if Instant::now() < deadline {
            ready!(Pin::new(&mut self.timer).poll(cx));
        }
        Poll::Ready(())
    }
}
