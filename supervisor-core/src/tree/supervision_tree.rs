use std::{fmt, future::poll_fn, sync::Arc};

use super::root::{Root, RootReport};
use crate::{
    error::SupervisorError,
    handle::SupervisorHandle,
    incarnation::{Exit, StopReason},
    node::AskedBy,
    observe::{Events, Observers, Snapshot},
    quiescence::Quiescence,
    spawner::Spawner,
    supervisor::Supervisor,
};

impl Supervisor {
    /// Starts this supervisor as the root of a tree on an executor. Resolves when every child is ready.
    ///
    /// If the future is dropped before that, the tree is asked to shut down in the background.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::InvalidName`] or [`SupervisorError::InvalidSpec`], before anything is started;
    /// [`SupervisorError::FailedToStart`] if a child failed to start, after the children before it were stopped again;
    /// [`SupervisorError::ShutdownDuringStart`].
    pub async fn start_on(self, spawner: impl Spawner) -> Result<SupervisionTree, SupervisorError> {
        SupervisionTree::start(self, Arc::new(spawner), Observers::default(), Quiescence::uncounted()).await
    }
}

/// A running tree.
///
/// When it is dropped, the tree is asked to shut down in the background; [`shutdown`](Self::shutdown) waits for the
/// end.
#[must_use = "dropping the tree shuts it down"]
pub struct SupervisionTree {
    root: Root,
    outcome: Option<Result<(), SupervisorError>>,
}

impl SupervisionTree {
    pub(crate) async fn start(
        supervisor: Supervisor,
        spawner: Arc<dyn Spawner>,
        observers: Observers,
        quiescence: Quiescence,
    ) -> Result<Self, SupervisorError> {
        let (mut root, _waiting) = Root::launch(supervisor, spawner, observers, quiescence)?;
        let exit = match poll_fn(|cx| root.poll_report(cx)).await {
            RootReport::Ready => return Ok(Self { root, outcome: None }),
            RootReport::Ended(exit) => exit,
        };
        // N1: a tree that is asked to stop during its start has not failed. But its start did not succeed, either.
        let was_asked =
            matches!(&exit, Exit::Shutdown(end) if matches!(end.reason, StopReason::Requested | StopReason::Killed));
        root.outcome(exit)?;
        debug_assert!(was_asked, "a tree that was not asked to stop and has not started has failed");
        Err(SupervisorError::ShutdownDuringStart)
    }

    /// Returns a handle on the root.
    pub fn handle(&self) -> SupervisorHandle {
        self.root.handle.clone()
    }

    /// Returns a handle on a supervisor of the tree, by its dotted name: `root.api`. See
    /// [`SupervisorHandle::supervisor`].
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound); [`NotRunning`](SupervisorError::NotRunning), once the tree has ended.
    pub async fn supervisor(&self, path: &str) -> Result<SupervisorHandle, SupervisorError> {
        self.root.handle.supervisor(path).await
    }

    /// Subscribes to what happens in the tree from now on. See [`SupervisorHandle::events`].
    pub fn events(&self) -> Events {
        self.root.handle.events()
    }

    /// Returns the state of the whole tree, as it is now. See [`SupervisorHandle::snapshot`].
    pub async fn snapshot(&self) -> Snapshot {
        self.root.handle.snapshot().await
    }

    /// Waits until everything in the tree is ready, including children that are being restarted now, or were added.
    /// Resolves at once if it is. Cancel-safe. See [`Snapshot::ready`] for what ready means.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::NotRunning`], once the tree has ended. [`SupervisorError::WouldDeadlock`] in a process of
    /// this very tree that is not ready itself, or that has to stop, alone or with a supervisor above it: the tree
    /// waits for it.
    pub async fn ready(&self) -> Result<(), SupervisorError> {
        self.root.handle.ready().await
    }

    /// Shuts the tree down in order, and waits until it has ended.
    ///
    /// In a process of this very tree it does not wait, because it would wait for the caller. If the future is dropped,
    /// the shutdown goes on in the background.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::UncleanShutdown`] names each process that did not stop well. If the tree had ended by itself
    /// before, the error says how it ended.
    pub async fn shutdown(mut self) -> Result<(), SupervisorError> {
        self.root.shutdown(AskedBy { call: "SupervisionTree::shutdown", place: None });
        match self.wait().await {
            // N6: it is carried out all the same, and the caller must not wait for its own end.
            Err(SupervisorError::WouldDeadlock { .. }) => Ok(()),
            outcome => outcome,
        }
    }

    /// Waits until the tree has ended, by itself or on request. Cancel-safe; after the end it returns the same result
    /// again.
    ///
    /// # Errors
    ///
    /// The outcome, as running a tree returns it. [`SupervisorError::WouldDeadlock`] in a process of this very tree,
    /// which ends after all of its processes.
    pub async fn wait(&mut self) -> Result<(), SupervisorError> {
        loop {
            if let Some(outcome) = &self.outcome {
                return outcome.clone();
            }
            // N6: a process of the tree would wait for its own end.
            let _waiting = self.root.wait_for_it()?;
            if let RootReport::Ended(exit) = poll_fn(|cx| self.root.poll_report(cx)).await {
                self.outcome = Some(self.root.outcome(exit));
            }
        }
    }
}

impl fmt::Debug for SupervisionTree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SupervisionTree").field("root", &self.root.handle.path()).finish_non_exhaustive()
    }
}
