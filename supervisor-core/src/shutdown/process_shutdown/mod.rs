use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
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
/// use supervisor_core::ProcessShutdown;
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

    /// Runs a future until it is done, or until shutdown is requested: `None` then.
    ///
    /// For the loop of a worker. The signal is looked at first in each poll, so a worker stops though its next item is always
    /// there already.
    ///
    /// If shutdown was requested before, the future is not polled at all. Otherwise it is dropped where it waits, right after
    /// a poll in which it had nothing to return. So no item is lost if the future itself is cancel-safe, as the `recv` of most
    /// channels is. `run_until` is cancel-safe if the future is.
    ///
    /// ```
    /// use supervisor_core::worker;
    ///
    /// # let (_sender, jobs) = async_channel::unbounded::<String>();
    /// let writer = worker("writer", move |shutdown| {
    ///     let jobs = jobs.clone();
    ///     async move {
    ///         // Ends when the channel is closed, or when shutdown is requested.
    ///         while let Some(Ok(job)) = shutdown.run_until(jobs.recv()).await {
    ///             println!("{job}");
    ///         }
    ///     }
    /// });
    /// # let _ = writer;
    /// ```
    pub async fn run_until<F: Future>(&self, future: F) -> Option<F::Output> {
        let mut future = pin!(future);
        let mut own_wait = None;
        poll_fn(|cx| {
            // P6: first the signal, so that nothing is taken out of a queue by a worker that is going to stop.
            if self.look() {
                return Poll::Ready(None);
            }
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            // A waker has to be registered, which an item that is there already does not pay for.
            Pin::new(own_wait.get_or_insert_with(|| self.clone())).poll(cx).map(|()| None)
        })
        .await
    }

    /// Whether shutdown is requested now. Where a future is wrapped, drives it: it may be what says so.
    fn look(&self) -> bool {
        if let Some((control, _)) = &self.source {
            control.drive();
        }
        self.is_requested()
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
