#![cfg_attr(feature = "tokio", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "tokio"),
    doc = "Erlang/OTP supervision trees for async Rust, on whichever executor you run."
)]
//!
//! # Finding your way
//!
//! - To put a tree together: [`Supervisor`], [`worker`], [`worker_with_setup`], [`one_shot`], [`Supervisable`], [`ChildSpec`].
//! - To run it: `run`, or `start` for a [`SupervisionTree`] to hold on to: on the Tokio runtime that they are awaited in, with
//!   the feature `tokio`; on smol, with the feature `smol`. They are there only with one of these.
//!   [`Supervisor::run_on`] and [`Supervisor::start_on`] are always there, to say on which executor.
//! - To say what happens when something fails: [`RestartStrategy`] on a supervisor; [`RestartType`], [`Backoff`] and
//!   [`ShutdownStrategy`] on a child.
//! - Inside a worker: [`ProcessShutdown`], [`process`] for what it may ask about itself, and [`spawn`] to add a sibling.
//! - To keep state over restarts: [`Retained`].
//! - From outside: [`SupervisorHandle`] to add children and take them away, and [`Events`] to see what happens.
//! - For children that come and go, connections or jobs: [`Supervisor::dynamic`].
//! - To see what is running: [`Snapshot`]; what hangs or blocks: [`ChildSpec::with_watchdog`], [`watch_polls`]. The
//!   module `guide` has a page for each, and a catalogue of failures.
//! - When it went wrong: [`SupervisorError`].
//! - To test a tree in virtual time, with faults, from a seed: the module `sim`, with the feature of that name.
#![forbid(unsafe_code)]
// What may grow is decided for each type: see `docs/api.md`.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[cfg(any(feature = "tokio", feature = "smol"))]
mod current_executor;
#[cfg(any(feature = "tokio", feature = "smol"))]
mod run;

/// What operators ask for: a page for each, with its default, its cost, and when not to use it; and a catalogue of failures.
/// And where a worker keeps its state.
#[cfg(feature = "tokio")]
pub mod guide {
    #[doc = include_str!("../docs/watching/blocked-polls.md")]
    pub mod blocked_polls {}
    #[doc = include_str!("../docs/watching/events.md")]
    pub mod events {}
    #[doc = include_str!("../docs/watching/failures.md")]
    pub mod failures {}
    #[doc = include_str!("../docs/watching/metrics.md")]
    pub mod metrics {}
    #[doc = include_str!("../docs/watching/readiness.md")]
    pub mod readiness {}
    #[doc = include_str!("../docs/watching/snapshots.md")]
    pub mod snapshots {}
    #[doc = include_str!("../docs/retained.md")]
    pub mod state {}
    #[doc = include_str!("../docs/watching/watchdog.md")]
    pub mod watchdog {}
}

/// What a process can ask about itself, and do where it runs.
pub mod process {
    pub use supervisor_core::process::{CurrentProcess, Sleep, current, heartbeat, ready, shutdown, sleep, supervisor};
}

#[cfg(feature = "sim")]
#[doc = include_str!("../docs/simulation.md")]
pub mod sim {
    pub use executor_sim::{Fault, Record, Sim, SimExecutor, SimSpawner, Threads, block_for, block_for_good, sweep};
}

pub use supervisor_core::process::spawn;

pub use supervisor_core::{
    AutoShutdown, Backoff, BoxError, ChildCounts, ChildId, ChildInfo, ChildKind, ChildSpec, ChildSpecInfo, ChildState,
    Event, EventKind, Events, Exit, Failure, GaveUp, InitializationError, IntoChildSpec, IntoWorkerResult, InvalidSpec,
    LastExit, Placement, PollWatch, Process, ProcessId, ProcessShutdown, RestartCause, RestartMode, RestartRecord,
    RestartStrategy, RestartType, Retained, RetainedGuard, RetainedInUse, Run, RunFuture, ShutdownHandle,
    ShutdownOrder, ShutdownStrategy, Snapshot, SnapshotSource, Spawner, SpawnerFactory, StartFailure, StopReason,
    Supervisable, SupervisionTree, Supervisor, SupervisorError, SupervisorFuture, SupervisorHandle, SupervisorInfo,
    Termination, Timer, UncleanProcess, UncleanStop, exit, one_shot, one_shot_with, watch_polls, worker,
    worker_with_setup,
};

cfg_if::cfg_if! {
    if #[cfg(feature = "tokio")] {
        pub use executor_tokio::{RuntimeConfiguration, Tokio, TokioError};
    }
}

cfg_if::cfg_if! {
    if #[cfg(feature = "smol")] {
        pub use executor_smol::{Smol, block_on};
    }
}

cfg_if::cfg_if! {
    if #[cfg(any(feature = "tokio", feature = "smol"))] {
        pub use run::{run, start};
    }
}
