//! Leases of [`lease`] in PostgreSQL.
//!
//! [`Postgres`] is the store. A lease is a row of one table, which is yours to create, for example in a migration:
//!
//! ```sql
#![doc = include_str!("schema.sql")]
//! ```
//!
//! The same text is [`SCHEMA`]. The role that connects needs `SELECT`, `INSERT` and `UPDATE` on the table, and no more.
//!
//! ```no_run
//! # async fn replica() -> Result<(), Box<dyn std::error::Error>> {
//! use lease_postgres::Postgres;
//!
//! let store = Postgres::new("host=localhost user=my_service".parse()?, "compactor")?;
//! # drop(store);
//! # Ok(())
//! # }
//! ```
//!
//! # How it works
//!
//! PostgreSQL counts no time for anyone, and no two clocks are compared. The row has a `version`, which each renewal raises. A replica
//! that waits takes the lease over when it has seen the same version for the whole duration on its own clock, and the drift of the
//! clocks on top: see [`Patience`](lease::Patience). So a replica that begins to wait after the holder has died waits that long from
//! there. Every change is a compare-and-swap in one statement. The [`Token`](lease::Token) is the `epoch`, which comes from a sequence.
//!
//! A store has one connection, which it opens when it is first needed, and again after it has failed, or has left a request without
//! an answer. With several hosts in the settings, ask for `target_session_attrs=read-write`, and set
//! `connect_timeout` well below the request limit: hosts are tried one after another. It sends a `NOTIFY` on the channel `supervision_lease` when a lease is released, and listens there while it waits. It
//! relies on neither `statement_timeout` nor any other setting of the server. Behind a pooler that gives each transaction another
//! connection everything works except to listen: there a replica sees a release when it next asks.
//!
//! # What is not promised
//!
//! - An operator who changes or deletes the row gives the lease to the next replica at once. The holder is told at its next renewal.
//!   Until then both may work; the token tells which is the later one. Tokens grow over a deleted row, but not over a deleted
//!   table: use a new name then for what is fenced by them.
//! - A store that loses what it has acknowledged may grant a lease twice, with tokens that do not grow: PostgreSQL with
//!   `synchronous_commit = off` or `fsync = off` after a crash, an asynchronous standby that takes over, or a database that is restored
//!   from a backup.
#![forbid(unsafe_code)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod connection;
mod requests;
mod store;

pub use self::store::{NoRuntime, Postgres};

/// The SQL that creates the table. It does nothing where the table exists.
pub const SCHEMA: &str = include_str!("schema.sql");
