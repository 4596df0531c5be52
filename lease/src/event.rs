use std::fmt;

use crate::Token;

/// What happens to a lease on this replica. Displayed, it is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "event", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LeaseEvent {
    /// It waits for the lease.
    Waiting {
        /// Who has it, if the store says so.
        holder: Option<String>,
    },
    /// A request for the lease has failed, or was not answered in time.
    AcquisitionFailed {
        /// What the store said.
        error: String,
    },
    /// It has the lease, and starts the subtree.
    Acquired {
        /// The number of this grant.
        token: Token,
    },
    /// A renewal has failed, or was not answered in time. That is no loss: the lease goes on until it ends.
    RenewalFailed {
        /// What the store said.
        error: String,
    },
    /// It does not count on the lease any more, and stops the subtree.
    Lost {
        /// Why.
        why: LossReason,
    },
    /// The subtree has ended by itself.
    Ended {
        /// How it has failed, if it has.
        failure: Option<String>,
    },
    /// The subtree, or a part of it, was aborted and does not yield. The lease is kept, because the work goes on.
    Stuck,
    /// The lease is about to end, and the subtree is not gone: the last resort acts.
    Overrun,
    /// A release has failed, or was not answered in time.
    ReleaseFailed {
        /// What the store said.
        error: String,
    },
    /// The lease is given back. Everything below was gone before.
    Released,
}

/// The reason why a replica does not count on its lease any more.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum LossReason {
    /// The store says that the lease is not this replica's: it has expired there, or was deleted, or given to another one.
    NotYours,
    /// No renewal has succeeded in time.
    NoRenewal,
    /// The store has granted less time than the stop of the subtree needs.
    TooShort,
}

impl fmt::Display for LossReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotYours => "the store says that it is not this replica's",
            Self::NoRenewal => "no renewal has succeeded in time",
            Self::TooShort => "the store has granted less time than a stop needs",
        })
    }
}

impl LeaseEvent {
    /// Whether a person should know: otherwise it is part of a normal day.
    pub(crate) fn is_trouble(&self) -> bool {
        match self {
            Self::AcquisitionFailed { .. }
            | Self::RenewalFailed { .. }
            | Self::Lost { .. }
            | Self::Ended { failure: Some(_) }
            | Self::Stuck
            | Self::Overrun
            | Self::ReleaseFailed { .. } => true,
            Self::Waiting { .. } | Self::Acquired { .. } | Self::Ended { failure: None } | Self::Released => false,
        }
    }
}

impl fmt::Display for LeaseEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting { holder: Some(holder) } => write!(f, "waits for the lease, which {holder} has"),
            Self::Waiting { holder: None } => f.write_str("waits for the lease"),
            Self::AcquisitionFailed { error } => write!(f, "could not ask for the lease: {error}"),
            Self::Acquired { token } => write!(f, "has the lease, with the token {token}"),
            Self::RenewalFailed { error } => write!(f, "could not renew the lease: {error}"),
            Self::Lost { why } => write!(f, "has lost the lease, and stops: {why}"),
            Self::Ended { failure: Some(failure) } => write!(f, "has ended, and gives the lease back: {failure}"),
            Self::Ended { failure: None } => f.write_str("has ended, and gives the lease back"),
            Self::Stuck => f.write_str("was aborted and does not yield, so the lease is kept"),
            Self::Overrun => f.write_str("is not gone, and the lease is about to end"),
            Self::ReleaseFailed { error } => write!(f, "could not give the lease back: {error}"),
            Self::Released => f.write_str("has given the lease back"),
        }
    }
}
