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
    reload "reload.md"
    shutdown "shutdown.md"
    snapshot_format "snapshot-format.md"
    snapshots "snapshots.md"
    state "state.md"
    strategies "strategies.md"
    watchdog "watchdog.md"
    writing_a_backend "writing-a-backend.md"
}

#[cfg(feature = "sim")]
pages! {
    testing "testing.md"
}

pages_compiled_elsewhere! {
    axum_and_tonic "axum-and-tonic.md"
    databases "databases.md"
    from_ractor "from-ractor.md"
    from_tokio_graceful_shutdown "from-tokio-graceful-shutdown.md"
    from_tokio_util "from-tokio-util.md"
    tracing_and_metrics "tracing-and-metrics.md"
}
