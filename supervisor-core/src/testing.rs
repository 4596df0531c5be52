//! For the tests of this workspace: records every event of a tree, and reports when the tree is quiet. Not a public
//! interface.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::SupervisorError,
    observe::{Event, Observer, Observers},
    quiescence::{self, Quiescence},
    spawner::Spawner,
    supervisor::Supervisor,
    tree::SupervisionTree,
};

/// A probe that watches one tree.
#[derive(Clone, Debug)]
pub struct Probe {
    quiescence: Quiescence,
    log: Arc<Log>,
}

/// A guard: while it lives, something counts as in flight.
#[derive(Debug)]
pub struct Busy {
    _in_flight: quiescence::InFlight,
}

/// A guard: while it lives, one worker that starts or stops does not count as in flight, because the test delays it.
#[derive(Debug)]
pub struct HeldUp {
    _exemption: quiescence::Exemption,
}

/// A record of a probe.
#[expect(clippy::exhaustive_enums, reason = "not a public interface")]
#[derive(Clone, Debug)]
pub enum Entry {
    /// Recorded by the tree.
    Event(Box<Event>),
    /// Recorded by the test.
    Note(String),
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<Entry>>);

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Log {
    fn observe(&self, event: &Event) {
        self.lock().push(Entry::Event(Box::new(event.clone())));
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self { quiescence: Quiescence::counting(), log: Arc::default() }
    }
}

impl Probe {
    /// Starts a tree as `Supervisor::start_on` does, and watches it.
    pub async fn start(&self, root: Supervisor, spawner: impl Spawner) -> Result<SupervisionTree, SupervisorError> {
        SupervisionTree::start(root, Arc::new(spawner), Observers::one(self.log.clone()), self.quiescence.clone()).await
    }

    /// Starts as [`start`](Self::start) does, but without the root's children; they are added one by one when the tree
    /// runs.
    pub async fn start_and_add(
        &self,
        mut root: Supervisor,
        spawner: impl Spawner,
    ) -> Result<SupervisionTree, SupervisorError> {
        let children = root.take_children();
        let tree = self.start(root, spawner).await?;
        for child in children {
            tree.handle().start_child(child).await?;
        }
        Ok(tree)
    }

    /// Waits until nothing is in flight and no transition is under way. A process that is stuck, and a supervisor that
    /// waits for something below it, count as quiet.
    pub async fn quiet(&self) {
        poll_fn(|cx| self.quiescence.poll(cx)).await;
    }

    /// Returns the records since the last call.
    pub fn take(&self) -> Vec<Entry> {
        mem::take(&mut *self.log.lock())
    }

    /// Records a note among the events.
    pub fn note(&self, text: impl Into<String>) {
        self.log.lock().push(Entry::Note(text.into()));
    }

    /// Marks that something is in flight.
    pub fn busy(&self) -> Busy {
        Busy { _in_flight: self.quiescence.in_flight() }
    }

    /// Marks that a worker is delayed in its start.
    pub fn held_up(&self) -> HeldUp {
        HeldUp { _exemption: self.quiescence.exemption() }
    }
}
