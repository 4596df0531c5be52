use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;
use supervisor_core::{Spawner, Timer};
use tokio::{
    task::JoinHandle,
    time::{Sleep, sleep_until},
};

use crate::{Tokio, alarm::Alarm};

/// Tokio's timers reach about two years into the future. A later deadline is reached in steps.
const STEP: Duration = Duration::from_secs(365 * 24 * 60 * 60);

pin_project! {
    /// A timer on a Tokio runtime. A `Sleep` panics when it is polled after the end of its runtime. The tasks of the
    /// runtime are gone by then, so a task of the runtime polls it: usually the process that waits; otherwise a task of
    /// its own, whose end tells.
    pub(crate) struct TokioTimer {
        clock: Tokio,
        deadline: Option<Instant>,
        // Kept while it is not set, to be set again.
        #[pin]
        sleep: Option<Sleep>,
        is_set: bool,
        relay: Option<Relay>,
        // For an insistent timer.
        alarm: Option<Alarm>,
    }
}

/// A task of the runtime that sleeps, for a task elsewhere that waits.
struct Relay(JoinHandle<()>);

impl Drop for Relay {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl TokioTimer {
    pub(crate) fn new(clock: Tokio) -> Self {
        Self { clock, deadline: None, sleep: None, is_set: false, relay: None, alarm: None }
    }

    /// Waits in a task that the runtime polls.
    fn poll_here(self: Pin<&mut Self>, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        match this.sleep.as_mut().as_pin_mut() {
            Some(sleep) if !*this.is_set => sleep.reset(until.into()),
            Some(_) => {}
            None => this.sleep.set(Some(sleep_until(until.into()))),
        }
        *this.is_set = true;
        if let Some(sleep) = this.sleep.as_pin_mut() {
            ready!(sleep.poll(cx));
        }
        *this.is_set = false;
        Poll::Ready(())
    }

    /// Waits in any other task.
    fn poll_there(self: Pin<&mut Self>, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let handle = &this.clock.runtime().handle;
        let relay =
            this.relay.get_or_insert_with(|| Relay(handle.spawn(async move { sleep_until(until.into()).await })));
        let slept = ready!(Pin::new(&mut relay.0).poll(cx));
        *this.relay = None;
        // An error means that the runtime has ended and dropped the task.
        if slept.is_ok() { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Timer for TokioTimer {
    fn reset(self: Pin<&mut Self>, deadline: Option<Instant>) {
        let mut this = self.project();
        (*this.deadline, *this.is_set, *this.relay) = (deadline, false, None);
        let has_ended = this.clock.runtime().has_ended();
        if deadline.is_none() || has_ended {
            this.sleep.set(None);
        }
        if let Some(alarm) = this.alarm {
            match deadline {
                Some(deadline) if !has_ended => alarm.set(deadline, this.clock.runtime()),
                _ => alarm.clear(),
            }
        }
    }

    fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Some(deadline) = self.deadline else { return Poll::Pending };
        // The timer of a dead executor neither panics nor fires: the waiting task may live on another executor, and go
        // on.
        if self.clock.runtime().has_ended() {
            return Poll::Pending;
        }
        loop {
            let now = self.clock.now();
            // D3: checked first, because a task that has used up its share of Tokio's time is told that its sleep goes
            // on.
            if now >= deadline {
                return Poll::Ready(());
            }
            let until = (now + STEP).min(deadline);
            match self.clock.runtime().polls_here() {
                true => ready!(self.as_mut().poll_here(until, cx)),
                false => ready!(self.as_mut().poll_there(until, cx)),
            }
        }
    }

    fn insist(mut self: Pin<&mut Self>) {
        // Without another thread none can take over, and a paused clock stays exact.
        if self.alarm.is_some() || !self.clock.runtime().has_threads {
            return;
        }
        *self.as_mut().project().alarm = Some(Alarm::default());
        if let Some(deadline) = self.deadline {
            self.reset(Some(deadline));
        }
    }
}
