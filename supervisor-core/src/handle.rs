use std::{borrow::Cow, fmt, future::Future, panic::Location, sync::Arc, time::Duration};

use crate::{
    error::SupervisorError,
    incarnation::{ChildId, Exit, Name, StopReason, dotted},
    node::{AskedBy, Call, ChildSpec, Command, IntoChildSpec, Monitor, Room, Scope, Shared},
    observe::{ChildCounts, ChildInfo, ChildSpecInfo, Events, Snapshot},
    worker::{JoinHandle, task},
};

/// A handle on a supervisor: it adds and removes children, reads the state of the tree, follows events, and asks for
/// shutdown.
///
/// Cheap to clone. It comes from [`Supervisor::handle`](crate::Supervisor::handle) before the supervisor runs, from a
/// [`SupervisionTree`](crate::SupervisionTree), or, inside a process, from
/// [`process::current()`](crate::process::CurrentProcess::supervisor). It stays valid when the supervisor restarts.
/// While the supervisor does not run, every call except [`ready`](Self::ready) answers [`SupervisorError::NotRunning`] at
/// once; nothing is queued for later. Calls that send the supervisor a message answer [`SupervisorError::Overloaded`] when it has [too
/// many](Self::MAX_UNREAD) unread messages.
///
/// No call blocks the supervisor. Calls that take time resolve when they are done: `start_child`, `restart_child` and
/// `reload_child` when the child is ready, `terminate_child` when it is gone. `delete_child` and `kill_child` are answered between two
/// steps of whatever the supervisor is doing. `children`, `find`, `child`, `count`, `child_spec`, `supervisor` and `snapshot` need no answer:
/// they read what the supervisor knows, also while its executor is blocked. A message that was sent and not read yet
/// does not show there. A call is sent when its future is first polled. If the future is dropped after that, the call
/// is still carried out, and only the answer is lost.
///
/// A call that would wait for the process that makes it, or for a supervisor above it, is carried out and answers at
/// once: so a worker may terminate itself. The caller is known only in the process itself, not in tasks that it spawns
/// by other means.
///
/// ```
/// use supervision::{worker, SupervisorError, SupervisorHandle};
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
    /// The largest number of messages that a supervisor may leave unread: starts of children, and calls. Beyond it,
    /// `spawn`, `start_child` and the other calls that send a message answer [`SupervisorError::Overloaded`], and
    /// nothing is queued. A supervisor reads some hundred thousand messages per second; so many are unread only if the
    /// supervisor does not get to run, because its thread is blocked or because one task spawns without ever yielding.
    /// Messages that the supervisor has taken out in one go to read them do not count.
    pub const MAX_UNREAD: usize = Shared::MAX_UNREAD;

    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self(shared)
    }

    /// Returns a handle on the supervisor directly above the processes with this scope.
    pub(crate) fn of(scope: &Scope) -> Self {
        Self(scope.shared())
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.0.clone()
    }

    /// Returns the supervisor's dotted name; until its first run, only its own segment.
    pub fn path(&self) -> String {
        self.0.path()
    }

    /// Adds a child after the others, starts it, and waits until it is ready. Siblings are not affected.
    ///
    /// The child starts at once, also while the supervisor itself is still starting. During a restart of its group, it
    /// starts as the last one of the group. A child that has nothing to run (see
    /// [`ignore`](crate::InitializationError::ignore)) is added as stopped; it is not added if it is temporary or the
    /// supervisor is dynamic.
    ///
    /// # Errors
    ///
    /// With each of these errors nothing is added, and no other child is affected:
    /// [`InvalidName`](SupervisorError::InvalidName) and [`InvalidSpec`](SupervisorError::InvalidSpec), before anything
    /// is started; [`AtCapacity`](SupervisorError::AtCapacity); with unique names
    /// [`AlreadyStarted`](SupervisorError::AlreadyStarted) and [`AlreadyPresent`](SupervisorError::AlreadyPresent);
    /// [`FailedToStart`](SupervisorError::FailedToStart) with the cause; [`ShuttingDown`](SupervisorError::ShuttingDown);
    /// [`WouldDeadlock`](SupervisorError::WouldDeadlock) from the set-up of a sibling that would have to be ready first;
    /// [`Overloaded`](SupervisorError::Overloaded); [`NotRunning`](SupervisorError::NotRunning).
    pub async fn start_child(&self, child: impl IntoChildSpec) -> Result<ChildId, SupervisorError> {
        let (reply, answer) = oneshot::channel();
        let (id, _waiting) = self.0.start(child.into(), Some(Call::new(reply)), None)?;
        // R57: the caller waits, and not the supervisor.
        match answer.await {
            Ok(answer) => answer.map(|()| id),
            // A7, R70: a supervisor that ends before it answers has dropped the other end.
            Err(_) => Err(self.0.not_running()),
        }
    }

    /// Adds a child after the others, and returns at once. The child is temporary, unless its specification sets a
    /// restart type.
    ///
    /// A child that then cannot be started is reported by the log and by [`events`](Self::events) only:
    /// [`StartFailed`](crate::EventKind::StartFailed), or [`Refused`](crate::EventKind::Refused) if the start was not
    /// even attempted.
    ///
    /// # Errors
    ///
    /// [`InvalidName`](SupervisorError::InvalidName), [`InvalidSpec`](SupervisorError::InvalidSpec),
    /// [`Overloaded`](SupervisorError::Overloaded), [`NotRunning`](SupervisorError::NotRunning). If the supervisor has a
    /// [maximum](crate::Supervisor::with_max_children) also [`AtCapacity`](SupervisorError::AtCapacity) and
    /// [`ShuttingDown`](SupervisorError::ShuttingDown): a child that has just ended counts until the supervisor has seen that.
    pub fn spawn(&self, child: impl IntoChildSpec) -> Result<ChildId, SupervisorError> {
        // A child that is spawned usually comes and goes. So it is temporary (R10), unless its specification says
        // otherwise.
        self.0.spawn(child.into().temporary_by_default())
    }

    /// Waits until the supervisor has room for one more child, and reserves it.
    ///
    /// Use it for backpressure under [`with_max_children`](crate::Supervisor::with_max_children): a listener reserves first and
    /// accepts then, so it never has a connection that it must refuse. Fair: callers get room in the order in which they ask.
    /// Cancel-safe: a wait that is dropped gives its place, and the room that it was given, to the next caller. Without a
    /// maximum there is always room.
    ///
    /// ```
    /// # use supervision::{one_shot, SupervisorError, SupervisorHandle};
    /// # async fn accept() {}
    /// # async fn listen(connections: &SupervisorHandle) -> Result<(), SupervisorError> {
    /// loop {
    ///     let permit = connections.reserve().await?;
    ///     let connection = accept().await;
    ///     permit.spawn(one_shot("connection", async move { connection }))?;
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`ShuttingDown`](SupervisorError::ShuttingDown) when the supervisor begins to stop, also while this waits;
    /// [`NotRunning`](SupervisorError::NotRunning).
    pub async fn reserve(&self) -> Result<Permit, SupervisorError> {
        self.0.reserve().await.map(|room| Permit { shared: self.0.clone(), room })
    }

    /// Reserves room for one more child, if there is some now and no other caller waits for it.
    ///
    /// # Errors
    ///
    /// [`AtCapacity`](SupervisorError::AtCapacity), [`ShuttingDown`](SupervisorError::ShuttingDown),
    /// [`NotRunning`](SupervisorError::NotRunning).
    pub fn try_reserve(&self) -> Result<Permit, SupervisorError> {
        self.0.try_reserve().map(|room| Permit { shared: self.0.clone(), room })
    }

    /// Spawns a task: adds a temporary child that runs a future once, and returns at once with a handle that receives the
    /// future's result.
    ///
    /// It does the same as [`task`](crate::task) and [`spawn`](Self::spawn). A task that is refused later ends as
    /// [`Aborted`](Exit::Aborted).
    ///
    /// ```
    /// # use supervision::{Exit, SupervisorError, SupervisorHandle};
    /// # async fn import(jobs: &SupervisorHandle) -> Result<(), SupervisorError> {
    /// let import = jobs.spawn_task("import", async { "12".parse::<u32>() })?;
    /// match import.await {
    ///     Ok(Ok(rows)) => println!("{rows} rows"),
    ///     Ok(Err(error)) => println!("not a number: {error}"),
    ///     Err(Exit::Panicked(panic)) => println!("the import panicked: {panic}"),
    ///     Err(exit) => println!("no result: the import {exit}"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// The errors of [`spawn`](Self::spawn).
    pub fn spawn_task<Fut>(
        &self,
        name: impl Into<Cow<'static, str>>,
        future: Fut,
    ) -> Result<JoinHandle<Fut::Output>, SupervisorError>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        let (child, result) = task(name, future);
        self.spawn(child)?;
        Ok(result)
    }

    /// Starts a task as [`spawn_task`](Self::spawn_task) does, and waits until the supervisor has admitted it.
    ///
    /// # Errors
    ///
    /// The errors of [`start_child`](Self::start_child).
    pub async fn start_task<Fut>(
        &self,
        name: impl Into<Cow<'static, str>>,
        future: Fut,
    ) -> Result<JoinHandle<Fut::Output>, SupervisorError>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        let (child, result) = task(name, future);
        self.start_child(child).await?;
        Ok(result)
    }

    /// Stops a child according to its shutdown strategy, and waits until it is gone. The child stays stopped and keeps
    /// its place; a temporary child, or one of a dynamic supervisor, is removed. Nothing is charged, and no sibling is
    /// affected.
    ///
    /// A child that waits for its restart is not restarted. If the restart of a whole group waits for the child, that
    /// restart is cancelled, and the siblings stay down too, as in OTP; log and events name them.
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound) for a child of another supervisor, or one that was removed;
    /// [`Stuck`](SupervisorError::Stuck) if the child was aborted and has not yielded: it is stopped once it yields;
    /// [`Overloaded`](SupervisorError::Overloaded); [`NotRunning`](SupervisorError::NotRunning).
    pub async fn terminate_child(&self, id: ChildId) -> Result<(), SupervisorError> {
        self.call(id, |call| Command::Terminate(id, None, call)).await
    }

    /// Stops a child as [`terminate_child`](Self::terminate_child) does, but gives it no more time than `limit`, whatever its
    /// [shutdown strategy](crate::ShutdownStrategy) says: for a stop with a deadline of the moment, such as the end of a lease.
    ///
    /// A child that is stopping already has at most this time from now on; one that has less keeps that. After the limit, or at
    /// once if it is zero, the child is aborted, and a nested supervisor aborts everything below it. A limit is kept even while
    /// the supervisor itself stops its children in order, and the turn of this one has not come.
    ///
    /// `Ok` says that the child is gone, and everything below it: all futures were dropped, and all destructors have run.
    ///
    /// # Errors
    ///
    /// Those of [`terminate_child`](Self::terminate_child). [`Stuck`](SupervisorError::Stuck) comes an
    /// [abort grace](crate::Supervisor::with_abort_grace) after the limit at the latest.
    pub async fn terminate_child_within(&self, id: ChildId, limit: Duration) -> Result<(), SupervisorError> {
        self.call(id, |call| Command::Terminate(id, Some(limit), call)).await
    }

    /// Starts a stopped child again, and waits until it is ready. If the start fails, the child stays stopped, and
    /// nothing is charged.
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

    /// Removes a stopped child. A static child, which the supervisor was given before it ran, is back after a restart
    /// of the supervisor itself.
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

    /// Aborts a child, which counts as its failure: a permanent or transient child is restarted. A child that is
    /// stopping is aborted at once. A nested supervisor aborts everything below it.
    ///
    /// The call answers when the abort is requested; the child is gone when its future next yields.
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound); [`ChildNotRunning`](SupervisorError::ChildNotRunning) if it has no process
    /// now; [`Overloaded`](SupervisorError::Overloaded); [`NotRunning`](SupervisorError::NotRunning).
    pub async fn kill_child(&self, id: ChildId) -> Result<(), SupervisorError> {
        self.call(id, |call| Command::Kill(id, call)).await
    }

    /// Restarts a child by hand, so that it reads its settings anew: stops it according to its shutdown strategy, starts it
    /// again, and waits until it is ready.
    ///
    /// What depends on the child by the [strategy](crate::RestartStrategy) of the supervisor is restarted with it: nothing
    /// under one-for-one, the children after it under rest-for-one, all under one-for-all. They stop in reverse order, start in
    /// order, and the call waits for all of them. As in any restart of a group, stopped siblings start, and temporary ones are
    /// removed. The child itself may be temporary, or one of a dynamic supervisor; it keeps its `ChildId`. A nested supervisor
    /// starts as new, with everything below it.
    ///
    /// Nothing is charged against the intensity, and no backoff is waited for. A child that is starting is aborted and started
    /// again, because it may have read the old settings; one that waits for its restart is started now; a stopped one is
    /// started as by [`restart_child`](Self::restart_child).
    ///
    /// If a start fails, the call returns that failure at once, and the supervisor goes on by its policy as after any failed
    /// restart: it charges it, and tries again. So a caller can put the old settings back before the next attempt.
    ///
    /// ```
    /// # use supervision::{ChildId, SupervisorError, SupervisorHandle};
    /// # async fn reload(root: &SupervisorHandle, listener: ChildId) {
    /// if let Err(error) = root.reload_child(listener).await {
    ///     eprintln!("the new settings do not work: {error:#}");
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`RunsOnce`](SupervisorError::RunsOnce), before anything is stopped, for a [`one_shot`](crate::one_shot) or a
    /// [`task`](crate::task); [`NotFound`](SupervisorError::NotFound); [`Stopping`](SupervisorError::Stopping) for a child that
    /// is stopping for good; [`Stuck`](SupervisorError::Stuck) if the child, or one that restarts with it, was aborted and has
    /// not yielded: the restart goes on when it yields; [`FailedToStart`](SupervisorError::FailedToStart), also with
    /// [`Aborted`](crate::StartFailure::Aborted) if the child is terminated meanwhile;
    /// [`ShuttingDown`](SupervisorError::ShuttingDown); [`WouldDeadlock`](SupervisorError::WouldDeadlock) for a stopped child
    /// that could start only after the caller; [`Overloaded`](SupervisorError::Overloaded);
    /// [`NotRunning`](SupervisorError::NotRunning).
    pub async fn reload_child(&self, id: ChildId) -> Result<(), SupervisorError> {
        self.call(id, |call| Command::Reload(id, call)).await
    }

    /// Restarts a child of the same tree by hand, by its dotted name: `root.api.listener`. Otherwise as
    /// [`reload_child`](Self::reload_child). The name is cleaned as by [`supervisor`](Self::supervisor). If several children have
    /// it, the first one in start order is restarted.
    ///
    /// ```
    /// use supervision::{process, SupervisorError};
    ///
    /// async fn apply_settings() -> Result<(), SupervisorError> {
    ///     process::supervisor()?.reload_by_path("root.api.listener").await
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound) names the last supervisor on the way that exists, also for the root, which is no
    /// child of another supervisor; [`NotRunning`](SupervisorError::NotRunning) if the supervisor of this handle, or the one
    /// above the child, does not run; and the errors of [`reload_child`](Self::reload_child).
    pub async fn reload_by_path(&self, path: &str) -> Result<(), SupervisorError> {
        let Some((above, name)) = path.rsplit_once('.') else {
            // The root, or a name that is not there: in both cases the answer is that of the look-up.
            let root = self.supervisor(path).await?;
            return Err(SupervisorError::NotFound { path: root.path() });
        };
        let above = self.supervisor(above).await?;
        // D2: the first of that name.
        match above.find(name).await?.first() {
            Some(child) => above.reload_child(child.id).await,
            None => Err(SupervisorError::NotFound { path: above.path() }),
        }
    }

    /// Returns the children, in start order.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning).
    #[doc(alias = "which_children")]
    pub async fn children(&self) -> Result<Vec<ChildInfo>, SupervisorError> {
        self.shared().children(None).await
    }

    /// Returns the children of this name, in start order. The name is cleaned as theirs are: `http-server` finds
    /// `http_server`. The search looks at each child; a lookup by id is faster.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning).
    #[doc(alias = "whereis")]
    pub async fn find(&self, name: &str) -> Result<Vec<ChildInfo>, SupervisorError> {
        // D2: all children of that name.
        self.shared().children(Some(Name::new(name.to_owned()))).await
    }

    /// Returns one child. The time for it does not depend on the number of children.
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound), [`NotRunning`](SupervisorError::NotRunning).
    pub async fn child(&self, id: ChildId) -> Result<ChildInfo, SupervisorError> {
        self.0.child_info(id)
    }

    /// Returns a handle on another supervisor of the same tree, by its dotted name: `root.api`. The name is cleaned
    /// segment by segment, as the names of processes are. If several supervisors have the name, the handle is on the
    /// first one in start order.
    ///
    /// The supervisor does not have to run: the handle works over its restarts, and before its first start. The call
    /// looks at the children of each supervisor on the way, so keep the handle instead of calling this again.
    ///
    /// ```
    /// use supervision::{one_shot, process, SupervisorError};
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
    /// [`NotFound`](SupervisorError::NotFound) names the last supervisor on the way that exists;
    /// [`NotRunning`](SupervisorError::NotRunning) if the supervisor of this handle does not run, because then it is in
    /// no tree.
    pub async fn supervisor(&self, path: &str) -> Result<Self, SupervisorError> {
        Ok(Self(self.0.supervisor(&dotted(path)).await?))
    }

    /// Counts the children. The time for it does not depend on their number.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning).
    #[doc(alias = "count_children")]
    pub async fn count(&self) -> Result<ChildCounts, SupervisorError> {
        self.0.count()
    }

    /// Returns the state of this supervisor and of everything below it, as it is now. For a supervisor that does not
    /// run, its last state is shown; so this answers after the end of a tree, too.
    ///
    /// This needs no answer from a supervisor, so it does not wait for an executor that is blocked or gone: see
    /// [`SupervisorInfo::unread_for`](crate::SupervisorInfo::unread_for). A supervisor with many children is read some
    /// hundred at a time, and works in between; a change meanwhile shows in a part of the snapshot or not at all.
    ///
    /// ```
    /// # use supervision::SupervisorHandle;
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

    /// Sends the supervisor a message, and waits until it has read it. Cancel-safe.
    ///
    /// A supervisor that is polled answers at once, whatever it is doing: also while it starts, restarts or stops its children.
    /// So an answer that takes longer than a moment means that its executor is blocked, or is not driven. For liveness probes
    /// and watchdogs; call it from a thread that the same executor cannot block, with a limit.
    ///
    /// A message that was not read stays until the supervisor reads it, so wait for one answer before you ask again.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning), also if the supervisor ends before it answers;
    /// [`Overloaded`](SupervisorError::Overloaded).
    pub async fn ping(&self) -> Result<(), SupervisorError> {
        let (reply, answer) = oneshot::channel();
        self.0.send(Command::Ping(Call::new(reply)))?;
        // A7: a supervisor that ends before it answers drops the other end.
        answer.await.unwrap_or_else(|_| Err(self.0.not_running()))
    }

    /// Returns whether the supervisor is ready now, with everything below it that counts: what
    /// [`Snapshot::ready`](crate::Snapshot::ready) says, without the snapshot. Like that, it needs no answer from a supervisor. The
    /// time for it depends on the number of supervisors, and of their siblings.
    pub async fn is_ready(&self) -> bool {
        self.shared().is_ready().await
    }

    /// Waits until the supervisor is ready, with everything below it that counts: see
    /// [`Snapshot::ready`](crate::Snapshot::ready). Resolves at once if it is. Cancel-safe.
    ///
    /// It also waits for the first start of the supervisor, and over its restarts. To ask without waiting, use
    /// [`is_ready`](Self::is_ready).
    ///
    /// ```
    /// use supervision::{SupervisorError, SupervisorHandle};
    ///
    /// async fn announce(api: &SupervisorHandle) -> Result<(), SupervisorError> {
    ///     api.ready().await?;
    ///     println!("{} serves", api.path());
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning), once the supervisor is gone for good: it has ended, and nothing starts it
    /// again. [`WouldDeadlock`](SupervisorError::WouldDeadlock) in a process that the supervisor waits for: a process below it
    /// that is not ready itself, or that has to stop, alone or with a supervisor above it. Also in any such process, if the
    /// supervisor does not run: it may be one that starts after the caller.
    pub async fn ready(&self) -> Result<(), SupervisorError> {
        self.shared().ready().await
    }

    /// Returns how a child is started, restarted and stopped.
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound), [`NotRunning`](SupervisorError::NotRunning).
    #[doc(alias = "get_childspec")]
    pub async fn child_spec(&self, id: ChildId) -> Result<ChildSpecInfo, SupervisorError> {
        self.0.child_spec(id)
    }

    /// Subscribes to what happens from now on to this supervisor and to everything below it. Also possible before it
    /// runs.
    pub fn events(&self) -> Events {
        self.0.events(None)
    }

    /// Subscribes as [`events`](Self::events) does, but only to the process of this dotted name and to what is below
    /// it: `root.api` covers `root.api.listener`. The name is cleaned as those of processes are, segment by segment.
    pub fn events_below(&self, path: impl Into<String>) -> Events {
        self.0.events(Some(dotted(&path.into())))
    }

    /// Asks the supervisor to stop its children in order, and then to end. Does not wait for the end.
    ///
    /// On the root this shuts the tree down. A nested supervisor counts as ended by itself, so a permanent one is
    /// restarted by the supervisor above it.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning).
    #[track_caller]
    pub fn shutdown(&self) -> Result<(), SupervisorError> {
        self.0.shutdown(AskedBy { call: "SupervisorHandle::shutdown", place: Some(Location::caller()) })
    }

    /// Asks the supervisor to stop, as [`shutdown`](Self::shutdown) does, and waits until it and everything below it has ended.
    /// Returns how it ended.
    ///
    /// The request is made when this is first polled. If it is dropped after that, the supervisor still stops.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning); [`WouldDeadlock`](SupervisorError::WouldDeadlock) in a process of this
    /// supervisor, or of one below it, which the supervisor waits for: it stops then, and this returns at once.
    pub async fn stop(&self) -> Result<Exit, SupervisorError> {
        let (monitor, _waiting) = self.0.stop()?;
        Ok(monitor.await)
    }

    /// Monitors a child: returns a future of the exit of the process that the child has now. If the child has had no process
    /// yet, because the supervisor has not read it or it waits for its turn, the monitor watches its first one.
    ///
    /// The process is watched from when this returns, so no exit is missed, however short it lives. A restart of the child is
    /// another process, which the monitor does not watch. A temporary child that has ended before the call is gone, so a child
    /// that lives shortly may be `NotFound` right after it was spawned: [`spawn_task`](Self::spawn_task) returns a handle that
    /// misses nothing.
    ///
    /// ```
    /// # use supervision::{ChildId, SupervisorError, SupervisorHandle};
    /// # async fn watch(pool: &SupervisorHandle, worker: ChildId) -> Result<(), SupervisorError> {
    /// let exit = pool.monitor(worker)?.await;
    /// if !exit.is_success() {
    ///     println!("the worker {exit}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotFound`](SupervisorError::NotFound); [`ChildNotRunning`](SupervisorError::ChildNotRunning) if it has no process now:
    /// it waits for its restart, or has stopped; [`NotRunning`](SupervisorError::NotRunning).
    pub fn monitor(&self, id: ChildId) -> Result<Monitor, SupervisorError> {
        self.0.monitor(id)
    }

    /// Waits until a child is gone for good: it has stopped and is not going to be restarted, it was removed, or its supervisor
    /// has ended. Returns at once for a child that is unknown.
    ///
    /// It goes on waiting over restarts of the child, and looks again at each change in the tree. Cancel-safe.
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning) if the supervisor does not run when this is first polled.
    pub async fn stopped(&self, id: ChildId) -> Result<(), SupervisorError> {
        let changes = self.0.changes()?;
        loop {
            // A change after this is not missed.
            let change = changes.listen();
            if self.0.is_gone(id) {
                return Ok(());
            }
            change.await;
        }
    }

    /// Waits until the supervisor begins to stop, for whatever reason. Resolves at once if it is stopping.
    ///
    /// For a worker that has to tell others at the beginning of a shutdown, and not when its own turn to stop has come: call it
    /// on the handle of the root. It looks again at each change in the tree. Cancel-safe.
    ///
    /// ```
    /// use supervision::{ProcessShutdown, SupervisorError, SupervisorHandle};
    ///
    /// async fn deregister() { /* from the service registry */ }
    ///
    /// async fn registrar(root: SupervisorHandle, shutdown: ProcessShutdown) -> Result<(), SupervisorError> {
    ///     root.stopping().await?;
    ///     deregister().await; // the tree is still draining
    ///     shutdown.await;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`NotRunning`](SupervisorError::NotRunning) if the supervisor does not run when this is first polled.
    pub async fn stopping(&self) -> Result<(), SupervisorError> {
        let changes = self.0.changes()?;
        loop {
            // A change after this is not missed.
            let change = changes.listen();
            if self.0.is_stopping() {
                return Ok(());
            }
            change.await;
        }
    }

    /// Returns why the supervisor stops, or has stopped. `None` if it does not stop. For the children that the facade offers.
    #[doc(hidden)]
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.0.stop_reason()
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
    /// Returns a handle on this child if it is a supervisor, and `None` for a worker. Use it for a supervisor that a
    /// library returns as a `ChildSpec`.
    ///
    /// Like [`Supervisor::handle`](crate::Supervisor::handle), the handle works while the supervisor runs, and over its
    /// restarts.
    ///
    /// ```
    /// use supervision::{worker, ChildSpec, Supervisor};
    ///
    /// # fn main() -> Result<(), supervision::SupervisorError> {
    /// fn library() -> Result<ChildSpec, supervision::SupervisorError> {
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

