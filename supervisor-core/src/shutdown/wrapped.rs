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

/// A user's future behind any number of `ProcessShutdown`s. The task that polls one of them drives it for all.
///
/// It is dropped with the last of them: its waker owns the cell, and not the future.
pub(super) struct Wrapped {
    bell: Arc<Bell>,
    state: Mutex<State>,
}

/// A waker for all tasks that can drive the future.
struct Bell {
    cell: ControlCell,
    /// Whether it rang since the future was taken out for a poll.
    has_rung: AtomicBool,
}

type Awaited = Pin<Box<dyn Future<Output = ()> + Send>>;

enum State {
    Waits(Awaited),
    /// The future is taken out, for a poll.
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

    /// Takes the future out for a poll, if it is there. It is not polled under the lock, because it may look at its own
    /// signal.
    fn take_out(&self) -> Option<Awaited> {
        let mut state = self.lock();
        match mem::replace(&mut *state, State::Polled) {
            State::Waits(future) => {
                // A ring from here on is for the poll that follows.
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
        // Tasks that the bell woke during the poll found nothing to drive, and the polling task may not poll again.
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
        // P3, P6: user code. A panic ends it, and the signal fires then.
        let polled = guard(|| future.as_mut().poll(&mut Context::from_waker(&all)));
        if polled.as_ref().is_ok_and(|polled| polled.is_pending()) {
            self.put_back(future);
            return;
        }
        // Also after a panic: the future is never going to resolve, and its waiters have to stop.
        *self.lock() = State::Done;
        let _ = guard(|| drop(future));
        self.bell.cell.request(Flags::SHUTDOWN);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        // First the mark, then the wake: a woken task finds nothing to drive during the poll, and `put_back` sees the
        // mark.
        self.has_rung.swap(true, AcqRel);
        self.cell.wake_waiters();
    }
}
