//! Instruments of measurement.

mod arrivals;
mod heap;
mod numbers;
mod process;

pub use self::{
    arrivals::Arrivals,
    heap::{Heap, settled_heap},
    numbers::{median, percentile},
    process::{resident, thread_count, threads},
};
