//! How errors and exits are told.
//!
//! What supervision knows (names, how a process ended, times, counts) and what user code said are told apart:
//!
//! - `{}` of an error is what supervision knows, on one line.
//! - [`source`](std::error::Error::source) is what user code said: exactly what `{}` leaves out.
//! - `{:#}` is both, on one line.
//!
//! So each cause stands once, whether an error is printed by itself or with a library that prints the sources of errors. What is
//! not an error, an [`Exit`](super::Exit) for example, has no sources, and `{}` of it says all.

use std::fmt;

use super::Failure;
use crate::text::Whole;

pub(crate) trait Tell {
    /// Writes what supervision knows.
    fn tell(&self, out: &mut dyn fmt::Write) -> fmt::Result;

    /// What user code said.
    fn said(&self) -> Option<&Failure>;
}

/// What supervision knows, as it is: nothing is escaped.
pub(super) struct Known<'a>(pub(super) &'a dyn Tell);

impl fmt::Display for Known<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tell(f)
    }
}

/// What supervision knows and what user code said, as it is: nothing is escaped.
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

/// `Display` of an error.
pub(super) fn error(this: &dyn Tell, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if f.alternate() { data(this, f) } else { fmt::Display::fmt(&Whole(Known(this)), f) }
}

/// `Display` of what has no sources.
pub(super) fn data(this: &dyn Tell, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    fmt::Display::fmt(&Whole(Story(this)), f)
}