/// Room for one child, reserved by [`SupervisorHandle::reserve`]. A permit that is dropped unused gives its room to the next
/// caller that waits.
#[must_use = "dropping the permit gives the room back"]
pub struct Permit {
    shared: Arc<Shared>,
    room: Room,
}

impl Permit {
    /// Adds a child in the reserved room, as [`SupervisorHandle::spawn`] does. The room comes free when the child is removed.
    ///
    /// # Errors
    ///
    /// The errors of [`SupervisorHandle::spawn`] except `AtCapacity`. Also [`NotRunning`](SupervisorError::NotRunning) if the
    /// supervisor was restarted since, because its new run has promised nothing. With each error the room is given back.
    pub fn spawn(self, child: impl IntoChildSpec) -> Result<ChildId, SupervisorError> {
        let Self { shared, room } = self;
        let (id, _) = shared.start(child.into().temporary_by_default(), None, Some(room))?;
        Ok(id)
    }

    /// Adds a task in the reserved room, as [`SupervisorHandle::spawn_task`] does.
    ///
    /// # Errors
    ///
    /// The errors of [`spawn`](Self::spawn).
    pub fn spawn_task<Fut>(
        self,
        name: impl Into<Cow<'static, str>>,
        future: Fut,
    ) -> Result<JoinHandle<Fut::Output>, SupervisorError>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        let (child, result) = task(name, future);
        self.spawn(child)?;
        Ok(result)
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&self.shared.path()).finish()
    }
}
