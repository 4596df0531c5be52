//! Hands a process to an executor that may refuse it.
//!
//! An executor that has ended drops a process that it is given, inside of `spawn`, on the stack of a supervisor. The
//! process owns user code, and a destructor of user code may block. So a process that is dropped during the handover is
//! kept, and its supervisor has it dropped where that delays no other process.

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

/// The state of the handover on this thread.
#[derive(Clone, Copy, PartialEq)]
enum State {
    Idle,
    /// The thread hands a process over.
    HandingOver,
    /// A process was dropped during the handover.
    Refused,
}

/// Returns whether this thread hands a process over.
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

/// Runs `spawn`, which hands a process over. Returns the processes that were dropped inside of it, if there are any. Each of
/// these is lost, and reports so as soon as it is polled or dropped.
#[inline]
pub(crate) fn hand_over(spawn: impl FnOnce()) -> Option<Vec<Process>> {
    let before = STATE.replace(State::HandingOver);
    // `spawn` is a backend's method, which is foreign code. If it panics, the process is dropped, and so given back.
    let _ = guard(spawn);
    match STATE.replace(before) {
        State::Refused => Some(take_refused()),
        State::Idle | State::HandingOver => None,
    }
}

#[cold]
fn take_refused() -> Vec<Process> {
    // P1, P3: each is lost, and reports so where it is dropped: not here, on the stack of a supervisor.
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
