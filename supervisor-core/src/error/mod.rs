//! Every error type of the crate, and how a process can end: errors tell of that. What they need of ours are plain numbers.

mod exit;
mod failure;
mod gave_up;
mod initialization;
mod invalid;
mod message;
mod restart_cause;
#[cfg(feature = "serde")]
mod serialize;
mod start_failure;
mod supervisor;
mod tell;
#[cfg(test)]
mod tests;
mod unclean;

pub use exit::{Exit, StopReason, Termination};
pub use failure::{BoxError, Failure};
pub use gave_up::{GaveUp, RestartRecord};
pub use initialization::InitializationError;
pub use invalid::InvalidSpec;
pub use restart_cause::RestartCause;
pub use start_failure::StartFailure;
pub use supervisor::SupervisorError;
pub use unclean::{UncleanProcess, UncleanStop};
