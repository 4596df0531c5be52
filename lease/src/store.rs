use std::{future::Future, time::Duration};

use supervisor_core::BoxError;

use crate::{Clock, Holder, Token};

/// A place that all replicas reach, and that grants a lease to one holder at a time: etcd, PostgreSQL, or a process of your own.
///
/// A value is one lease in that place: the key or the row is its own setting. Every replica has a value of its own for the same
/// lease, and asks with it for itself.
///
/// [`acquire`](Self::acquire) and [`renew`](Self::renew) are called one at a time. A [`release`](Self::release) of an earlier holder,
/// and [`freed`](Self::freed), may run beside them. Each of them may be dropped before it has answered; then the store may or may not have carried it out. The caller has a limit for each, so a store
/// needs none, but what it holds for a call that was dropped (a keepalive, a connection) must go with it.
///
/// A store has to do this, and [`contract_tests!`](crate::contract_tests) checks it:
///
/// - It grants the lease to one holder until that one releases it, or has not renewed it for the granted time.
/// - The [`Token`] of each grant is larger than that of every one before: over a release, an expiry, and a restart of the store.
/// - [`renew`](Self::renew) answers [`Renewal::NotYours`] once the store has given the lease away, or it was deleted by hand. A
///   store that cannot be reached is an error, and never that.
/// - [`release`](Self::release) of a holder that has nothing is no error, however often it is called. It also undoes an
///   [`acquire`](Self::acquire) of that holder whose answer was lost.
/// - No clock of another machine is compared with one of this machine: [`Patience`](crate::Patience) is for stores that do not
///   count time themselves.
pub trait Store: Send + Sync + 'static {
    /// Asks for the lease once. Does not wait for another holder to end.
    fn acquire(&self, bid: &Bid<'_>) -> impl Future<Output = Result<Acquisition, BoxError>> + Send;

    /// Renews the lease for the time that was asked for.
    fn renew(&self, bid: &Bid<'_>, token: Token) -> impl Future<Output = Result<Renewal, BoxError>> + Send;

    /// Gives back whatever this holder has. The next holder may have it at once.
    fn release(&self, holder: &Holder) -> impl Future<Output = Result<(), BoxError>> + Send;

    /// Waits until the lease may be free. It may be wrong, late, or never resolve, which is the default: the caller asks again from
    /// time to time in any case.
    fn freed(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }
}

/// A request for a lease.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Bid<'a> {
    /// Who asks. A new one for each time that the lease is asked for, and the same in the renewals of what was granted.
    pub holder: &'a Holder,
    /// For how long.
    pub duration: Duration,
    /// By how much two clocks may differ in rate, as a share of the time: 0.01 is one percent.
    pub drift: f64,
    /// The clock of this replica.
    pub clock: &'a dyn Clock,
}

impl<'a> Bid<'a> {
    /// Makes a request.
    pub fn new(holder: &'a Holder, duration: Duration, drift: f64, clock: &'a dyn Clock) -> Self {
        Self { holder, duration, drift, clock }
    }
}

/// The answer to a request for the lease.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who asks has to know every answer")]
pub enum Acquisition {
    /// The lease is this holder's.
    Granted {
        /// The number of this grant.
        token: Token,
        /// For how long the store has granted it, which may be another time than the one that was asked for.
        duration: Duration,
    },
    /// Another one has it.
    HeldBy(
        /// The text of that [`Holder`].
        String,
    ),
}

/// The answer to a renewal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::exhaustive_enums, reason = "who asks has to know every answer")]
pub enum Renewal {
    /// The lease is still this holder's, for so long from now on.
    Renewed(
        /// The time that the store has granted.
        Duration,
    ),
    /// It is not: it has expired, another one has it, or it was deleted.
    NotYours,
}
