//! Runs supervision trees on [smol](https://docs.rs/smol): on its global executor, or on an
//! [`async_executor::Executor`] of your own.
//!
//! [`Smol`] is the [`Spawner`](supervisor_core::Spawner). [`block_on`] runs a whole tree on the current thread, and needs no
//! other.
#![forbid(unsafe_code)]

mod block_on;
mod spawner;
mod timer;

pub use block_on::block_on;
pub use spawner::Smol;
