//! Numbers of leases, for the `metrics` facade. Without the feature all of this is empty.

use crate::LeaseEvent;

#[cfg(feature = "metrics")]
pub(crate) fn count(path: &str, event: &LeaseEvent) {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    // A recorder is foreign code. One that panics loses that number.
    let _ = catch_unwind(AssertUnwindSafe(|| record(path, event)));
}

/// Notes that the replica does not have the lease, because its keeper has ended.
#[cfg(feature = "metrics")]
pub(crate) fn forget(path: &str) {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    let _ = catch_unwind(AssertUnwindSafe(|| metrics::gauge!(HELD, "path" => path.to_owned()).set(0.0)));
}

#[cfg(not(feature = "metrics"))]
pub(crate) fn forget(_path: &str) {}

#[cfg(feature = "metrics")]
const HELD: &str = "supervision_lease_held";

#[cfg(not(feature = "metrics"))]
pub(crate) fn count(_path: &str, _event: &LeaseEvent) {}

#[cfg(feature = "metrics")]
fn record(path: &str, event: &LeaseEvent) {
    use std::sync::Once;

    use metrics::{counter, describe_counter, describe_gauge, gauge};

    const ACQUIRED: &str = "supervision_lease_acquired_total";
    const LOST: &str = "supervision_lease_lost_total";
    const FAILED: &str = "supervision_lease_failed_requests_total";
    static DESCRIBED: Once = Once::new();
    DESCRIBED.call_once(|| {
        describe_gauge!(HELD, "Whether this replica has the lease");
        describe_counter!(ACQUIRED, "Leases that this replica was granted");
        describe_counter!(LOST, "Leases that this replica did not count on any more before it gave them back");
        describe_counter!(FAILED, "Requests for a lease that failed, or were not answered in time");
    });
    let path = path.to_owned();
    match event {
        LeaseEvent::Acquired { .. } => {
            counter!(ACQUIRED, "path" => path.clone()).increment(1);
            gauge!(HELD, "path" => path).set(1.0);
        }
        LeaseEvent::Lost { .. } => counter!(LOST, "path" => path).increment(1),
        LeaseEvent::Released | LeaseEvent::Waiting { .. } => gauge!(HELD, "path" => path).set(0.0),
        LeaseEvent::AcquisitionFailed { .. } => failed(FAILED, path, "acquire"),
        LeaseEvent::RenewalFailed { .. } => failed(FAILED, path, "renew"),
        LeaseEvent::ReleaseFailed { .. } => failed(FAILED, path, "release"),
        LeaseEvent::Ended { .. } | LeaseEvent::Stuck | LeaseEvent::Overrun => {}
    }
}

#[cfg(feature = "metrics")]
fn failed(name: &'static str, path: String, request: &'static str) {
    metrics::counter!(name, "path" => path, "request" => request).increment(1);
}
