use std::{
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use crate::process::Process;

/// An executor, as far as supervision needs one: it runs processes, and it tells the time.
///
/// Implemented by the backends (Tokio, smol, the simulator), or by you for an executor of your own: everything else that
/// supervision asks of a task is done by [`Process`] itself. The feature `contract` has the test suite that a backend
/// has to pass, and with it the guide for writing one.
pub trait Spawner: fmt::Debug + Send + Sync + 'static {
    /// Starts a process as an independent task: polls it until it is ready, or drops it. Both are fine, neither is an
    /// error; a process that is dropped reports itself as lost.
    ///
    /// Never polls it on the calling stack, never blocks, and never panics. A spawner for an executor that somebody owns
    /// holds it by a `Weak`: a process keeps its spawner, so otherwise the executor would keep itself alive.
    fn spawn(&self, process: Process);

    /// The time on this executor's clock, from whatever thread it is called.
    fn now(&self) -> Instant;

    /// A timer on this executor's clock, not armed. A supervisor takes one and re-arms it as often as it needs.
    fn timer(&self) -> Pin<Box<dyn Timer>>;

    /// The seed of a supervisor's own randomness: the jitter of its backoff. A simulator overrides this.
    fn seed(&self) -> u64 {
        fastrand::u64(..)
    }
}

/// A spawner may be shared.
impl<S: Spawner + ?Sized> Spawner for Arc<S> {
    fn spawn(&self, process: Process) {
        (**self).spawn(process);
    }

    fn now(&self) -> Instant {
        (**self).now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        (**self).timer()
    }

    fn seed(&self) -> u64 {
        (**self).seed()
    }
}

/// A timer that can be armed again and again.
pub trait Timer: Send {
    /// Arms the timer, or with `None` disarms it. A deadline that has passed elapses at the next poll.
    fn reset(self: Pin<&mut Self>, deadline: Option<Instant>);

    /// Ready once the deadline has come, and as often as it is asked until the next `reset`. Wakes the last task that
    /// polled it, when the deadline comes. Pending for ever if it is not armed.
    fn poll_elapsed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()>;
}
