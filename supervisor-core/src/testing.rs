//! For the tests of this workspace: sees every event of a tree, and tells when the tree is quiet. Not a public interface.

use std::{
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use crate::{
    error::SupervisorError,
    observe::{Event, Observer, Observers},
    quiet::{self, Quiet},
    spawner::Spawner,
    supervisor::Supervisor,
    tree::SupervisionTree,
};

/// Watches one tree.
#[derive(Clone, Debug)]
pub struct Probe {
    quiet: Quiet,
    log: Arc<Log>,
}

/// While it lives, something is in flight.
#[derive(Debug)]
pub struct Busy {
    _token: quiet::Token,
}

/// While it lives, one worker that starts or stops does not count as being in flight: the test holds it up.
#[derive(Debug)]
pub struct HeldUp {
    _exemption: quiet::Exemption,
}

#[derive(Debug, Default)]
struct Log(Mutex<Vec<Event>>);

impl Log {
    fn lock(&self) -> MutexGuard<'_, Vec<Event>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Log {
    fn observe(&self, event: &Event) {
        self.lock().push(event.clone());
    }
}

impl Default for Probe {
    fn default() -> Self {
        Self { quiet: Quiet::counting(), log: Arc::default() }
    }
}

impl Probe {
    /// As `Supervisor::start_on`, watched.
    pub async fn start(&self, root: Supervisor, spawner: impl Spawner) -> Result<SupervisionTree, SupervisorError> {
        SupervisionTree::start(root, Arc::new(spawner), Observers::one(self.log.clone()), self.quiet.clone()).await
    }

    /// Waits until nothing is in flight and no transition is under way. A process that is stuck, and a supervisor that
    /// waits for something below it, count as quiet.
    pub async fn quiet(&self) {
        poll_fn(|cx| self.quiet.poll(cx)).await;
    }

    /// The events since the last call.
    pub fn take_events(&self) -> Vec<Event> {
        mem::take(&mut *self.log.lock())
    }

    /// Something is in flight.
    pub fn busy(&self) -> Busy {
        Busy { _token: self.quiet.token() }
    }

    /// A worker is held up in its start.
    pub fn held_up(&self) -> HeldUp {
        HeldUp { _exemption: self.quiet.exemption() }
    }
}
