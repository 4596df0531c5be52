use std::{borrow::Cow, future::Future, sync::Arc};

use super::{closure::Closure, result::IntoWorkerResult, set_up::WorkerBody};
use crate::{
    error::InitializationError,
    incarnation::{Name, ProcessBody, ProcessContext},
    node::{Child, ChildFactory, ChildNode, ChildSpec, Release, Scope},
    shutdown::{ProcessShutdown, ShutdownStrategy},
    strategy::ChildSettings,
};

/// Makes a worker with a set-up from a closure. The supervisor calls the closure for each start. Its future does the
/// set-up, and returns the future that then runs. The worker is ready when the set-up is done.
///
/// It is a [`Supervisable`](crate::Supervisable) without a type of its own, with the rules of
/// [`initialize`](crate::Supervisable::initialize): the next sibling starts only when the set-up is done; an error of any
/// type, or a panic, is a failed start; [`InitializationError::ignore`] says that there is nothing to run; a start timeout
/// bounds the set-up; if the supervisor stops meanwhile, the set-up is dropped.
///
/// The worker is permanent and has 5 seconds to stop, unless its specification says otherwise. The future that it runs may
/// return `()`, a `Result` with any error, or never, as with [`worker`](crate::worker).
///
/// ```
/// use std::net::TcpListener;
/// use supervision::{worker_with_setup, InitializationError, Supervisor, SupervisorError};
///
/// # fn main() -> Result<(), SupervisorError> {
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(worker_with_setup("listener", async |shutdown| {
///     let listener = TcpListener::bind("127.0.0.1:0")?; // an error here is a failed start
///     Ok(async move {
///         println!("listening on {:?}", listener.local_addr());
///         shutdown.await;
///     })
/// }));
///
/// // Clone for each start what the starts share.
/// let address = String::from("127.0.0.1:0");
/// root.add_worker(worker_with_setup("metrics", move |shutdown| {
///     let address = address.clone();
///     async move {
///         if address.is_empty() {
///             return Err(InitializationError::ignore()); // not configured, and that is no failure
///         }
///         let listener = TcpListener::bind(address)?;
///         Ok(async move {
///             shutdown.await;
///             drop(listener);
///         })
///     }
/// }));
/// # Ok(())
/// # }
/// ```
///
/// A set-up can hand its results to later siblings, because they start after it: through a
/// [`OnceLock`](std::sync::OnceLock), or a channel that keeps the latest value.
///
/// ```compile_fail,E0277
/// # use supervision::worker_with_setup;
/// // a worker cannot return `Result<u32, ParseIntError>`
/// let counter = worker_with_setup("counter", async |_| Ok(async { "12".parse::<u32>() }));
/// ```
pub fn worker_with_setup<F, SetUp, Body>(name: impl Into<Cow<'static, str>>, closure: F) -> ChildSpec
where
    F: FnMut(ProcessShutdown) -> SetUp + Send + 'static,
    SetUp: Future<Output = Result<Body, InitializationError>> + Send + 'static,
    Body: Future + Send + 'static,
    Body::Output: IntoWorkerResult,
{
    let settings = ChildSettings::worker(ShutdownStrategy::default());
    ChildSpec::new(Name::new(name), settings, SetUpClosure(Closure::new(closure)))
}

struct SetUpClosure<F>(Closure<F>);

impl<F> Release for SetUpClosure<F> {
    fn release(&self, below: &mut Vec<Arc<dyn Child>>) {
        self.0.release(below);
    }
}

impl<F, SetUp, Body> ChildFactory for SetUpClosure<F>
where
    F: FnMut(ProcessShutdown) -> SetUp + Send + 'static,
    SetUp: Future<Output = Result<Body, InitializationError>> + Send + 'static,
    Body: Future + Send + 'static,
    Body::Output: IntoWorkerResult,
{
    fn build(node: Arc<ChildNode<Self>>, context: &ProcessContext, _: &Arc<Scope>) -> impl ProcessBody {
        let shutdown = ProcessShutdown::of(context.control.clone(), context.id);
        WorkerBody::Initializing {
            // P3: the first poll of the process calls the closure. A3: if it fails, or panics, the start has failed (R4).
            initialize: async move {
                let set_up = node.factory.0.call(shutdown);
                drop(node);
                match set_up {
                    Some(set_up) => set_up.await,
                    None => Err(InitializationError::ignore()),
                }
            },
        }
    }

    fn is_loaded(&self) -> bool {
        self.0.is_loaded()
    }
}
