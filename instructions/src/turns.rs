//! The turns of a supervisor apart from all else that a program does.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use executor_tokio::Tokio;
use supervisor_core::{Process, Spawner, Timer};
use tokio::runtime::Handle;

/// The name of the function within which the root is polled.
pub const TURN: &str = "*supervisor_polled_by_executor*";

/// The time that the root of a tree has been polled.
#[derive(Clone, Debug, Default)]
pub struct Turns(Arc<Polled>);

#[derive(Debug, Default)]
struct Polled {
    has_begun: AtomicBool,
    nanoseconds: AtomicU64,
}

impl Turns {
    /// Begins to count.
    pub fn begin(&self) {
        self.0.has_begun.store(true, Relaxed);
    }

    /// Returns the time since then.
    #[must_use]
    pub fn took(&self) -> Duration {
        Duration::from_nanos(self.0.nanoseconds.load(Relaxed))
    }
}

/// A Tokio runtime that polls the root in a function of its own. The root is the first process of a tree.
#[derive(Debug)]
pub struct RootApart {
    inner: Tokio,
    handle: Handle,
    turns: Turns,
    has_root: AtomicBool,
}

impl RootApart {
    /// Makes the spawner for one tree.
    ///
    /// # Panics
    ///
    /// If the runtime has no clock.
    #[must_use]
    pub fn new(handle: Handle, turns: &Turns) -> Self {
        let inner = Tokio::try_from(handle.clone()).expect("a runtime with a clock");
        Self { inner, handle, turns: turns.clone(), has_root: AtomicBool::new(false) }
    }
}

impl Spawner for RootApart {
    fn spawn(&self, process: Process) {
        if self.has_root.swap(true, Relaxed) {
            self.inner.spawn(process);
        } else {
            self.handle.spawn(Root(process, self.turns.clone()));
        }
    }

    fn now(&self) -> Instant {
        self.inner.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.inner.timer()
    }
}

struct Root(Process, Turns);

impl Future for Root {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.1.0.has_begun.load(Relaxed) {
            return Pin::new(&mut self.0).poll(cx);
        }
        let (begin, mut poll) = (Instant::now(), Poll::Pending);
        supervisor_polled_by_executor(&mut || poll = Pin::new(&mut self.0).poll(cx));
        self.1.0.nanoseconds.fetch_add(begin.elapsed().as_nanos() as u64, Relaxed);
        poll
    }
}

#[inline(never)]
fn supervisor_polled_by_executor(poll: &mut dyn FnMut()) {
    poll();
}
