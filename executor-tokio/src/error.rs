use thiserror::Error;

/// Why a Tokio runtime cannot be used.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum TokioError {
    /// There is no runtime here.
    #[error("no Tokio runtime here; call this inside one, or use `Tokio::try_from(handle)`")]
    NoRuntime,
    /// The runtime has no clock, and supervision needs one. Found out by a panic of Tokio that is caught, and that the program's
    /// panic hook has heard of: there is no other way to ask.
    #[error("the Tokio runtime has no clock; build it with `enable_time` or `enable_all`")]
    NoClock,
}
