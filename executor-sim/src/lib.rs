//! Runs supervision trees on one thread, in virtual time, in an order that a seed decides.
//!
//! [`Sim`] is an executor for tests. A seeded generator draws which of the ready processes goes next. The clock stands
//! still while there is anything to do, and then jumps to the next timer. So a test that waits for hours takes
//! microseconds, and the same seed gives the same run. [`Fault`]s make things go wrong, and [`sweep`] runs a test under
//! many seeds. [`Threads`] give an executor a limited number of threads, which polls can block.
//!
//! ```
//! use std::time::Duration;
//! use supervision::sim::{Fault, Sim};
//! use supervision::{worker, Supervisor};
//!
//! # fn main() -> Result<(), supervision::SupervisorError> {
//! let sim = Sim::with_seed(7);
//! sim.fault(Fault::panic("root.spool").nth(1).after(Duration::from_secs(90)));
//!
//! let mut root = Supervisor::new("root")?;
//! root.add_worker(worker("spool", |shutdown| shutdown));
//! let record = sim.run_for(root, Duration::from_secs(3600));
//! assert!(record.outcome.is_ok());
//! assert!(record.to_string().contains("90.000s  root.spool panicked: a simulated panic"));
//! # Ok(())
//! # }
//! ```
//!
//! The feature `sim` of `supervision` has it as the module `supervision::sim`, with a guide.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
// What may grow is decided for each type: see `docs/api.md`.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

mod block;
mod clock;
mod current;
mod executor;
mod fault;
mod fault_plan;
mod pool;
mod record;
mod sim;
mod spawner;
mod state;
mod sweep;
mod task;
mod tasks;
mod threads;
mod timer;
mod trace;

pub use block::{block_for, block_for_good};
pub use executor::SimExecutor;
pub use fault::Fault;
pub use record::Record;
pub use sim::Sim;
pub use spawner::SimSpawner;
pub use sweep::sweep;
pub use threads::Threads;
