//! What is locked while foreign code runs: nothing.

use std::{
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Poll, Waker},
    thread,
    time::{Duration, Instant},
};

use futures_lite::future::{block_on, poll_once};
use supervisor_core::{Process, Spawner, Supervisor, SupervisorHandle, Timer, one_shot};

use crate::{children::idle, stage::IN_TIME};

/// An executor that runs when a test says so.
#[derive(Clone, Debug, Default)]
struct ByHand(Arc<Mutex<Vec<Process>>>);

impl ByHand {
    fn run(&self) {
        for _ in 0..20 {
            let processes = std::mem::take(&mut *self.0.lock().unwrap());
            let is_pending =
                |process: &mut Process| Pin::new(process).poll(&mut Context::from_waker(Waker::noop())).is_pending();
            let pending: Vec<_> =
                processes.into_iter().filter_map(|mut process| is_pending(&mut process).then_some(process)).collect();
            self.0.lock().unwrap().extend(pending);
        }
    }

    /// Runs until this is done.
    fn run_until<F: Future>(&self, future: F) -> F::Output {
        let mut future = pin!(future);
        for _ in 0..20 {
            if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return output;
            }
            self.run();
        }
        panic!("it is not done");
    }
}

impl Spawner for ByHand {
    fn spawn(&self, process: Process) {
        self.0.lock().unwrap().push(process);
    }

    fn now(&self) -> Instant {
        Instant::now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        Box::pin(Never)
    }
}

struct Never;

impl Timer for Never {
    fn reset(self: Pin<&mut Self>, _: Option<Instant>) {}

    fn poll_elapsed(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        Poll::Pending
    }
}

/// An executor that reads a tree when it is dropped, on another thread, and waits for that.
#[derive(Debug)]
struct ReadsAtItsEnd {
    executor: ByHand,
    tree: SupervisorHandle,
    reads: Arc<AtomicUsize>,
}

impl Spawner for ReadsAtItsEnd {
    fn spawn(&self, process: Process) {
        self.executor.spawn(process);
    }

    fn now(&self) -> Instant {
        self.executor.now()
    }

    fn timer(&self) -> Pin<Box<dyn Timer>> {
        self.executor.timer()
    }
}

impl Drop for ReadsAtItsEnd {
    fn drop(&mut self) {
        let (tree, (say, is_read)) = (self.tree.clone(), mpsc::channel());
        thread::spawn(move || say.send(block_on(tree.count()).is_ok()));
        if is_read.recv_timeout(IN_TIME / 4) == Ok(true) {
            self.reads.fetch_add(1, SeqCst);
        }
    }
}

/// A call may be the last owner of the tree that it came from, and that of its executor.
#[test]
fn b4_a_tree_whose_last_call_is_taken_ends_outside_of_the_lock() {
    let (ours, theirs, reads) = (ByHand::default(), ByHand::default(), Arc::<AtomicUsize>::default());
    let mut called = Supervisor::new("called").unwrap();
    let id = called.add_worker(idle("w"));
    let called = ours.run_until(called.start_on(ours.clone())).unwrap();

    let handle = called.handle().clone();
    let mut caller = Supervisor::new("caller").unwrap();
    caller.add_worker(one_shot("calls", async move {
        let _ = poll_once(handle.terminate_child(id)).await;
    }));
    let spawner = ReadsAtItsEnd { executor: theirs.clone(), tree: called.handle().clone(), reads: reads.clone() };
    let caller = theirs.run_until(caller.start_on(spawner)).unwrap();
    theirs.run_until(caller.shutdown()).unwrap();
    theirs.run();
    assert!(theirs.0.lock().unwrap().is_empty(), "all of it has ended");
    assert_eq!(reads.load(SeqCst), 0, "the call still has it");

    let begin = Instant::now();
    ours.run();
    assert_eq!(reads.load(SeqCst), 1, "the tree could not be read for {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(1));
}
