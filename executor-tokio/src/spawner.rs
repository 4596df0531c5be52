use std::{
    fmt,
    panic::catch_unwind,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use supervisor_core::{Process, Spawner, Timer};
use tokio::runtime::Handle;

use crate::{TokioError, runtime::Known, timer::TokioTimer};

/// Spawns onto a Tokio runtime, of whatever flavor.
///
/// Every process is a task of its own there, and the clock is the runtime's: where a test pauses it, it is paused for
/// supervision, too.
///
/// ```
/// use supervision::{worker, Supervisor, Tokio};
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
/// # let _inside = runtime.enter();
/// // One child runs on this runtime, wherever its siblings run.
/// let hasher = worker("hasher", |shutdown| shutdown).with_placement(Tokio::current()?);
/// # let mut root = Supervisor::new("root")?;
/// # root.add_worker(hasher);
/// # Ok(())
/// # }
/// ```
///
/// # Tasks that block a thread
///
/// A future has to return from its polls quickly. Where one does not, Tokio stops more than that thread: if a timer or a
/// socket has woken the task, its thread was the one that waited for them, for the whole runtime. The other threads sleep
/// until a task is handed in from outside, and until then no timer and no socket of the runtime is heard
/// ([tokio-rs/tokio#8010](https://github.com/tokio-rs/tokio/pull/8010); with `--cfg tokio_unstable`, the builder's
/// `enable_eager_driver_handoff` keeps this from happening, for user code too). Supervision keeps its own limits all the same
/// on a runtime with several threads: when a deadline of a supervisor is not heard in time, a plain thread of the program,
/// `supervision-alarm`, hands in a task that does nothing. That thread is made at the first such deadline and waits without
/// waking up when there are none; where it cannot be made, limits are as late as the block is long.
///
/// Where all threads of a runtime are blocked, or it has only one, nothing of it moves.
///
/// A runtime that is dropped waits for tasks that block a thread, as Tokio documents; a program that has to end in spite
/// of one calls `Runtime::shutdown_timeout` or `Runtime::shutdown_background`, or ends by [`exit`](supervisor_core::exit), which
/// waits for nobody.
#[must_use = "a spawner does nothing until a tree runs on it"]
#[derive(Clone)]
pub struct Tokio(Arc<Known>);

impl Tokio {
    /// The runtime that this is called in.
    ///
    /// Somebody has to drive it: a handle of a current-thread runtime is there as soon as the runtime is, but nothing
    /// runs before its `block_on` does.
    ///
    /// # Errors
    ///
    /// [`TokioError::NoRuntime`] outside of a runtime. [`TokioError::NoClock`] on one without a clock: that is found by a panic
    /// which is caught, and which the panic hook hears of.
    pub fn current() -> Result<Self, TokioError> {
        Handle::try_current().map_err(|_| TokioError::NoRuntime)?.try_into()
    }
}

/// Fails with [`TokioError::NoClock`] on a runtime without a clock.
///
/// Tokio has no way to ask for the clock but to use it, and that panics if there is none. The panic is caught; the program's
/// panic hook hears of it, prints it by default, and a hook that ends the program does so, with Tokio's words: "timers are
/// disabled. Call `enable_time` on the runtime builder". On a runtime with a clock, there is no panic.
impl TryFrom<Handle> for Tokio {
    type Error = TokioError;

    fn try_from(handle: Handle) -> Result<Self, TokioError> {
        let entered = handle.enter();
        // There is no way to ask that does not panic if there is none.
        catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).map_err(|_| TokioError::NoClock)?;
        drop(entered);
        Ok(Self::with_clock(handle))
    }
}

impl Tokio {
    /// On a runtime that is known to have a clock.
    pub(crate) fn with_clock(handle: Handle) -> Self {
        Self(Arc::new(Known::new(handle)))
    }

    pub(crate) fn runtime(&self) -> &Arc<Known> {
        &self.0
    }
}

impl Spawner for Tokio {
    fn spawn(&self, process: Process) {
        // P1: the process reports its end itself, so nothing waits for the task. A runtime that has ended drops it in
        // here, which is fine. By the handle: the runtime of the thread that calls this may be another one.
        drop(self.0.handle.spawn(process));
    }

    fn now(&self) -> Instant {
        // Tokio's clock can be paused on a single thread only. So elsewhere it is that of the system, and looked at
        // without entering the runtime. At the very end of a thread there is no way into a runtime.
        let is_far = Handle::try_current().is_err_and(|error| error.is_thread_local_destroyed());
        if self.0.has_threads || is_far {
            return Instant::now();
        }
        // A paused clock is one of the runtime, so it is looked at from inside.
        let _entered = self.0.handle.enter();
        tokio::time::Instant::now().into_std()
    }

    /// Whether the clock is paused, now. Tokio does not tell, so it is compared with that of the system: a paused one stands
    /// still while the other goes on, or jumps further than the other goes.
    fn is_virtual(&self) -> bool {
        if self.0.has_threads {
            return false;
        }
        let (outer, begin, inner) = (Instant::now(), self.now(), Instant::now());
        while Instant::now() <= inner {
            std::hint::spin_loop();
        }
        let gone = self.now() - begin;
        gone.is_zero() || gone > outer.elapsed()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(TokioTimer::new(self.clone()))
    }

    /// Hands in a task that does nothing. From inside of a poll it takes the place of the task that was woken last, which
    /// Tokio keeps for this thread, and another thread is woken for that one; from outside, the thread that wakes up takes
    /// over the timers and sockets.
    fn nudge(&self) {
        // Without another thread there is nobody to wake.
        if self.0.has_threads || !self.0.is_here() {
            self.0.nudge();
        }
    }

    /// On the runtime's threads for blocking work.
    /// A destructor that blocks there holds up no supervisor (P3).
    fn discard(&self, process: Process) {
        drop(self.0.handle.spawn_blocking(move || drop(process)));
    }
}

impl fmt::Debug for Tokio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tokio").field(&self.0.handle).finish()
    }
}
