//! Leases of [`lease`] in etcd.
//!
//! [`Etcd`] is the store. A lease is a key, which belongs to a lease of etcd: etcd counts the time, and deletes the key at its end.
//!
//! ```no_run
//! # async fn replica() -> Result<(), Box<dyn std::error::Error>> {
//! use std::time::Duration;
//!
//! use etcd_client::{Client, ConnectOptions};
//! use lease_etcd::Etcd;
//!
//! // Without keepalives a connection over which nothing comes any more is found dead after a quarter of an hour.
//! let options = ConnectOptions::new()
//!     .with_keep_alive(Duration::from_secs(1), Duration::from_secs(1))
//!     .with_connect_timeout(Duration::from_secs(1));
//! let client = Client::connect(["http://127.0.0.1:2379"], Some(options)).await?;
//! let store = Etcd::new(client, "my-service/compactor")?;
//! # drop(store);
//! # Ok(())
//! # }
//! ```
//!
//! # What is not promised
//!
//! - An operator who deletes the key, or revokes its lease, gives it to the next replica at once. The holder is told at its next
//!   renewal. Until then both may work; the token tells which is the later one.
//! - A store that loses what it has acknowledged may grant a lease twice, with tokens that do not grow: etcd with
//!   `--unsafe-no-fsync` whose machine loses power, or one that is restored from a backup.
//! - etcd grants whole seconds, and no less than one and a half times its election timeout: 2 s with its defaults.
#![forbid(unsafe_code)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod requests;
mod store;

pub use self::store::{Etcd, NoRuntime};
