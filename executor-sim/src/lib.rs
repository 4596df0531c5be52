//! Runs supervision trees on one thread, in virtual time, in an order that a seed decides.
//!
//! [`Sim`] is an executor for tests. Which of the processes that can go on goes next is drawn from a seeded generator, and
//! the clock stands still while there is anything to do, and then jumps to the next timer. So a test that waits for hours
//! takes microseconds, and the same seed gives the same run.
//!
//! ```
//! use std::time::Duration;
//! use executor_sim::Sim;
//! use supervisor_core::{ambient, worker, Supervisor};
//!
//! let sim = Sim::with_seed(7);
//! let outcome = sim.run_until(async {
//!     let mut root = Supervisor::new("root")?;
//!     root.add_worker(worker("spool", |shutdown| async move {
//!         shutdown.await;
//!         ambient::sleep(Duration::from_secs(4)).await; // the last flush
//!     }));
//!     root.start_on(sim.spawner()).await?.shutdown().await
//! });
//! assert!(outcome.is_ok());
//! assert_eq!(sim.elapsed(), Duration::from_secs(4));
//! ```
#![forbid(unsafe_code)]

mod clock;
mod sim;
mod spawner;
mod task;
mod timer;

pub use sim::Sim;
pub use spawner::SimSpawner;
