//! Workers: closures, futures, and implementations of `Supervisable` as children.

mod closure;
mod one_shot;
mod result;
mod set_up;
mod task;

pub use closure::worker;
pub use one_shot::one_shot;
pub use result::IntoWorkerResult;
pub use task::{JoinHandle, task};
