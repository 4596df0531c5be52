use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use supervisor_core::Timer;

use crate::{
    clock::{AlarmKey, Clock},
    executor::Identity,
};

#[derive(Debug)]
pub(crate) struct SimTimer {
    clock: Arc<Clock>,
    /// The executor; `None` for a timer of the simulation itself.
    executor: Option<Arc<Identity>>,
    deadline: Option<Instant>,
    alarm: Option<AlarmKey>,
    insists: bool,
}

impl SimTimer {
    pub(crate) fn new(clock: Arc<Clock>, executor: Arc<Identity>) -> Self {
        Self { clock, executor: Some(executor), deadline: None, alarm: None, insists: false }
    }

    /// Makes a timer that elapses whatever happens to any executor.
    pub(crate) fn of_the_simulation(clock: Arc<Clock>) -> Self {
        Self { clock, executor: None, deadline: None, alarm: None, insists: false }
    }

    fn has_ended(&self, used: &str) -> bool {
        self.executor.as_ref().is_some_and(|executor| executor.has_ended(used))
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
        self.has_ended("reset");
        self.deadline = deadline.map(|deadline| match &self.executor {
            Some(executor) => executor.outside(deadline, &self.clock),
            None => deadline,
        });
    }

    fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.disarm();
        let has_ended = self.has_ended("polled");
        let Some(deadline) = self.deadline.filter(|_| !has_ended) else { return Poll::Pending };
        if self.clock.now() >= deadline {
            return Poll::Ready(());
        }
        let executor = self.executor.as_ref().map(|executor| executor.number);
        let alarm = self.clock.set(deadline, cx.waker().clone(), executor, self.insists);
        self.alarm = Some(alarm);
        Poll::Pending
    }

    fn insist(mut self: Pin<&mut Self>) {
        self.insists = true;
        if let Some(alarm) = self.alarm {
            self.clock.insist(alarm);
        }
    }
}

impl Drop for SimTimer {
    fn drop(&mut self) {
        self.disarm();
    }
}
