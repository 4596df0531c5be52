use std::fmt;

use super::{BoxError, Failure};

/// Why a process did not become ready: it failed, or it has nothing to do in this configuration.
///
/// Any error converts into one, so `?` works in
/// [`initialize`](crate::Supervisable::initialize). Like `anyhow::Error`, and for the same reason, it does not
/// implement [`std::error::Error`] itself.
///
/// ```
/// use supervision::InitializationError;
///
/// fn port(text: &str) -> Result<u16, InitializationError> {
///     if text.is_empty() {
///         return Err(InitializationError::ignore()); // not configured: nothing to run, and nothing is wrong
///     }
///     Ok(text.parse()?)
/// }
///
/// assert!(port("").unwrap_err().is_ignore());
/// assert!(!port("many").unwrap_err().is_ignore());
/// ```
#[must_use = "it counts only where `initialize` returns it"]
pub struct InitializationError(Option<BoxError>);

impl InitializationError {
    /// Says that there is nothing to run in this configuration. The child stays stopped (a temporary one is removed), its
    /// supervisor and its siblings carry on, and nothing counts as a failure.
    pub fn ignore() -> Self {
        // R5: told from an error by its absence, so `?` on any error is a failed start (R4).
        Self(None)
    }

    /// Says that the start failed.
    pub fn failed(error: impl Into<BoxError>) -> Self {
        Self(Some(error.into()))
    }

    /// Returns whether this is [`ignore`](Self::ignore).
    pub fn is_ignore(&self) -> bool {
        self.0.is_none()
    }

    /// The error as text; `None` for [`ignore`](Self::ignore).
    pub(crate) fn into_failure(self) -> Option<Failure> {
        // P3: rendered once, where it came about.
        self.0.map(|error| Failure::from_error(&*error))
    }
}

impl<E: Into<BoxError>> From<E> for InitializationError {
    fn from(error: E) -> Self {
        Self::failed(error)
    }
}

impl fmt::Debug for InitializationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("InitializationError::ignore()"),
            Some(error) => write!(f, "InitializationError({error:?})"),
        }
    }
}

impl fmt::Display for InitializationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            None => f.write_str("nothing to run in this configuration"),
            Some(error) => fmt::Display::fmt(error, f),
        }
    }
}
