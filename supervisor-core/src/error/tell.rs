//! The parts of a text: what supervision knows (names, how a process ended, times, counts), and the message of user code.
//!
//! - `{}` of an error prints what supervision knows, on one line.
//! - [`source`](std::error::Error::source) is the message of user code: exactly what `{}` leaves out.
//! - `{:#}` prints both, on one line.
//!
//! So each cause is printed once, whether a program prints the error alone or with the chain of its sources. A type that has no
//! source prints both parts with `{}`: one that is not an error, and [`Exit`](super::Exit), which is mostly printed alone and
//! is an error for the sake of `?`.

use std::fmt;

use super::Failure;
use crate::text::Whole;

pub(crate) trait Tell {
    /// Writes what supervision knows.
    fn tell(&self, out: &mut dyn fmt::Write) -> fmt::Result;

    /// The message of user code, if there is one.
    fn said(&self) -> Option<&Failure>;
}

/// What supervision knows. Nothing is escaped.
pub(super) struct Known<'a>(pub(super) &'a dyn Tell);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tell(f)
    }
}

/// What supervision knows, and the message of user code. Nothing is escaped.
pub(crate) struct Story<'a>(pub(crate) &'a dyn Tell);

impl fmt::Display for Story<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tell(f)?;
        match self.0.said() {
            Some(failure) => write!(f, ": {}", failure.raw()),
            None => Ok(()),
        }
    }
}

/// Writes the `Display` of an error.
pub(super) fn error(this: &dyn Tell, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if f.alternate() { data(this, f) } else { fmt::Display::fmt(&Whole(Known(this)), f) }
}

/// Writes the `Display` of a type that has no source.
pub(super) fn data(this: &dyn Tell, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Display::fmt(&Whole(Story(this)), f)
}
