//! Workers to test with.

use std::{
    future::{Future, pending},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
};

use supervisor_core::{
    BoxError, ChildId, ChildSpec, ChildState, Event, EventKind, InitializationError, ProcessShutdown, RestartStrategy,
    Supervisable, Supervisor, SupervisorFuture, SupervisorHandle,
    testing::{Entry, Probe},
    worker,
};

pub(crate) use crate::harness::{
    census::Census,
    children::{idle, supervisor},
};

/// Makes a root that only the tested failure ends.
pub(crate) fn root() -> Supervisor {
    supervisor("root", RestartStrategy::one_for_one())
}

/// A `Supervisable` from a closure: its `initialize`.
pub(crate) struct SetUp<F> {
    name: &'static str,
    initialize: F,
}

pub(crate) fn set_up<F, Fut>(name: &'static str, initialize: F) -> ChildSpec
where
    F: Fn(ProcessShutdown) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<SupervisorFuture, InitializationError>> + Send + 'static,
{
    SetUp { name, initialize }.into()
}

impl<F, Fut> Supervisable for SetUp<F>
where
    F: Fn(ProcessShutdown) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<SupervisorFuture, InitializationError>> + Send + 'static,
{
    fn name(&self) -> &str {
        self.name
    }

    fn initialize(
        &self,
        shutdown: ProcessShutdown,
    ) -> impl Future<Output = Result<SupervisorFuture, InitializationError>> + Send {
        (self.initialize)(shutdown)
    }
}

/// Returns the result of a set-up for a worker that runs until it is asked to stop.
pub(crate) fn until(shutdown: ProcessShutdown) -> SupervisorFuture {
    Box::pin(async move {
        shutdown.await;
        Ok(())
    })
}

/// Counts itself while it runs, which is until it is asked to stop.
pub(crate) fn present(name: &'static str, census: &Census) -> ChildSpec {
    let census = census.clone();
    worker(name, move |shutdown| {
        let present = census.enter();
        async move {
            let _present = present;
            shutdown.await;
        }
    })
}

/// Does not react to being asked.
pub(crate) fn deaf(name: &'static str) -> ChildSpec {
    worker(name, |_| pending::<()>())
}

/// Fails as often as it is started.
pub(crate) fn failing(name: &'static str) -> ChildSpec {
    set_up(name, |_| async { Err("no route".into()) })
}

/// Returns the state of a child, if it exists.
pub(crate) async fn state_of(handle: &SupervisorHandle, id: ChildId) -> Option<ChildState> {
    let children = handle.children().await.unwrap();
    children.iter().find(|child| child.id == id).map(|child| child.state)
}

/// The strings with which a test ends a worker, as often as it runs.
#[derive(Clone)]
pub(crate) struct Strings {
    sender: async_channel::Sender<Result<(), &'static str>>,
    receiver: async_channel::Receiver<Result<(), &'static str>>,
}

impl Strings {
    pub(crate) fn new() -> Self {
        let (sender, receiver) = async_channel::unbounded();
        Self { sender, receiver }
    }

    /// A worker that waits for these.
    pub(crate) fn worker(&self, name: &'static str) -> ChildSpec {
        let strings = self.clone();
        worker(name, move |shutdown| {
            let strings = strings.clone();
            async move { strings.hang(shutdown).await }
        })
    }

    /// Makes one worker end like this: the first one that gets it.
    pub(crate) fn pull(&self, how: Result<(), &'static str>) {
        self.sender.try_send(how).expect("an open channel");
    }

    /// Waits until all that was pulled has had its effect.
    pub(crate) async fn pulled(&self, probe: &Probe) {
        self.taken().await;
        probe.quiet().await;
    }

    /// Waits until all that was pulled was received.
    pub(crate) async fn taken(&self) {
        while !self.receiver.is_empty() {
            futures_lite::future::yield_now().await;
        }
    }

    /// Waits until it is asked to stop, or its string is pulled.
    pub(crate) async fn hang(&self, shutdown: ProcessShutdown) -> Result<(), BoxError> {
        let asked = async {
            shutdown.await;
            Ok(())
        };
        let pulled = async { self.receiver.recv().await.expect("an open channel").map_err(BoxError::from) };
        futures_lite::future::or(asked, pulled).await
    }
}

/// A value that panics when it is dropped, once it is armed.
pub(crate) struct Bomb(pub(crate) Arc<AtomicBool>);

impl Drop for Bomb {
    fn drop(&mut self) {
        if self.0.load(SeqCst) && !std::thread::panicking() {
            panic!("in a destructor");
        }
    }
}

/// What happened, in order, as the processes wrote it.
#[derive(Clone, Default)]
pub(crate) struct Diary(Arc<Mutex<Vec<String>>>);

impl Diary {
    pub(crate) fn write(&self, line: impl Into<String>) {
        self.0.lock().expect("no poison").push(line.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no poison"))
    }
}

/// Returns the events since the last call.
pub(crate) fn events(probe: &Probe) -> Vec<Event> {
    let event = |entry| match entry {
        Entry::Event(event) => Some(*event),
        Entry::Note(_) => None,
    };
    probe.take().into_iter().filter_map(event).collect()
}

/// Returns how often a process of this name ended, and how.
pub(crate) fn exits_of(events: &[Event], path: &str) -> Vec<String> {
    let exit = |event: &Event| match &event.kind {
        EventKind::Exited(exit) if event.path == path => Some(exit.to_string()),
        _ => None,
    };
    events.iter().filter_map(exit).collect()
}
