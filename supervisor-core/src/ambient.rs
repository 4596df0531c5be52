//! What a process can ask about itself, and do where it runs: the context that each process has while it is polled, and
//! while its future is dropped.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use crate::{
    child::ChildSpec,
    error::SupervisorError,
    handle::SupervisorHandle,
    process::{self, ChildId, Control, ProcessId},
    scope::Scope,
    shutdown::ProcessShutdown,
    spawner::Timer,
};

/// The process that this code runs in: in its `initialize`, its closure, its future or a destructor.
///
/// `None` outside of a process, and in tasks that were spawned by other means: the context does not leak into them.
///
/// ```
/// use supervisor_core::{ambient, one_shot};
///
/// assert!(ambient::current().is_none());
/// let greeter = one_shot("greeter", async {
///     let me = ambient::current().expect("this runs in a process");
///     println!("hello from {} ({})", me.name(), me.id());
/// });
/// ```
pub fn current() -> Option<CurrentProcess> {
    process::current(|current| {
        let scope = Scope::above(&current.link)?;
        Some(CurrentProcess { id: current.id, control: current.control.clone(), scope })
    })?
}

/// A process, as it sees itself.
#[derive(Clone)]
pub struct CurrentProcess {
    id: ProcessId,
    control: Arc<dyn Control>,
    scope: Arc<Scope>,
}

impl CurrentProcess {
    /// The process's number.
    pub fn id(&self) -> ProcessId {
        self.id
    }

    /// The process's dotted name.
    pub fn name(&self) -> String {
        process::Link::path_of(&*self.scope, self.control.segment())
    }

    /// A handle on the supervisor of this process.
    pub fn supervisor(&self) -> SupervisorHandle {
        SupervisorHandle::of(&self.scope)
    }

    /// Tells when the process is asked to stop.
    pub fn shutdown(&self) -> ProcessShutdown {
        ProcessShutdown::of(self.control.clone(), self.id)
    }
}

impl fmt::Debug for CurrentProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CurrentProcess").field("id", &self.id).field("name", &self.name()).finish()
    }
}

/// Adds a sibling to this process, and returns at once: the same as [`SupervisorHandle::spawn`] on the process's own
/// supervisor.
///
/// ```
/// use supervisor_core::{ambient, one_shot, worker, SupervisorError};
///
/// let listener = worker("listener", async |_| -> Result<(), SupervisorError> {
///     ambient::spawn(one_shot("connection", async { /* serve it */ }))?;
///     Ok(())
/// });
/// assert!(matches!(ambient::spawn(one_shot("lost", async {})), Err(SupervisorError::OutsideProcess)));
/// ```
///
/// # Errors
///
/// [`SupervisorError::OutsideProcess`] where this is not a process, a task that a process has spawned by other means
/// included: hand it a [`SupervisorHandle`]. And those of [`SupervisorHandle::spawn`].
pub fn spawn(child: impl Into<ChildSpec>) -> Result<ChildId, SupervisorError> {
    current().ok_or(SupervisorError::OutsideProcess)?.supervisor().spawn(child)
}

/// Sleeps on the clock of the executor that runs this process: so a worker can be written once, for all of them, and a
/// simulator's clock holds for it.
///
/// Cancel-safe. The time counts from the call.
///
/// # Panics
///
/// Outside of a process, where there is no executor to ask. Use the executor's own sleep there.
#[track_caller]
pub fn sleep(duration: Duration) -> Sleep {
    let Some(spawner) = process::current(|current| Scope::executor(&current.link)).flatten() else {
        panic!("`process::sleep` was called outside of a process; use your executor's own sleep there");
    };
    let mut timer = spawner.timer();
    timer.as_mut().reset(spawner.now().checked_add(duration));
    Sleep { timer }
}

/// The future of [`sleep`].
#[must_use = "futures do nothing unless they are awaited"]
pub struct Sleep {
    timer: Pin<Box<dyn Timer>>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.timer.as_mut().poll_elapsed(cx)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}
