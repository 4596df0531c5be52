use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::{ShutdownHandle, wrapped::Wrapped};
use crate::incarnation::{Control, ProcessId, ShutdownWaiter};

/// Tells a process that it is asked to stop.
///
/// It is a future that resolves when shutdown is asked for, and
/// [`wait_for_shutdown`](Self::wait_for_shutdown) waits for the same without consuming it. The signal is latched: once
/// given it stays, and every later wait returns at once. Cancel-safe: a wait may be dropped, in a `select!` for example,
/// and begun again.
///
/// A clone can be handed to a sub-task. It also fires when the process ends in another way, so that no sub-task outlives
/// the process without knowing, and it never sees the signal of the process's successor.
///
/// ```
/// use supervision::ProcessShutdown;
/// # futures_lite::future::block_on(async {
///
/// // In a test of a worker, without a supervisor:
/// let (mut shutdown, handle) = ProcessShutdown::paired();
/// assert!(!shutdown.is_requested());
/// handle.trigger();
/// shutdown.wait_for_shutdown().await;
/// shutdown.await;
/// # });
/// ```
#[must_use = "futures do nothing unless they are awaited"]
pub struct ProcessShutdown {
    /// Where the signal comes from, if one ever comes.
    source: Option<(Arc<dyn Control>, ProcessId)>,
}

/// It is in every worker's future, often twice.
const _: () = assert!(size_of::<ProcessShutdown>() == 3 * size_of::<usize>());

impl ProcessShutdown {
    pub(crate) fn of(control: Arc<dyn Control>, id: ProcessId) -> Self {
        Self { source: Some((control, id)) }
    }

    /// One with its own trigger. It fires when the handle is triggered, or dropped.
    pub fn paired() -> (Self, ShutdownHandle) {
        let (control, id, handle) = ShutdownHandle::pair();
        (Self::of(control, id), handle)
    }

    /// One that never fires.
    pub fn noop() -> Self {
        Self { source: None }
    }

    /// One that fires when the future resolves, or panics: then nobody is left who could say when to stop. The future makes
    /// progress only while someone waits, and is dropped with the last clone, or when it has resolved. It runs in the task of
    /// whoever waits, and may look at the signal itself.
    pub fn wrapped<F>(future: F) -> Self
    where
        F: Future + Send + 'static,
    {
        let (control, id) = Wrapped::around(future);
        Self::of(control, id)
    }

    /// Waits until shutdown is asked for. Returns at once if it was asked for before.
    ///
    /// Cancel-safe: a wait that is dropped loses nothing.
    pub async fn wait_for_shutdown(&mut self) {
        self.await;
    }

    /// Whether shutdown was asked for.
    pub fn is_requested(&self) -> bool {
        self.source.as_ref().is_some_and(|(control, id)| control.cell().is_shutdown(*id))
    }
}

impl Future for ProcessShutdown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some((control, id)) = &mut this.source else { return Poll::Pending };
        // P6: latched. Looked at first, so that a signal that was given needs no waker.
        if control.cell().is_shutdown(*id) {
            return Poll::Ready(());
        }
        // Registered before the second look below: a signal that comes in between finds the waker, or is seen.
        match control.waiter() {
            Some(waiting) => waiting.update(cx.waker()),
            None => {
                let mut key = None;
                control.cell().register_waiter(*id, &mut key, cx.waker());
                if let Some(key) = key {
                    *control = Arc::new(ShutdownWaiter::new(control.clone(), *id, key));
                }
            }
        }
        // Where a future is wrapped, nobody else polls it. It may resolve at once.
        control.drive();
        if control.cell().is_shutdown(*id) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A clone waits on its own.
impl Clone for ProcessShutdown {
    fn clone(&self) -> Self {
        // P6: a clone is in another task, perhaps. So it takes the signal, and not the waiter of the original.
        let own = |(control, id): &(Arc<dyn Control>, ProcessId)| {
            (control.waiter().map_or(control, ShutdownWaiter::control).clone(), *id)
        };
        Self { source: self.source.as_ref().map(own) }
    }
}

impl fmt::Debug for ProcessShutdown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessShutdown").field("is_requested", &self.is_requested()).finish()
    }
}

#[cfg(test)]
mod tests;
