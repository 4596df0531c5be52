use std::{
    future::pending,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use supervisor_core::process;
use tokio::{
    runtime::{Builder, Handle, RuntimeFlavor},
    task::{self, AbortHandle},
};

/// A runtime, with the fact that Tokio does not tell: whether it has ended.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) handle: Handle,
    /// Whether another thread can look for work while one is in a poll.
    pub(crate) has_threads: bool,
    /// Whether a second nudge is to come from the clock beside the runtimes.
    pub(crate) has_echo: AtomicBool,
    sentinel: OnceLock<Sentinel>,
}

/// A task that never ends, and so ends with its runtime.
///
/// A runtime that ends drops its tasks first, and its clock after that; a task that is spawned after that is dropped
/// inside of `spawn`. So while the sentinel exists, there is a clock. It is never woken, and is dropped with the last
/// spawner.
#[derive(Debug)]
struct Sentinel {
    has_fallen: Arc<AtomicBool>,
    task: AbortHandle,
}

impl Known {
    pub(crate) fn new(handle: Handle) -> Self {
        let has_threads = handle.runtime_flavor() != RuntimeFlavor::CurrentThread;
        Self { handle, has_threads, has_echo: AtomicBool::new(false), sentinel: OnceLock::new() }
    }

    /// Returns whether the runtime drops what it is given. Costs one load, except the first call, which spawns a task.
    pub(crate) fn has_ended(&self) -> bool {
        self.sentinel.get_or_init(|| Sentinel::post(&self.handle)).has_fallen.load(SeqCst)
    }

    /// Returns whether the clock of the runtime may be another one than the system's, because a test has paused it. Tokio can pause
    /// the clock of a single thread only.
    pub(crate) fn may_be_paused(&self) -> bool {
        !self.has_threads && can_pause()
    }

    /// Returns whether this thread is inside of the runtime.
    pub(crate) fn is_here(&self) -> bool {
        Handle::try_current().is_ok_and(|current| current.id() == self.handle.id())
    }

    /// Returns whether this thread of the runtime is polling a process. The runtime cannot end before that poll has
    /// returned. A thread for blocking work belongs to the runtime, too, has a task, and outlives it; but no process
    /// runs there.
    pub(crate) fn polls_here(&self) -> bool {
        process::is_here() && task::try_id().is_some() && self.is_here()
    }

    /// Hands in a task that does nothing. A runtime that has ended drops it, which is fine.
    pub(crate) fn nudge(&self) {
        drop(self.handle.spawn(async {}));
    }
}

/// Returns whether Tokio was built with its feature `test-util`, without which no clock can be paused. A program turns that on for
/// its own tests, and Tokio does not tell.
fn can_pause() -> bool {
    /// Without the feature the builder has no such method, so this one is called, which returns nothing.
    trait StartPaused {
        #[allow(dead_code, reason = "with the feature, the builder's own method comes first")]
        fn start_paused(&mut self, _: bool) {}
    }

    impl StartPaused for Builder {}

    fn returns_something<R>(_: impl FnOnce(&'static mut Builder) -> R) -> bool {
        size_of::<R>() > 0
    }

    returns_something(|builder| builder.start_paused(true))
}

impl Sentinel {
    fn post(handle: &Handle) -> Self {
        struct Falls(Arc<AtomicBool>);

        impl Drop for Falls {
            fn drop(&mut self) {
                self.0.store(true, SeqCst);
            }
        }

        let has_fallen = Arc::new(AtomicBool::new(false));
        let falls = Falls(has_fallen.clone());
        let task = handle.spawn(async move {
            let _falls = falls;
            pending::<()>().await;
        });
        Self { has_fallen, task: task.abort_handle() }
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use super::can_pause;

    #[test]
    fn a_build_whose_clocks_can_be_paused_is_told() {
        assert!(can_pause(), "the tests of this package turn `test-util` on");
    }
}
