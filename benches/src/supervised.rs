//! The same with supervision.

use std::time::Duration;

use executor_tokio::Tokio;
use supervisor_core::{RestartStrategy, ShutdownOrder, SupervisionTree, Supervisor};

/// A root that restarts whoever fails, and stops all at once.
#[must_use]
pub fn root() -> Supervisor {
    let never_gives_up = RestartStrategy::one_for_one().with_intensity_and_period(usize::MAX, Duration::from_secs(5));
    Supervisor::new("root")
        .expect("a valid name")
        .with_restart_strategy(never_gives_up)
        .with_shutdown_order(ShutdownOrder::Concurrent)
}

/// Starts it on the runtime that this is called in.
pub async fn start(root: Supervisor) -> SupervisionTree {
    root.start_on(Tokio::current().expect("a runtime")).await.expect("a start without failure")
}
