use std::{future::IntoFuture, sync::Arc};

use async_executor::Executor;
use supervisor_core::{Run, Supervisor, SupervisorError};

use crate::Smol;

/// Runs a tree on the current thread until it has ended, with an executor for this tree alone. `set_up` sets up the
/// shutdown; `|run| run` runs the tree until it ends by itself.
///
/// For small programs: there is no other thread except the one that waits for timers and sockets. On a single thread a
/// process that does not yield stops everything, including the supervisors.
///
/// ```
/// use std::time::Duration;
/// use supervision::{block_on, worker, Supervisor, SupervisorError};
///
/// # fn main() -> Result<(), SupervisorError> {
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(worker("ticker", |shutdown| shutdown));
/// block_on(root, |run| {
///     run.with_shutdown(async { smol::Timer::after(Duration::from_millis(10)).await; })
/// })
/// # }
/// ```
///
/// # Errors
///
/// The outcome, as running a tree returns it: see [`Run`].
pub fn block_on(root: Supervisor, set_up: impl FnOnce(Run) -> Run) -> Result<(), SupervisorError> {
    let executor = Arc::new(Executor::new());
    let run = set_up(root.run_on(Smol::on(&executor)));
    let outcome = async_io::block_on(executor.run(run.into_future()));
    // P3: user code that is left is dropped in processes of its own, and each of these needs one poll.
    while executor.try_tick() {}
    outcome
}
