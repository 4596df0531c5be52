//! A subtree of a supervision tree that runs on exactly one replica of a service, by a lease in a store that all replicas share.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod clock;
#[cfg(feature = "contract")]
pub mod contract;
mod engine;
mod erased;
mod error;
mod event;
mod held;
mod holder;
mod keeper;
mod last_resort;
mod leased;
mod memory;
mod memory_row;
mod metrics;
mod patience;
mod row;
mod status;
mod store;
mod timing;

pub use self::{
    clock::{Clock, MachineClock},
    error::LeaseError,
    event::{LeaseEvent, LossReason},
    held::Held,
    holder::{Holder, Token},
    last_resort::LastResort,
    leased::Leased,
    memory::Memory,
    memory_row::MemoryRow,
    patience::Patience,
    row::{Claim, Mark, Row},
    status::{LeaseEvents, LeaseSnapshot, LeaseState, LeaseStatus},
    store::{Acquisition, Bid, Renewal, Store},
};

/// For simulations.
#[doc(hidden)]
pub use self::last_resort::{Watch, Watched};
