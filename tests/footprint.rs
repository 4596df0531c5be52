//! What watching takes of the heap.

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use supervision::Supervisor;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn bytes() -> usize {
    let stats = INSTRUMENTED_SYSTEM.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

#[test]
fn b3_an_idle_subscriber_takes_some_hundred_bytes() {
    const SUBSCRIBERS: usize = 1000;
    let root = Supervisor::new("root").expect("a valid name");
    let mut subscribers = Vec::with_capacity(SUBSCRIBERS);
    let before = bytes();
    subscribers.extend((0..SUBSCRIBERS).map(|_| root.handle().events()));
    let each = (bytes() - before) / SUBSCRIBERS;
    assert!(each < 512, "{each} bytes");
    subscribers.clear();
    let left = bytes().saturating_sub(before);
    assert!(left < 512, "{left} bytes are left of {SUBSCRIBERS} subscribers");
}
