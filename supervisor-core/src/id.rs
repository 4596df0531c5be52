//! What processes and children are told apart by. Plain numbers.

use std::{
    fmt,
    num::NonZeroU64,
    sync::atomic::{AtomicU64, Ordering},
};

/// The number of one process: unique in the program, new for every incarnation of a child, never reused.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ProcessId(NonZeroU64);

/// Names a child for as long as its specification lasts: over its restarts, and over those of its supervisor.
///
/// Unique in the program. A later child of a supervisor has a greater id than an earlier one, so the order of ids is
/// the order in which children start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct ChildId(NonZeroU64);

impl ProcessId {
    /// Ids share a word with the flags of the control cell. What is left is enough for a thousand years at a million
    /// processes a second.
    pub(crate) const BITS: u32 = 55;

    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(next(&NEXT))
    }

    pub(crate) fn from_u64(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }
}

impl ChildId {
    /// Not greater than any child's id.
    pub(crate) const FIRST: Self = Self(NonZeroU64::MIN);

    pub(crate) fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(next(&NEXT))
    }

    /// The number.
    pub fn as_u64(self) -> u64 {
        self.0.get()
    }
}

/// A child, as its supervisor finds it. Ordered like the ids, which is the start order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct ChildKey {
    pub(crate) id: ChildId,
    /// Taken by another child once this one is removed.
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

    /// For a process of which its supervisor has one only.
    pub(crate) fn only(id: ChildId) -> Self {
        Self { id, slot: 0, incarnation: 1 }
    }

    /// For a process that does not run anything of a child, but drops it. Its supervisor hears nothing of it.
    pub(crate) fn of_disposal(id: ChildId) -> Self {
        Self { incarnation: 0, ..Self::only(id) }
    }

    pub(crate) fn child_key(self) -> ChildKey {
        ChildKey { id: self.id, slot: self.slot }
    }
}

fn next(counter: &AtomicU64) -> NonZeroU64 {
    // P5: a counter of 64 bits gives no number twice. Relaxed, because the number is all that is asked for; where the
    // order of ids matters, a lock orders those who take them.
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
