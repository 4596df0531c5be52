use supervisor_core::{Run, SupervisionTree, Supervisor, SupervisorError};

use crate::current_executor::current_executor;

/// Runs a tree until it ends: awaited, it resolves when the root has ended, with everything below it.
///
/// With the feature `tokio` it runs on the Tokio runtime in which it is first polled; with the feature `smol`, on
/// smol's global executor. With both it uses Tokio inside of a runtime, and smol outside of one. So the executor
/// depends on the features of the whole build, and any other crate in it may turn one on. To choose the executor, use
/// [`Supervisor::run_on`]. Libraries should use `run_on`; so should binaries that must not depend on feature
/// unification.
///
/// [`Run`] has the settings. [`Run::exit`] is for the last line of `main`: it prints an error, and ends the program
/// even if a thread is blocked. A run that is awaited without it returns its outcome.
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

/// Starts a tree on the executor that [`run`] uses. Resolves when every child is ready.
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
/// As for [`Supervisor::start_on`]; with Tokio alone also [`SupervisorError::Executor`] outside of a runtime, or on one
/// without a clock.
pub async fn start(root: Supervisor) -> Result<SupervisionTree, SupervisorError> {
    root.start_on(current_executor()?).await
}
