use std::time::Duration;

use supervisor_core::{ChildKind, ShutdownOrder, ShutdownStrategy, Snapshot};

use super::blueprint::GRACE;

/// Returns how long the whole stop of a supervisor may take, with everything below it now: the times of its children,
/// one after the other or at once; its budget, if that is less; and graces.
pub(crate) fn of_stop(supervisor: &Snapshot) -> Duration {
    let Some(info) = &supervisor.supervisor else { return Duration::ZERO };
    let limits = supervisor.children.iter().map(of_child);
    let all = match info.shutdown_order {
        ShutdownOrder::Reverse => limits.sum(),
        ShutdownOrder::Concurrent => limits.max().unwrap_or_default(),
    };
    info.shutdown_budget.map_or(all, |budget| all.min(budget + GRACE))
}

fn of_child(child: &Snapshot) -> Duration {
    let time = match child.spec.as_ref().map(|spec| spec.shutdown) {
        Some(ShutdownStrategy::Graceful(time)) => time,
        Some(ShutdownStrategy::Brutal) | None => Duration::ZERO,
    };
    match child.kind {
        // It acknowledges within a grace.
        ChildKind::Supervisor => GRACE + of_stop(child).min(time),
        // What it has in its scope is asked and aborted within its own time, and has a grace in each scope.
        ChildKind::Worker => levels(child) * GRACE + time,
    }
}

/// Returns how many processes of a worker and its scopes there are at most, one in the scope of the other.
fn levels(worker: &Snapshot) -> u32 {
    1 + worker.children.iter().map(levels).max().unwrap_or_default()
}
