//! Workers: closures, futures, and implementations of `Supervisable` as children.

mod closure;
mod local;
mod one_shot;
mod result;
mod set_up;
mod set_up_closure;
mod task;

pub use closure::worker;
pub use local::local_worker;
pub use one_shot::{one_shot, one_shot_with};
pub use result::IntoWorkerResult;
pub use set_up_closure::worker_with_setup;
#[cfg(all(test, supervision_loom))]
pub(crate) use task::Reporter;
pub use task::{JoinHandle, task};
