//! One incarnation: the future that an executor runs, and all that this future owes its supervisor.

mod control;
mod exit;
mod guard;
mod id;
mod name;
mod task;

pub(crate) use control::{Control, ControlCell, Flags, WaiterKey};
pub use exit::{Ending, Exit, Termination};
pub(crate) use guard::guard;
pub use id::{ChildId, ProcessId};
pub(crate) use id::{Place, Ticket};
pub(crate) use name::Name;
pub use task::Process;
pub(crate) use task::{Birth, Life, Link, News, Report, Step, current};
