use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

/// Virtual time, and who waits for it.
#[derive(Debug)]
pub(crate) struct Clock {
    begin: Instant,
    time: Mutex<Time>,
}

#[derive(Debug)]
struct Time {
    now: Instant,
    next_key: u64,
    /// By deadline, then in the order in which they were first polled.
    waiting: BTreeMap<Alarm, Waker>,
}

/// A deadline that somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Alarm {
    deadline: Instant,
    key: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let begin = Instant::now();
        Self { begin, time: Mutex::new(Time { now: begin, next_key: 0, waiting: BTreeMap::new() }) }
    }

    pub(crate) fn now(&self) -> Instant {
        self.lock().now
    }

    /// The time since the simulation was made.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now() - self.begin
    }

    /// Wakes this waker when the deadline has come.
    pub(crate) fn set(&self, deadline: Instant, waker: Waker) -> Alarm {
        let mut time = self.lock();
        let alarm = Alarm { deadline, key: time.next_key };
        time.next_key += 1;
        time.waiting.insert(alarm, waker);
        alarm
    }

    /// The same, for a deadline that is counted from the start.
    pub(crate) fn set_after_start(&self, deadline: Duration, waker: Waker) {
        if let Some(deadline) = self.begin.checked_add(deadline) {
            self.set(deadline, waker);
        }
    }

    pub(crate) fn clear(&self, alarm: Alarm) {
        let waker = self.lock().waiting.remove(&alarm);
        drop(waker);
    }

    /// Jumps to the next deadline, but not beyond `limit` since the start. Whether there was one.
    pub(crate) fn jump(&self, limit: Option<Duration>) -> bool {
        let limit = limit.and_then(|limit| self.begin.checked_add(limit));
        let due = {
            let mut time = self.lock();
            let Some(next) = time.waiting.keys().next().copied() else { return false };
            if limit.is_some_and(|limit| next.deadline > limit) {
                return false;
            }
            time.now = time.now.max(next.deadline);
            let after = Alarm { deadline: time.now, key: u64::MAX };
            let later = time.waiting.split_off(&after);
            mem::replace(&mut time.waiting, later)
        };
        due.into_values().for_each(Waker::wake);
        true
    }

    /// Moves the time forward, with nothing due in between.
    pub(crate) fn set_elapsed(&self, elapsed: Duration) {
        let Some(now) = self.begin.checked_add(elapsed) else { return };
        let mut time = self.lock();
        time.now = time.now.max(now);
    }

    /// Lets go of all that wait.
    pub(crate) fn stop(&self) {
        let waiting = mem::take(&mut self.lock().waiting);
        drop(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
