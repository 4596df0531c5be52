use std::{error::Error, fmt, time::Duration};

use super::{
    Failure, RestartCause,
    tell::{self, Known, Tell},
};
use crate::text::{Number, Restarts, Time, Whole};

/// A supervisor was out of restarts: more than `intensity` of them within `period`.
///
/// `{}` prints one line: which child failed last, and how. [`source`](Error::source) is what the code of that child said, and
/// `{:#}` prints it, too. Line breaks and other control characters in it are escaped.
///
/// Serialized, an intensity or a period without limit is `null`.
#[derive(Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GaveUp {
    /// Dotted name of the supervisor.
    pub path: String,
    /// How many restarts it was allowed.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::number"))]
    pub intensity: usize,
    /// The time in which it was allowed them.
    #[cfg_attr(feature = "serde", serde(rename = "period_seconds", with = "crate::format::seconds"))]
    pub period: Duration,
    /// The failures that spent its budget, oldest first: the last [`GaveUp::MAX_HISTORY`] at most. The last one is the
    /// failure that was one too many.
    pub restarts: Vec<RestartRecord>,
}

/// A failure that cost a supervisor one of its restarts. Displayed, it is one line.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct RestartRecord {
    /// Dotted name of the child that failed.
    pub path: String,
    /// How long before the supervisor gave up.
    #[cfg_attr(feature = "serde", serde(rename = "ago_seconds", with = "crate::format::seconds"))]
    pub ago: Duration,
    /// How the child ended, or failed to start.
    ///
    /// Where the child is a supervisor that gave up itself, its history has one record: the failure at the bottom of it, from
    /// which the others followed. For one that shut down by itself, the significant child is the one at the bottom. Processes
    /// that did not stop well are not kept. So a history holds 16 records, and not 16 for each level below it.
    pub cause: RestartCause,
}

impl GaveUp {
    /// How many failures are kept. A supervisor may count a million; people read the last few (A1).
    pub const MAX_HISTORY: usize = 16;

    pub(crate) fn new(path: String, intensity: usize, period: Duration, restarts: Vec<RestartRecord>) -> Self {
        Self { path, intensity, period, restarts }
    }

    /// That it gave up, without its own path, and without what it gave up for.
    pub(crate) fn verdict(&self) -> impl fmt::Display + '_ {
        Verdict(self)
    }

    /// All that it says, without its own path, as it is: nothing is escaped or cut.
    pub(crate) fn words(&self) -> impl fmt::Display + '_ {
        Words(self)
    }

    /// The failures before the last one, oldest first.
    pub(super) fn earlier(&self) -> &[RestartRecord] {
        self.restarts.split_last().map_or(&[], |(_, earlier)| earlier)
    }

    pub(super) fn tell_without_path(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "{}", self.verdict())?;
        match self.restarts.last() {
            None => Ok(()),
            Some(RestartRecord { path, cause, .. }) if cause.is_success() => write!(
                out,
                "; `{path}` {}, but a permanent child is restarted even when it ends well; make it transient or temporary \
                 (see `RestartType`)",
                Known(cause)
            ),
            Some(RestartRecord { path, cause, .. }) => write!(out, "; last failure: `{path}` {}", Known(cause)),
        }
    }

    pub(super) fn for_history(&self) -> Self {
        let mut bottom = self.restarts.last();
        while let Some(below) = bottom.and_then(|record| record.cause.gave_up()?.restarts.last()) {
            bottom = Some(below);
        }
        Self { path: self.path.clone(), restarts: bottom.cloned().into_iter().collect(), ..*self }
    }
}

struct Verdict<'a>(&'a GaveUp);

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GaveUp { intensity, period, .. } = *self.0;
        write!(f, "gave up: more than {}", Restarts { intensity, period })
    }
}

struct Words<'a>(&'a GaveUp);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.tell_without_path(f)?;
        self.0.said().map_or(Ok(()), |failure| write!(f, ": {}", failure.raw()))
    }
}

impl RestartRecord {
    pub(crate) fn new(path: String, ago: Duration, cause: &RestartCause) -> Self {
        // A1: what is kept is bounded, however deep the tree is.
        Self { path, ago, cause: cause.for_history() }
    }

    /// All that it says, as it is: nothing is escaped or cut.
    pub(super) fn words(&self) -> impl fmt::Display + '_ {
        Record(self)
    }
}

struct Record<'a>(&'a RestartRecord);

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let RestartRecord { path, ago, cause } = self.0;
        let how = cause.words();
        if ago.is_zero() {
            write!(f, "last failure: `{path}` {how}")
        } else {
            write!(f, "{ago:.1?} earlier: `{path}` {how}")
        }
    }
}

impl Tell for GaveUp {
    fn tell(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        write!(out, "`{}` ", self.path)?;
        self.tell_without_path(out)
    }

    fn said(&self) -> Option<&Failure> {
        self.restarts.last().and_then(|last| last.cause.said())
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        tell::error(self, f)
    }
}

impl fmt::Display for RestartRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Whole(self.words()).fmt(f)
    }
}

impl Error for GaveUp {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.said().map(|failure| failure as _)
    }
}

/// A limit that there is not is called `unlimited`.
impl fmt::Debug for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, intensity, period, restarts } = self;
        f.debug_struct("GaveUp")
            .field("path", path)
            .field("intensity", &Number(*intensity))
            .field("period", &Time(*period))
            .field("restarts", restarts)
            .finish()
    }
}
