//! A clock beside the runtimes', for deadlines that have to be heard also while a runtime does not look at its own.
//!
//! Of a runtime's threads, one waits for timers and sockets: it has the driver. If what it then polls blocks, the others sleep
//! on, and nobody waits for timers and sockets until a task is handed in from outside: the thread that wakes up for that
//! takes the driver. So one plain thread of the program knows the deadlines that matter, and hands in such a task when one
//! has passed by [`SLACK`] and its timer was not set anew, which is what a supervisor does that was woken in time.
//!
//! Nothing in here is called with the lock held, and a handle is never dropped under it: the last one drops tasks.

use std::{
    collections::BTreeMap,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use crate::runtime::Known;

/// How long after its deadline a timer counts as not heard. Tokio's own timers come up to a millisecond late.
const SLACK: Duration = Duration::from_millis(10);

/// A deadline with its number: those of several timers may be the same.
type Key = (Instant, u64);

static CLOCK: Clock = Clock {
    state: Mutex::new(State { alarms: BTreeMap::new(), last: 0, is_running: false, until: None }),
    earlier: Condvar::new(),
};

struct Clock {
    state: Mutex<State>,
    /// There is an earlier alarm than the one that the thread waits for.
    earlier: Condvar,
}

struct State {
    alarms: BTreeMap<Key, Arc<Known>>,
    last: u64,
    is_running: bool,
    /// What the thread waits for. `None` is a new alarm.
    until: Option<Instant>,
}

/// One entry in the clock, while it is set.
#[derive(Debug, Default)]
pub(crate) struct Alarm(Option<Key>);

impl Alarm {
    /// Sets it to this deadline instead of the one before. Where no thread can be made, it does nothing.
    pub(crate) fn set(&mut self, deadline: Instant, runtime: &Arc<Known>) {
        // What lies beyond all reason needs no alarm.
        let Some(at) = deadline.checked_add(SLACK) else { return self.clear() };
        if self.0.is_some_and(|(set, _)| set == at) {
            return;
        }
        let mut state = CLOCK.lock();
        let before = self.0.take().and_then(|key| state.alarms.remove(&key));
        if state.run() {
            state.last += 1;
            let key = (at, state.last);
            state.alarms.insert(key, runtime.clone());
            self.0 = Some(key);
            // Woken only for an earlier alarm: most deadlines are set and cleared long before they come.
            if state.until.is_none_or(|until| at < until) {
                state.until = Some(at);
                CLOCK.earlier.notify_one();
            }
        }
        drop(state);
        drop(before);
    }

    /// The thread is not woken for that: it finds out when it wakes up.
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

impl Clock {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Makes sure that the thread runs. Whether it does.
    fn run(&mut self) -> bool {
        self.is_running =
            self.is_running || thread::Builder::new().name("supervision-alarm".into()).spawn(ring).is_ok();
        self.is_running
    }

    /// The runtimes of the alarms whose time has come, each once.
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
                // Each runtime once: one task is enough to have a thread look for work.
                if !due[..index].iter().any(|before| Arc::ptr_eq(before, runtime)) {
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
