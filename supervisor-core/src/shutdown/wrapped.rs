use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, PoisonError, atomic::Ordering::AcqRel},
    task::{Context, Wake, Waker},
};

use crate::{
    incarnation::{Control, ControlCell, Flags, ProcessId, guard},
    sync::{AtomicBool, Mutex, MutexGuard},
};

/// A user's future, behind any number of `ProcessShutdown`s. Whoever polls drives it for all.
///
/// It goes with the last of them: what wakes it owns the cell, and not the future.
pub(super) struct Wrapped {
    bell: Arc<Bell>,
    state: Mutex<State>,
}

/// Wakes whoever can drive the future.
struct Bell {
    cell: ControlCell,
    /// Since the future was taken out for a poll.
    has_rung: AtomicBool,
}

type Awaited = Pin<Box<dyn Future<Output = ()> + Send>>;

enum State {
    Waits(Awaited),
    /// The future is out, in a poll.
    Polled,
    Done,
}

impl Wrapped {
    pub(super) fn around<F>(future: F) -> (Arc<dyn Control>, ProcessId)
    where
        F: Future + Send + 'static,
    {
        let (cell, id) = (ControlCell::new(), ProcessId::next());
        cell.begin(id, Flags::NONE);
        let future = Box::pin(async move {
            future.await;
        });
        let bell = Arc::new(Bell { cell, has_rung: AtomicBool::new(false) });
        (Arc::new(Self { bell, state: Mutex::new(State::Waits(future)) }), id)
    }

    /// Takes the future out for a poll, if it is there. Not polled under the lock, for it may look at its own signal.
    fn take_out(&self) -> Option<Awaited> {
        let mut state = self.lock();
        match mem::replace(&mut *state, State::Polled) {
            State::Waits(future) => {
                // What rings from here on rings for the poll that follows.
                self.bell.has_rung.swap(false, AcqRel);
                Some(future)
            }
            before => {
                *state = before;
                None
            }
        }
    }

    fn put_back(&self, future: Awaited) {
        *self.lock() = State::Waits(future);
        // Whom the bell has woken during the poll found nothing to drive, and who polled may not come back.
        if self.bell.has_rung.swap(false, AcqRel) {
            self.bell.cell.wake_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control for Wrapped {
    fn cell(&self) -> &ControlCell {
        &self.bell.cell
    }

    fn name(&self) -> &str {
        ""
    }

    fn release(&self) {}

    fn drive(&self) {
        let Some(mut future) = self.take_out() else { return };
        let all = Waker::from(self.bell.clone());
        // P3, P6: user code. A panic is an end, and the signal fires then.
        let polled = guard(|| future.as_mut().poll(&mut Context::from_waker(&all)));
        if polled.as_ref().is_ok_and(|polled| polled.is_pending()) {
            self.put_back(future);
            return;
        }
        // Also where it panicked: it is never going to resolve, and whoever waits for it has to stop some day.
        *self.lock() = State::Done;
        let _ = guard(|| drop(future));
        self.bell.cell.request(Flags::SHUTDOWN);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // First the mark, then the wake: who is woken finds nothing to drive as long as the poll goes on, and
        // `put_back` sees the mark.
        self.has_rung.swap(true, AcqRel);
        self.cell.wake_waiters();
    }
}
