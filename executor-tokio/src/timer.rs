use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;
use supervisor_core::{Spawner, Timer};
use tokio::{
    runtime::Handle,
    time::{Sleep, sleep_until},
};

use crate::Tokio;

/// Tokio's timers reach about two years into the future. A later deadline is reached in steps.
const STEP: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pin_project! {
    pub(crate) struct TokioTimer {
        clock: Tokio,
        handle: Handle,
        deadline: Option<Instant>,
        #[pin]
        sleep: Option<Sleep>,
    }
}

impl TokioTimer {
    pub(crate) fn new(clock: Tokio, handle: Handle) -> Self {
        Self { clock, handle, deadline: None, sleep: None }
    }

    fn arm(self: Pin<&mut Self>, deadline: Instant) {
        let mut this = self.project();
        let next = (this.clock.now() + STEP).min(deadline).into();
        // A sleep belongs to the runtime in which it is made.
        let _entered = this.handle.enter();
        match this.sleep.as_mut().as_pin_mut() {
            Some(sleep) => sleep.reset(next),
            None => this.sleep.set(Some(sleep_until(next))),
        }
    }
}

impl Timer for TokioTimer {
    fn reset(mut self: Pin<&mut Self>, deadline: Option<Instant>) {
        *self.as_mut().project().deadline = deadline;
        match deadline {
            Some(deadline) => self.arm(deadline),
            None => self.project().sleep.set(None),
        }
    }

    fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        loop {
            // Looked at first: a task that has used up its share of Tokio's time is told that its sleep goes on.
            if self.clock.now() >= deadline {
                return Poll::Ready(());
            }
            match self.as_mut().project().sleep.as_pin_mut() {
                Some(sleep) => ready!(sleep.poll(cx)),
                None => return Poll::Pending,
            }
            if self.clock.now() < deadline {
                self.as_mut().arm(deadline);
            }
        }
    }
}
