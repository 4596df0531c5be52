use std::{sync::Arc, time::Instant};

use super::{Child, ChildrenEngine, Shared};
use crate::{
    engine::{Cause, Charge},
    error::{GaveUp, RestartRecord, StartFailure, StopReason},
};

/// Returns the failures for which a supervisor gives up, with names. `path`: its dotted name.
pub(crate) fn gave_up(path: String, engine: &ChildrenEngine, now: Instant) -> GaveUp {
    let tell = |charge: &Charge<Arc<dyn Child>>| {
        let ago = now.saturating_duration_since(charge.at);
        RestartRecord::new(format!("{path}.{}", charge.child.name()), ago, &charge.cause)
    };
    let strategy = engine.settings().strategy;
    let restarts = engine.history().map(tell).collect();
    GaveUp::new(path, strategy.intensity(), strategy.period(), restarts)
}

/// Returns why a supervisor stops, with names. `path`: makes its dotted name, which the usual stop does not need.
pub(crate) fn stop_reason(
    path: impl Fn() -> String,
    cause: &Cause<Arc<dyn Child>>,
    gave_up: Option<GaveUp>,
) -> StopReason {
    let path_of = |child: &Arc<dyn Child>| format!("{}.{}", path(), child.name());
    // R47, D5: all of these stop alike, and are told apart here, for errors, events and the log.
    match cause {
        Cause::Requested => StopReason::Requested,
        Cause::GaveUp => gave_up.map_or(StopReason::Requested, StopReason::GaveUp),
        Cause::AutoShutdown { child, exit } => {
            StopReason::AutoShutdown { child: path_of(child), path: path(), exit: exit.clone() }
        }
        // A1: the failure climbs unchanged, with the path of the child that failed.
        Cause::FailedToStart { failure: StartFailure::Below { path, cause }, .. } => {
            StopReason::FailedToStart { path: path.clone(), cause: (**cause).clone() }
        }
        Cause::FailedToStart { child, failure } => {
            StopReason::FailedToStart { path: path_of(child), cause: failure.clone() }
        }
    }
}

impl Shared {
    /// Returns why the supervisor stops, or has stopped. `None` if it does not stop.
    pub(crate) fn stop_reason(&self) -> Option<StopReason> {
        let path = self.path();
        let (locked, _) = self.look()?;
        // A clock is foreign code, so it is called without the lock.
        let now = locked.now();
        let engine = locked.lock();
        let cause = engine.stop_cause()?;
        let gave_up = matches!(cause, Cause::GaveUp).then(|| gave_up(path.clone(), &engine, now));
        Some(stop_reason(|| path.clone(), cause, gave_up))
    }
}
