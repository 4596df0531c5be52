use std::{
    collections::BTreeMap,
    mem,
    sync::{Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::{Duration, Instant},
};

/// How long after its deadline an insistent timer nudges an executor that does not hear its timers.
const INSISTENCE: Duration = Duration::from_millis(1);

/// Virtual time, and the tasks that wait for it.
#[derive(Debug)]
pub(crate) struct Clock {
    begin: Instant,
    time: Mutex<Time>,
}

#[derive(Debug)]
struct Time {
    now: Instant,
    next_key: u64,
    /// Sorted by deadline, then by the order in which they were first polled.
    waiting: BTreeMap<AlarmKey, Waiting>,
}

#[derive(Debug)]
struct Waiting {
    waker: Waker,
    /// The executor of the timer; `None` for a timer of the simulation itself, which is always heard.
    executor: Option<u32>,
    insists: bool,
}

/// A deadline that a task waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct AlarmKey {
    deadline: Instant,
    key: u64,
}

/// The timers of an executor that can elapse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hearing {
    All,
    /// Only insistent timers: one of them nudges the executor, which then hears all of them.
    Insistent,
    Nothing,
}

/// The effect of the next deadline.
pub(crate) enum Jump {
    /// Wake these, in this order; each with the executor of its timer.
    Wake(Vec<(Option<u32>, Waker)>),
    /// Nudge this executor.
    Nudge(u32),
}

impl Clock {
    pub(crate) fn new() -> Self {
        let begin = Instant::now();
        Self { begin, time: Mutex::new(Time { now: begin, next_key: 0, waiting: BTreeMap::new() }) }
    }

    pub(crate) fn now(&self) -> Instant {
        self.lock().now
    }

    pub(crate) fn begin(&self) -> Instant {
        self.begin
    }

    /// Returns the time since the simulation was made.
    pub(crate) fn elapsed(&self) -> Duration {
        self.now() - self.begin
    }

    /// Returns the instant this long after the start; `None` if there is no such instant.
    pub(crate) fn at(&self, elapsed: Duration) -> Option<Instant> {
        self.begin.checked_add(elapsed)
    }

    /// Wakes this waker when the deadline has come, and its executor hears it.
    pub(crate) fn set(&self, deadline: Instant, waker: Waker, executor: Option<u32>, insists: bool) -> AlarmKey {
        let mut time = self.lock();
        let alarm = AlarmKey { deadline, key: time.next_key };
        time.next_key += 1;
        time.waiting.insert(alarm, Waiting { waker, executor, insists });
        alarm
    }

    /// Makes this alarm insist from now on.
    pub(crate) fn insist(&self, alarm: AlarmKey) {
        if let Some(waiting) = self.lock().waiting.get_mut(&alarm) {
            waiting.insists = true;
        }
    }

    /// Wakes this waker this long after the start, whatever any executor hears.
    pub(crate) fn set_after_start(&self, deadline: Duration, waker: Waker) {
        if let Some(deadline) = self.at(deadline) {
            self.set(deadline, waker, None, false);
        }
    }

    pub(crate) fn clear(&self, alarm: AlarmKey) {
        let waiting = self.lock().waiting.remove(&alarm);
        drop(waiting);
    }

    /// Jumps to the next deadline that is heard, but not beyond `limit` since the start. Returns `None` if there is
    /// none.
    pub(crate) fn jump(&self, limit: Option<Duration>, hearing: impl Fn(Option<u32>) -> Hearing) -> Option<Jump> {
        let limit = limit.and_then(|limit| self.at(limit));
        let mut time = self.lock();
        let (next, nudged) = time.next_heard(&hearing)?;
        if limit.is_some_and(|limit| next > limit) {
            return None;
        }
        time.now = time.now.max(next);
        if let Some(executor) = nudged {
            return Some(Jump::Nudge(executor));
        }
        let after = AlarmKey { deadline: time.now, key: u64::MAX };
        let later = time.waiting.split_off(&after);
        let due = mem::replace(&mut time.waiting, later);
        let is_heard = |waiting: &Waiting| hearing(waiting.executor) == Hearing::All;
        let (heard, unheard): (BTreeMap<_, _>, _) = due.into_iter().partition(|(_, waiting)| is_heard(waiting));
        time.waiting.extend::<BTreeMap<_, _>>(unheard);
        Some(Jump::Wake(heard.into_values().map(|waiting| (waiting.executor, waiting.waker)).collect()))
    }

    /// Removes the timers of this executor.
    pub(crate) fn end(&self, executor: u32) {
        let mut time = self.lock();
        let all = mem::take(&mut time.waiting).into_iter();
        let (ended, rest): (BTreeMap<_, _>, _) = all.partition(|(_, waiting)| waiting.executor == Some(executor));
        time.waiting = rest;
        drop(time);
        drop(ended);
    }

    /// Moves the time forward, with nothing due in between.
    pub(crate) fn set_elapsed(&self, elapsed: Duration) {
        let Some(now) = self.begin.checked_add(elapsed) else { return };
        let mut time = self.lock();
        time.now = time.now.max(now);
    }

    /// Drops all waiting wakers.
    pub(crate) fn stop(&self) {
        let waiting = mem::take(&mut self.lock().waiting);
        drop(waiting);
    }

    fn lock(&self) -> MutexGuard<'_, Time> {
        self.time.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Time {
    /// Returns the next deadline that an executor hears, or at which one has to be nudged to hear it.
    fn next_heard(&self, hearing: impl Fn(Option<u32>) -> Hearing) -> Option<(Instant, Option<u32>)> {
        let mut insistent = None;
        for (alarm, waiting) in &self.waiting {
            match hearing(waiting.executor) {
                Hearing::All => {
                    let heard = (alarm.deadline, None);
                    return Some(insistent.filter(|(nudged, _)| *nudged <= alarm.deadline).unwrap_or(heard));
                }
                Hearing::Insistent if waiting.insists && insistent.is_none() => {
                    insistent = Some((alarm.deadline + INSISTENCE, waiting.executor));
                }
                Hearing::Insistent | Hearing::Nothing => {}
            }
        }
        insistent
    }
}
