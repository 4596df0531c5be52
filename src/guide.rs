// The pages of the guide, as modules without items. What this module itself says is `docs/guide/README.md`.

macro_rules! pages {
    ($($name:ident $file:literal)*) => {
        $(
            #[doc = links!()]
            #[doc = include_str!(concat!("../docs/guide/", $file))]
            pub mod $name {}
        )*
    };
}

// These show crates that this one has no use for. The package in `guide/` compiles them; here they are to be read.
macro_rules! pages_compiled_elsewhere {
    ($($name:ident $file:literal)*) => {
        $(
            #[doc = links!()]
            #[cfg_attr(not(doctest), doc = include_str!(concat!("../docs/guide/", $file)))]
            pub mod $name {}
        )*
    };
}

pages! {
    blocked_polls "blocked-polls.md"
    events "events.md"
    failures "failures.md"
    first_service "first-service.md"
    from_otp "from-otp.md"
    health_and_readiness "health-and-readiness.md"
    jobs "jobs.md"
    local_work "local-work.md"
    reload "reload.md"
    scopes "scopes.md"
    shutdown "shutdown.md"
    snapshot_format "snapshot-format.md"
    snapshots "snapshots.md"
    state "state.md"
    strategies "strategies.md"
    watchdog "watchdog.md"
    writing_a_backend "writing-a-backend.md"
}

// Other pages link to these, whatever the features are. Only with theirs do the examples compile.
macro_rules! pages_of_a_feature {
    ($($name:ident $file:literal $feature:tt)*) => {
        $(
            #[doc = links!()]
            #[cfg_attr(any(feature = $feature, not(doctest)), doc = include_str!(concat!("../docs/guide/", $file)))]
            pub mod $name {}
        )*
    };
}

pages_of_a_feature! {
    lease "lease.md" "lease"
    observer "observer.md" "observer"
    systemd "systemd.md" "systemd"
    testing "testing.md" "sim"
}

pages_compiled_elsewhere! {
    axum_and_tonic "axum-and-tonic.md"
    databases "databases.md"
    from_ractor "from-ractor.md"
    from_tokio_graceful_shutdown "from-tokio-graceful-shutdown.md"
    from_tokio_util "from-tokio-util.md"
    probes "probes.md"
    tcp_service "tcp-service.md"
    tracing_and_metrics "tracing-and-metrics.md"
}
