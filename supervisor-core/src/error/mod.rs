//! Every error type of the crate. What they need of ours are plain numbers.

mod failure;
mod gave_up;
mod initialization;
mod invalid;
#[cfg(feature = "serde")]
mod serialize;
mod supervisor;
mod unclean;

pub use failure::{BoxError, Failure};
pub use gave_up::{GaveUp, RestartRecord};
pub use initialization::InitializationError;
pub use invalid::InvalidSpec;
pub use supervisor::{StartFailure, SupervisorError};
pub use unclean::{UncleanProcess, UncleanStop};
