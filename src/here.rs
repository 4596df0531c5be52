//! Which executor `run` and `start` take, and whose signals they hear.

use std::{future::Future, pin::Pin, sync::Arc};

use supervisor_core::{Spawner, SupervisorError};

pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// An executor.
pub(crate) struct Here {
    pub(crate) spawner: Arc<dyn Spawner>,
    /// Begins to listen to the signals that ask a program to stop. What it returns waits for the first one.
    pub(crate) listen: fn() -> Result<BoxFuture<()>, SupervisorError>,
}

/// The one to take where this is called.
pub(crate) fn here() -> Result<Here, SupervisorError> {
    cfg_if::cfg_if! {
        if #[cfg(all(feature = "tokio", feature = "smol"))] {
            match on_tokio::here() {
                Err(executor_tokio::TokioError::NoRuntime) => Ok(on_smol::here()),
                found => found.map_err(SupervisorError::executor),
            }
        } else if #[cfg(feature = "tokio")] {
            on_tokio::here().map_err(SupervisorError::executor)
        } else {
            Ok(on_smol::here())
        }
    }
}

#[cfg(feature = "tokio")]
mod on_tokio {
    use std::sync::Arc;

    use executor_tokio::{Signals, Tokio, TokioError};
    use supervisor_core::SupervisorError;

    use super::{BoxFuture, Here};

    pub(super) fn here() -> Result<Here, TokioError> {
        Ok(Here { spawner: Arc::new(Tokio::current()?), listen })
    }

    fn listen() -> Result<BoxFuture<()>, SupervisorError> {
        let mut signals = Signals::listen().map_err(SupervisorError::executor)?;
        Ok(Box::pin(async move { signals.recv().await }))
    }
}

#[cfg(feature = "smol")]
mod on_smol {
    use std::sync::Arc;

    use executor_smol::{Signals, Smol};
    use supervisor_core::SupervisorError;

    use super::{BoxFuture, Here};

    pub(super) fn here() -> Here {
        Here { spawner: Arc::new(Smol::global()), listen }
    }

    fn listen() -> Result<BoxFuture<()>, SupervisorError> {
        let mut signals = Signals::listen().map_err(SupervisorError::executor)?;
        Ok(Box::pin(async move { signals.recv().await }))
    }
}
