use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Wake, Waker},
};

use crate::process::{ControlCell, Flags, ProcessId, WaiterKey};

/// A user's future, behind any number of `ProcessShutdown`s. Whoever polls drives it for all.
pub(super) struct Wrapped {
    cell: ControlCell,
    id: ProcessId,
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
}

impl Wrapped {
    pub(super) fn new<F>(future: F) -> Arc<Self>
    where
        F: Future + Send + 'static,
    {
        let (cell, id) = (ControlCell::new(), ProcessId::next());
        cell.begin(id, Flags::NONE);
        let future = Box::pin(async move {
            future.await;
        });
        Arc::new(Self { cell, id, future: Mutex::new(Some(future)) })
    }

    pub(super) fn is_fired(&self) -> bool {
        self.cell.is_shutdown(self.id)
    }

    pub(super) fn deregister(&self, key: WaiterKey) {
        self.cell.deregister_waiter(key);
    }

    /// Registers the waiter and drives the future. To be looked at after this: `is_fired`.
    pub(super) fn poll(self: &Arc<Self>, key: &mut Option<WaiterKey>, waker: &Waker) {
        self.cell.register_waiter(self.id, key, waker);
        let mut future = self.future.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(pending) = future.as_mut() else { return };
        let all = Waker::from(self.clone());
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
