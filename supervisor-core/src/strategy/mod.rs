//! The settings of supervisors and children.

mod backoff;
mod restart_strategy;
mod settings;
mod types;

pub use backoff::Backoff;
pub use restart_strategy::{RestartMode, RestartStrategy};
pub(crate) use settings::{ChildSettings, SupervisorSettings};
pub use types::{AutoShutdown, ChildKind, RestartType};
