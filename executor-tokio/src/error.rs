use thiserror::Error;

/// The reason why a Tokio runtime cannot be used.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TokioError {
    /// There is no runtime here.
    #[error("no Tokio runtime here; call this inside one, or use `Tokio::try_from(handle)`")]
    NoRuntime,
    /// The runtime has no clock, and supervision needs one. A caught panic of Tokio finds this out, and the program's
    /// panic hook sees it: there is no other way to ask.
    #[error("the Tokio runtime has no clock; build it with `enable_time` or `enable_all`")]
    NoClock,
}
