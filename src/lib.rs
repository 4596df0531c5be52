//! Erlang/OTP supervision trees for async Rust, on whichever executor you run.
#![forbid(unsafe_code)]

#[cfg(feature = "tokio")]
mod run;

/// What a process can ask about itself, and do where it runs.
pub mod process {
    pub use supervisor_core::ambient::{CurrentProcess, Sleep, current, sleep};
}

pub use supervisor_core::{
    AutoShutdown, Backoff, BoxError, ChildId, ChildInfo, ChildKind, ChildSpec, ChildState, Counts, Ending, Event,
    EventKind, Exit, Failure, GaveUp, InitializationError, IntoWorkerResult, InvalidSpec, Process, ProcessId,
    ProcessShutdown, Restart, RestartCause, RestartMode, RestartStrategy, RestartType, ShutdownHandle, ShutdownOrder,
    ShutdownStrategy, Spawner, StartFailure, Supervisable, SupervisionTree, Supervisor, SupervisorError,
    SupervisorFuture, SupervisorHandle, Termination, Timer, Unclean, UncleanStop, one_shot, worker,
};

cfg_if::cfg_if! {
    if #[cfg(feature = "tokio")] {
        pub use executor_tokio::{Tokio, TokioError};
        pub use run::{Run, run, start};
    }
}
