use std::{fmt, sync::Arc};

use crate::{
    error::SupervisorError,
    incarnation::{ChildId, Name, dotted},
    node::{Call, ChildSpec, Command, IntoChildSpec, Scope, Shared},
    observe::{ChildCounts, ChildInfo, ChildSpecInfo, Events, Snapshot},
};

/// Talks to a supervisor: adds children and takes them away, asks what it runs and what happens, shuts it down.
///
/// Cheap to clone. It comes from [`Supervisor::handle`](crate::Supervisor::handle) before the supervisor runs, from a
/// [`SupervisionTree`](crate::SupervisionTree), or, inside a process, from
/// [`process::current()`](crate::process::CurrentProcess::supervisor). It stays good over restarts of the supervisor. While
/// the supervisor does not run, every call answers [`SupervisorError::NotRunning`] at once; nothing is queued for later. Calls
/// that send it a message answer [`SupervisorError::Overloaded`] when it has [too many](Self::MAX_UNREAD) unread.
///
/// No call ever holds the supervisor up. What it takes time to do, an answer waits for: `start_child` and `restart_child`
/// until the child is ready, `terminate_child` until it is gone. `delete_child` and `kill_child` are answered between two steps
/// of whatever the supervisor is doing. `children`, `find`, `child`, `count`, `child_spec`, `supervisor` and `snapshot` need no
/// answer: they read what the supervisor knows, also while its executor is blocked. What was sent to it and not read yet does not show. A call is made
/// when it is first polled; dropped after that it is still carried out, and only the answer is lost.
///
/// A call that would wait for the process that makes it, or for one above it, is carried out and answers at once: a worker
/// may terminate itself. That is known in the process itself, not in tasks that it spawns by other means.
///
/// ```
/// use supervisor_core::{worker, SupervisorError, SupervisorHandle};
///
/// async fn replace(pool: &SupervisorHandle) -> Result<(), SupervisorError> {
///     let successor = pool.start_child(worker("poller", |shutdown| shutdown)).await?;
///     for old in pool.find("poller").await?.iter().filter(|child| child.id != successor) {
///         pool.terminate_child(old.id).await?;
///         pool.delete_child(old.id).await?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Clone)]
pub struct SupervisorHandle(Arc<Shared>);

impl SupervisorHandle {
    /// How many messages a supervisor may leave unread: starts of children, and calls. Beyond that `spawn`, `start_child` and
    /// the other calls that send it one answer [`SupervisorError::Overloaded`], and nothing is queued. A supervisor reads some
    /// hundred thousand in a second; it has so many to read where it does not get to run, because its thread is blocked or
    /// because one task spawns without ever yielding. What a supervisor has taken out to read, in one go, does not count.
    pub const MAX_UNREAD: usize = Shared::MAX_UNREAD;

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// On the supervisor that processes with this scope have above them.
    pub(crate) fn of(scope: &Scope) -> Self {
        Self(scope.shared())
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.0.clone()
    }

    /// The supervisor's dotted name; as long as it never ran, its own segment of it.
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// Adds a child behind the others, starts it, and waits until it is ready. Siblings are not affected.
    ///
    /// It is started at once, also while the supervisor itself is still starting; if its group is just being restarted, it
    /// is the last one to be started with it. A child that has nothing to run (see
    /// [`ignore`](crate::InitializationError::ignore)) is added, and stopped; it is not added if it is temporary or the
    /// supervisor is dynamic.
    ///
    /// # Errors
    ///
    /// Nothing is added, and nobody else is touched, with any of these:
    /// [`InvalidName`](SupervisorError::InvalidName) and [`InvalidSpec`](SupervisorError::InvalidSpec), before anything is
    /// started; [`AtCapacity`](SupervisorError::AtCapacity); with unique names
    /// [`AlreadyStarted`](SupervisorError::AlreadyStarted) and [`AlreadyPresent`](SupervisorError::AlreadyPresent);
    /// [`FailedToStart`](SupervisorError::FailedToStart) with the cause; [`ShuttingDown`](SupervisorError::ShuttingDown);
    /// [`WouldDeadlock`](SupervisorError::WouldDeadlock) from the set-up of a sibling that would have to be ready first;
    /// [`Overloaded`](SupervisorError::Overloaded); [`NotRunning`](SupervisorError::NotRunning).
    pub async fn start_child(&self, child: impl IntoChildSpec) -> Result<ChildId, SupervisorError> {
        let (reply, answer) = oneshot::channel();
        let (id, _waiting) = self.0.start(child.into(), Some(Call::new(reply)))?;
        // R57: the caller waits, and not the supervisor.
        match answer.await {
            Ok(answer) => answer.map(|()| id),
            // A7, R70: a supervisor that ends before it answers has dropped the other end.
            Err(_) => Err(self.0.not_running()),
        }
    }

