use std::{
    fmt,
    future::Future,
    marker::PhantomData,
    pin::Pin,
    sync::{
        Arc,
        atomic::{
            AtomicBool, AtomicUsize,
            Ordering::{Relaxed, SeqCst},
        },
    },
    task::{Context, Poll},
};

use atomic_waker::AtomicWaker;

use super::{
    BoxError,
    inbox::Inbox,
    task::{Process, process},
};

/// A child, as long as its supervisor has it: one allocation for all its incarnations.
pub(super) struct Node<M: ?Sized = dyn Make> {
    key: AtomicUsize,
    is_asked: AtomicBool,
    is_temporary: bool,
    waker: AtomicWaker,
    inbox: Arc<Inbox>,
    make: M,
}

/// How a child is made again.
pub(super) trait Make: Send + Sync {
    /// Returns the next incarnation, or `None` for a child that is not restarted.
    fn make(&self, node: Arc<Node>) -> Option<Process>;
}

impl<M> Node<M> {
    fn new(inbox: Arc<Inbox>, is_temporary: bool, make: M) -> Arc<Self> {
        let (key, is_asked, waker) = (AtomicUsize::default(), AtomicBool::default(), AtomicWaker::new());
        Arc::new(Self { key, is_asked, is_temporary, waker, inbox, make })
    }
}

impl Node {
    /// Makes a child that is restarted by this closure.
    pub(super) fn permanent<F, Fut>(inbox: Arc<Inbox>, factory: F) -> Arc<Self>
    where
        F: Fn(Stop) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
    {
        Node::new(inbox, false, Permanent(factory, PhantomData))
    }

    /// Makes a child that is not restarted.
    pub(super) fn temporary(inbox: Arc<Inbox>) -> Arc<Self> {
        Node::new(inbox, true, Temporary)
    }

    pub(super) fn is_temporary(&self) -> bool {
        self.is_temporary
    }

    /// Prepares the next incarnation.
    pub(super) fn begin(self: &Arc<Self>, key: usize) {
        self.key.store(key, Relaxed);
        self.is_asked.store(false, Relaxed);
    }

    /// Returns the next incarnation of a permanent child.
    pub(super) fn make(self: &Arc<Self>) -> Option<Process> {
        self.make.make(self.clone())
    }

    pub(super) fn ask_to_stop(&self) {
        self.is_asked.store(true, SeqCst);
        self.waker.wake();
    }

    /// Reports the exit of the incarnation.
    pub(super) fn exited(&self, outcome: Result<(), BoxError>) {
        self.inbox.exited(self.key.load(Relaxed), outcome);
    }
}

struct Permanent<F, Fut>(F, PhantomData<fn() -> Fut>);

impl<F, Fut> Make for Permanent<F, Fut>
where
    F: Fn(Stop) -> Fut + Send + Sync,
    Fut: Future<Output = Result<(), BoxError>> + Send + 'static,
{
    fn make(&self, node: Arc<Node>) -> Option<Process> {
        Some(process(self.0(Stop(node.clone())), node))
    }
}

struct Temporary;

impl Make for Temporary {
    fn make(&self, _: Arc<Node>) -> Option<Process> {
        None
    }
}

/// A future that resolves when the child has to stop.
pub struct Stop(pub(super) Arc<Node>);

impl Future for Stop {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.waker.register(cx.waker());
        if self.0.is_asked.load(SeqCst) { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Stop").field(&self.0.is_asked).finish()
    }
}
