//! All that differs between the executors: sockets, and how a program is run. Their sockets have the same methods.

use std::{future::Future, time::Duration};

#[cfg(feature = "smol")]
pub use smol::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
#[cfg(not(feature = "smol"))]
pub use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The name of the executor.
pub const EXECUTOR: &str = if cfg!(feature = "smol") { "smol" } else { "tokio" };

/// Runs the program. On Tokio there is a thread for each processor; on smol the variable `SMOL_THREADS` sets their number.
pub fn block_on<T>(program: impl Future<Output = T>) -> std::io::Result<T> {
    #[cfg(feature = "smol")]
    return Ok(smol::block_on(program));
    #[cfg(not(feature = "smol"))]
    return Ok(tokio::runtime::Runtime::new()?.block_on(program));
}

/// Runs a future beside the others, without supervision.
pub fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    #[cfg(feature = "smol")]
    smol::spawn(task).detach();
    #[cfg(not(feature = "smol"))]
    drop(tokio::spawn(task));
}

/// Sleeps, where there is no process whose [`sleep`](supervision::process::sleep) could be used.
pub async fn sleep(time: Duration) {
    #[cfg(feature = "smol")]
    smol::Timer::after(time).await;
    #[cfg(not(feature = "smol"))]
    tokio::time::sleep(time).await;
}
