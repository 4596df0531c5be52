//! The shutdown signal: how a process is asked to stop, and how it waits for that.

mod handle;
mod process_shutdown;
#[cfg(feature = "serde")]
mod reading;
mod strategy;
mod wrapped;

pub use handle::ShutdownHandle;
pub use process_shutdown::ProcessShutdown;
pub use strategy::{ShutdownOrder, ShutdownStrategy};
