//! Locks and atomics that processes share with other threads: the standard library's, or loom's, which tries every
//! order.

#[cfg(not(all(test, supervision_loom)))]
pub(crate) use std::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64},
};

#[cfg(all(test, supervision_loom))]
pub(crate) use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicBool, AtomicU64},
};
