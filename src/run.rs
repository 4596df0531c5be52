use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
};

use supervisor_core::{SupervisionTree, Supervisor, SupervisorError};

use crate::current_executor::current_executor;

type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// Runs a tree until it ends: awaited, it resolves when the root has ended, with everything below it.
///
/// With the feature `tokio` it runs on the Tokio runtime in which it is first polled; with the feature `smol`, on smol's
/// global executor. With both it takes Tokio where there is a runtime, and smol outside of one. So where it runs depends on
/// the features of the whole build, which any other crate in it may turn on: to say where, use [`Supervisor::run_on`]. A
/// library should, and a binary that cares.
///
/// [`Run::exit`] is for the last line of `main`: it prints an error, and ends the program also where a thread is blocked.
/// Awaited without it, a run returns its outcome.
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
    Run { root, triggers: Vec::new(), until_signal: false }
}

/// Starts a tree on the executor that [`run`] takes. Resolves when every child is ready.
///
/// # Errors
///
/// As [`Supervisor::start_on`]; with Tokio alone [`SupervisorError::Executor`] outside of a runtime, or on one without a
/// clock.
pub async fn start(root: Supervisor) -> Result<SupervisionTree, SupervisorError> {
    root.start_on(current_executor()?).await
}

/// A tree that is going to run; see [`run`].
///
/// `Ok` is a tree that ended as it should: it was asked to stop and everything stopped well, or its significant work was
/// done. Anything else is an error that names what happened and where.
///
/// Nothing runs before it is awaited. If that future is dropped, the tree is asked to shut down, and does so in the
/// background.
#[must_use = "a tree does not run until it is awaited"]
pub struct Run {
    root: Supervisor,
    triggers: Vec<BoxFuture<()>>,
    until_signal: bool,
}

impl Run {
    /// Shuts the tree down when the future resolves. Given several times, whichever resolves first.
    pub fn with_shutdown<F>(mut self, trigger: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.triggers.push(Box::pin(trigger));
        self
    }

    /// Shuts the tree down when the program is asked to stop, by SIGINT or SIGTERM; a second signal aborts all that is left,
    /// at once. After that, and when the run has ended, these signals end the program again.
    ///
    /// They are heard on a thread of their own, whatever is blocked: see
    /// [`RunOn::until_signal`](supervisor_core::RunOn::until_signal).
    pub fn until_signal(mut self) -> Self {
        self.until_signal = true;
        self
    }

    /// Runs the tree, and ends the program with its outcome: an error is printed on stderr, and the exit code is 0 if the tree
    /// ended as it should, 1 if not, and 128 + the number of the signal where a second signal had to abort what was left.
    ///
    /// Returning from `main` instead waits for whatever a runtime waits for when it is dropped: for ever, if a thread is
    /// blocked for ever. This waits for nobody. So destructors do not run, of what outlives the tree. See
    /// [`exit`](supervisor_core::exit) for what is printed.
    pub async fn exit(self) -> ! {
        supervisor_core::exit(self.await)
    }
}

impl IntoFuture for Run {
    type Output = Result<(), SupervisorError>;
    type IntoFuture = BoxFuture<Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let mut run = self.root.run_on(current_executor()?);
            for trigger in self.triggers {
                run = run.with_shutdown(trigger);
            }
            if self.until_signal {
                run = run.until_signal();
            }
            run.await
        })
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("root", &self.root)
            .field("until_signal", &self.until_signal)
            .finish_non_exhaustive()
    }
}
