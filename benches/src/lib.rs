//! The cost of supervision: workloads, the subjects that carry them out, and the executors that they run on.
#![forbid(unsafe_code)]

pub mod alone;
mod contestant;
pub mod executor;
pub mod measure;
pub mod report;
mod rounds;
pub mod subject;
pub mod workload;

pub use contestant::{Contestant, executors, peers};
pub use rounds::{Row, rounds};
