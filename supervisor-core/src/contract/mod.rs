//! The executable specification of [`Spawner`]: the test suite that every backend runs.
//!
//! # Writing a backend
//!
//! 1. Implement [`Spawner`] for a handle of your executor, and [`Timer`](crate::Timer) for its clock. A
//!    [`Process`](crate::Process) is a `Future<Output = ()>` that is `Send`, never panics, and needs no join handle: hand
//!    it to your executor and forget it.
//! 2. Implement [`Backend`] in a test: how an executor is made, driven, and ended.
//! 3. Name it in one line, and every clause becomes a test of its own.
//!
//! A backend that gives each process a thread of its own, and its test (the example `custom_executor` is one with a queue):
//!
//! ```
//! use std::{future::Future, pin::Pin, task::{Context, Poll}, thread, time::Instant};
//! use futures_lite::future::block_on;
//! use supervision::{Process, Spawner, Timer};
//! use supervisor_core::contract::Backend;
//!
//! #[derive(Clone, Debug)]
//! struct Threads;
//!
//! impl Spawner for Threads {
//!     fn spawn(&self, process: Process) {
//!         thread::spawn(|| block_on(process));
//!     }
//!
//!     fn now(&self) -> Instant {
//!         Instant::now()
//!     }
//!
//!     fn timer(&self) -> Pin<Box<dyn Timer>> {
//!         Box::pin(ThreadTimer { deadline: None })
//!     }
//! }
//!
//! struct ThreadTimer {
//!     deadline: Option<Instant>,
//! }
//!
//! impl Timer for ThreadTimer {
//!     fn reset(mut self: Pin<&mut Self>, deadline: Option<Instant>) {
//!         self.deadline = deadline;
//!     }
//!
//!     fn poll_elapsed(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
//!         let Some(deadline) = self.deadline else { return Poll::Pending };
//!         let left = deadline.saturating_duration_since(Instant::now());
//!         if left.is_zero() {
//!             return Poll::Ready(());
//!         }
//!         let waker = cx.waker().clone();
//!         thread::spawn(move || {
//!             thread::sleep(left);
//!             waker.wake();
//!         });
//!         Poll::Pending
//!     }
//! }
//!
//! struct ThreadsUnderTest;
//!
//! impl Backend for ThreadsUnderTest {
//!     type Spawner = Threads;
//!
//!     fn new() -> Self {
//!         Self
//!     }
//!
//!     fn spawner(&self) -> Threads {
//!         Threads
//!     }
//!
//!     fn block_on<F: Future>(&self, future: F) -> F::Output {
//!         block_on(future)
//!     }
//!
//!     fn end(self) -> bool {
//!         false // threads go on
//!     }
//! }
//!
//! supervisor_core::contract_tests!(ThreadsUnderTest);
//! ```
//!
//! The clauses are functions of [`clauses`]; each page says what the clause requires. Clauses about the end of the
//! executor pass for a backend that has no end.

pub mod clauses;
mod test_process;

use std::future::Future;

pub use self::test_process::{Outcome, TestProcess};
use crate::spawner::Spawner;

/// An executor under test.
pub trait Backend: Sized {
    /// The type that spawns onto it.
    type Spawner: Spawner + Clone;

    /// Makes a new executor, or returns access to the only one.
    fn new() -> Self;

    /// Returns a spawner for this executor.
    fn spawner(&self) -> Self::Spawner;

    /// Drives the executor until the future resolves. An executor that drives itself only waits.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// Ends the executor, which drops every task that is still there. Returns whether it has an end at all.
    fn end(self) -> bool;
}

/// Makes a test of each clause of the contract, for one [`Backend`].
#[macro_export]
macro_rules! contract_tests {
    ($backend:ty) => {
        $crate::contract_tests! { $backend:
            a_process_is_polled_until_it_has_ended
            a_process_is_never_polled_on_the_stack_that_spawns_it
            a_process_can_be_spawned_from_inside_another
            a_process_can_be_spawned_from_a_foreign_thread
            a_process_that_wakes_itself_is_polled_again
            a_process_is_woken_from_a_foreign_thread
            processes_run_independently_of_each_other
            an_abort_reaches_a_process_that_waits
            a_panic_in_one_process_harms_no_other
            the_clock_is_one_for_all_threads_and_never_goes_back
            a_clock_that_jumps_is_said_to_be_virtual
            the_clock_is_there_at_the_very_end_of_a_thread
            a_timer_that_is_not_armed_never_elapses
            a_timer_elapses_at_its_deadline_and_not_before
            a_timer_whose_deadline_has_passed_elapses_at_once
            a_timer_stays_elapsed_until_it_is_reset
            a_timer_that_is_disarmed_does_not_elapse
            a_timer_can_be_armed_again_for_an_earlier_time
            a_timer_can_be_armed_again_for_a_later_time
            a_timer_can_be_armed_again_after_it_has_elapsed
            a_timer_can_be_armed_for_a_time_beyond_all_reason
            a_timer_wakes_the_task_that_polled_it_last
            a_timer_can_be_made_and_armed_on_a_foreign_thread
            the_end_of_the_executor_loses_every_process
            the_end_of_the_executor_survives_destructors_that_panic
            a_discarded_process_is_lost_and_dropped_elsewhere
            a_process_that_is_spawned_after_the_end_is_lost
            a_timer_of_a_dead_executor_neither_panics_nor_fires
            a_timer_can_be_made_after_the_end_of_its_executor
            a_nudge_never_panics_also_after_the_end
            a_local_executor_keeps_a_process_on_one_thread
        }
    };
    ($backend:ty: $($clause:ident)*) => {
        $(
            #[test]
            fn $clause() {
                $crate::contract::clauses::$clause::<$backend>();
            }
        )*
    };
}
