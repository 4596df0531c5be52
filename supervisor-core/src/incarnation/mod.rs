//! One incarnation: the future that an executor runs, and its duties to its supervisor.

mod accounting;
mod aftermath;
mod control;
mod handover;
mod name;
mod polls;
mod task;
mod shutdown_waiter;

pub use crate::error::{Exit, StopReason, Termination};
pub(crate) use crate::guard::{guard, wake};
pub use crate::id::{ChildId, ProcessId};
pub(crate) use crate::id::{ChildKey, ProcessKey};
pub(crate) use accounting::{Meter, Tally};
pub(crate) use aftermath::is_panicking;
pub(crate) use control::{Control, ControlCell, Flags, WaiterKey};
pub(crate) use handover::hand_over;
pub(crate) use name::Name;
pub use name::dotted;
pub(crate) use polls::{Polled, ThreadSlot, Watching, slots};
pub(crate) use shutdown_waiter::ShutdownWaiter;
pub use task::Process;
pub(crate) use task::{
    Parent, PendingEnd, ProcessBody, ProcessContext, Report, ReportKind, Step, current, is_in_process,
};
