//! The races around the control cell, and around what is told when a process ends, in every possible order. Only for loom:
//!
//! ```text
//! RUSTFLAGS="--cfg supervision_loom" cargo test -p supervisor-core --lib --release interleavings
//! ```
//!
//! A lost wake leaves a thread waiting for ever; loom reports that as a deadlock, and fails. The results are collected
//! over all orders and compared as a whole: so the test also notices a race that is no longer there. (After a deadlock
//! loom may panic once more and end the program; the first message counts.)
//!
//! Threads are spawned before the race begins: loom has missed orders when a thread was spawned in the middle of it.
//!
//! All threads of a model are one thread of the system, and share the thread-local context of processes. So user code
//! of one process at a time in a model.

mod ends;
mod process;
mod scopes;
mod shutdown;
mod succession;

use std::{
    any::Any,
    collections::BTreeSet,
    future::Future,
    pin::{Pin, pin},
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Wake, Waker},
};

use loom::{model::Builder, sync::Notify};

use crate::{
    incarnation::{
        ChildId, Control, ControlCell, Exit, Flags, Parent, Process, ProcessBody, ProcessContext, ProcessId,
        ProcessKey, Report, ReportKind, Step,
    },
    node::Monitors,
    quiescence::Quiescence,
    shutdown::ProcessShutdown,
};

/// How often a thread is interrupted where it could have gone on. With five, all models that end within minutes have
/// the same results, and two do not end.
const PREEMPTIONS: usize = 3;

/// Returns all possible results of a model.
fn outcomes<O>(model: impl Fn() -> O + Send + Sync + 'static) -> Vec<O>
where
    O: Ord + Clone + Send + 'static,
{
    let seen = Arc::new(Mutex::new(BTreeSet::new()));
    let all = seen.clone();
    let mut builder = Builder::new();
    builder.preemption_bound = Some(PREEMPTIONS);
    builder.check(move || {
        let outcome = model();
        all.lock().expect("no panic under this lock").insert(outcome);
    });
    let seen = seen.lock().expect("no panic under this lock");
    seen.iter().cloned().collect()
}

/// Checks that a model comes to its end in every order.
fn always(model: impl Fn() + Send + Sync + 'static) {
    outcomes(model);
}

/// Runs a task on this thread. Loom's own `block_on` does not work: a process has to recognise its waker, and loom's
/// wakers differ from their clones.
fn block_on<F: Future>(future: F) -> F::Output {
    let task = Arc::new(Task(Notify::new()));
    let waker = Waker::from(task.clone());
    assert!(waker.will_wake(&waker.clone()), "else no waiter is in the process's own task");
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return output;
        }
        task.0.wait();
    }
}

struct Task(Notify);

impl Wake for Task {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// A child, and its supervisor in one.
struct Child {
    cell: ControlCell,
    monitors: Monitors,
    story: Mutex<Vec<String>>,
    told: Notify,
}

impl Child {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            cell: ControlCell::new(),
            monitors: Monitors::default(),
            story: Mutex::default(),
            told: Notify::new(),
        })
    }

    /// Begins a new incarnation. Returns its id, and its shutdown signal.
    fn begin(self: &Arc<Self>) -> (ProcessId, ProcessShutdown) {
        let id = ProcessId::next();
        self.cell.begin(id, Flags::NONE);
        (id, ProcessShutdown::of(self.clone(), id))
    }

    /// Makes a process that runs this future, and records its first poll and the drop of its future.
    fn process(self: &Arc<Self>, id: ProcessId, future: impl Future<Output = ()> + Send + 'static) -> Process {
        let process_key = ProcessKey::only(ChildId::FIRST);
        let context = ProcessContext {
            id,
            process_key,
            control: self.clone(),
            parent: self.clone(),
            quiescence: Quiescence::uncounted(),
        };
        let dropped = SaysDropped(self.clone());
        let run = async move {
            let dropped = dropped;
            dropped.0.say("polled");
            future.await;
        };
        Process::new(context, Run(Box::pin(run)))
    }

    fn say(&self, line: impl Into<String>) {
        self.lines().push(line.into());
    }

    /// Records a line for threads that wait for it.
    fn tell(&self, line: impl Into<String>) {
        self.say(line);
        self.told.notify();
    }

    /// Waits until a line that begins like this was recorded.
    fn wait_for(&self, line: &str) {
        while !self.lines().iter().any(|told| told.starts_with(line)) {
            self.told.wait();
        }
    }

    fn story(&self) -> String {
        self.lines().join(", ")
    }

    fn lines(&self) -> MutexGuard<'_, Vec<String>> {
        self.story.lock().expect("no panic under this lock")
    }
}

impl Control for Child {
    fn cell(&self) -> &ControlCell {
        &self.cell
    }

    fn name(&self) -> &str {
        "child"
    }

    fn release(&self) {
        self.say("released");
    }
}

impl Parent for Child {
    fn report(&self, report: Report) {
        if let ReportKind::Exited(exit) = report.kind {
            self.tell(format!("exit: {exit}"));
        }
    }

    fn tell_monitors(&self, id: ProcessId, exit: &Exit) {
        self.monitors.tell(id, exit);
    }

    fn path_of(&self, segment: &str) -> String {
        segment.to_owned()
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

struct Run(Pin<Box<dyn Future<Output = ()> + Send>>);

impl ProcessBody for Run {
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        self.0.as_mut().poll(cx).map(|()| Step::Ended(Exit::Normal))
    }
}

struct SaysDropped(Arc<Child>);

impl Drop for SaysDropped {
    fn drop(&mut self) {
        self.0.say("dropped");
    }
}
