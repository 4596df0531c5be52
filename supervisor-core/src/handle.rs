use std::{fmt, sync::Arc};

use async_channel::Sender;

use crate::{
    driver::{Command, Hub},
    error::SupervisorError,
    observe::{ChildInfo, Counts},
    process::ChildId,
};

/// Talks to a supervisor: asks what it runs, kills a child, shuts it down.
///
/// Cheap to clone. It comes from [`Supervisor::handle`](crate::Supervisor::handle) before the supervisor runs, or from a
/// [`SupervisionTree`](crate::SupervisionTree), and stays good over restarts of the supervisor. While the supervisor does
/// not run, every call answers [`SupervisorError::NotRunning`] at once; nothing is queued for later.
///
/// The calls are cancel-safe: dropped, they may still be carried out, and only the answer is lost. They are answered
/// between two steps of whatever the supervisor is doing, so they never wait for a child.
#[derive(Clone)]
pub struct SupervisorHandle(Arc<Hub>);

impl SupervisorHandle {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self(hub)
    }

    /// The supervisor's dotted name; as long as it never ran, its own segment of it.
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// The children, in start order.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::NotRunning`].
    pub async fn children(&self) -> Result<Vec<ChildInfo>, SupervisorError> {
        self.call(Command::Children).await
    }

    /// How many children there are. Does not get slower with their number.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::NotRunning`].
    pub async fn count(&self) -> Result<Counts, SupervisorError> {
        self.call(Command::Count).await
    }

    /// Aborts a child, which counts as its failure: it is restarted if it is permanent or transient. A child that is just
    /// stopping is aborted at once. A nested supervisor aborts everything below it.
    ///
    /// Answers when the abort is on its way; the child is gone when its future next yields.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::NotFound`] for a child of another supervisor, or one that is gone for good,
    /// [`SupervisorError::ChildNotRunning`] if it has no process now, [`SupervisorError::NotRunning`].
    pub async fn kill_child(&self, child: ChildId) -> Result<(), SupervisorError> {
        self.call(|reply| Command::Kill(child, reply)).await?
    }

    /// Asks the supervisor to stop its children in order, and then to end. Does not wait for that.
    ///
    /// For the root it is the shutdown of the tree. A nested supervisor has then ended by itself, so a permanent one is
    /// restarted by the supervisor above it.
    ///
    /// # Errors
    ///
    /// [`SupervisorError::NotRunning`].
    pub fn shutdown(&self) -> Result<(), SupervisorError> {
        self.0.shutdown()
    }

    async fn call<T>(&self, command: impl FnOnce(Sender<T>) -> Command) -> Result<T, SupervisorError> {
        let (reply, answer) = async_channel::bounded(1);
        self.0.send(command(reply))?;
        // A supervisor that ends before it answers drops the other end.
        answer.recv().await.map_err(|_| self.0.not_running())
    }
}

impl fmt::Debug for SupervisorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SupervisorHandle").field(&self.path()).finish()
    }
}
