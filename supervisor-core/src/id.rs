//! Numbers that tell processes and children apart.

use std::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
};

/// The number of one process: unique in the program, new for every incarnation of a child, never reused.
#[doc(alias = "pid")]
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ProcessId(NonZeroU64);

/// The number of a child. It stays the same over the child's restarts, and over those of its supervisor.
///
/// Unique in the program. A later child of a supervisor has a greater id than an earlier one, so the order of ids is
/// the order in which children start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ChildId(NonZeroU64);

impl ProcessId {
    /// Ids share a word with the flags of the control cell. What is left is enough for a hundred years at a million
    /// processes a second.
    pub(crate) const BITS: u32 = 52;

    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(next(&NEXT))
    }

    pub(crate) fn from_u64(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// Returns the number.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }
}

impl ChildId {
    /// The lowest id: no child's id is smaller.
    pub(crate) const FIRST: Self = Self(NonZeroU64::MIN);

    /// Returns the id directly below this one. `None` for the lowest.
    pub(crate) fn before(self) -> Option<Self> {
        NonZeroU64::new(self.0.get() - 1).map(Self)
    }

    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(next(&NEXT))
    }

    /// Returns the number.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }
}

/// A child, as its supervisor finds it. Ordered like the ids, which is the start order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChildKey {
    pub(crate) id: ChildId,
    /// The place of the child in its supervisor. Another child takes it when this one is removed.
    pub(crate) slot: u32,
}

/// A process, as its supervisor finds it: which incarnation of which child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ProcessKey {
    id: ChildId,
    slot: u32,
    pub(crate) incarnation: u32,
}

impl ProcessKey {
    pub(crate) fn new(key: ChildKey, incarnation: u32) -> Self {
        Self { id: key.id, slot: key.slot, incarnation }
    }

    /// Returns the key of a process that is the only one of its supervisor.
    pub(crate) fn only(id: ChildId) -> Self {
        Self { id, slot: 0, incarnation: 1 }
    }

    /// Returns the key of a process that runs nothing of a child but only drops it. Its supervisor gets no report about
    /// it.
    pub(crate) fn of_disposal(id: ChildId) -> Self {
        Self { incarnation: 0, ..Self::only(id) }
    }

    pub(crate) fn child_key(self) -> ChildKey {
        ChildKey { id: self.id, slot: self.slot }
    }
}

fn next(counter: &AtomicU64) -> NonZeroU64 {
    // P5: a counter of 64 bits gives no number twice. Relaxed is enough because only the number matters; where the
    // order of ids matters, callers take them under a lock.
    NonZeroU64::new(counter.fetch_add(1, Ordering::Relaxed)).expect("a counter of 64 bits does not wrap")
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProcessId({})", self.0)
    }
}

impl fmt::Display for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for ChildId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChildId({})", self.0)
    }
}
