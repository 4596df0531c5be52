use std::{
    any::Any,
    backtrace::Backtrace,
    error::Error,
    fmt::{self, Write as _},
    iter,
    panic::AssertUnwindSafe,
    sync::Arc,
};

use arrayvec::ArrayString;
use smol_str::SmolStr;

use super::{
    PanicLocation,
    details::{Details, PanicSite},
};
use crate::{discard::Discard, text::Whole};

/// An error of user code, whatever its type.
pub type BoxError = Box<dyn Error + Send + Sync + 'static>;

/// A failure of user code, as text: the message of an error with those of its sources, or the message of a panic.
///
/// The process renders its error once, and drops the error. Supervisors, logs and callers get this text, so they run no user
/// code, and a failure is cheap to clone. Two failures are equal if their messages and those of their sources are equal.
///
/// A child with [`with_typed_failures`](crate::ChildSpec::with_typed_failures) keeps the error itself beside the text, for
/// [`downcast_ref`](Self::downcast_ref). After [`capture_panics`](crate::capture_panics), the failure of a process that
/// panicked has a [`location`](Self::location).
#[derive(Clone)]
pub struct Failure(Text);

/// The message of a failure. A short one is in here, and takes no allocation: so neither does a restart for its cause.
#[derive(Clone)]
enum Text {
    Plain(SmolStr),
    Detailed(Arc<Detailed>),
}

/// The size matters: it is in each exit.
const _: () = assert!(size_of::<Failure>() == 3 * size_of::<usize>());

/// A message and the rest of a failure. Most failures have no more than a message.
#[derive(Clone)]
struct Detailed {
    message: SmolStr,
    details: Details,
}

impl Failure {
    /// Creates a failure with this message and no source.
    pub fn new(message: impl Into<String>) -> Self {
        Self::plain(message.into().into())
    }

    fn plain(message: SmolStr) -> Self {
        Self(Text::Plain(message))
    }

    fn details(&self) -> Option<&Details> {
        match &self.0 {
            Text::Plain(_) => None,
            Text::Detailed(detailed) => Some(&detailed.details),
        }
    }

    /// Renders an error and the chain of its sources. Leaves out a source that the error's own message repeats.
    pub fn from_error(error: &(dyn Error + 'static)) -> Self {
        // User code can write a chain that never ends. It must not hang the process.
        const LONGEST_CHAIN: usize = 32;
        Self::chain(error, LONGEST_CHAIN)
    }

    fn chain(error: &(dyn Error + 'static), links: usize) -> Self {
        let message = render(error);
        let source = error.source().filter(|_| links > 1).map(|source| Self::chain(source, links - 1));
        let Some(source) = source else { return Self::plain(message) };
        // Many errors repeat their source in their own message. This keeps one of the two.
        if repeats(&message, &source.raw().to_string()) {
            return Self::plain(message);
        }
        if source.messages().any(|below| repeats(&message, below)) {
            let others: Vec<_> = source.messages().filter(|below| !repeats(&message, below)).collect();
            return Self::from_messages(&message, others.into_iter());
        }
        Self::plain(message).with(|details| details.source = Some(source))
    }

    /// Returns the failure with changed details.
    fn with(self, change: impl FnOnce(&mut Details)) -> Self {
        let Detailed { message, mut details } = match self.0 {
            Text::Plain(message) => Detailed { message, details: Details::default() },
            Text::Detailed(detailed) => Arc::unwrap_or_clone(detailed),
        };
        change(&mut details);
        if details.is_empty() {
            Self::plain(message)
        } else {
            Self(Text::Detailed(Arc::new(Detailed { message, details })))
        }
    }

    pub(super) fn below(&self) -> Option<&Self> {
        self.details()?.source.as_ref()
    }

    /// The message and those of the sources, from the outside in.
    pub(crate) fn messages(&self) -> impl Iterator<Item = &str> {
        iter::successors(Some(self), |failure| failure.below()).map(Self::message)
    }

    /// Creates a failure with this message, and sources with these messages, from the outside in.
    pub(crate) fn from_messages<'a>(message: &str, sources: impl DoubleEndedIterator<Item = &'a str>) -> Self {
        let link =
            |source: Option<Self>, message: &str| Self::plain(message.into()).with(|details| details.source = source);
        link(sources.rev().fold(None, |source, message| Some(link(source, message))), message)
    }

    /// Returns the failure with the details of another one, except its sources.
    pub(crate) fn with_details_of(self, other: &Self) -> Self {
        let Some(others) = other.details() else { return self };
        self.with(|details| {
            let Details { site, error, is_final, source: _ } = others.clone();
            (details.site, details.error, details.is_final) = (site, error, is_final);
        })
    }

    /// Returns the failure with the place of its panic.
    pub(crate) fn with_site(self, site: PanicSite) -> Self {
        self.with(|details| details.site = site)
    }

    /// Returns the failure with the error that it was rendered from.
    pub(crate) fn with_error(self, error: BoxError) -> Self {
        self.with(|details| details.error = Some(Arc::new(AssertUnwindSafe(Discard::new(error)))))
    }

    /// Returns the failure as a final one: the restart condition of the child said no.
    pub(crate) fn with_finality(self) -> Self {
        self.with(|details| details.is_final = true)
    }

    /// Returns the error itself, if it has this type and the child keeps its errors:
    /// [`with_typed_failures`](crate::ChildSpec::with_typed_failures). A failure that `serde` has deserialized has only the
    /// text.
    ///
    /// ```
    /// use std::num::ParseIntError;
    /// use supervision::{Exit, one_shot, process};
    ///
    /// /// Returns whether a process failed because it could not parse a number.
    /// fn is_bad_number(exit: &Exit) -> bool {
    ///     matches!(exit, Exit::Failed(failure) if failure.downcast_ref::<ParseIntError>().is_some())
    /// }
    /// # assert!(!is_bad_number(&Exit::Normal));
    /// ```
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.details()?.error.as_ref()?.downcast_ref()
    }

