//! A clock beside those of the runtimes, for deadlines that have to be met even while a runtime does not check its own.
//!
//! One thread of a runtime waits for timers and sockets: it has the driver. If its next poll blocks, the others stay
//! asleep, and no thread waits for timers and sockets until a task is handed in from outside: the thread that wakes up
//! for that takes the driver. So one plain thread of the program knows the deadlines that matter. It hands in such a
//! task when a deadline has passed by [`SLACK`] and its timer was not reset, which a supervisor that was woken in time
//! would have done, and some time after each nudge.
//!
//! No foreign code is called with the lock held, and a handle is never dropped under it: the last one drops tasks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, atomic::Ordering::SeqCst},
    thread,
    time::{Duration, Instant},
};

use crate::runtime::Known;

/// How long after its deadline a timer counts as missed. Tokio's own timers come up to a millisecond late.
const SLACK: Duration = Duration::from_millis(10);

/// A deadline with a number, because several timers may have the same deadline.
type Key = (Instant, u64);

static CLOCK: Clock = Clock {
    state: Mutex::new(State { alarms: BTreeMap::new(), last: 0, is_running: false, until: None }),
    earlier: Condvar::new(),
};

struct Clock {
    state: Mutex<State>,
    /// Notified when there is an earlier alarm than the one that the thread waits for.
    earlier: Condvar,
}

struct State {
    alarms: BTreeMap<Key, Arc<Known>>,
    last: u64,
    is_running: bool,
    /// The time that the thread waits for; `None` waits for a new alarm.
    until: Option<Instant>,
}

/// One entry in the clock, while it is set.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Key>);

impl Alarm {
    /// Replaces the deadline. Does nothing if no thread can be started.
    pub(crate) fn set(&mut self, deadline: Instant, runtime: &Arc<Known>) {
        // A deadline beyond the range of the clock needs no alarm.
        let Some(at) = deadline.checked_add(SLACK) else { return self.clear() };
        if self.0.is_some_and(|(set, _)| set == at) {
            return;
        }
        let mut state = CLOCK.lock();
        let before = self.0.take().and_then(|key| state.alarms.remove(&key));
        self.0 = state.add(at, runtime);
        drop(state);
        drop(before);
    }

    /// Clears the deadline. The thread is not woken for that: it sees it when it wakes up.
    pub(crate) fn clear(&mut self) {
        let Some(key) = self.0.take() else { return };
        let before = CLOCK.lock().alarms.remove(&key);
        drop(before);
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Nudges the runtime once more after [`SLACK`]. Callers that come before that share one echo.
///
/// A thread of Tokio that finds no work asks whether another one is looking, and goes to sleep without a second look if
/// so. If that other one has found a task in between, and its poll hands in work and then blocks, no thread is woken for
/// that work: the sleeper did not count as asleep yet. After the slack it does.
pub(crate) fn echo(runtime: &Arc<Known>) {
    if !runtime.has_echo.swap(true, SeqCst) {
        CLOCK.lock().add(Instant::now() + SLACK, runtime);
    }
}

impl Clock {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Adds an alarm. Returns `None` if no thread can be started.
    fn add(&mut self, at: Instant, runtime: &Arc<Known>) -> Option<Key> {
        if !self.run() {
            return None;
        }
        self.last += 1;
        let key = (at, self.last);
        self.alarms.insert(key, runtime.clone());
        // Woken only for an earlier alarm: most deadlines are set and cleared long before they come.
        if self.until.is_none_or(|until| at < until) {
            self.until = Some(at);
            CLOCK.earlier.notify_one();
        }
        Some(key)
    }

    /// Makes sure that the thread runs. Returns whether it does.
    fn run(&mut self) -> bool {
        self.is_running =
            self.is_running || thread::Builder::new().name("supervision-alarm".into()).spawn(ring).is_ok();
        self.is_running
    }

    /// Takes out the runtimes of the alarms whose time has come, each once.
    fn take_due(&mut self) -> Vec<Arc<Known>> {
        let now = Instant::now();
        let mut due: Vec<Arc<Known>> = Vec::new();
        while let Some(first) = self.alarms.first_entry().filter(|first| first.key().0 <= now) {
            due.push(first.remove());
        }
        due
    }
}

fn ring() {
    let mut state = CLOCK.lock();
    loop {
        let due = state.take_due();
        if !due.is_empty() {
            drop(state);
            for (index, runtime) in due.iter().enumerate() {
                // Each runtime once: one task is enough to make a thread look for work.
                if !due[..index].iter().any(|before| Arc::ptr_eq(before, runtime)) {
                    // Before the nudge: who asks for an echo from here on needs one of its own.
                    runtime.has_echo.store(false, SeqCst);
                    runtime.nudge();
                }
            }
            drop(due);
            state = CLOCK.lock();
            continue;
        }
        state.until = state.alarms.first_key_value().map(|(key, _)| key.0);
        let wait = state.until.map(|until| until.saturating_duration_since(Instant::now()));
        state = match wait {
            None => CLOCK.earlier.wait(state).unwrap_or_else(PoisonError::into_inner),
            Some(wait) => CLOCK.earlier.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0,
        };
    }
}
