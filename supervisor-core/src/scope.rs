use std::{any::Any, sync::Arc};

use async_channel::{Receiver, Sender};
use atomic_waker::AtomicWaker;

use crate::{
    observe::Observers,
    process::{Link, Name, Report},
    quiet::{Quiet, Token},
    spawner::Spawner,
};

/// A supervisor, as its children see it: where their reports go, what they are called, where they run.
///
/// What is above a root is a scope without a name.
pub(crate) struct Scope {
    name: Option<Name>,
    parent: Option<Arc<Scope>>,
    pub(crate) spawner: Arc<dyn Spawner>,
    pub(crate) observers: Observers,
    pub(crate) quiet: Quiet,
    reports: Sender<Envelope<Report>>,
    /// The supervisor, when it has seen all that there was.
    pub(crate) waker: AtomicWaker,
}

/// A message on its way.
pub(crate) struct Envelope<M> {
    pub(crate) message: M,
    pub(crate) token: Token,
}

impl Scope {
    /// What is above a root.
    pub(crate) fn outside(
        spawner: Arc<dyn Spawner>,
        observers: Observers,
        quiet: Quiet,
    ) -> (Arc<Self>, Receiver<Envelope<Report>>) {
        let (reports, receiver) = async_channel::unbounded();
        let scope = Self { name: None, parent: None, spawner, observers, quiet, reports, waker: AtomicWaker::new() };
        (Arc::new(scope), receiver)
    }

    /// A supervisor of this name below.
    pub(crate) fn below(self: Arc<Self>, name: Name) -> (Arc<Self>, Receiver<Envelope<Report>>) {
        let (reports, receiver) = async_channel::unbounded();
        let scope = Self {
            name: Some(name),
            spawner: self.spawner.clone(),
            observers: self.observers.clone(),
            quiet: self.quiet.clone(),
            parent: Some(self),
            reports,
            waker: AtomicWaker::new(),
        };
        (Arc::new(scope), receiver)
    }

    pub(crate) fn is_outside(&self) -> bool {
        self.name.is_none()
    }

    /// The supervisor's own dotted name.
    pub(crate) fn path(&self) -> String {
        match (&self.parent, &self.name) {
            (Some(parent), Some(name)) => parent.path_of(name.as_str()),
            _ => String::new(),
        }
    }

    pub(crate) fn envelope<M>(&self, message: M) -> Envelope<M> {
        Envelope { message, token: self.quiet.token() }
    }
}

impl Link for Scope {
    fn report(&self, report: Report) {
        // A tree is quiet though nobody outside has looked yet.
        let token = if self.is_outside() { Token::none() } else { self.quiet.token() };
        // A supervisor that is gone has nobody to tell.
        let _ = self.reports.try_send(Envelope { message: report, token });
        self.waker.wake();
    }

    fn path_of(&self, segment: &str) -> String {
        let mut path = self.path();
        if !path.is_empty() {
            path.push('.');
        }
        path + segment
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
