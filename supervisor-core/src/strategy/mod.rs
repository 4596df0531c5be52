//! What users configure.

mod backoff;
mod restart_strategy;
mod types;

pub use backoff::Backoff;
pub use restart_strategy::{RestartMode, RestartStrategy};
pub use types::{AutoShutdown, ChildKind, RestartType};
