//! Tasks that are not `Send`, on the one thread of a dedicated runtime.

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    pin::{Pin, pin},
};

use tokio::{runtime::Runtime, task::LocalSet};

thread_local! {
    /// The tasks of this thread; `None` on other threads, and after their end. It is emptied before the thread ends.
    static TASKS: RefCell<Option<LocalSet>> = const { RefCell::new(None) };
}

/// Drives a current-thread runtime, and a set of local tasks beside its own, until `end` resolves.
///
/// The processes are tasks of the runtime, and not of the set. So the end of a process can drop the whole set (P13).
pub(crate) fn drive(runtime: &Runtime, end: impl Future) {
    let tasks = LocalSet::new();
    // Makes `spawn_local` work in all tasks that this thread polls.
    let entered = tasks.enter();
    TASKS.set(Some(tasks));
    let mut end = pin!(end);
    runtime.block_on(poll_fn(|cx| {
        TASKS.with_borrow_mut(|tasks| {
            // Ready whenever there is no task; woken when one is added.
            let _ = tasks.as_mut().map(|tasks| Pin::new(tasks).poll(cx));
        });
        end.as_mut().poll(cx).map(drop)
    }));
    // In the runtime, because destructors may use it.
    let inside = runtime.enter();
    drop_tasks();
    drop((inside, entered));
}

/// Drops the local tasks of this thread, and ends the set: what is spawned on it later is dropped at once.
pub(crate) fn drop_tasks() {
    // A destructor may spawn another one, so they are dropped when nothing is borrowed any more.
    let tasks = TASKS.take();
    drop(tasks);
}
