//! Tells a destructor whether it runs because the code around it has panicked.
//!
//! Unwinding drops the values on the stack. Values that a process keeps elsewhere, in a future that was written by hand or
//! in a combinator, are dropped after the unwinding, and `thread::panicking` is false by then. So the end of the process
//! sets a mark for that time.

use std::{cell::Cell, thread};

use super::{ProcessId, task::current};

thread_local! {
    static PANICKED: Cell<Option<ProcessId>> = const { Cell::new(None) };
}

/// A mark: while it lives, the process drops values on this thread because it has panicked.
pub(super) struct Aftermath {
    /// A destructor may run an executor of its own, where another process ends.
    before: Option<ProcessId>,
}

impl Aftermath {
    pub(super) fn of(id: ProcessId) -> Self {
        Self { before: PANICKED.replace(Some(id)) }
    }
}

impl Drop for Aftermath {
    fn drop(&mut self) {
        PANICKED.set(self.before);
    }
}

/// Returns whether values are dropped here because of a panic: on this stack, or in the process that runs here.
pub(crate) fn is_panicking() -> bool {
    // The id is compared because a destructor may run an executor of its own: the processes there have not panicked.
    thread::panicking() || PANICKED.get().is_some_and(|id| current(|current| current.id == id) == Some(true))
}
