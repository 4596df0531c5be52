//! What is told about a tree.

mod children;
mod event;

pub use children::{ChildInfo, ChildState, Counts};
pub use event::{Event, EventKind, RestartCause};
