use std::time::Duration;

use supervisor_core::{BoxError, SupervisorError};
use thiserror::Error;

use crate::Token;

/// An error of a lease: of its settings, or the reason why it ends in a failure.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum LeaseError {
    /// A setting cannot be used.
    #[error("{what} of the lease cannot be used: {why}")]
    Invalid {
        /// Which setting.
        what: &'static str,
        /// Why.
        why: String,
    },
    /// The times do not fit into the lease: its duration, less the drift, has to have room for the stop, the abort grace, the margin,
    /// two renewal intervals and a request.
    #[error(
        "a lease of {granted:?} is too short, {needed:?} are needed without the drift: ask for a longer one, or stop faster"
    )]
    TooShort {
        /// The time that was asked for, or that the store has granted.
        granted: Duration,
        /// The time that the parts need.
        needed: Duration,
    },
    /// The store has granted a token that is not larger than one before. It does not order its grants, so a fenced write would be
    /// taken from a holder of before.
    #[error("the store has granted the token {token} after {before}: it does not order its grants")]
    TokenDidNotGrow {
        /// The token.
        token: Token,
        /// The one of an earlier grant.
        before: Token,
    },
    /// The subtree failed as often in a row as is allowed.
    #[error("the subtree has failed {failures} times in a row: {last}")]
    KeepsFailing {
        /// How often.
        failures: u32,
        /// How it failed the last time.
        last: String,
    },
    /// The name cannot be one.
    #[error(transparent)]
    Supervisor(#[from] SupervisorError),
}

/// The text of an error with its causes, as one line.
pub(crate) fn text(error: &BoxError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text.replace(['\n', '\r'], " ")
}
