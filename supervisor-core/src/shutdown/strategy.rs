use std::{fmt, time::Duration};

use crate::text::Time;

/// The way in which a child is stopped.
///
/// On a nested supervisor, the time is a budget for all that is below it.
#[expect(clippy::exhaustive_enums, reason = "what users set; a child is asked first or it is not")]
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "kind", rename_all = "snake_case"))]
pub enum ShutdownStrategy {
    /// Asks the child to stop through its [`ProcessShutdown`](crate::ProcessShutdown), and aborts it if it is still
    /// there after this time. `Duration::MAX` waits without limit, and is serialized as `null`.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::limit"))]
    Graceful(Duration),
    /// Aborts the child at once, without asking it.
    #[doc(alias = "brutal_kill")]
    Brutal,
}

impl ShutdownStrategy {
    /// Asks the child to stop, and waits without limit: right for a nested supervisor, whose children have limits of
    /// their own.
    #[doc(alias = "infinity")]
    pub const UNLIMITED: Self = Self::Graceful(Duration::MAX);
}

/// `Graceful(5 s)`, as in OTP: long enough to finish a request, short enough for an orchestrator that kills after 10 s or
/// more.
impl Default for ShutdownStrategy {
    fn default() -> Self {
        // R8, R41.
        Self::Graceful(Duration::from_secs(5))
    }
}

impl fmt::Debug for ShutdownStrategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Graceful(time) => f.debug_tuple("Graceful").field(&Time(*time)).finish(),
            Self::Brutal => f.write_str("Brutal"),
        }
    }
}

/// The order in which a supervisor stops several children.
#[expect(clippy::exhaustive_enums, reason = "what users set; one after the other or all at once")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum ShutdownOrder {
    /// One after the other, the last started first; each is gone before the next is asked. As in OTP, and the default:
    /// a child can use the ones before it for as long as it runs.
    #[default]
    Reverse,
    /// All at once, for children that do not need each other: the slowest one decides how long it takes.
    Concurrent,
}
