//! The parts of a small Redis server, one module for each worker and one for each thing that they share.
//!
//! `main.rs` makes a supervision tree of them. `bin/unsupervised.rs` runs the same parts without supervision, for
//! comparison. `bin/verify.rs` is a client that checks what the server has promised.

pub mod acceptor;
pub mod chaos;
pub mod command;
pub mod connection;
pub mod input;
pub mod log;
pub mod net;
pub mod options;
pub mod protocol;
pub mod reporter;
pub mod server;
pub mod store;
pub mod sweeper;
