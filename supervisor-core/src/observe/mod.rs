//! What is told about a tree.

mod changes;
mod children;
mod event;
mod events;
mod log;
mod metrics;
mod observers;
mod render;
mod snapshot;

pub(crate) use changes::Changes;
pub use children::{ChildCounts, ChildInfo, ChildSpecInfo, ChildState};
pub use event::{Event, EventKind, RestartCause};
pub use events::Events;
pub(crate) use events::Subscribers;
pub(crate) use metrics::{ARE_WANTED, Metrics};
#[cfg(feature = "testing")]
pub(crate) use observers::Observer;
pub(crate) use observers::Observers;
pub use snapshot::{LastExit, Snapshot, SnapshotSource, SupervisorInfo};
