//! Runs supervision trees on Tokio: every process is a future that runs as an independent asynchronous task of a Tokio
//! runtime.
//!
//! [`Tokio`] is the [`Spawner`](supervisor_core::Spawner). The crate `supervision` uses it by default, so most programs
//! never name it.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
// What may grow is decided for each type: see `docs/api.md`.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod alarm;
mod dedicated;
mod error;
mod local;
mod runtime;
mod spawner;
mod timer;

pub use dedicated::RuntimeConfiguration;
pub use error::TokioError;
pub use spawner::Tokio;
