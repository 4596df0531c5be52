//! Runs supervision trees on [smol](https://docs.rs/smol): on its global executor, or on an
//! [`async_executor::Executor`] of your own.
//!
//! [`Smol`] is the [`Spawner`](supervisor_core::Spawner). [`block_on`] runs a whole tree on the current thread, and needs no
//! other.
//!
//! smol's global executor has one thread, unless the environment variable `SMOL_THREADS` says more: there a single poll that
//! blocks stops every supervisor, too. Limits hold only while another thread is free.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
// What may grow is decided for each type: see `docs/api.md`.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod block_on;
mod local;
mod spawner;
mod timer;

pub use block_on::block_on;
pub use spawner::Smol;
