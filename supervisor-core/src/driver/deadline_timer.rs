use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker, ready},
    time::Instant,
};

use atomic_waker::AtomicWaker;

use crate::{
    incarnation::guard,
    spawner::{Executor, Timer},
};

/// The timer of a supervisor.
///
/// A supervisor that stops children in order has a deadline in each of its turns, and usually none of them is reached. So the
/// timer is set only for an earlier deadline than the one that it waits for, and polled only if it was set, or has rung. Its ring
/// takes the waker that the supervisor has registered for its messages, and a turn registers none for its deadline.
pub(super) struct DeadlineTimer {
    timer: Pin<Box<dyn Timer>>,
    /// The time that the timer waits for: the next deadline, or an earlier one that is over.
    armed: Option<Instant>,
    bell: Arc<Bell>,
    /// The waker that the timer gets: it rings the bell.
    waker: Waker,
}

/// Wakes the supervisor when its timer does, and remembers that.
struct Bell {
    has_rung: AtomicBool,
    /// The waker of the supervisor, which that has registered when its poll began. If it is taken, another poll comes anyway.
    waker: Arc<AtomicWaker>,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // First the mark, then the wake: the poll that follows finds the mark.
        self.has_rung.store(true, Ordering::Release);
        self.waker.wake();
    }
}

impl DeadlineTimer {
    /// Makes a timer of the executor that polls the supervisor (D3). `waker` is that of the supervisor.
    pub(super) fn new(spawner: &Executor, waker: &Arc<AtomicWaker>) -> Self {
        let mut timer = spawner.timer();
        // If this panics, the timer still works, but a blocked poll may delay it.
        let _ = guard(|| timer.as_mut().insist());
        Self::of(timer, waker.clone())
    }

    fn of(timer: Pin<Box<dyn Timer>>, waker: Arc<AtomicWaker>) -> Self {
        let bell = Arc::new(Bell { has_rung: AtomicBool::new(false), waker });
        Self { timer, armed: None, waker: bell.clone().into(), bell }
    }

    /// Waits for no deadline.
    pub(super) fn disarm(&mut self) {
        if self.armed.take().is_some() {
            self.timer.as_mut().reset(None);
        }
    }

    /// Waits for a deadline. Ready if that is now. The waker of the supervisor was registered before.
    pub(super) fn poll(&mut self, deadline: Instant) -> Poll<()> {
        loop {
            // Setting a timer costs more than to be woken once too early. In a stop in order, each deadline is later than the
            // one before.
            if self.armed.is_none_or(|armed| armed > deadline) {
                self.timer.as_mut().reset(Some(deadline));
                self.armed = Some(deadline);
                // The timer has no waker yet: it gets one when it is polled below.
                self.bell.has_rung.store(true, Ordering::Relaxed);
            }
            // The supervisor's waker was registered first: a timer that rings in between wakes it, or is seen here.
            if !self.bell.has_rung.swap(false, Ordering::Acquire) {
                return Poll::Pending;
            }
            ready!(self.timer.as_mut().poll_elapsed(&mut Context::from_waker(&self.waker)));
            if self.armed.take() == Some(deadline) {
                return Poll::Ready(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{Mutex, MutexGuard},
        time::Duration,
    };

    use super::*;

    /// What a timer was told, and whom it wakes.
    #[derive(Clone, Default)]
    struct Fake(Arc<Mutex<State>>);

    #[derive(Default)]
    struct State {
        deadline: Option<Instant>,
        waker: Option<Waker>,
        polls: usize,
        has_elapsed: bool,
    }

    impl Fake {
        fn state(&self) -> MutexGuard<'_, State> {
            self.0.lock().unwrap()
        }

        /// Returns the deadline for which it was set last, and how often it was polled.
        fn seen(&self) -> (Option<Instant>, usize) {
            let state = self.state();
            (state.deadline, state.polls)
        }

        fn ring(&self) {
            let waker = self.state().waker.take();
            waker.expect("a task that waits").wake();
        }
    }

    impl Timer for Fake {
        fn reset(self: Pin<&mut Self>, deadline: Option<Instant>) {
            let mut state = self.state();
            *state = State { deadline, polls: state.polls, ..State::default() };
        }

        fn poll_elapsed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
            let mut state = self.state();
            state.polls += 1;
            state.waker = Some(cx.waker().clone());
            if state.has_elapsed { Poll::Ready(()) } else { Poll::Pending }
        }
    }

    /// Counts how often a supervisor is woken.
    #[derive(Default)]
    struct Wakes(Mutex<usize>);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            *self.0.lock().unwrap() += 1;
        }
    }

    #[test]
    fn a_timer_is_polled_if_it_was_set_or_has_rung() {
        let (fake, wakes, now) = (Fake::default(), Arc::<Wakes>::default(), Instant::now());
        let later = |seconds| now + Duration::from_secs(seconds);
        let waker = wakes.clone().into();
        let registered = Arc::new(AtomicWaker::new());
        registered.register(&waker);
        let mut timer = DeadlineTimer::of(Box::pin(fake.clone()), registered.clone());

        // Each deadline is later than the one before.
        for seconds in 5..8 {
            assert!(timer.poll(later(seconds)).is_pending());
        }
        assert_eq!(fake.seen(), (Some(later(5)), 1));
        // An earlier one sets it anew.
        assert!(timer.poll(later(4)).is_pending());
        assert_eq!(fake.seen(), (Some(later(4)), 2));
        // A timer may ring too early, for reasons of its own.
        fake.ring();
        assert_eq!(*wakes.0.lock().unwrap(), 1);
        registered.register(&waker);
        assert!(timer.poll(later(4)).is_pending());
        assert_eq!(fake.state().polls, 3);

        fake.state().has_elapsed = true;
        fake.ring();
        assert_eq!(*wakes.0.lock().unwrap(), 2);
        assert!(timer.poll(later(4)).is_ready());
        // It elapsed for a deadline that is over: it is set for the next one.
        assert!(timer.poll(later(5)).is_pending());
        fake.state().has_elapsed = true;
        fake.ring();
        assert!(timer.poll(later(6)).is_pending());
        assert_eq!(fake.state().deadline, Some(later(6)));

        timer.disarm();
        assert_eq!(fake.state().deadline, None);
    }
}
