//! Reports about a tree: events, snapshots, the log and the metrics.

mod accounting;
mod brief;
mod changes;
mod children;
mod event;
mod events;
mod graph;
mod log;
mod metrics;
mod observers;
mod picture;
mod render;
mod snapshot;
mod trouble;
mod wrap;

pub use crate::error::RestartCause;
pub use accounting::Accounting;
pub(crate) use changes::Changes;
pub use children::{ChildCounts, ChildInfo, ChildSpecInfo, ChildState, PlacementKind};
pub use event::{Event, EventKind};
pub use events::Events;
pub(crate) use events::{Audience, Subscribers};
pub(crate) use metrics::{ARE_WANTED, Metrics};
#[cfg(feature = "testing")]
pub(crate) use observers::Observer;
pub(crate) use observers::Observers;
pub use snapshot::{AbortReason, Failing, LastExit, Snapshot, SnapshotSource, SupervisorInfo};
