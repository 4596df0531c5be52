//! Limits hold, whatever blocks or dies.
//!
//! Each test is an `async fn(Stage)` and runs on Tokio, on smol and under many seeds in the simulator: with executors beside
//! the main one that have one thread, or none, or that end; and with polls that block. What must hold is the limit that was
//! set, and that the outcome names the process which delayed it.

#[macro_use]
mod stage;
#[path = "../harness/census.rs"]
mod census;
#[path = "../harness/children.rs"]
mod children;
#[path = "../harness/other.rs"]
mod other;

mod blocked;
mod circles;
mod gone;
mod last_act;
mod locks;
mod ready;
mod stuck;
