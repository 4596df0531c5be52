//! Every error type of the crate, and the ends of processes, which errors contain. Of the other modules this one uses only ids
//! and texts.

mod details;
mod exit;
mod failure;
mod gave_up;
mod initialization;
mod invalid;
mod location;
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

pub(crate) use details::{ErrorHandling, PanicSite, RestartCondition};
pub use exit::{Exit, StopReason, Termination};
pub use failure::{BoxError, Failure};
pub use gave_up::{GaveUp, RestartRecord};
pub use initialization::InitializationError;
pub use invalid::InvalidSpec;
pub use location::PanicLocation;
pub use restart_cause::RestartCause;
pub use start_failure::StartFailure;
pub use supervisor::SupervisorError;
pub use unclean::{UncleanProcess, UncleanStop};
