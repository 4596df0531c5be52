use std::{
    future::Future,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use pin_project_lite::pin_project;

use super::{BoxError, node::Node};

/// One incarnation of a child, as the executor runs it. Two words: Tokio rounds a task up to 128 bytes, and this fits.
pub(super) type Process = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Boxes a future together with what its end needs.
pub(super) fn process(future: impl Future<Output = Result<(), BoxError>> + Send + 'static, node: Arc<Node>) -> Process {
    Box::pin(Task { future: Some(future), node })
}

pin_project! {
    /// Catches the panics of a child, and reports its exit when its future is gone.
    struct Task<F> {
        #[pin]
        future: Option<F>,
        node: Arc<Node>,
    }

    impl<F> PinnedDrop for Task<F> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if this.future.is_some() {
                end(this.future, this.node, Err("dropped by its executor".into()));
            }
        }
    }
}

impl<F: Future<Output = Result<(), BoxError>>> Future for Task<F> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        let Some(future) = this.future.as_mut().as_pin_mut() else { return Poll::Ready(()) };
        let outcome = match catch_unwind(AssertUnwindSafe(|| future.poll(cx))) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(outcome)) => outcome,
            Err(_) => Err("panicked".into()),
        };
        end(this.future, this.node, outcome);
        Poll::Ready(())
    }
}

/// Drops the future, and reports the exit after that: so two incarnations never overlap.
fn end<F>(mut future: Pin<&mut Option<F>>, node: &Node, outcome: Result<(), BoxError>) {
    let dropped = catch_unwind(AssertUnwindSafe(|| future.set(None)));
    node.exited(dropped.map_err(|_| "panicked in a destructor".into()).and(outcome));
}