    /// Returns where the process panicked. `None` for an error, and if the program does not call
    /// [`capture_panics`](crate::capture_panics).
    pub fn location(&self) -> Option<&PanicLocation> {
        self.details()?.site.location.as_ref()
    }

    /// Returns the backtrace of the panic. `None` unless the program calls [`capture_panics`](crate::capture_panics), and
    /// `RUST_BACKTRACE` or `RUST_LIB_BACKTRACE` asks for backtraces.
    pub fn backtrace(&self) -> Option<&Backtrace> {
        self.details()?.site.backtrace.as_ref().map(|backtrace| &***backtrace)
    }

    /// Returns whether the child's restart condition said that no restart helps:
    /// [`with_restart_if`](crate::ChildSpec::with_restart_if).
    pub fn is_final(&self) -> bool {
        self.details().is_some_and(|details| details.is_final)
    }

    /// Writes, in brackets, that the failure is final.
    pub(super) fn tell_finality(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        match self.is_final() {
            true => out.write_str(" (not restarted: its restart condition said no)"),
            false => Ok(()),
        }
    }

    /// Writes where the process panicked, if that is known.
    pub(super) fn tell_location(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        self.location().map_or(Ok(()), |location| write!(out, " at {location}"))
    }

    /// Takes the message out of a panic's payload. The caller drops the payload.
    pub(crate) fn from_panic(payload: &(dyn Any + Send)) -> Self {
        // P4: `panic!` makes a payload of one of these two types.
        let message = if let Some(text) = payload.downcast_ref::<&'static str>() {
            SmolStr::new_static(text)
        } else if let Some(text) = payload.downcast_ref::<String>() {
            SmolStr::new(text)
        } else {
            SmolStr::new_static("panic with non-string payload")
        };
        Self::plain(message)
    }

    /// Returns the message as user code wrote it, without those of its sources.
    pub fn message(&self) -> &str {
        match &self.0 {
            Text::Plain(message) => message,
            Text::Detailed(detailed) => &detailed.message,
        }
    }

    /// The message and those of the sources, without escapes.
    pub(crate) fn raw(&self) -> impl fmt::Display + '_ {
        Raw(self)
    }
}

/// Renders a message. Most are short, and need no allocation but that of the text that stays.
fn render(error: &dyn Error) -> SmolStr {
    let mut short = ArrayString::<256>::new();
    if write!(short, "{error}").is_ok() {
        return SmolStr::new(short.as_str());
    }
    let mut long = String::new();
    // If the error's `Display` fails, the text that it wrote before is kept.
    let _ = write!(long, "{error}");
    long.into()
}

/// Returns whether an error's message is that of its source, or ends with it after a colon or the like, also in brackets or
/// quotes.
fn repeats(message: &str, source: &str) -> bool {
    let closing = [')', ']', '\'', '"', '`', '.'];
    let (message, source) = (message.trim_end(), source.trim_end());
    let rest = message.strip_suffix(source).or_else(|| {
        message.trim_end_matches(closing).strip_suffix(source.trim_end_matches(closing)).filter(|_| !source.is_empty())
    });
    let Some(rest) = rest else { return false };
    let before = rest.trim_end().trim_end_matches(['\'', '"', '`']).trim_end();
    rest.is_empty() || before.ends_with([':', ';', '(', '['])
}

struct Raw<'a>(&'a Failure);

impl fmt::Display for Raw<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.message())?;
        self.0.messages().skip(1).try_for_each(|message| write!(f, ": {message}"))
    }
}

/// Prints the message on one line, with control characters escaped. `{:#}` prints the sources as well, each after a colon.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if f.alternate() { Whole(self.raw()).fmt(f) } else { Whole(self.message()).fmt(f) }
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.raw().to_string(), f)
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.below().map(|source| source as _)
    }
}

impl PartialEq for Failure {
    fn eq(&self, other: &Self) -> bool {
        self.messages().eq(other.messages())
    }
}

impl Eq for Failure {}

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
    fn a_text_is_told_once_however_an_error_repeats_it() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Link(String, #[source] Option<Box<Link>>);

        for (messages, told) in [
            (&["open: refused", "pool", "refused"][..], "open: refused: pool"),
            (&["open", "pool", "open"], "open: pool"),
            (&["open (refused)", "refused"], "open (refused)"),
            (&["open: `refused`", "refused"], "open: `refused`"),
            (&["open: refused.", "refused"], "open: refused."),
            (&["open; refused", "refused"], "open; refused"),
            (&["open:\n  refused", "refused"], "open:\n  refused"),
            (&["open (os error 2)", "2"], "open (os error 2): 2"),
            (&["open refused", "refused"], "open refused: refused"),
            (&["open", "", "refused"], "open: : refused"),
        ] {
            let link = |below, text: &&str| Some(Box::new(Link((*text).to_owned(), below)));
            let error = messages.iter().rev().fold(None, link).expect("a link");
            assert_eq!(Failure::from_error(&*error).raw().to_string(), told);
        }
    }

    #[test]
    fn a_message_is_shown_on_one_line_and_kept_as_it_is() {
        let failure = Failure::from_error(&Outer(std::io::Error::other("red \u{1b}[31m\nnext")));
        let failure = Failure::from_messages("a\rb", failure.messages().collect::<Vec<_>>().into_iter());
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
