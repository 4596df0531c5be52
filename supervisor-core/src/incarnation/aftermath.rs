//! Whether a destructor runs because the code around it has panicked.
//!
//! Unwinding drops what stood on the stack. What a process keeps elsewhere, in a future that was written by hand or in a
//! combinator, is dropped after the unwinding is over, and `thread::panicking` is false by then. So the end of the process
//! leaves a mark for that time.

use std::{cell::Cell, thread};

use super::{ProcessId, task::current};

thread_local! {
    static PANICKED: Cell<Option<ProcessId>> = const { Cell::new(None) };
}

/// While it lives, what this process drops on this thread is dropped because it has panicked.
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

/// Whether what is dropped here is dropped because of a panic: on this stack, or in the process that runs here.
pub(crate) fn is_panicking() -> bool {
    // The id is compared because a destructor may run an executor of its own: the processes there have not panicked.
    thread::panicking() || PANICKED.get().is_some_and(|id| current(|current| current.id == id) == Some(true))
}
