//! What is told about a tree.

mod children;
mod event;
mod log;
mod observers;

pub use children::{ChildInfo, ChildState, Counts};
pub use event::{Event, EventKind, RestartCause};
#[cfg(feature = "testing")]
pub(crate) use observers::Observer;
pub(crate) use observers::Observers;
