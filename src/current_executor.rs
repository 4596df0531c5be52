//! The executor that `run` and `start` use.

use std::sync::Arc;

use supervisor_core::{Spawner, SupervisorError};

/// Returns the executor of the calling code.
pub(crate) fn current_executor() -> Result<Arc<dyn Spawner>, SupervisorError> {
    cfg_if::cfg_if! {
        if #[cfg(all(feature = "tokio", feature = "smol"))] {
            use executor_tokio::{Tokio, TokioError};

            match Tokio::current() {
                // Only if there is no runtime at all. A runtime without a clock is a mistake that has to be reported,
                // and no reason to run elsewhere.
                Err(TokioError::NoRuntime) => Ok(Arc::new(executor_smol::Smol::global())),
                found => Ok(Arc::new(found.map_err(SupervisorError::executor)?)),
            }
        } else if #[cfg(feature = "tokio")] {
            Ok(Arc::new(executor_tokio::Tokio::current().map_err(SupervisorError::executor)?))
        } else {
            Ok(Arc::new(executor_smol::Smol::global()))
        }
    }
}
