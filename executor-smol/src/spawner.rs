use std::{
    pin::Pin,
    sync::{Arc, Weak},
    time::Instant,
};

use async_executor::Executor;
use supervisor_core::{BoxError, Process, Spawner, Timer};

use crate::{local::Local, timer::SmolTimer};

/// A spawner onto smol's global executor, or onto an executor of your own.
///
/// Every process is a task of its own there. Timers are those of `async-io`, on the system's clock: a thread of its own
/// waits for them, and no poll can hold it up. So limits hold as long as one thread is free to run the supervisor.
///
/// ```
/// use std::sync::Arc;
/// use smol::Executor;
/// use supervision::{one_shot, AutoShutdown, Smol, Supervisor, SupervisorError};
///
/// # fn main() -> Result<(), SupervisorError> {
/// let mut root = Supervisor::new("root")?.with_auto_shutdown(AutoShutdown::AnySignificant);
/// root.add_worker(one_shot("greeter", async { println!("hello") }).with_significance());
///
/// let executor = Arc::new(Executor::new());
/// smol::block_on(executor.run(async { root.run_on(Smol::on(&executor)).await }))
/// # }
/// ```
#[must_use = "a spawner does nothing until a tree runs on it"]
#[derive(Clone, Debug)]
pub struct Smol(Target);

#[derive(Clone, Debug)]
pub(crate) enum Target {
    Global,
    /// Weak, because processes hold their spawner, and an executor holds its processes. With an `Arc`, an executor that
    /// its owner drops would live on, and nothing on it would ever be lost (A6).
    Owned(Weak<Executor<'static>>),
}

impl Smol {
    /// Uses smol's global executor. It has one thread, or as many as the environment variable `SMOL_THREADS` says. It
    /// never ends.
    pub fn global() -> Self {
        Self(Target::Global)
    }

    /// Uses an executor of your own. Your program has to run it.
    ///
    /// This does not keep the executor alive. When the executor is dropped, all its processes are lost, and so is every
    /// process that is spawned after that.
    pub fn on(executor: &Arc<Executor<'static>>) -> Self {
        Self(Target::Owned(Arc::downgrade(executor)))
    }
}

impl Target {
    /// Returns whether the executor has ended. The global executor never ends.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self, Self::Owned(executor) if executor.strong_count() == 0)
    }
}

impl Spawner for Smol {
    fn spawn(&self, process: Process) {
        // P1: the process reports its end itself, so nothing needs to wait for the task.
        match &self.0 {
            Target::Global => smol::spawn(process).detach(),
            Target::Owned(executor) => match executor.upgrade() {
                Some(executor) => executor.spawn(process).detach(),
                // P1: the executor has ended, so the process is dropped, and reports itself as lost.
                None => drop(process),
            },
        }
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(SmolTimer::new(self.0.clone()))
    }

    /// Drops the process on smol's threads for blocking work. A destructor that blocks there holds up no supervisor
    /// (P3).
    fn discard(&self, process: Process) {
        smol::unblock(move || drop(process)).detach();
    }

    fn local_executor(&self, name: &str) -> Result<Arc<dyn Spawner>, BoxError> {
        Ok(Arc::new(Local::start(name)?))
    }
}
