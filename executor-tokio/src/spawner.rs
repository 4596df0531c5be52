use std::{
    fmt,
    panic::catch_unwind,
    pin::Pin,
    sync::Arc,
    time::{Duration, Instant},
};

use supervisor_core::{BoxError, Process, Spawner, Timer};
use tokio::runtime::Handle;

use crate::{RuntimeConfiguration, TokioError, alarm, runtime::Known, timer::TokioTimer};

/// A spawner onto a Tokio runtime, of any flavor.
///
/// Every process is a task of its own there, and the clock is the runtime's: if a test pauses it, it is paused for
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
/// A future has to return from its polls quickly. If one does not, Tokio stops more than that thread: if a timer or a
/// socket has woken the task, its thread was the one that waited for them, for the whole runtime. The other threads
/// sleep until a task is handed in from outside. Until then no timer and no socket of the runtime wakes a task
/// ([tokio-rs/tokio#8010](https://github.com/tokio-rs/tokio/pull/8010); with `--cfg tokio_unstable`, the builder's
/// `enable_eager_driver_handoff` prevents this, for user code too). Supervision still keeps its own limits on a runtime
/// with several threads: when a timer of a supervisor does not elapse in time, a plain thread of the program,
/// `supervision-alarm`, hands in a task that does nothing. It also does so 10 ms after user code has woken a supervisor
/// from inside of its poll, because a thread that was about to sleep may have missed that. It is started when it is
/// first needed, and sleeps while it is not. If it cannot be started, limits are as late as the block is long.
///
/// If all threads of a runtime are blocked, or its only one is, nothing on it runs.
///
/// A runtime that is dropped waits for tasks that block a thread, as Tokio documents. A program that has to end anyway
/// calls `Runtime::shutdown_timeout` or `Runtime::shutdown_background`, or ends with [`supervisor_core::exit`],
/// which does not wait.
#[must_use = "a spawner does nothing until a tree runs on it"]
#[derive(Clone)]
pub struct Tokio(Arc<Known>);

impl Tokio {
    /// Uses the runtime in which this is called.
    ///
    /// The program has to drive it: a handle of a current-thread runtime exists as soon as the runtime does, but
    /// nothing runs before its `block_on` does.
    ///
    /// # Errors
    ///
    /// [`TokioError::NoRuntime`] outside of a runtime. [`TokioError::NoClock`] on one without a clock: a caught panic
    /// finds that out, and the panic hook sees it.
    pub fn current() -> Result<Self, TokioError> {
        Handle::try_current().map_err(|_| TokioError::NoRuntime)?.try_into()
    }
}

/// Fails with [`TokioError::NoClock`] on a runtime without a clock.
///
/// Tokio has no way to ask for the clock except using it, and that panics if there is none. The panic is caught, but
/// the program's panic hook runs: it prints the panic by default, and a hook that ends the program does so, with
/// Tokio's message: "timers are disabled. Call `enable_time` on the runtime builder". On a runtime with a clock, there
/// is no panic.
impl TryFrom<Handle> for Tokio {
    type Error = TokioError;

    fn try_from(handle: Handle) -> Result<Self, TokioError> {
        let entered = handle.enter();
        // Without a clock, every way to ask panics.
        catch_unwind(|| drop(tokio::time::sleep(Duration::ZERO))).map_err(|_| TokioError::NoClock)?;
        drop(entered);
        Ok(Self::with_clock(handle))
    }
}

impl Tokio {
    /// Makes a spawner for a runtime that is known to have a clock.
    pub(crate) fn with_clock(handle: Handle) -> Self {
        Self(Arc::new(Known::new(handle)))
    }

    pub(crate) fn runtime(&self) -> &Arc<Known> {
        &self.0
    }
}

impl Spawner for Tokio {
    fn spawn(&self, process: Process) {
        // P1: the process reports its end itself, so nothing needs to wait for the task. A runtime that has ended drops
        // it in here, which is fine. With the handle, because the runtime of the calling thread may be another one.
        drop(self.0.handle.spawn(process));
    }

    fn now(&self) -> Instant {
        // Only a clock that a test can pause is another one than the system's. A supervisor asks for the time in each of its
        // turns, and what follows costs more than the system's clock does.
        if !self.0.may_be_paused() {
            return Instant::now();
        }
        // A paused clock belongs to the runtime, so it is read from inside. To enter costs three times as much as to see that
        // this thread is inside already.
        let _entered = match Handle::try_current() {
            Ok(current) if current.id() == self.0.handle.id() => None,
            // At the very end of a thread a runtime cannot be entered.
            Err(error) if error.is_thread_local_destroyed() => return Instant::now(),
            _ => Some(self.0.handle.enter()),
        };
        tokio::time::Instant::now().into_std()
    }

    /// Returns whether the clock is paused now. Tokio does not tell, so it is compared with the system's clock: a
    /// paused one stands still while the other goes on, or jumps further than the other goes.
    fn is_virtual(&self) -> bool {
        if !self.0.may_be_paused() {
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

    /// Hands in a task that does nothing. From inside of a poll it replaces the task that was woken last, which Tokio
    /// keeps for this thread, and another thread is woken for that one; from outside, the thread that wakes up takes
    /// over the timers and sockets.
    fn nudge(&self) {
        // Without another thread there is none to wake.
        if self.0.has_threads {
            self.0.nudge();
            alarm::echo(&self.0);
        } else if !self.0.is_here() {
            self.0.nudge();
        }
    }

    /// Drops the process on the runtime's threads for blocking work. A destructor that blocks there holds up no
    /// supervisor (P3).
    fn discard(&self, process: Process) {
        drop(self.0.handle.spawn_blocking(move || drop(process)));
    }

    /// Makes a current-thread runtime on a thread of its own, with a `LocalSet`. A current-thread runtime polls its tasks on
    /// the thread that drives it, and drops them on the thread that ends it, which is the same here (P13).
    fn local_executor(&self, name: &str) -> Result<Arc<dyn Spawner>, BoxError> {
        Ok(Arc::new(RuntimeConfiguration::single_threaded().start(name)?))
    }
}

impl fmt::Debug for Tokio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Tokio").field(&self.0.handle).finish()
    }
}
