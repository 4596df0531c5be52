//! core
#![forbid(unsafe_code)]

mod engine;
mod error;
mod observe;
mod process;
mod quiet;
mod shutdown;
mod spawner;
mod strategy;
mod trace;

pub use error::*;
pub use observe::*;
pub use process::*;
pub use shutdown::*;
pub use spawner::*;
pub use strategy::*;

#[doc(hidden)]
pub struct Supervisable;
