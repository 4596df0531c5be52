use std::fmt;

use super::BoxError;

/// The reason why a process did not become ready: it failed, or it has nothing to do in this configuration.
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
    /// Says that there is nothing to run in this configuration. The child stays stopped; a temporary one is removed. Its
    /// supervisor and its siblings go on, and this does not count as a failure.
    pub fn ignore() -> Self {
        // R5: this holds no error. So `?` on any error is a failed start (R4).
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

    /// Returns the error. `None` for [`ignore`](Self::ignore).
    pub(crate) fn into_error(self) -> Option<BoxError> {
        self.0
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
