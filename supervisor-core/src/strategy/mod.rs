//! The settings of supervisors and children.

mod backoff;
#[cfg(feature = "serde")]
mod config;
#[cfg(feature = "serde")]
mod reading;
mod restart_strategy;
mod settings;
mod types;

pub use backoff::Backoff;
#[cfg(feature = "serde")]
pub use config::{ChildConfig, SupervisorConfig};
pub use restart_strategy::{RestartMode, RestartStrategy};
pub(crate) use settings::{ChildSettings, SupervisorSettings};
pub use types::{AutoShutdown, ChildKind, RestartType};
