use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use super::root::{Root, RootNews};
use crate::{error::SupervisorError, observe::Observers, quiet::Quiet, spawner::Spawner, supervisor::Supervisor};

type Trigger = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Supervisor {
    /// Runs this supervisor as the root of a tree on an executor. Await what this returns.
    pub fn run_on(self, spawner: impl Spawner) -> RunOn {
        RunOn { root: self, spawner: Arc::new(spawner), triggers: Vec::new() }
    }
}

/// Runs a tree until it ends: awaited, it resolves when the root has ended, with everything below it.
///
/// `Ok` is a tree that ended as it should: it was asked to stop and everything stopped well, or its significant work was
/// done. Anything else is an error that names what happened and where.
///
/// Nothing runs before the first poll. Dropped after it, the tree is asked to shut down, and does so in the background.
#[must_use = "a tree does not run until it is awaited"]
pub struct RunOn {
    root: Supervisor,
    spawner: Arc<dyn Spawner>,
    triggers: Vec<Trigger>,
}

impl RunOn {
    /// Shuts the tree down when the future resolves. Given several times, whichever resolves first.
    pub fn with_shutdown<F>(mut self, trigger: F) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.triggers.push(Box::pin(trigger));
        self
    }
}

impl IntoFuture for RunOn {
    type Output = Result<(), SupervisorError>;
    type IntoFuture = RunFuture;

    fn into_future(self) -> RunFuture {
        RunFuture { state: State::New(Box::new(self)) }
    }
}

impl fmt::Debug for RunOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunOn").field("root", &self.root).field("spawner", &self.spawner).finish_non_exhaustive()
    }
}

/// The future of a [`RunOn`].
#[must_use = "a tree does not run until it is awaited"]
pub struct RunFuture {
    state: State,
}

enum State {
    New(Box<RunOn>),
    Running { root: Root, triggers: Vec<Trigger> },
    Ended,
}

/// Nothing in here is pinned.
impl Unpin for RunFuture {}

impl Future for RunFuture {
    type Output = Result<(), SupervisorError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New(_) = self.state {
            let State::New(run) = std::mem::replace(&mut self.state, State::Ended) else { unreachable!() };
            let RunOn { root, spawner, triggers } = *run;
            let root = match Root::launch(root, spawner, Observers::default(), Quiet::uncounted()) {
                Ok(root) => root,
                Err(invalid) => return Poll::Ready(Err(invalid)),
            };
            self.state = State::Running { root, triggers };
        }
        let State::Running { root, triggers } = &mut self.state else {
            panic!("a `RunFuture` was polled after it had resolved");
        };
        if triggers.iter_mut().any(|trigger| trigger.as_mut().poll(cx).is_ready()) {
            triggers.clear();
            root.shutdown();
        }
        while let Poll::Ready(news) = root.poll_news(cx) {
            if let RootNews::Ended(exit) = news {
                let outcome = root.outcome(exit);
                self.state = State::Ended;
                return Poll::Ready(outcome);
            }
        }
        Poll::Pending
    }
}

impl fmt::Debug for RunFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunFuture").finish_non_exhaustive()
    }
}
