use std::{any::Any, error::Error, fmt, sync::Arc};

/// An error of user code, whatever its type.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// What went wrong in user code, as text: an error with its chain of sources, or a panic's message.
///
/// An error is rendered once, inside the process that it ended, and dropped there. What travels to supervisors,
/// logs and callers is this text, so no user code runs anywhere else, and a failure is cheap to clone.
#[derive(Clone)]
pub struct Failure(Arc<Link>);

struct Link {
    message: Box<str>,
    source: Option<Failure>,
}

impl Failure {
    /// A failure with this message and no source.
    pub fn new(message: impl Into<String>) -> Self {
        Self::link(message.into(), None)
    }

    /// Renders an error and the chain of its sources.
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        // A chain that never ends is possible to write, and must not take the process with it.
        const LONGEST_CHAIN: usize = 32;
        let chain: Vec<String> = std::iter::successors(Some(error), |&error| error.source())
            .take(LONGEST_CHAIN)
            .map(ToString::to_string)
            .collect();
        let source = chain.into_iter().rev().fold(None, |source, message| Some(Self::link(message, source)));
        source.unwrap_or_else(|| Self::new("unknown error"))
    }

    /// Takes the message out of a panic's payload. The caller drops the payload.
    pub(crate) fn from_panic(payload: &(dyn Any + Send)) -> Self {
        let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "a panic without a text".to_owned()
        };
        Self::new(message)
    }

    /// The message, without those of its sources.
    pub fn message(&self) -> &str {
        &self.0.message
    }

    fn link(message: String, source: Option<Failure>) -> Self {
        Self(Arc::new(Link { message: message.into_boxed_str(), source }))
    }
}

/// The message alone. With `{:#}` the sources follow, each behind a colon.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        match &self.0.source {
            Some(source) if f.alternate() => write!(f, ": {source:#}"),
            _ => Ok(()),
        }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&format!("{self:#}"), f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source.as_ref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot open the spool")]
    struct Outer(#[source] std::io::Error);

    #[test]
    fn an_error_keeps_its_chain_as_text() {
        let error = Outer(std::io::Error::other("disk on fire"));
        let failure = Failure::from_error(&error);
        assert_eq!(failure.to_string(), "cannot open the spool");
        assert_eq!(format!("{failure:#}"), "cannot open the spool: disk on fire");
        assert_eq!(failure.source().map(ToString::to_string).as_deref(), Some("disk on fire"));
    }

    #[test]
    fn a_panic_keeps_its_message() {
        let text: Box<dyn Any + Send> = Box::new("boom");
        let owned: Box<dyn Any + Send> = Box::new(String::from("boom 2"));
        let other: Box<dyn Any + Send> = Box::new(7);
        assert_eq!(Failure::from_panic(&*text).message(), "boom");
        assert_eq!(Failure::from_panic(&*owned).message(), "boom 2");
        assert_eq!(Failure::from_panic(&*other).message(), "a panic without a text");
    }
}
