//! A custom backend: an executor on a thread and a queue, complete except for timers, which it takes from `async-io`,
//! and a tree that runs on it.
//!
//! `cargo run --example custom_executor` runs the tree; `cargo test --example custom_executor` tests the executor
//! against the contract.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::{Arc, Condvar, Mutex, Weak},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use supervision::{Process, Spawner, Supervisor, SupervisorError, Timer, process, worker};

// The backend.

/// An executor that runs all processes on one thread, until it is dropped.
struct OneThread(Arc<Shared>, Option<thread::JoinHandle<()>>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    next: u64,
    /// The processes that are not being polled.
    processes: BTreeMap<u64, Process>,
    ready: VecDeque<u64>,
    has_ended: bool,
}

/// The spawner. Processes hold it, and the executor holds them.
#[derive(Clone, Debug)]
struct Handle(Weak<Shared>);

struct Wakeup(Weak<Shared>, u64);

/// A timer for processes of that executor: when the executor ends, it never elapses again.
struct SmolTimer(Handle, Option<Instant>, smol::Timer);

impl Shared {
    /// Changes state that the thread has to look at.
    fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        let result = change(&mut self.state.lock().unwrap());
        self.changed.notify_one();
        result
    }

    fn run(self: Arc<Self>) {
        while let Some((id, mut process)) = self.next() {
            let waker = Waker::from(Arc::new(Wakeup(Arc::downgrade(&self), id)));
            // No lock is held while a process is polled, or dropped.
            if Pin::new(&mut process).poll(&mut Context::from_waker(&waker)).is_pending() {
                self.state.lock().unwrap().processes.insert(id, process);
            }
        }
        let left = std::mem::take(&mut self.state.lock().unwrap().processes);
        drop(left);
    }

    /// Returns the next process to poll; `None` at the end.
    fn next(&self) -> Option<(u64, Process)> {
        let mut state = self.state.lock().unwrap();
        while !state.has_ended {
            let id = state.ready.pop_front();
            if let Some(process) = id.and_then(|id| state.processes.remove(&id)) {
                return id.zip(Some(process));
            }
            if state.ready.is_empty() {
                state = self.changed.wait(state).unwrap();
            }
        }
        None
    }
}

impl Spawner for Handle {
    fn spawn(&self, process: Process) {
        // Without an executor the process is dropped, and lost.
        let Some(shared) = self.0.upgrade() else { return };
        let refused = shared.change(|state| {
            state.next += 1;
            state.ready.push_back(state.next);
            if state.has_ended { Some(process) } else { state.processes.insert(state.next, process) }
        });
        drop(refused);
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(SmolTimer(self.clone(), None, smol::Timer::never()))
    }
}

impl Timer for SmolTimer {
    fn reset(mut self: Pin<&mut Self>, deadline: Option<Instant>) {
        self.1 = deadline;
        self.2 = deadline.map_or_else(smol::Timer::never, smol::Timer::at);
    }

    fn poll_elapsed(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.1 {
            _ if self.0.0.strong_count() == 0 => Poll::Pending,
            Some(deadline) if Instant::now() >= deadline => Poll::Ready(()),
            Some(_) => Pin::new(&mut self.2).poll(cx).map(|_| ()),
            None => Poll::Pending,
        }
    }
}

impl Wake for Wakeup {
    fn wake(self: Arc<Self>) {
        if let Some(shared) = self.0.upgrade() {
            shared.change(|state| state.ready.push_back(self.1));
        }
    }
}

impl OneThread {
    fn new() -> Self {
        let shared = Arc::new(Shared::default());
        let theirs = shared.clone();
        Self(shared, Some(thread::spawn(move || theirs.run())))
    }

    fn spawner(&self) -> Handle {
        Handle(Arc::downgrade(&self.0))
    }
}

impl Drop for OneThread {
    fn drop(&mut self) {
        self.0.change(|state| state.has_ended = true);
        self.1.take().map(thread::JoinHandle::join);
    }
}

// A tree on it.

fn main() -> Result<(), SupervisorError> {
    let executor = OneThread::new();
    let mut root = Supervisor::new("root")?;
    root.add_worker(worker("ticker", |shutdown| async move {
        let thread = thread::current().id();
        println!("{} runs on {thread:?}", process::current().expect("a process").path());
        shutdown.await;
    }));
    let mut begun = 0;
    root.add_worker(worker("brittle", move |shutdown| {
        begun += 1;
        async move {
            if begun == 1 {
                process::sleep(Duration::from_millis(50)).await;
                return Err("the first one fails");
            }
            println!("restarted after a failure");
            shutdown.await;
            Ok(())
        }
    }));
    smol::block_on(async {
        let tree = root.start_on(executor.spawner()).await?;
        smol::Timer::after(Duration::from_millis(200)).await;
        assert_eq!(tree.handle().count().await?.active, 2);
        tree.shutdown().await
    })
}

#[cfg(test)]
mod keeps_the_contract {
    use std::future::Future;

    use supervisor_core::contract::Backend;

    use super::{Handle, OneThread};

    impl Backend for OneThread {
        type Spawner = Handle;

        fn new() -> Self {
            OneThread::new()
        }

        fn spawner(&self) -> Handle {
            OneThread::spawner(self)
        }

        fn block_on<F: Future>(&self, future: F) -> F::Output {
            smol::block_on(future)
        }

        fn end(self) -> bool {
            true
        }
    }

    supervisor_core::contract_tests!(OneThread);
}
