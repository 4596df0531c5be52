use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::result::{IntoWorkerResult, exit_of, failure_of};
use crate::{
    error::InitializationError,
    incarnation::{Exit, Name, ProcessBody, ProcessContext, Step},
    node::{Child, ChildFactory, ChildNode, ChildSpec, Release, Scope},
    shutdown::ProcessShutdown,
    strategy::ChildSettings,
    supervisable::Supervisable,
};

impl<W: Supervisable> From<W> for ChildSpec {
    fn from(worker: W) -> Self {
        // P3: name and shutdown strategy are read here, once, when the specification is made. A supervisor never calls
        // a user's method.
        let name = Name::new(worker.name().to_owned());
        let settings = ChildSettings::worker(worker.shutdown_strategy());
        Self::new(name, settings, SetUp(Mutex::new(Some(Arc::new(worker)))))
    }
}

/// A worker with a set-up. Each process holds it for as long as its set-up runs.
struct SetUp<W>(Mutex<Option<Arc<W>>>);

impl<W> SetUp<W> {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<W>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Release for SetUp<W> {
    fn release(&self, _: &mut Vec<Arc<dyn Child>>) {
        let worker = self.lock().take();
        drop(worker);
    }
}

impl<W: Supervisable> ChildFactory for SetUp<W> {
    fn build(node: Arc<ChildNode<Self>>, context: &ProcessContext, _: &Arc<Scope>) -> impl ProcessBody {
        let worker = node.factory.lock().clone();
        let shutdown = ProcessShutdown::of(context.control.clone(), context.id);
        WorkerBody::Initializing {
            // P3: `initialize` is called in the process, when that is first polled. A3: if it fails, or panics, the
            // start has failed (R4).
            initialize: async move {
                match worker {
                    Some(worker) => worker.initialize(shutdown).await,
                    // A temporary child that was at its end when it was reloaded: nothing is left to run.
                    None => Err(InitializationError::ignore()),
                }
            },
        }
    }

    fn is_loaded(&self) -> bool {
        self.lock().is_some()
    }
}

pin_project! {
    #[project = StageProjection]
    pub(super) enum WorkerBody<I, B> {
        Initializing { #[pin] initialize: I },
        Running { #[pin] future: B },
    }
}

impl<I, B> ProcessBody for WorkerBody<I, B>
where
    I: Future<Output = Result<B, InitializationError>> + Send + 'static,
    B: Future + Send + 'static,
    B::Output: IntoWorkerResult,
{
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        match self.as_mut().project() {
            StageProjection::Running { future } => {
                future.poll(cx).map(|output| Step::Ended(exit_of(output.into_worker_result())))
            }
            StageProjection::Initializing { initialize } => match initialize.poll(cx) {
                Poll::Pending => Poll::Pending,
                Poll::Ready(Ok(future)) => {
                    // R1, A2: the process reports ready before it polls the future, which may never return.
                    self.set(WorkerBody::Running { future });
                    Poll::Ready(Step::Ready)
                }
                Poll::Ready(Err(error)) => {
                    // R5, R61: `ignore` is no failure. R4: any other error is a failed start. P3: rendered to text
                    // here, in the process.
                    Poll::Ready(Step::Ended(
                        error.into_error().map_or(Exit::Ignored, |error| Exit::Failed(failure_of(error))),
                    ))
                }
            },
        }
    }
}
