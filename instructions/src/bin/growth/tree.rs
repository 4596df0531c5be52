//! Trees of ours, and the section in which a row counts.

use std::{
    fs,
    future::Future,
    mem::{self, ManuallyDrop},
    thread,
    time::Duration,
};

use supervision_instructions::{
    executor::{Executor as _, TokioCurrent},
    meter::counted,
    rows::{INTENSITY, PERIOD},
    signals::{Failures, Tally},
    subject::Failed,
};
use supervisor_core::{RestartStrategy, ShutdownOrder, Spawner, SupervisionTree, Supervisor, SupervisorHandle, worker};

/// A tree that runs. It is never dropped.
pub(crate) struct Tree {
    pub(crate) executor: ManuallyDrop<TokioCurrent>,
    pub(crate) tree: ManuallyDrop<SupervisionTree>,
}

impl Tree {
    /// Starts a tree, and waits until this many children have run.
    pub(crate) fn start(root: Supervisor, starts: &Tally, children: usize) -> Self {
        let executor = TokioCurrent::new();
        let spawner = executor.spawner();
        Self::start_on(executor, spawner, root, starts, children)
    }

    /// Starts it through a spawner of this executor.
    pub(crate) fn start_on(
        executor: TokioCurrent,
        spawner: impl Spawner,
        root: Supervisor,
        starts: &Tally,
        children: usize,
    ) -> Self {
        let tree = executor.block_on(started(spawner, || root, starts, children));
        Self { executor: ManuallyDrop::new(executor), tree: ManuallyDrop::new(tree) }
    }

    /// Makes and starts a tree. Returns the time that this has taken.
    pub(crate) fn time_of_start(root: impl FnOnce() -> Supervisor, starts: &Tally, children: usize) -> Duration {
        let executor = ManuallyDrop::new(TokioCurrent::new());
        let (tree, took) = section(&executor, started(executor.spawner(), root, starts, children));
        mem::forget(tree);
        took
    }

    pub(crate) fn handle(&self) -> SupervisorHandle {
        self.tree.handle()
    }

    /// Runs a future to its end. Returns the time for which it ran.
    pub(crate) fn count(&self, future: impl Future<Output = ()>) -> Duration {
        section(&self.executor, future).1
    }

    /// Stops the tree. Returns the time for which it ran.
    pub(crate) fn stop(self) -> Duration {
        let tree = ManuallyDrop::into_inner(self.tree);
        section(&self.executor, async { tree.shutdown().await.expect("a clean stop") }).1
    }
}

async fn started(
    spawner: impl Spawner,
    root: impl FnOnce() -> Supervisor,
    starts: &Tally,
    children: usize,
) -> SupervisionTree {
    let tree = root().start_on(spawner).await.expect("a start without failure");
    starts.reach(children).await;
    tree
}

/// Runs a future within what callgrind counts. Returns the time for which this thread was on a processor, to which a machine that
/// does other work adds little.
fn section<T>(executor: &TokioCurrent, future: impl Future<Output = T>) -> (T, Duration) {
    let begin = on_processor();
    let (output, _) = counted(executor, future);
    (output, on_processor() - begin)
}

fn on_processor() -> Duration {
    // Linux adds the time up when the thread gives way.
    thread::yield_now();
    let stat = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux has it");
    Duration::from_nanos(stat.split(' ').next().and_then(|time| time.parse().ok()).expect("a number"))
}

/// Makes a supervisor without children, which may restart as often as it likes, but has to remember each restart.
pub(crate) fn supervisor(name: &'static str) -> Supervisor {
    let strategy = RestartStrategy::one_for_one().with_intensity_and_period(INTENSITY, PERIOD);
    Supervisor::new(name).expect("a valid name").with_restart_strategy(strategy)
}

/// Makes a supervisor of children that wait until they have to stop.
pub(crate) fn parked(children: usize, order: ShutdownOrder, starts: &Tally) -> Supervisor {
    let mut root = supervisor("root").with_shutdown_order(order);
    for _ in 0..children {
        add_parked(&mut root, starts);
    }
    root
}

/// Adds a child that waits until it has to stop.
pub(crate) fn add_parked(supervisor: &mut Supervisor, starts: &Tally) {
    let starts = starts.clone();
    supervisor.add_worker(worker("child", move |shutdown| {
        starts.count();
        shutdown
    }));
}

/// Adds a child that fails when it is told to.
pub(crate) fn add_failing(supervisor: &mut Supervisor, failures: &Failures, starts: &Tally) {
    let (failures, starts) = (failures.clone(), starts.clone());
    supervisor.add_worker(worker("failing", move |shutdown| {
        starts.count();
        let failures = failures.clone();
        async move { if failures.or(shutdown).await { Err(Failed) } else { Ok(()) } }
    }));
}

/// Makes a tree of this many supervisors, each with one child below it: a supervisor, and in the last one a worker that fails.
pub(crate) fn chain(depth: usize, failures: &Failures, starts: &Tally) -> Supervisor {
    let mut top = supervisor("level");
    add_failing(&mut top, failures, starts);
    for _ in 1..depth {
        let mut above = supervisor("level");
        above.add_worker(top);
        top = above;
    }
    top
}
