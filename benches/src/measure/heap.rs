use futures_lite::future::yield_now;
use stats_alloc::INSTRUMENTED_SYSTEM;

/// What the allocator was asked for, up to now. Nothing where it does not count: only the binary `heap` has it count, because
/// counting takes time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Heap {
    /// Bytes that live.
    pub bytes: f64,
    /// Allocations that live.
    pub live: f64,
    /// Allocations, whether they live or not. One that grows in place counts as one more.
    pub allocations: f64,
}

impl Heap {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let stats = INSTRUMENTED_SYSTEM.stats();
        Self {
            bytes: stats.bytes_allocated as f64 - stats.bytes_deallocated as f64,
            live: stats.allocations as f64 - stats.deallocations as f64,
            allocations: (stats.allocations + stats.reallocations) as f64,
        }
    }

    /// What was added since.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self {
            bytes: self.bytes - before.bytes,
            live: self.live - before.live,
            allocations: self.allocations - before.allocations,
        }
    }
}

/// Once what has just ended has let go of all that it had: after the yields of a while no byte comes or goes any more.
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
