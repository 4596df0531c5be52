use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, PoisonError, Weak},
    task::{Context, Wake, Waker},
};

use crate::{
    process::{Control, ControlCell, Flags, ProcessId},
    sync::Mutex,
};

/// A user's future, behind any number of `ProcessShutdown`s. Whoever polls drives it for all.
pub(super) struct Wrapped {
    cell: ControlCell,
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    itself: Weak<Self>,
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
        let wrapped = Arc::new_cyclic(|itself| Self { cell, future: Mutex::new(Some(future)), itself: itself.clone() });
        (wrapped, id)
    }
}

impl Control for Wrapped {
    fn cell(&self) -> &ControlCell {
        &self.cell
    }

    fn segment(&self) -> &str {
        ""
    }

    fn release(&self) {}

    fn drive(&self) {
        let mut future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(pending), Some(itself)) = (future.as_mut(), self.itself.upgrade()) else { return };
        let all = Waker::from(itself);
        if pending.as_mut().poll(&mut Context::from_waker(&all)).is_pending() {
            return;
        }
        let done = future.take();
        drop(future);
        drop(done);
        self.cell.request(Flags::SHUTDOWN);
    }
}

/// The future has something to do: any waiter may do it, so all are woken.
impl Wake for Wrapped {
    fn wake(self: Arc<Self>) {
        self.cell.wake_waiters();
    }
}
