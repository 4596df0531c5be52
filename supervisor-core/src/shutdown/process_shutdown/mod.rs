use std::{
    fmt,
    future::{Future, poll_fn},
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
};

use super::{ShutdownHandle, wrapped::Wrapped};
use crate::incarnation::{Control, ProcessId, ShutdownWaiter};

/// A signal that asks a process to stop.
///
/// It is a future that resolves when shutdown is requested; [`wait_for_shutdown`](Self::wait_for_shutdown) waits for
/// the same without consuming it. The signal is latched: once it has fired it stays, and every later wait returns at
/// once. It is cancel-safe: a wait may be dropped, in a `select!` for example, and begun again.
///
/// A clone can be moved into a sub-task. It also fires when the process ends in another way, so a sub-task always
/// learns of the end of its process. It never fires for the process's successor.
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
    /// The cell that the signal comes from; `None` if it never fires.
    source: Option<(Arc<dyn Control>, ProcessId)>,
}

/// The size matters: it is in every worker's future, often twice.
const _: () = assert!(size_of::<ProcessShutdown>() == 3 * size_of::<usize>());

impl ProcessShutdown {
    pub(crate) fn of(control: Arc<dyn Control>, id: ProcessId) -> Self {
        Self { source: Some((control, id)) }
    }

    /// Makes a signal with its own trigger. It fires when the handle is triggered, or dropped.
    pub fn paired() -> (Self, ShutdownHandle) {
        let (control, id, handle) = ShutdownHandle::pair();
        (Self::of(control, id), handle)
    }

    /// Makes a signal that never fires.
    pub fn noop() -> Self {
        Self { source: None }
    }

    /// Makes a signal that fires when the future resolves, or panics: after a panic, nothing else could fire it. The
    /// future makes progress only while a task waits for the signal, and is dropped with the last clone, or when it has
    /// resolved. It runs in the task that waits, and may itself look at the signal.
    pub fn wrapped<F>(future: F) -> Self
    where
        F: Future + Send + 'static,
    {
        let (control, id) = Wrapped::around(future);
        Self::of(control, id)
    }

    /// Waits until shutdown is requested. Returns at once if it was requested before.
    ///
    /// Cancel-safe: a wait that is dropped loses nothing.
    pub async fn wait_for_shutdown(&mut self) {
        self.await;
    }

    /// Runs a future until it is done, or until shutdown is requested. Then the result is `None`.
    ///
    /// Use it in the loop of a worker. Each poll looks at the signal first, so a worker stops even if its next item is
    /// always there.
    ///
    /// If shutdown was requested before, the future is not polled at all. Otherwise it is dropped where it waits, right
    /// after a poll in which it returned nothing. So no item is lost if the future itself is cancel-safe, as the `recv` of
    /// most channels is. `run_until` is cancel-safe if the future is.
    ///
    /// ```
    /// use supervision::worker;
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
            // P6: the signal first, so that a worker that is going to stop takes nothing out of a queue.
            if self.look() {
                return Poll::Ready(None);
            }
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                return Poll::Ready(Some(output));
            }
            // Only a wait registers a waker. An item that is there already does not pay for it.
            Pin::new(own_wait.get_or_insert_with(|| self.clone())).poll(cx).map(|()| None)
        })
        .await
    }

    /// Returns whether shutdown is requested now. It drives a wrapped future first, because that may fire the signal.
    fn look(&self) -> bool {
        if let Some((control, _)) = &self.source {
            control.drive();
        }
        self.is_requested()
    }

    /// Returns whether shutdown was requested.
    pub fn is_requested(&self) -> bool {
        self.source.as_ref().is_some_and(|(control, id)| control.cell().is_shutdown(*id))
    }
}

impl Future for ProcessShutdown {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = &mut *self;
        let Some((control, id)) = &mut this.source else { return Poll::Pending };
        let cell = control.cell();
        // P6: latched. Checked first, so a signal that has fired needs no waker.
        if cell.is_shutdown(*id) {
            return Poll::Ready(());
        }
        // Registered before the second look below: a signal that comes in between finds the waker, or is seen.
        match control.waiter() {
            Some(waiting) => waiting.update(cx.waker()),
            None => {
                let mut key = None;
                cell.register_waiter(*id, &mut key, cx.waker());
                if let Some(key) = key {
                    *control = Arc::new(ShutdownWaiter::new(control.clone(), *id, key));
                }
            }
        }
        // A wrapped future is polled only here. It may resolve at once.
        control.drive();
        if control.cell().is_shutdown(*id) { Poll::Ready(()) } else { Poll::Pending }
    }
}

/// A clone waits independently.
impl Clone for ProcessShutdown {
    fn clone(&self) -> Self {
        // P6: a clone may be in another task. So it takes the signal, and not the waiter of the original.
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
