use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::{Arc, PoisonError},
    task::{Context, Wake, Waker},
};

use crate::{
    process::{Control, ControlCell, Flags, ProcessId, guard},
    sync::{Mutex, MutexGuard, ThreadId, current_thread},
};

/// A user's future, behind any number of `ProcessShutdown`s. Whoever polls drives it for all.
///
/// It goes with the last of them: what wakes it owns the cell, and not the future.
pub(super) struct Wrapped {
    bell: Arc<Bell>,
    state: Mutex<State>,
}

/// Wakes whoever can drive the future.
struct Bell(ControlCell);

type Awaited = Pin<Box<dyn Future<Output = ()> + Send>>;

enum State {
    Waits(Awaited),
    /// The future is out, in a poll. `again`: somebody on another thread would have polled it meanwhile.
    Polled {
        by: ThreadId,
        again: bool,
    },
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
        (Arc::new(Self { bell: Arc::new(Bell(cell)), state: Mutex::new(State::Waits(future)) }), id)
    }

    /// Takes the future out for a poll, if it is there. Not polled under the lock, for it may look at its own signal.
    fn take_out(&self) -> Option<Awaited> {
        let mut state = self.lock();
        let here = current_thread();
        match mem::replace(&mut *state, State::Polled { by: here, again: false }) {
            State::Waits(future) => return Some(future),
            State::Done => *state = State::Done,
            // On the thread that polls it, the future itself has asked.
            State::Polled { by, again } => *state = State::Polled { by, again: again || by != here },
        }
        None
    }

    fn put_back(&self, future: Awaited) {
        let before = mem::replace(&mut *self.lock(), State::Waits(future));
        // Who came meanwhile waits, and may be the only one who does from now on.
        if matches!(before, State::Polled { again: true, .. }) {
            self.bell.0.wake_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control for Wrapped {
    fn cell(&self) -> &ControlCell {
        &self.bell.0
    }

    fn segment(&self) -> &str {
        ""
    }

    fn release(&self) {}

    fn drive(&self) {
        let Some(mut future) = self.take_out() else { return };
        let all = Waker::from(self.bell.clone());
        let polled = guard(|| future.as_mut().poll(&mut Context::from_waker(&all)));
        if polled.as_ref().is_ok_and(|polled| polled.is_pending()) {
            self.put_back(future);
            return;
        }
        // Also where it panicked: it is never going to resolve, and whoever waits for it has to stop some day.
        *self.lock() = State::Done;
        let _ = guard(|| drop(future));
        self.bell.0.request(Flags::SHUTDOWN);
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.wake_waiters();
    }
}
