//! How a process is asked to stop, and how it hears of it.

mod handle;
mod process_shutdown;
mod strategy;
mod wrapped;

pub use handle::ShutdownHandle;
pub use process_shutdown::ProcessShutdown;
pub use strategy::{ShutdownOrder, ShutdownStrategy};
