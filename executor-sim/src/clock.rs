use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Instant,
};

/// Virtual time, and who waits for it.
#[derive(Debug)]
pub(crate) struct Clock(Mutex<Time>);

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
        Self(Mutex::new(Time { now: Instant::now(), next_key: 0, waiting: BTreeMap::new() }))
    }

    pub(crate) fn now(&self) -> Instant {
        self.lock().now
    }

    /// Wakes this waker when the deadline has come.
    pub(crate) fn set(&self, deadline: Instant, waker: &Waker) -> Alarm {
        let mut time = self.lock();
        let alarm = Alarm { deadline, key: time.next_key };
        time.next_key += 1;
        time.waiting.insert(alarm, waker.clone());
        alarm
    }

    pub(crate) fn clear(&self, alarm: Alarm) {
        let waker = self.lock().waiting.remove(&alarm);
        drop(waker);
    }

    /// Jumps to the next deadline, but not beyond `limit`. Whether there was one.
    pub(crate) fn jump(&self, limit: Option<Instant>) -> bool {
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
    pub(crate) fn set_now(&self, now: Instant) {
        let mut time = self.lock();
        time.now = time.now.max(now);
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
