//! The cost of supervision in instructions, allocations and bytes: rows, and the subjects that carry them out.
#![forbid(unsafe_code)]

pub mod alone;
pub mod budgets;
pub mod executor;
pub mod floor;
pub mod measure;
pub mod meter;
pub mod results;
pub mod rows;
pub mod signals;
pub mod subject;
pub mod turns;
pub mod weigh;
