//! core
#![forbid(unsafe_code)]

mod error;
mod quiet;
mod trace;
mod process;
mod shutdown;
mod spawner;

pub use error::*;
pub use process::*;
pub use shutdown::*;
pub use spawner::*;

#[doc(hidden)]
pub struct Supervisable;
