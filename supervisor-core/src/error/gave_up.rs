use std::{error::Error, fmt, time::Duration};

use crate::text::{Restarts, Whole};

/// A supervisor was out of restarts: more than `intensity` of them within `period`.
///
/// `{}` prints one line, with the last failure; `{:#}` prints the whole history, one restart a line. Line breaks and other control
/// characters in what a failure says are escaped.
///
/// Serialized, an intensity or a period without limit is `null`.
#[derive(Clone, Debug, PartialEq, Eq)]
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

/// A failure that cost a supervisor one of its restarts.
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
    pub how: String,
}

impl GaveUp {
    /// How many failures are kept to tell.
    /// What a supervisor counts may be a million; what people read is the last of it (A1).
    pub const MAX_HISTORY: usize = 16;

    pub(crate) fn new(path: String, intensity: usize, period: Duration, restarts: Vec<RestartRecord>) -> Self {
        Self { path, intensity, period, restarts }
    }

    /// That it gave up, without what it gave up for.
    pub(crate) fn verdict(&self) -> impl fmt::Display + '_ {
        Verdict(self)
    }
}

struct Verdict<'a>(&'a GaveUp);

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GaveUp { path, intensity, period, .. } = self.0;
        let allowed = Restarts { intensity: *intensity, period: *period };
        write!(f, "`{path}` gave up: more than {allowed}")
    }
}

impl RestartRecord {
    pub(crate) fn new(path: String, ago: Duration, how: String) -> Self {
        Self { path, ago, how }
    }
}

impl fmt::Display for GaveUp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.verdict().fmt(f)?;
        if f.alternate() {
            return self.restarts.iter().try_for_each(|restart| write!(f, "\n  {restart}"));
        }
        match self.restarts.last() {
            Some(RestartRecord { path, how, .. }) => write!(f, "; at last `{path}` {}", Whole(how)),
            None => Ok(()),
        }
    }
}

impl fmt::Display for RestartRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, ago, how } = self;
        let how = Whole(how);
        if ago.is_zero() { write!(f, "at last: `{path}` {how}") } else { write!(f, "{ago:.1?} before: `{path}` {how}") }
    }
}

impl Error for GaveUp {}
