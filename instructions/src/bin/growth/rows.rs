//! The rows: what is done, and how much there is at the small and at the large size.

use std::{mem, time::Duration};

use futures_lite::future::zip;
use serde::{Deserialize, Serialize};
use supervision_instructions::{
    executor::{Executor as _, TokioCurrent},
    meter::COUNTED,
    rows::short_child,
    signals::{Failures, Tally},
    turns::{RootApart, TURN, Turns},
};
use supervisor_core::{RestartType, ShutdownOrder, Supervisor, SupervisorHandle, one_shot, worker};

use crate::tree::{Tree, add_failing, add_parked, chain, parked, supervisor};

/// What is carried out beside as many children as the size says.
const OPERATIONS: usize = 4_096;
/// The short children that are alive at a time.
const ALIVE: usize = 64;
/// The restarts that each subscriber is told of: more than 10,000 events.
const RESTARTS: usize = 4_096;

/// An operation whose cost must not depend on the size.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// What there is more of at the large size.
    pub(crate) of: &'static str,
    /// The small size; the large one, at which instructions are counted; and the largest one, at which the time is taken. Under
    /// callgrind a million children take minutes for each row.
    pub(crate) sizes: [usize; 3],
    pub(crate) carry_out: fn(usize) -> Done,
    /// The function within which callgrind counts.
    pub(crate) counted: &'static str,
    /// Whether only what the second half of the size adds counts.
    pub(crate) is_added: bool,
}

/// What a row has done in one process.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    /// The number of operations.
    pub(crate) operations: usize,
    /// The time of all of them, in nanoseconds.
    pub(crate) nanoseconds: u64,
}

const fn row(name: &'static str, of: &'static str, sizes: [usize; 3], carry_out: fn(usize) -> Done) -> Row {
    Row { name, of, sizes, carry_out, counted: COUNTED, is_added: false }
}

const CHILDREN: [usize; 3] = [1_000, 100_000, 1_000_000];
const NESTED: [usize; 3] = [1_000, 10_000, 100_000];

pub(crate) const ROWS: &[Row] = &[
    row("start of a child", "children", CHILDREN, start),
    row("stop of a child, all at once", "children", CHILDREN, |size| stop(ShutdownOrder::Concurrent, size)),
    row("stop of a child, in order", "children", CHILDREN, |size| stop(ShutdownOrder::Reverse, size)),
    row("restart beside", "children", CHILDREN, restart),
    row("`spawn` beside", "children", CHILDREN, spawn),
    Row { counted: TURN, ..row("`spawn` beside: the supervisor's turn", "children", CHILDREN, supervisors_turn) },
    row("`start_child` and `terminate_child` beside", "children", CHILDREN, call),
    row("snapshot of a child, while others move", "children", CHILDREN, snapshot),
    row("start of a nested supervisor and its child", "supervisors", NESTED, start_nested),
    row("stop of a nested supervisor and its child", "supervisors", NESTED, stop_nested),
    row("start of a level", "levels", [100, 1_000, 1_000], start_chain),
    row("stop of a level", "levels", [100, 1_000, 1_000], stop_chain),
    row("restart at the bottom", "levels", [10, 1_000, 1_000], |depth| restart_below(depth, false)),
    row("restart at the bottom, with a subscriber at the top", "levels", [10, 1_000, 1_000], |depth| {
        restart_below(depth, true)
    }),
    row("restart", "restarts in the window", [1_000, 100_000, 100_000], restart_in_window),
    Row { is_added: true, ..row("event, for each subscriber", "subscribers", [10, 100, 100], event) },
];

fn done(operations: usize, took: Duration) -> Done {
    Done { operations, nanoseconds: took.as_nanos() as u64 }
}

fn start(children: usize) -> Done {
    let starts = Tally::default();
    let took = Tree::time_of_start(|| parked(children, ShutdownOrder::Concurrent, &starts), &starts, children);
    assert_eq!(starts.total(), children);
    done(children, took)
}

fn stop(order: ShutdownOrder, children: usize) -> Done {
    let starts = Tally::default();
    let tree = Tree::start(parked(children, order, &starts), &starts, children);
    let took = tree.stop();
    assert_eq!(starts.total(), children, "none was restarted");
    done(children, took)
}

fn restart(siblings: usize) -> Done {
    let (starts, failures) = (Tally::default(), Failures::default());
    let mut root = parked(siblings, ShutdownOrder::Concurrent, &starts);
    add_failing(&mut root, &failures, &starts);
    let tree = Tree::start(root, &starts, siblings + 1);
    done(OPERATIONS, fail(&tree, &failures, &starts, OPERATIONS))
}

fn restart_in_window(before: usize) -> Done {
    let (starts, failures) = (Tally::default(), Failures::default());
    let mut root = supervisor("root");
    add_failing(&mut root, &failures, &starts);
    let tree = Tree::start(root, &starts, 1);
    tree.executor.block_on(async {
        failures.order(before);
        starts.reach(1 + before).await;
    });
    done(OPERATIONS, fail(&tree, &failures, &starts, OPERATIONS))
}

/// Has a child fail this many times.
fn fail(tree: &Tree, failures: &Failures, starts: &Tally, times: usize) -> Duration {
    let all = starts.total() + times;
    let took = tree.count(async {
        failures.order(times);
        starts.reach(all).await;
    });
    assert_eq!(starts.total(), all, "each start was counted, and there was none too many");
    took
}

