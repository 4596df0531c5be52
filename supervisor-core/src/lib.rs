//! The runtime-agnostic core of [`supervision`](https://docs.rs/supervision): processes, supervisors, and the restart
//! algorithm, over the [`Spawner`] trait.
//!
//! Depend on `supervision` to run trees. Depend on this crate to write a backend for an executor (its feature `contract`
//! has the test suite that a backend has to pass), or a library that offers children to supervise and leaves it to the
//! program on what they run.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![forbid(unsafe_code)]
// What may grow is decided for each type: see `docs/api.md`.
#![warn(clippy::exhaustive_enums, clippy::exhaustive_structs)]

// Each module uses only the ones above it.
mod sync;
mod id;
mod text;
mod discard;
#[cfg(feature = "serde")]
mod format;
#[cfg(feature = "serde")]
mod written;
mod error;
mod panics;
mod guard;
mod quiescence;
mod mailbox;
mod trace;
mod incarnation;
mod retained;
mod shutdown;
mod spawner;
mod placement;
#[cfg(feature = "contract")]
pub mod contract;
mod strategy;
mod observe;
mod engine;
mod waits;
mod supervisable;
mod node;
mod worker;
mod driver;
mod handle;
mod supervisor;
#[cfg(feature = "signals")]
mod signals;
#[cfg(not(feature = "signals"))]
#[path = "no_signals.rs"]
mod signals;
mod program;
mod tree;
pub mod process;
mod poll_watch;
#[cfg(feature = "testing")]
#[doc(hidden)]
pub mod testing;
#[cfg(all(test, supervision_loom))]
mod interleavings;

pub use self::{
    error::{
        BoxError, Failure, GaveUp, InitializationError, InvalidSpec, PanicLocation, RestartRecord, StartFailure,
        SupervisorError, UncleanProcess, UncleanStop,
    },
    handle::{Permit, SupervisorHandle},
    incarnation::{ChildId, Exit, Process, ProcessId, StopReason, Termination},
    node::{ChildSpec, IntoChildSpec, Monitor},
    observe::{
        AbortReason, Accounting, ChildCounts, ChildInfo, ChildSpecInfo, ChildState, Event, EventKind, Events, Failing,
        LastExit, PlacementKind, RestartCause, Snapshot, SnapshotSource, SupervisorInfo,
    },
    panics::capture_panics,
    placement::{Placement, SpawnerFactory},
    poll_watch::{PollWatch, watch_polls},
    program::exit,
    retained::{Retained, RetainedGuard, RetainedInUse},
    shutdown::{ProcessShutdown, ShutdownHandle, ShutdownOrder, ShutdownStrategy},
    spawner::{Spawner, Timer},
    strategy::{AutoShutdown, Backoff, ChildKind, RestartMode, RestartStrategy, RestartType},
    supervisable::{Supervisable, SupervisorFuture},
    supervisor::Supervisor,
    tree::{Run, RunFuture, SupervisionTree},
    worker::{IntoWorkerResult, JoinHandle, local_worker, one_shot, one_shot_with, task, worker, worker_with_setup},
};

#[cfg(feature = "serde")]
pub use self::strategy::{ChildConfig, SupervisorConfig};

/// For the children that the facade offers, which write to the same log.
#[doc(hidden)]
pub mod log {
    pub use crate::trace::{error, info, warn};
}

/// For simulators, which are told names, too.
#[doc(hidden)]
pub use self::incarnation::dotted;
