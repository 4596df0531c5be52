use futures_lite::future::yield_now;
use stats_alloc::INSTRUMENTED_SYSTEM;

/// The requests to the allocator, up to now. All zero without the counting allocator: only the binary `heap` has it,
/// because counting takes time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heap {
    /// The number of live bytes.
    pub bytes: f64,
    /// The number of live allocations.
    pub live: f64,
    /// The number of allocations, live or not. One that grows in place counts as one more.
    pub allocations: f64,
}

impl Heap {
    /// Reads the counters now.
    #[must_use]
    pub fn now() -> Self {
        let stats = INSTRUMENTED_SYSTEM.stats();
        Self {
            bytes: stats.bytes_allocated as f64 - stats.bytes_deallocated as f64,
            live: stats.allocations as f64 - stats.deallocations as f64,
            allocations: (stats.allocations + stats.reallocations) as f64,
        }
    }

    /// Returns the difference to an earlier reading.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            bytes: self.bytes - before.bytes,
            live: self.live - before.live,
            allocations: self.allocations - before.allocations,
        }
    }
}

/// Reads the counters once ended tasks have freed their memory: after yields for a while, no byte comes or goes any
/// more.
pub async fn settled_heap() -> Heap {
    let mut before = Heap::now();
    for _ in 0..100 {
        for _ in 0..10_000 {
            yield_now().await;
        }
        let now = Heap::now();
        if now.bytes == before.bytes {
            break;
        }
        before = now;
    }
    Heap::now()
}
