//! Instruments of measurement.

mod heap;
mod numbers;
mod process;

pub use self::{
    heap::{Heap, settled_heap},
    numbers::{median, percentile},
    process::{processor_time, resident, thread_count, threads},
};
/// The counter at which children arrive, at each start.
pub use supervision_instructions::signals::Tally;
