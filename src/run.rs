use supervisor_core::{Run, SupervisionTree, Supervisor, SupervisorError};

use crate::current_executor::current_executor;

/// Runs a tree until it ends: awaited, it resolves when the root has ended, with everything below it.
///
/// With the feature `tokio` it runs on the Tokio runtime in which it is first polled; with the feature `smol`, on smol's
/// global executor. With both it takes Tokio where there is a runtime, and smol outside of one. So where it runs depends on
/// the features of the whole build, which any other crate in it may turn on. [`Supervisor::run_on`] names the executor: libraries
/// should use it, and so should binaries that must not depend on feature unification.
///
/// [`Run`] says what can be set. [`Run::exit`] is for the last line of `main`: it prints an error, and ends the program
/// also where a thread is blocked. Awaited without it, a run returns its outcome.
///
/// ```standalone_crate
/// use supervision::{worker, Supervisor, SupervisorError};
///
/// # #[cfg(feature = "tokio")]
/// #[tokio::main]
/// async fn main() -> Result<(), SupervisorError> {
///     let mut root = Supervisor::new("root")?;
///     root.add_worker(worker("ticker", |shutdown| shutdown));
///     let enough = async { tokio::time::sleep(std::time::Duration::from_millis(10)).await };
///     supervision::run(root).with_shutdown(enough).until_signal().exit().await
/// }
/// # #[cfg(not(feature = "tokio"))]
/// # fn main() {}
/// ```
pub fn run(root: Supervisor) -> Run {
    root.run_where(current_executor)
}

/// Starts a tree on the executor that [`run`] takes. Resolves when every child is ready.
///
/// ```standalone_crate
/// use supervision::{one_shot, worker, Supervisor, SupervisorError};
///
/// # #[cfg(feature = "tokio")]
/// #[tokio::main]
/// async fn main() -> Result<(), SupervisorError> {
///     let root = Supervisor::new("root")?.with_worker(worker("ticker", |shutdown| shutdown));
///     let tree = supervision::start(root).await?;
///     tree.handle().spawn(one_shot("job", async { println!("done") }))?;
///     println!("{}", tree.handle().snapshot().await);
///     tree.shutdown().await
/// }
/// # #[cfg(not(feature = "tokio"))]
/// # fn main() {}
/// ```
///
/// # Errors
///
/// As [`Supervisor::start_on`]; with Tokio alone [`SupervisorError::Executor`] outside of a runtime, or on one without a
/// clock.
pub async fn start(root: Supervisor) -> Result<SupervisionTree, SupervisorError> {
    root.start_on(current_executor()?).await
}
