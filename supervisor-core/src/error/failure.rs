use std::{
    any::Any,
    error::Error,
    fmt::{self, Write as _},
    iter,
    sync::Arc,
};

use arrayvec::ArrayString;

use crate::text::Whole;

/// An error of user code, whatever its type.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// What user code said of its failure, as text: an error with its chain of sources, or a panic's message.
///
/// An error is rendered once, inside the process that it ended, and dropped there. What travels to supervisors,
/// logs and callers is this text, so no user code runs anywhere else, and a failure is cheap to clone. Two failures are
/// equal if they say the same, sources included.
#[derive(Clone, PartialEq, Eq)]
pub struct Failure {
    message: Arc<str>,
    source: Option<Arc<Failure>>,
}

impl Failure {
    /// Creates a failure with this message and no source.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into().into(), source: None }
    }

    /// Renders an error and the chain of its sources. A source that its error's own message repeats is left out.
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        // A chain that never ends is possible to write, and must not take the process with it.
        const LONGEST_CHAIN: usize = 32;
        Self::chain(error, LONGEST_CHAIN)
    }

    fn chain(error: &(dyn Error + 'static), links: usize) -> Self {
        let message = render(error);
        let mut source = error.source().filter(|_| links > 1).map(|source| Arc::new(Self::chain(source, links - 1)));
        // Many errors repeat their source in their own message. It is told once.
        if source.as_ref().is_some_and(|source| repeats(&message, &source.raw().to_string())) {
            source = None;
        }
        while let Some(repeated) = source.take_if(|source| repeats(&message, &source.message)) {
            source = repeated.source.clone();
        }
        Self { message, source }
    }

    /// Its message, and those of its sources, from the outside in.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &str> {
        iter::successors(Some(self), |failure| failure.source.as_deref()).map(Self::message)
    }

    /// One that says this, with sources that say that.
    pub(crate) fn from_messages<'a>(message: &str, sources: impl DoubleEndedIterator<Item = &'a str>) -> Self {
        let source =
            sources.rev().fold(None, |source, message| Some(Arc::new(Self { message: message.into(), source })));
        Self { message: message.into(), source }
    }

    /// Takes the message out of a panic's payload. The caller drops the payload.
    pub(crate) fn from_panic(payload: &(dyn Any + Send)) -> Self {
        // P4: a panic has its message as one of these two.
        let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
            (*text).to_owned()
        } else if let Some(text) = payload.downcast_ref::<String>() {
            text.clone()
        } else {
            "panic with non-string payload".to_owned()
        };
        Self::new(message)
    }

    /// Returns the message as it is, without those of its sources.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The message and those of its sources, as they are: nothing is escaped.
    pub(crate) fn raw(&self) -> impl fmt::Display + '_ {
        Raw(self)
    }
}

/// Most messages are short: they are allocated once, in the place where they stay.
fn render(error: &dyn Error) -> Arc<str> {
    let mut short = ArrayString::<256>::new();
    if write!(short, "{error}").is_ok() {
        return short.as_str().into();
    }
    let mut long = String::new();
    // Of an error whose `Display` fails, what it had written is kept.
    let _ = write!(long, "{error}");
    long.into()
}

/// Whether an error's message is that of its source, or has it behind a colon.
fn repeats(message: &str, source: &str) -> bool {
    message.strip_suffix(source).is_some_and(|rest| rest.is_empty() || rest.ends_with(": "))
}

struct Raw<'a>(&'a Failure);

impl fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        let mut source = self.0.source.as_deref();
        while let Some(Failure { message, source: below }) = source {
            write!(f, ": {message}")?;
            source = below.as_deref();
        }
        Ok(())
    }
}

/// The message alone, on one line: control characters are escaped. With `{:#}` the sources follow, each behind a colon.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { Whole(self.raw()).fmt(f) } else { Whole(&self.message).fmt(f) }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.raw().to_string(), f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
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

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Wordy(String);

    #[test]
    fn a_long_message_is_kept_whole() {
        for length in [0, 255, 256, 257, 10_000] {
            let text = "x".repeat(length);
            assert_eq!(Failure::from_error(&Wordy(text.clone())).message(), text);
        }
    }

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read the config: {0}")]
    struct Repeats(#[source] Outer);

    #[derive(Debug, thiserror::Error)]
    #[error("all: cannot read the config: cannot open the spool: disk on fire")]
    struct RepeatsAll(#[source] Repeats);

    #[test]
    fn a_source_that_its_error_repeats_is_told_once() {
        let repeats = || Repeats(Outer(std::io::Error::other("disk on fire")));
        let failure = Failure::from_error(&repeats());
        assert_eq!(format!("{failure:#}"), "cannot read the config: cannot open the spool: disk on fire");
        assert_eq!(failure.message(), "cannot read the config: cannot open the spool");
        let all = Failure::from_error(&RepeatsAll(repeats()));
        assert_eq!(format!("{all:#}"), "all: cannot read the config: cannot open the spool: disk on fire");
        assert!(all.source().is_none());
        assert!(!super::repeats("cannot parse 12", "2"), "by chance");
    }

    #[test]
    fn a_message_is_shown_on_one_line_and_kept_as_it_is() {
        let failure = Failure::from_error(&Outer(std::io::Error::other("red \u{1b}[31m\nnext")));
        let failure = Failure { source: Some(Arc::new(failure)), ..Failure::new("a\rb") };
        assert_eq!(failure.to_string(), r"a\rb");
        assert_eq!(format!("{failure:#}"), r"a\rb: cannot open the spool: red \u{1b}[31m\nnext");
        assert_eq!(failure.message(), "a\rb");
        assert_eq!(failure.raw().to_string(), "a\rb: cannot open the spool: red \u{1b}[31m\nnext");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("turtle {0}")]
    struct Turtle(usize, #[source] Option<Box<Turtle>>);

    #[test]
    fn a_chain_that_is_too_long_is_cut() {
        let tower = (0..100).fold(Turtle(0, None), |below, n| Turtle(n, Some(Box::new(below))));
        assert_eq!(format!("{:#}", Failure::from_error(&tower)).matches("turtle").count(), 32);
    }

    #[test]
    fn a_panic_keeps_its_message() {
        let text: Box<dyn Any + Send> = Box::new("boom");
        let owned: Box<dyn Any + Send> = Box::new(String::from("boom 2"));
        let other: Box<dyn Any + Send> = Box::new(7);
        assert_eq!(Failure::from_panic(&*text).message(), "boom");
        assert_eq!(Failure::from_panic(&*owned).message(), "boom 2");
        assert_eq!(Failure::from_panic(&*other).message(), "panic with non-string payload");
    }
}
