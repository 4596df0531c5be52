//! The floor: the least that a correct supervisor does. It restarts children one by one or all together, within a window of
//! restarts, stops them in reverse order or at once, catches panics, and reports every exit after the child's future is gone.
//!
//! What it leaves out, the README of this package lists. It is for one executor and one level: no nesting.

mod inbox;
mod node;
mod supervisor;
mod task;
mod window;

pub use self::{
    node::Stop,
    supervisor::{GaveUp, Handle, NotRunning, Order, Running, Settings, Strategy, Supervisor},
};

use std::error::Error;

/// An error of a child.
pub type BoxError = Box<dyn Error + Send + Sync>;
