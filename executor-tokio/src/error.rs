use std::panic::{AssertUnwindSafe, catch_unwind};

use thiserror::Error;

/// Why a Tokio runtime cannot be used.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TokioError {
    /// There is no runtime here.
    #[error(
        "not inside of a Tokio runtime; call this from `#[tokio::main]`, from `Runtime::block_on`, or name a runtime's handle"
    )]
    NoRuntime,
    /// The runtime has no clock, and supervision needs one.
    #[error("the Tokio runtime has no clock; build it with `enable_time` or `enable_all`")]
    NoClock,
}

/// Whether a runtime has what this needs. Tokio has no way to ask, and panics if it has not.
pub(crate) fn attempt<R>(needs: impl FnOnce() -> R) -> Option<R> {
    catch_unwind(AssertUnwindSafe(needs)).ok()
}
