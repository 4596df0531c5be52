use std::{
    pin::Pin,
    time::{Duration, Instant},
};

use supervisor_core::{Process, Spawner, Timer};
use tokio::runtime::Handle;

use crate::{TokioError, error::attempt, timer::TokioTimer};

/// Spawns onto a Tokio runtime, of whatever flavor.
///
/// Every process is a task of its own there, and the clock is the runtime's: where a test pauses it, it is paused for
/// supervision, too.
///
/// A runtime that is dropped waits for tasks that block a thread, as Tokio documents; a program that has to end in spite
/// of one calls `Runtime::shutdown_timeout` or `Runtime::shutdown_background`.
#[derive(Clone, Debug)]
pub struct Tokio {
    handle: Handle,
}

impl Tokio {
    /// The runtime that this is called in.
    ///
    /// Somebody has to drive it: a handle of a current-thread runtime is there as soon as the runtime is, but nothing
    /// runs before its `block_on` does.
    ///
    /// # Errors
    ///
    /// [`TokioError::NoRuntime`] outside of a runtime, [`TokioError::NoClock`] on one without a clock.
    pub fn current() -> Result<Self, TokioError> {
        Handle::try_current().map_err(|_| TokioError::NoRuntime)?.try_into()
    }
}

/// Fails with [`TokioError::NoClock`] on a runtime without a clock.
impl TryFrom<Handle> for Tokio {
    type Error = TokioError;

    fn try_from(handle: Handle) -> Result<Self, TokioError> {
        let _entered = handle.enter();
        attempt(|| drop(tokio::time::sleep(Duration::ZERO))).ok_or(TokioError::NoClock)?;
        drop(_entered);
        Ok(Self { handle })
    }
}

impl Spawner for Tokio {
    fn spawn(&self, process: Process) {
        // The process reports its end itself, so nobody waits for the task.
        drop(self.handle.spawn(process));
    }

    fn now(&self) -> Instant {
        // A paused clock is one of the runtime, so it is looked at from inside.
        let _entered = self.handle.enter();
        tokio::time::Instant::now().into_std()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(TokioTimer::new(self.clone(), self.handle.clone()))
    }
}
