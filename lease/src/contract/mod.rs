//! The executable specification of [`Store`]: the test suite that every store passes.
//!
//! # Writing a store
//!
//! 1. Implement [`Store`] for a value that is one lease in the place that all replicas reach.
//! 2. Implement [`Backend`] in a test: how such a place is made, how time passes in it, and how it is stopped.
//! 3. Name it in one line, and every clause becomes a test of its own.
//!
//! ```
//! use std::{
//!     future::Future,
//!     sync::{Arc, Mutex, PoisonError},
//!     time::Duration,
//! };
//!
//! use lease::{Clock, Memory, contract::Backend};
//!
//! /// Time passes at once here.
//! #[derive(Clone, Debug, Default)]
//! struct Hands(Arc<Mutex<Duration>>);
//!
//! impl Clock for Hands {
//!     fn now(&self) -> Duration {
//!         *self.0.lock().unwrap_or_else(PoisonError::into_inner)
//!     }
//! }
//!
//! struct MemoryUnderTest {
//!     clock: Hands,
//!     lease: Memory,
//! }
//!
//! impl Backend for MemoryUnderTest {
//!     type Store = Memory;
//!
//!     fn new() -> Self {
//!         let clock = Hands::default();
//!         Self { lease: Memory::with_clock(Arc::new(clock.clone())), clock }
//!     }
//!
//!     fn block_on<F: Future>(&self, future: F) -> F::Output {
//!         futures_lite::future::block_on(future)
//!     }
//!
//!     async fn store(&self) -> Memory {
//!         self.lease.clone()
//!     }
//!
//!     fn clock(&self) -> &dyn Clock {
//!         &self.clock
//!     }
//!
//!     async fn pass(&self, time: Duration) {
//!         *self.clock.0.lock().unwrap() += time;
//!     }
//!
//!     async fn delete(&self) {
//!         self.lease.delete();
//!     }
//! }
//!
//! lease::contract_tests!(MemoryUnderTest);
//! ```
//!
//! The clauses are functions of [`clauses`]; each page says what the clause requires. Clauses about a place that does not answer
//! pass for a backend that cannot be stopped, and those about a restart for one that cannot be restarted.

pub mod clauses;

use std::{future::Future, time::Duration};

use crate::{Clock, Store};

/// A place under test, with one lease in it.
pub trait Backend: Sized {
    /// The type that asks for the lease.
    type Store: Store;

    /// Makes a place with a lease that was never granted.
    fn new() -> Self;

    /// Drives a future to its end.
    fn block_on<F: Future>(&self, future: F) -> F::Output;

    /// Makes the value of one more replica, for the lease of this place.
    fn store(&self) -> impl Future<Output = Self::Store>;

    /// Returns the clock of the replicas.
    fn clock(&self) -> &dyn Clock;

    /// Lets so much time pass, for the replicas and for the place. Where time is not real, a request that can go on without it does so
    /// first.
    fn pass(&self, time: Duration) -> impl Future<Output = ()>;

    /// Deletes the lease by hand, as an operator does.
    fn delete(&self) -> impl Future<Output = ()>;

    /// Returns the time that the clauses ask for: a short one, if they have to wait for it.
    fn duration(&self) -> Duration {
        Duration::from_secs(2)
    }

    /// Returns after how long an answer is late.
    fn limit(&self) -> Duration {
        Duration::from_secs(5)
    }

    /// Stops the place: no request is answered until it is resumed. Returns whether it can be stopped at all.
    fn stop(&self) -> bool {
        false
    }

    /// Resumes a place that was stopped.
    fn resume(&self) {}

    /// Ends the place as if its machine had lost power, and starts it again. Returns whether it can be restarted at all.
    fn restart(&self) -> impl Future<Output = bool> {
        async { false }
    }

    /// Counts what is there for requests: the tasks of the replicas, and what the place keeps besides the lease itself.
    fn kept(&self) -> impl Future<Output = usize> {
        async { 0 }
    }

    /// Returns whether [`Store::freed`] resolves after a release.
    fn tells(&self) -> bool {
        true
    }
}

/// Makes a test of each clause of the contract, for one [`Backend`].
#[macro_export]
macro_rules! contract_tests {
    ($backend:ty) => {
        $crate::contract_tests! { $backend:
            a_free_lease_is_granted
            a_second_holder_is_refused_while_the_first_renews
            a_released_lease_is_granted_at_once
            a_lease_is_granted_after_its_time_and_never_before
            one_of_many_who_ask_at_once_is_granted
            the_token_grows_over_a_release
            the_token_grows_over_an_expiry
            the_token_grows_over_a_deletion
            the_token_grows_over_a_restart
            a_lease_outlives_a_restart
            a_renewal_after_a_deletion_is_not_yours
            a_renewal_after_a_release_is_not_yours
            a_renewal_after_another_was_granted_is_not_yours
            a_renewal_after_the_time_shares_the_lease_with_no_other
            a_renewal_with_another_token_is_not_yours
            a_release_may_be_repeated
            a_release_by_another_changes_nothing
            a_lost_answer_is_undone_by_a_release
            a_lost_renewal_does_no_harm
            a_lost_release_can_be_repeated
            a_refused_request_leaves_nothing_behind
            requests_that_get_no_answer_leave_nothing_behind
            a_place_that_does_not_answer_has_taken_nothing_away
            a_free_lease_is_said_to_be_free
            a_release_is_told_to_those_who_wait
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
