//! Supervisors and children that do no more than a test needs.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::time::Duration;

use supervisor_core::{ChildSpec, RestartStrategy, Supervisor, worker};

/// Makes a supervisor with a generous budget, so that only the tested failure ends it.
pub(crate) fn supervisor(name: &'static str, strategy: RestartStrategy) -> Supervisor {
    let generous = strategy.with_intensity_and_period(1000, Duration::from_secs(5));
    Supervisor::new(name).expect("a valid name").with_restart_strategy(generous)
}

/// Makes a worker that runs until it is asked to stop.
pub(crate) fn idle(name: &'static str) -> ChildSpec {
    worker(name, |shutdown| shutdown)
}