fn spawn(siblings: usize) -> Done {
    let starts = Tally::default();
    let tree = Tree::start(parked(siblings, ShutdownOrder::Concurrent, &starts), &starts, siblings);
    let took = tree.count(spawn_short(tree.handle(), OPERATIONS));
    done(OPERATIONS, took)
}

/// Adds children that yield once and end, some at a time.
async fn spawn_short(handle: SupervisorHandle, children: usize) {
    let ends = Tally::default();
    for burst in 1..=children.div_ceil(ALIVE) {
        for _ in 0..ALIVE {
            handle.spawn(one_shot("short", short_child(&ends))).expect("accepted");
        }
        ends.reach(burst * ALIVE).await;
    }
}

fn supervisors_turn(siblings: usize) -> Done {
    let (executor, starts) = (TokioCurrent::new(), Tally::default());
    let turns = Turns::default();
    let spawner = RootApart::new(executor.handle(), &turns);
    let root = parked(siblings, ShutdownOrder::Concurrent, &starts);
    let tree = Tree::start_on(executor, spawner, root, &starts, siblings);
    turns.begin();
    tree.executor.block_on(spawn_short(tree.handle(), OPERATIONS));
    done(OPERATIONS, turns.took())
}

fn call(siblings: usize) -> Done {
    let starts = Tally::default();
    let tree = Tree::start(parked(siblings, ShutdownOrder::Concurrent, &starts), &starts, siblings);
    let handle = tree.handle();
    let took = tree.count(async {
        for _ in 0..OPERATIONS {
            let child = worker("called", |shutdown| shutdown).with_restart_type(RestartType::Temporary);
            let child = handle.start_child(child).await.expect("it starts");
            handle.terminate_child(child).await.expect("it runs");
        }
    });
    done(OPERATIONS, took)
}

/// Reads all children. For each hundred of them, one is restarted, and one comes and goes.
fn snapshot(children: usize) -> Done {
    let (starts, failures) = (Tally::default(), Failures::default());
    let mut root = parked(children / 2, ShutdownOrder::Concurrent, &starts);
    add_failing(&mut root, &failures, &starts);
    (0..children / 2).for_each(|_| add_parked(&mut root, &starts));
    let tree = Tree::start(root, &starts, children + 1);
    let handle = tree.handle();
    let moves = children / 100;
    let took = tree.count(async {
        failures.order(moves);
        let read = handle.snapshot();
        let moved = zip(spawn_short(handle.clone(), moves), starts.reach(children + 1 + moves));
        let (snapshot, _) = zip(read, moved).await;
        assert!(snapshot.children.len() > children, "each that stays is in it");
        mem::forget(snapshot);
    });
    done(children, took)
}

fn start_nested(supervisors: usize) -> Done {
    let starts = Tally::default();
    let took = Tree::time_of_start(|| nested(supervisors, &starts), &starts, supervisors);
    assert_eq!(starts.total(), supervisors);
    done(supervisors, took)
}

fn stop_nested(supervisors: usize) -> Done {
    let starts = Tally::default();
    let tree = Tree::start(nested(supervisors, &starts), &starts, supervisors);
    done(supervisors, tree.stop())
}

fn nested(supervisors: usize, starts: &Tally) -> Supervisor {
    let mut root = supervisor("root");
    for _ in 0..supervisors {
        let mut below = supervisor("below");
        add_parked(&mut below, starts);
        root.add_worker(below);
    }
    root
}

fn start_chain(depth: usize) -> Done {
    let starts = Tally::default();
    done(depth, Tree::time_of_start(|| chain(depth, &Failures::default(), &starts), &starts, 1))
}

fn stop_chain(depth: usize) -> Done {
    let starts = Tally::default();
    let tree = Tree::start(chain(depth, &Failures::default(), &starts), &starts, 1);
    done(depth, tree.stop())
}

fn restart_below(depth: usize, is_watched: bool) -> Done {
    let (starts, failures) = (Tally::default(), Failures::default());
    let tree = Tree::start(chain(depth, &failures, &starts), &starts, 1);
    if is_watched {
        let mut events = tree.handle().events();
        tree.executor.handle().spawn(async move { while events.next().await.is_some() {} });
    }
    // An event that is told takes so much longer there.
    let times = if is_watched { OPERATIONS / 16 } else { OPERATIONS };
    done(times, fail(&tree, &failures, &starts, times))
}

/// Has a child fail, and each subscriber read all of its events.
fn event(subscribers: usize) -> Done {
    let (starts, failures) = (Tally::default(), Failures::default());
    let mut root = supervisor("root");
    add_failing(&mut root, &failures, &starts);
    let tree = Tree::start(root, &starts, 1);
    let (told, lost) = (Tally::default(), Tally::default());
    for _ in 0..subscribers {
        let (mut events, told, lost) = (tree.handle().events(), told.clone(), lost.clone());
        tree.executor.handle().spawn(async move {
            while events.next().await.is_some() {
                told.count();
                (0..events.lost()).for_each(|_| lost.count());
            }
        });
    }
    let took = fail(&tree, &failures, &starts, RESTARTS);
    assert_eq!(lost.total(), 0, "they keep up");
    done(told.total(), took)
}