    /// Adds a child behind the others, and returns at once. The child is temporary, unless its specification says when it is
    /// restarted.
    ///
    /// If it turns out that it cannot be started, that is told by the log and by the [`events`](Self::events), and by
    /// nothing else: [`StartFailed`](crate::EventKind::StartFailed), or [`Refused`](crate::EventKind::Refused) where it was
    /// not even tried.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](SupervisorError::InvalidName), [`InvalidSpec`](SupervisorError::InvalidSpec),
    /// [`Overloaded`](SupervisorError::Overloaded), [`NotRunning`](SupervisorError::NotRunning).
    pub fn spawn(&self, child: impl IntoChildSpec) -> Result<ChildId, SupervisorError> {
        // A child that is spawned usually comes and goes. So it is temporary (R10), unless its specification says
        // otherwise.
        let (id, _) = self.0.start(child.into().temporary_by_default(), None)?;
        Ok(id)
    }

    /// Stops a child, as its shutdown strategy says, and waits until it is gone. It stays stopped, and keeps its place; a
    /// temporary child, or one of a dynamic supervisor, is removed. Nothing is charged, and no sibling is affected.
    ///
    /// One that waits for its restart is not restarted. If the restart of a whole group waits for it, that restart is
    /// cancelled, and its siblings stay down too, as in OTP; log and events name them.
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound) for a child of another supervisor, or one that was removed;
    /// [`Stuck`](SupervisorError::Stuck) if it was aborted and does not let go: it is stopped when it does;
    /// [`Overloaded`](SupervisorError::Overloaded); [`NotRunning`](SupervisorError::NotRunning).
    pub async fn terminate_child(&self, id: ChildId) -> Result<(), SupervisorError> {
        self.call(id, |call| Command::Terminate(id, call)).await
    }

    /// Starts a stopped child again, and waits until it is ready. If that fails it stays stopped, and nothing is charged.
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound); [`Running`](SupervisorError::Running),
    /// [`Restarting`](SupervisorError::Restarting) or [`Stopping`](SupervisorError::Stopping) for one that is not stopped;
    /// [`FailedToStart`](SupervisorError::FailedToStart); [`Dynamic`](SupervisorError::Dynamic);
    /// [`ShuttingDown`](SupervisorError::ShuttingDown); [`WouldDeadlock`](SupervisorError::WouldDeadlock);
    /// [`Overloaded`](SupervisorError::Overloaded); [`NotRunning`](SupervisorError::NotRunning).
    pub async fn restart_child(&self, id: ChildId) -> Result<(), SupervisorError> {
        self.call(id, |call| Command::Restart(id, call)).await
    }

    /// Removes a stopped child. One that the supervisor was given before it ran is back when the supervisor itself is
    /// restarted.
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound); [`Running`](SupervisorError::Running),
    /// [`Restarting`](SupervisorError::Restarting) or [`Stopping`](SupervisorError::Stopping) for one that is not stopped;
    /// [`Dynamic`](SupervisorError::Dynamic); [`Overloaded`](SupervisorError::Overloaded);
    /// [`NotRunning`](SupervisorError::NotRunning).
    pub async fn delete_child(&self, id: ChildId) -> Result<(), SupervisorError> {
        self.call(id, |call| Command::Delete(id, call)).await
    }

    /// Aborts a child, which counts as its failure: it is restarted if it is permanent or transient. A child that is just
    /// stopping is aborted at once. A nested supervisor aborts everything below it.
    ///
    /// Answers when the abort is on its way; the child is gone when its future next yields.
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound); [`ChildNotRunning`](SupervisorError::ChildNotRunning) if it has no process
    /// now; [`Overloaded`](SupervisorError::Overloaded); [`NotRunning`](SupervisorError::NotRunning).
    pub async fn kill_child(&self, id: ChildId) -> Result<(), SupervisorError> {
        self.call(id, |call| Command::Kill(id, call)).await
    }

    /// The children, in start order.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning).
    pub async fn children(&self) -> Result<Vec<ChildInfo>, SupervisorError> {
        self.shared().children(None).await
    }

    /// The children of this name, in start order. The name is cleaned as theirs are: `http-server` finds `http_server`. Looks
    /// at each child; an id is found faster.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning).
    pub async fn find(&self, name: &str) -> Result<Vec<ChildInfo>, SupervisorError> {
        // D2: all of that name.
        self.shared().children(Some(Name::new(name.to_owned()))).await
    }

    /// One child. Does not get slower with the number of children.
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound), [`NotRunning`](SupervisorError::NotRunning).
    pub async fn child(&self, id: ChildId) -> Result<ChildInfo, SupervisorError> {
        self.0.child(id)
    }

    /// A handle on another supervisor of the same tree, by its dotted name: `root.api`. The name is cleaned as those of
    /// processes are, segment by segment. Where several have the name, it is the first one in start order.
    ///
    /// The supervisor that is asked for need not run: the handle is good over its restarts, and before its first start. Looks
    /// at the children of each supervisor on the way, so keep the handle rather than ask again.
    ///
    /// ```
    /// use supervisor_core::{one_shot, process, SupervisorError};
    ///
    /// async fn hand_over(job: String) -> Result<(), SupervisorError> {
    ///     let jobs = process::supervisor()?.supervisor("root.jobs").await?;
    ///     jobs.spawn(one_shot("job", async move { println!("{job}") }))?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound) names the last supervisor on the way that is there;
    /// [`NotRunning`](SupervisorError::NotRunning) if the supervisor of this handle does not run, because it is in no tree then.
    pub async fn supervisor(&self, path: &str) -> Result<Self, SupervisorError> {
        Ok(Self(self.0.supervisor(&dotted(path)).await?))
    }

    /// How many children there are. Does not get slower with their number.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning).
    pub async fn count(&self) -> Result<ChildCounts, SupervisorError> {
        self.0.count()
    }

    /// This supervisor and everything below it, as they are now. Where one does not run, its last state is shown; so this answers
    /// after the end of a tree, too.
    ///
    /// It needs no answer of a supervisor, so it does not wait where an executor is blocked or gone: see
    /// [`SupervisorInfo::unread_for`](crate::SupervisorInfo::unread_for). A supervisor with many children is read some hundred
    /// at a time, and works in between; what changes meanwhile shows in a part of the snapshot or not at all.
    ///
    /// ```
    /// # use supervisor_core::SupervisorHandle;
    /// # async fn show(root: &SupervisorHandle) {
    /// let snapshot = root.snapshot().await;
    /// println!("{snapshot}"); // a picture of the tree
    /// let is_fine = snapshot.ready; // for a probe
    /// # let _ = is_fine;
    /// # }
    /// ```
    pub async fn snapshot(&self) -> Snapshot {
        self.shared().snapshot().await
    }

    /// How a child is started, restarted and stopped.
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound), [`NotRunning`](SupervisorError::NotRunning).
    pub async fn child_spec(&self, id: ChildId) -> Result<ChildSpecInfo, SupervisorError> {
        self.0.child_spec(id)
    }

    /// What happens to this supervisor and to everything below it, from now on. Can be asked for before it runs.
    pub fn events(&self) -> Events {
        self.0.events(None)
    }

    /// As [`events`](Self::events), but only what happens to the process of this dotted name and to what is below it:
    /// `root.api` covers `root.api.listener`. The name is cleaned as those of processes are, segment by segment.
    pub fn events_below(&self, path: impl Into<String>) -> Events {
        self.0.events(Some(dotted(&path.into())))
    }

    /// Asks the supervisor to stop its children in order, and then to end. Does not wait for that.
    ///
    /// For the root it is the shutdown of the tree. A nested supervisor has then ended by itself, so a permanent one is
    /// restarted by the supervisor above it.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning).
    pub fn shutdown(&self) -> Result<(), SupervisorError> {
        self.0.shutdown()
    }

    async fn call(&self, id: ChildId, command: impl FnOnce(Call) -> Command) -> Result<(), SupervisorError> {
        let (reply, answer) = oneshot::channel();
        let mut call = Call::new(reply);
        // N6: kept until the answer is there, or the call is given up.
        let _waiting = call.awaits(id);
        self.0.send(command(call))?;
        // A7, R70: a supervisor that ends before it answers drops the other end.
        answer.await.unwrap_or_else(|_| Err(self.0.not_running()))
    }
}

impl ChildSpec {
    /// A handle on this child, if it is a supervisor: for what a library has handed over as a `ChildSpec`. `None` for a worker.
    ///
    /// As [`Supervisor::handle`](crate::Supervisor::handle), it works while the supervisor runs, and over its restarts.
    ///
    /// ```
    /// use supervisor_core::{worker, ChildSpec, Supervisor};
    ///
    /// # fn main() -> Result<(), supervisor_core::SupervisorError> {
    /// fn library() -> Result<ChildSpec, supervisor_core::SupervisorError> {
    ///     Ok(Supervisor::dynamic("sessions")?.into())
    /// }
    ///
    /// let sessions = library()?;
    /// let handle = sessions.supervisor_handle().expect("it is a supervisor");
    /// assert!(worker("poller", |shutdown| shutdown).supervisor_handle().is_none());
    /// # let _ = handle;
    /// # Ok(())
    /// # }
    /// ```
    pub fn supervisor_handle(&self) -> Option<SupervisorHandle> {
        self.as_child().shared().cloned().map(SupervisorHandle)
    }
}

impl fmt::Debug for SupervisorHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SupervisorHandle").field(&self.path()).finish()
    }
}
