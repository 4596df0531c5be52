#![cfg_attr(feature = "tokio", doc = include_str!("../README.md"))]
#![cfg_attr(
    not(feature = "tokio"),
    doc = "Erlang/OTP supervision trees for async Rust, on whichever executor you run."
)]
//!
//! # Where things are
//!
//! | for | items |
//! |---|---|
//! | putting a tree together | [`Supervisor`], [`worker`], [`worker_with_setup`], [`one_shot`], [`one_shot_with`], [`Supervisable`], [`ChildSpec`] |
//! | running it | `run`, or `start`, which returns a [`SupervisionTree`]: with the feature `tokio` on the Tokio runtime in which they are awaited, with `smol` on smol. [`Supervisor::run_on`] and [`Supervisor::start_on`] take the executor, and need neither feature |
//! | what happens when a child fails | [`RestartStrategy`] and [`AutoShutdown`] on a supervisor; [`RestartType`] and [`Backoff`] on a child |
//! | stopping | [`ShutdownStrategy`] on a child, [`ShutdownOrder`] on a supervisor |
//! | inside a worker | [`ProcessShutdown`]; [`process`], for questions about itself; [`spawn`], which adds a sibling; [`process::scope`], for what ends with the worker |
//! | keeping state over restarts | [`Retained`] |
//! | work that is not `Send` | [`local_worker`], on a thread of its own |
//! | jobs with results | [`task`], [`JoinHandle`]; [`Permit`] reserves room for one; [`Monitor`] returns how a child ended |
//! | from outside | [`SupervisorHandle`] adds and removes children; [`Events`] is a stream of what happens; [`Snapshot`] shows what is running |
//! | children at run time, such as connections and jobs | [`Supervisor::dynamic`] |
//! | finding workers that hang or block | [`ChildSpec::with_watchdog`], [`watch_polls`] |
//! | errors | [`SupervisorError`], [`InitializationError`]; [`exit`] prints one and ends the program |
//! | executors | [`Spawner`], [`Placement`]; `Tokio` and `RuntimeConfiguration` with the feature `tokio`, `Smol` and `block_on` with `smol` |
//! | probes of an orchestrator, over HTTP | `Probes`, with the feature `probes` |
//! | a web page that shows the tree | the module `observer`, with the feature of that name |
//! | tests in virtual time, with faults, from a seed | the module `sim`, with the feature of that name |
//! | a part that runs on one replica of the service at a time | the module `lease`, with the feature of that name |
//! | a service that systemd starts | the module `systemd`, with the feature of that name |
//! | tasks and common failures, one page each | the module `guide`, with the feature `tokio` |
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
// `docs/api.md` says for each type whether it may grow.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

#[cfg(any(feature = "tokio", feature = "smol"))]
mod current_executor;
#[cfg(feature = "observer")]
pub mod observer;
#[cfg(feature = "probes")]
mod probes;
#[cfg(any(feature = "tokio", feature = "smol"))]
mod run;

#[cfg(feature = "tokio")]
#[macro_use]
mod links;

#[cfg(feature = "tokio")]
#[doc = links!()]
#[doc = include_str!("../docs/guide/README.md")]
pub mod guide;

/// Functions for code inside a process: questions about the process itself, its heartbeat, its readiness, and sleep.
pub mod process {
    pub use supervisor_core::process::{
        CurrentProcess, Sleep, current, heartbeat, now, random, ready, scope, scope_with, shutdown, sleep, spawn_task,
        supervisor,
    };
}

#[cfg(feature = "sim")]
/// Trees on one thread, in virtual time, in an order that a seed decides, for tests. The page `testing` of the guide shows how.
pub mod sim {
    pub use executor_sim::{Fault, Record, Sim, SimExecutor, SimSpawner, Threads, block_for, block_for_good, sweep};
}

#[cfg(feature = "lease")]
/// A part of a tree that runs on one replica of a service at a time: the one that has a lease in a store. The page `lease` of the guide
/// shows how.
pub mod lease {
    pub use lease::{
        Acquisition, Bid, Claim, Clock, Held, Holder, LastResort, LeaseError, LeaseEvent, LeaseEvents, LeaseSnapshot,
        LeaseState, LeaseStatus, Leased, LossReason, MachineClock, Mark, Memory, MemoryRow, Patience, Renewal, Row,
        Store, Token,
    };
}

#[cfg(feature = "systemd")]
pub mod systemd;

pub use supervisor_core::process::spawn;

pub use supervisor_core::{
    AbortReason, Accounting, AutoShutdown, Backoff, BoxError, ChildCounts, ChildId, ChildInfo, ChildKind, ChildSpec,
    ChildSpecInfo, ChildState, Event, EventKind, Events, Exit, Failing, Failure, GaveUp, InitializationError,
    IntoChildSpec, IntoWorkerResult, InvalidSpec, JoinHandle, LastExit, Monitor, PanicLocation, Permit, Placement,
    PlacementKind, PollWatch, Process, ProcessId, ProcessShutdown, RestartCause, RestartMode, RestartRecord,
    RestartStrategy, RestartType, Retained, RetainedGuard, RetainedInUse, Run, RunFuture, ShutdownHandle,
    ShutdownOrder, ShutdownStrategy, Snapshot, SnapshotSource, Spawner, SpawnerFactory, StartFailure, StopReason,
    Supervisable, SupervisionTree, Supervisor, SupervisorError, SupervisorFuture, SupervisorHandle, SupervisorInfo,
    Termination, Timer, UncleanProcess, UncleanStop, capture_panics, exit, local_worker, one_shot, one_shot_with, task,
    watch_polls, worker, worker_with_setup,
};

#[cfg(feature = "serde")]
pub use supervisor_core::{ChildConfig, SupervisorConfig};

#[cfg(feature = "probes")]
pub use probes::Probes;

#[cfg(feature = "tokio")]
pub use executor_tokio::{RuntimeConfiguration, Tokio, TokioError};

#[cfg(feature = "smol")]
pub use executor_smol::{Smol, block_on};

#[cfg(any(feature = "tokio", feature = "smol"))]
pub use run::{run, start};
