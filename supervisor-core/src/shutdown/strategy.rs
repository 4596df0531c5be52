use std::{fmt, time::Duration};

use crate::text::Time;

/// How a child is stopped.
///
/// On a nested supervisor, the time is a budget for all that is below it.
#[expect(clippy::exhaustive_enums, reason = "what users set; a child is asked first or it is not")]
#[derive(Clone, Copy, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
pub enum ShutdownStrategy {
    /// Asked to stop through its [`ProcessShutdown`](crate::ProcessShutdown), and aborted if it is still there after this
    /// time. `Duration::MAX` waits without limit, and is serialized as `null`.
    #[cfg_attr(feature = "serde", serde(with = "crate::format::limit"))]
    Graceful(Duration),
    /// Aborted at once, without being asked.
    Brutal,
}

impl ShutdownStrategy {
    /// Asks, and waits without limit: right for a nested supervisor, whose children have limits of their own.
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

/// In which order a supervisor stops several children.
#[expect(clippy::exhaustive_enums, reason = "what users set; one after the other or all at once")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum ShutdownOrder {
    /// One after the other, the last started first, each gone before the next is asked. As in OTP, and the default: a child
    /// may rely on the ones before it for as long as it runs.
    #[default]
    Reverse,
    /// All at once, for children that do not need each other: the slowest one decides how long it takes.
    Concurrent,
}
