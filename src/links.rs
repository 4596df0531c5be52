// The links between the pages of the guide.

/// Where the links of a page lead. A page names another one as `[watchdog]`, and defines at its end that this is `watchdog.md`, for
/// readers of the repository. Of two definitions Markdown takes the first, so here it is the module.
macro_rules! links {
    () => {
        "
[axum and tonic]: crate::guide::axum_and_tonic
[blocked polls]: crate::guide::blocked_polls
[databases]: crate::guide::databases
[events]: crate::guide::events
[failures]: crate::guide::failures
[first service]: crate::guide::first_service
[coming from OTP]: crate::guide::from_otp
[coming from ractor]: crate::guide::from_ractor
[coming from tokio-graceful-shutdown]: crate::guide::from_tokio_graceful_shutdown
[coming from JoinSet]: crate::guide::from_tokio_util
[health and readiness]: crate::guide::health_and_readiness
[jobs]: crate::guide::jobs
[one replica]: crate::guide::lease
[local work]: crate::guide::local_work
[observer]: crate::guide::observer
[probes]: crate::guide::probes
[reload]: crate::guide::reload
[scopes]: crate::guide::scopes
[shutdown]: crate::guide::shutdown
[snapshot format]: crate::guide::snapshot_format
[snapshots]: crate::guide::snapshots
[state]: crate::guide::state
[strategies]: crate::guide::strategies
[systemd]: crate::guide::systemd
[TCP service]: crate::guide::tcp_service
[testing]: crate::guide::testing
[tracing and metrics]: crate::guide::tracing_and_metrics
[watchdog]: crate::guide::watchdog
[writing a backend]: crate::guide::writing_a_backend

"
    };
}
