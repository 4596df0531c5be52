//! Giving a process to an executor that may refuse it.
//!
//! An executor that has ended drops what it is given, inside of `spawn`, on the stack of a supervisor. What is dropped there is
//! user code, and its destructor may block. So a process that is dropped while it is handed over is kept, and its supervisor
//! has it dropped where that delays no other process.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use super::{
    Exit, Process, guard,
    task::{Current, Incarnation},
};

thread_local! {
    static STATE: Cell<State> = const { Cell::new(State::Idle) };
    static REFUSED: RefCell<Vec<Process>> = const { RefCell::new(Vec::new()) };
}

/// What this thread is doing.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    /// It hands a process over.
    HandingOver,
    /// And a process was dropped meanwhile.
    Refused,
}

/// Whether this thread hands a process over.
#[inline]
pub(super) fn is_under_way() -> bool {
    STATE.get() != State::Idle
}

/// Keeps a process that was dropped while it was handed over.
#[cold]
pub(super) fn give_back(process: Process) {
    STATE.set(State::Refused);
    REFUSED.with_borrow_mut(|refused| refused.push(process));
}

/// Runs `spawn`, which gives a process away. Returns what was dropped in there instead. Each of these is lost: it says so as
/// soon as it is polled or dropped.
#[inline]
pub(crate) fn hand_over(spawn: impl FnOnce()) -> Vec<Process> {
    let before = STATE.replace(State::HandingOver);
    // `spawn` is a backend's method, which is foreign code. If it panics, the process is dropped, and so given back.
    let _ = guard(spawn);
    match STATE.replace(before) {
        State::Refused => take_refused(),
        State::Idle | State::HandingOver => Vec::new(),
    }
}

#[cold]
fn take_refused() -> Vec<Process> {
    // P1, P3: each is lost, and tells it where it is dropped: not here, on the stack of a supervisor.
    let refused = REFUSED.with_borrow_mut(mem::take);
    refused.into_iter().map(|process| Process::of(Refused(process))).collect()
}

/// A process that is not going to run.
struct Refused(Process);

impl Future for Refused {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        self.as_mut().break_off(Exit::Lost);
        Poll::Ready(())
    }
}

impl Incarnation for Refused {
    fn current(&self) -> Option<&Current> {
        self.0.current()
    }

    fn break_off(mut self: Pin<&mut Self>, exit: Exit) {
        self.0.break_off(exit);
    }
}
