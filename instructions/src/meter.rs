//! The section of a row that counts.

use serde::{Deserialize, Serialize};
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats};

use crate::executor::Executor;

/// The name of the function that callgrind looks for: it counts from where the function begins to where it ends.
pub const COUNTED: &str = "*counted_by_callgrind*";

/// What a section asked of the allocator. All zero without the counting allocator: only the binary `row_heap` has it, because
/// counting takes instructions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Heap {
    /// The number of allocations. One that grows counts as one more.
    pub allocations: i64,
    /// The bytes that live longer than the section.
    pub bytes: i64,
}

/// Runs a future to its end on an executor, and counts.
pub fn counted<T>(executor: &impl Executor, future: impl Future<Output = T>) -> (T, Heap) {
    let (mut future, mut output) = (Some(future), None);
    let before = INSTRUMENTED_SYSTEM.stats();
    counted_by_callgrind(&mut || output = future.take().map(|future| executor.block_on(future)));
    let after = INSTRUMENTED_SYSTEM.stats();
    let heap = Heap { allocations: requests(after) - requests(before), bytes: live(after) - live(before) };
    (output.expect("the section has run"), heap)
}

#[inline(never)]
fn counted_by_callgrind(section: &mut dyn FnMut()) {
    section();
}

fn requests(stats: Stats) -> i64 {
    (stats.allocations + stats.reallocations) as i64
}

fn live(stats: Stats) -> i64 {
    stats.bytes_allocated as i64 - stats.bytes_deallocated as i64
}

/// Returns the bytes that an action frees.
pub fn freed(action: impl FnOnce()) -> usize {
    let before = INSTRUMENTED_SYSTEM.stats().bytes_deallocated;
    action();
    INSTRUMENTED_SYSTEM.stats().bytes_deallocated - before
}
