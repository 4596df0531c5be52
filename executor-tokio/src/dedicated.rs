use std::{
    io,
    pin::Pin,
    sync::{Arc, mpsc},
    thread,
    time::Instant,
};

use supervisor_core::{BoxError, Placement, Process, Spawner, Timer};
use tokio::{
    runtime::{Builder, Handle, Runtime},
    sync::oneshot,
};

use crate::{Tokio, local};

/// A dedicated Tokio runtime for a supervisor's children, with threads named after the supervisor. Work that blocks or
/// uses much CPU, such as hashing or parsing, then takes no time from other tasks.
///
/// A new runtime is made at each start of the supervisor, or of the child that is placed on it.
///
/// # When it ends
///
/// It ends when the supervisor and all processes on it have ended. Nothing that a process hands out keeps it longer: no
/// [`CurrentProcess`](supervisor_core::process::CurrentProcess), no handle, no sleep.
///
/// A process may start tasks of its own there (`tokio::spawn`). They are not supervised:
///
/// - When the *process* ends, they go on. To end with it, a task waits for a clone of the process's
///   [`ProcessShutdown`](supervisor_core::ProcessShutdown), which fires when the process ends in any way.
/// - When the *supervisor* ends, or is restarted, the runtime is shut down in the background, on a thread of its own: each task
///   that is left is dropped at its next await point. Supervision does not wait for a task that blocks its thread, nor for
///   `spawn_blocking`: such a thread goes on until its code returns.
///
/// For work that is not `Send`, use a [`local_worker`](supervisor_core::local_worker).
///
/// For a child that is placed on a runtime of its own, the runtime ends with the process.
///
/// ```
/// use supervision::{worker, RuntimeConfiguration, Supervisor, SupervisorError};
///
/// # fn main() -> Result<(), SupervisorError> {
/// let mut crypto = Supervisor::new("crypto")?.with_child_placement(RuntimeConfiguration::multi_threaded(2));
/// crypto.add_worker(worker("hasher", |shutdown| shutdown)); // runs on a thread named `root.crypto`
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(crypto);
/// # Ok(())
/// # }
/// ```
#[must_use = "a runtime is made only for a supervisor or a child that is placed on it"]
#[derive(Clone, Copy, Debug)]
pub struct RuntimeConfiguration {
    /// The number of worker threads; `None` is a single thread, which also drives the runtime.
    workers: Option<usize>,
}

impl RuntimeConfiguration {
    /// Uses one thread. `tokio::task::spawn_local` works there.
    pub fn single_threaded() -> Self {
        Self { workers: None }
    }

    /// Uses `threads` worker threads, at least one.
    pub fn multi_threaded(threads: usize) -> Self {
        Self { workers: Some(threads.max(1)) }
    }

    pub(crate) fn start(self, name: &str) -> io::Result<Dedicated> {
        let mut builder = match self.workers {
            None => Builder::new_current_thread(),
            Some(workers) => {
                let mut builder = Builder::new_multi_thread();
                builder.worker_threads(workers);
                builder
            }
        };
        builder.enable_all().thread_name(name);
        let (give, take) = mpsc::channel::<Runtime>();
        let (stop, stopped) = oneshot::channel::<()>();
        // The thread is started before the runtime is made. If it cannot be started there is no runtime to be dropped:
        // here that would be inside of async code, where Tokio panics.
        thread::Builder::new().name(name.to_owned()).spawn(move || {
            if let Ok(runtime) = take.recv() {
                // Nothing is ever sent: this resolves when the last owner has dropped the other end.
                match self.workers {
                    None => local::drive(&runtime, stopped),
                    Some(_) => drop(runtime.block_on(stopped)),
                }
                // D3: dropping a runtime waits for blocked threads, and these must hold up nothing else.
                runtime.shutdown_background();
            }
        })?;
        let runtime = builder.build()?;
        let handle: Handle = runtime.handle().clone();
        if let Err(mpsc::SendError(runtime)) = give.send(runtime) {
            runtime.shutdown_background();
            return Err(io::Error::other("the runtime's thread has ended"));
        }
        Ok(Dedicated { tokio: Tokio::with_clock(handle), _stop: Arc::new(stop) })
    }
}

impl From<RuntimeConfiguration> for Placement {
    fn from(configuration: RuntimeConfiguration) -> Self {
        Self::fresh(move |name| configuration.start(name))
    }
}

/// The owner of the runtime: a process, or its supervisor, keeps this, and so the runtime.
#[derive(Clone, Debug)]
pub(crate) struct Dedicated {
    tokio: Tokio,
    _stop: Arc<oneshot::Sender<()>>,
}

impl Spawner for Dedicated {
    fn spawn(&self, process: Process) {
        self.tokio.spawn(process);
    }

    fn now(&self) -> Instant {
        self.tokio.now()
    }

    fn is_virtual(&self) -> bool {
        self.tokio.is_virtual()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.tokio.timer()
    }

    fn nudge(&self) {
        self.tokio.nudge();
    }

    fn discard(&self, process: Process) {
        self.tokio.discard(process);
    }

    fn local_executor(&self, name: &str) -> Result<Arc<dyn Spawner>, BoxError> {
        self.tokio.local_executor(name)
    }

    fn drop_local_tasks(&self) {
        local::drop_tasks();
    }
}
