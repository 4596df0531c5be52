use std::{
    fmt, process,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

/// The identity of one request for a lease, and of what the store grants for it. Never used twice.
///
/// Its text names the machine and the process, for people who look into the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    text: String,
    number: u64,
}

impl Holder {
    /// Makes a new identity. `random` is what tells processes apart that have the same number on machines of the same name.
    pub fn new(random: u64) -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        let count = LAST.fetch_add(1, Relaxed) + 1;
        Self { text: format!("{}/{}/{count}/{random:016x}", host(), process::id()), number: random }
    }

    /// Returns the whole identity as a text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns a random number of this identity, for stores that want to choose the number of a grant before they ask for it.
    pub fn number(&self) -> u64 {
        self.number
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// The number of a grant: a *fencing token*. A later grant has a larger one.
///
/// Write it beside what the work writes, and let the database refuse a smaller one than it has seen: that also stops the one step
/// which a process takes after its machine has slept through the end of its lease.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(transparent))]
pub struct Token(u64);

impl Token {
    /// Makes a token of the number that a store has for this grant.
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// Returns the number.
    pub const fn as_u64(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

fn host() -> String {
    #[cfg(unix)]
    {
        rustix::system::uname().nodename().to_string_lossy().into_owned()
    }
    #[cfg(not(unix))]
    {
        std::env::var("COMPUTERNAME").unwrap_or_else(|_| "unknown".to_owned())
    }
}
