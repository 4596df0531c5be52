use std::{future::Future, pin::Pin, sync::Arc};

use crate::{
    error::{BoxError, InitializationError},
    shutdown::{ProcessShutdown, ShutdownStrategy},
};

/// The execution of a supervised process, after its set-up.
///
/// Its end is the end of the process: `Ok` is a normal exit, `Err` a failure.
pub type SupervisorFuture = Pin<Box<dyn Future<Output = Result<(), BoxError>> + Send + 'static>>;

/// A process that can be supervised. Its supervisor calls [`initialize`](Self::initialize) for each start.
///
/// For work with a set-up of its own: sockets to bind, files to open, a first connection to a database. The next
/// sibling starts only when [`initialize`](Self::initialize) is done. For work without a set-up, a closure is enough:
/// see [`worker`](crate::worker), whose page also explains the compiler's errors that newcomers meet.
///
/// ```
/// use supervision::{
///     BoxError, InitializationError, ProcessShutdown, Supervisable, Supervisor, SupervisorError, SupervisorFuture,
/// };
///
/// struct Collector {
///     interface: String,
/// }
///
/// impl Supervisable for Collector {
///     fn name(&self) -> &str {
///         "collector"
///     }
///
///     async fn initialize(&self, mut shutdown: ProcessShutdown) -> Result<SupervisorFuture, InitializationError> {
///         let port: u16 = self.interface.parse()?; // an error here is a failed start
///         Ok(Box::pin(async move {
///             println!("collecting on {port}");
///             shutdown.wait_for_shutdown().await;
///             Ok(())
///         }))
///     }
/// }
///
/// # fn main() -> Result<(), SupervisorError> {
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(Collector { interface: "4317".into() });
/// # Ok(())
/// # }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be supervised",
    label = "this is not `Supervisable`",
    note = "handle a `Result` first, for example that of `Supervisor::new(..)`: `Supervisor::new(..)?`",
    note = "implement `Supervisable` for a type of your own",
    note = "make a closure a child with `worker(name, |shutdown| ..)`, and a future with `one_shot(name, ..)`"
)]
pub trait Supervisable: Send + Sync + 'static {
    /// Returns the process's own segment of its dotted name. Called once, when the specification is made.
    fn name(&self) -> &str;

    /// Returns how the process is stopped. Called once, when the specification is made. By default it has 5 seconds.
    fn shutdown_strategy(&self) -> ShutdownStrategy {
        ShutdownStrategy::default()
    }

    /// Sets the process up, and returns the future of its work. When this returns, the process is ready.
    ///
    /// Runs in the new process, under its own panic guard, each time the child is started. An error, or a panic, is a
    /// failed start: when the tree first starts it ends the start; at a restart it is one more failed attempt.
    /// [`InitializationError::ignore`] says that there is nothing to run. If the supervisor stops meanwhile, the future is
    /// dropped, so hold nothing across an `.await` that must not be dropped there.
    #[doc(alias = "init")]
    fn initialize(
        &self,
        shutdown: ProcessShutdown,
    ) -> impl Future<Output = Result<SupervisorFuture, InitializationError>> + Send;
}

/// A worker that other code holds, too. The other owners see the same value in every incarnation, because each
/// incarnation is set up from it.
#[diagnostic::do_not_recommend]
impl<W: Supervisable + ?Sized> Supervisable for Arc<W> {
    fn name(&self) -> &str {
        (**self).name()
    }

    fn shutdown_strategy(&self) -> ShutdownStrategy {
        (**self).shutdown_strategy()
    }

    fn initialize(
        &self,
        shutdown: ProcessShutdown,
    ) -> impl Future<Output = Result<SupervisorFuture, InitializationError>> + Send {
        (**self).initialize(shutdown)
    }
}
