//! Pages of the guide that show other crates. `cargo test -p supervision-guide` compiles their examples and runs them; the facade
//! only shows them.

macro_rules! pages {
    ($($name:ident $file:literal)*) => {
        $(
            #[cfg(doctest)]
            #[doc = include_str!(concat!("../../docs/guide/", $file))]
            pub mod $name {}
        )*
    };
}

pages! {
    axum_and_tonic "axum-and-tonic.md"
    databases "databases.md"
    from_ractor "from-ractor.md"
    from_tokio_graceful_shutdown "from-tokio-graceful-shutdown.md"
    from_tokio_util "from-tokio-util.md"
    probes "probes.md"
    tcp_service "tcp-service.md"
    tracing_and_metrics "tracing-and-metrics.md"
}
