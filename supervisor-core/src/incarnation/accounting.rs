//! Accounting: what the polls of a process take, counted around the process.
//!
//! A process that is counted is a process inside of another one, which reads the clock before and after each poll, and gives the
//! poll a waker that counts. So a process that is not counted has no field for it, no branch in its polls, and reads no clock.

use std::{
    mem,
    pin::Pin,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    time::{Duration, Instant},
};

use super::{
    Control, Exit, Parent, Process, guard,
    task::{Current, Incarnation},
};

/// How often a process that is polled hands its numbers to the metrics, at most.
const PUBLISHED_EVERY: Duration = Duration::from_secs(1);

/// The numbers of one child, over all its incarnations. The child owns it.
///
/// Relaxed is enough, because no other data depends on it. One thread at a time changes the numbers, apart from the wakes: polls
/// of a child do not overlap (P2), and the last poll of an incarnation is counted before its end is reported. So a change is a load
/// and a store.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    polls: AtomicU64,
    wakes: AtomicU64,
    busy: AtomicU64,
    slowest_poll: AtomicU64,
    /// When the poll that is under way has begun, one nanosecond late: zero if there is none. The end of the process reads it, in
    /// that poll.
    polled_since: AtomicU64,
    /// The moment from which `polled_since` counts.
    first_poll: OnceLock<Instant>,
    published: Mutex<Tally>,
}

/// The numbers of a [`Meter`] at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) polls: u64,
    pub(crate) wakes: u64,
    pub(crate) busy: Duration,
    pub(crate) slowest_poll: Duration,
}

impl Meter {
    pub(crate) fn read(&self) -> Tally {
        Tally {
            polls: self.polls.load(Relaxed),
            wakes: self.wakes.load(Relaxed),
            busy: Duration::from_nanos(self.busy.load(Relaxed)),
            slowest_poll: Duration::from_nanos(self.slowest_poll.load(Relaxed)),
        }
    }

    /// Ends the accounting of a process that is about to report its end: counts its last poll, and hands its numbers to the
    /// metrics.
    #[cold]
    pub(super) fn end(&self, control: &dyn Control, parent: &dyn Parent) {
        // It may end without a poll: an executor drops it.
        if self.polled_since.load(Relaxed) != 0 {
            self.end_poll(parent.clock());
        }
        self.publish(control, parent);
    }

    fn begin_poll(&self, now: Instant) {
        self.polled_since.store(self.nanos(now) + 1, Relaxed);
    }

    fn end_poll(&self, now: Instant) {
        let begin = self.polled_since.load(Relaxed) - 1;
        self.polled_since.store(0, Relaxed);
        add(&self.polls, 1);
        self.count_time(self.nanos(now).saturating_sub(begin));
    }

    fn count_time(&self, nanos: u64) {
        add(&self.busy, nanos);
        if nanos > self.slowest_poll.load(Relaxed) {
            self.slowest_poll.store(nanos, Relaxed);
        }
    }

    fn nanos(&self, now: Instant) -> u64 {
        nanos(now.saturating_duration_since(*self.first_poll.get_or_init(|| now)))
    }

    /// Hands what has come since the last time to the metrics.
    #[cold]
    fn publish(&self, control: &dyn Control, parent: &dyn Parent) {
        parent.publish(control.id(), control.name(), &mut || self.take_unpublished());
    }

    /// Returns what has come since the last call, with the slowest poll of all.
    fn take_unpublished(&self) -> Tally {
        let mut published = self.published.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.read();
        let before = mem::replace(&mut *published, now);
        Tally {
            polls: now.polls - before.polls,
            wakes: now.wakes - before.wakes,
            busy: now.busy - before.busy,
            slowest_poll: now.slowest_poll,
        }
    }
}

/// Returns a duration in nanoseconds. 500 years are out of reach.
fn nanos(time: Duration) -> u64 {
    time.as_secs() * 1_000_000_000 + u64::from(time.subsec_nanos())
}

fn add(to: &AtomicU64, number: u64) {
    to.store(to.load(Relaxed) + number, Relaxed);
}

impl Process {
    /// Counts the polls of this process.
    pub(crate) fn counted(self, meter: Arc<Meter>, control: Arc<dyn Control>, parent: Arc<dyn Parent>) -> Self {
        let links = Some(Links { control, parent });
        Self::of(Counted { process: self, meter, links, waker: None, published: None })
    }
}

/// A process of which the polls are counted.
struct Counted {
    process: Process,
    meter: Arc<Meter>,
    /// Gone once the process has ended: the last owner ends a tree.
    links: Option<Links>,
    waker: Option<CountingWaker>,
    /// When a poll last handed the numbers to the metrics.
    published: Option<Instant>,
}

struct Links {
    control: Arc<dyn Control>,
    parent: Arc<dyn Parent>,
}

/// The waker of the executor, and the one that counts and then wakes it. Both stay the same for as long as the executor uses the
/// same one, which mostly is the life of the process.
struct CountingWaker {
    shared: Arc<Counting>,
    waker: Waker,
}

struct Counting {
    meter: Arc<Meter>,
    executor: Waker,
}

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.meter.wakes.fetch_add(1, Relaxed);
        self.executor.wake_by_ref();
    }
}

impl CountingWaker {
    /// Returns the waker that counts before it wakes this one.
    fn of<'a>(own: &'a mut Option<Self>, executor: &'a Waker, meter: &Arc<Meter>) -> &'a Waker {
        if own.as_ref().is_none_or(|own| !own.shared.executor.will_wake(executor)) {
            // P9: wakers are foreign code. Without this one, the process works and its wakes are not counted.
            let renewed = guard(|| Counting { meter: meter.clone(), executor: executor.clone() }).map(|counting| {
                let shared = Arc::new(counting);
                Self { waker: Waker::from(shared.clone()), shared }
            });
            let before = mem::replace(own, renewed.ok());
            let _ = guard(|| drop(before));
        }
        own.as_ref().map_or(executor, |own| &own.waker)
    }
}

impl Future for Counted {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let Self { process, meter, links, waker, published } = &mut *self;
        let Some(Links { control, parent }) = links else { return Poll::Ready(()) };
        let waker = CountingWaker::of(waker, cx.waker(), meter);
        meter.begin_poll(parent.clock());
        let polled = Pin::new(process).poll(&mut Context::from_waker(waker));
        if polled.is_ready() {
            // It has counted this poll before it reported its end. A successor may count already.
            self.leave();
        } else {
            let now = parent.clock();
            meter.end_poll(now);
            if published.is_none_or(|before| now.saturating_duration_since(before) >= PUBLISHED_EVERY) {
                *published = Some(now);
                meter.publish(&**control, &**parent);
            }
        }
        polled
    }
}

impl Incarnation for Counted {
    fn current(&self) -> Option<&Current> {
        self.process.current()
    }

    fn break_off(mut self: Pin<&mut Self>, exit: Exit) {
        self.process.break_off(exit);
    }

    fn held_up(&self, lasted: Duration) {
        self.meter.count_time(nanos(lasted));
    }
}

impl Counted {
    /// Drops everything but the process.
    fn leave(&mut self) {
        // The waker belongs to the task that owns this. The last owner of a child drops user code.
        let (waker, links) = (self.waker.take(), self.links.take());
        let _ = guard(|| drop(waker));
        let _ = guard(|| drop(links));
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        // P1: first the process, which reports that it is lost.
        self.process.lose();
        self.leave();
    }
}
