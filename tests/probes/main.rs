//! The probes, asked over real sockets, on executors in real time: a simulation has no sockets.
//!
//! The client blocks, so it asks on threads of its own.

#[macro_use]
#[path = "../harness/mod.rs"]
mod harness;

/// Mounts tests on the executors that have real time. `on one thread` are those on which one poll that blocks stops everything.
macro_rules! mount_in_real_time {
    (everywhere: $($test:ident)*) => {
        $crate::mount!(tokio, TokioInRealTime, Static: $($test)*);
        $crate::mount!(tokio_multi_thread, TokioMultiThread, Static: $($test)*);
        $crate::mount!(smol, Smol, Static: $($test)*);
        $crate::mount!(async_executor, Own, Static: $($test)*);
    };
    (on one thread: $($test:ident)*) => {
        $crate::mount!(tokio_on_one_thread, TokioInRealTime, Static: $($test)*);
        $crate::mount!(smol_on_one_thread, Smol, Static: $($test)*);
        $crate::mount!(async_executor_on_one_thread, Own, Static: $($test)*);
    };
}

mod client;
mod clients;
mod curl;
mod pages;
mod port;
