//! Records which process waits for which child, so that no call waits for its own caller (N6).
//!
//! A call that waits, made in a process, is an edge: from that process to the child that it waits for. A supervisor
//! knows its own orders of starts and stops, and its engine checks those. This table has the calls, across supervisors
//! and trees: two workers of different supervisors may each terminate the other, and wait.

use std::{
    collections::BTreeSet,
    sync::{Mutex, MutexGuard, PoisonError},
};

use slab::Slab;

use crate::incarnation::ChildId;

static WAITS: Mutex<Waits> = Mutex::new(Waits { all: Slab::new(), by_caller: BTreeSet::new() });

struct Waits {
    all: Slab<Wait>,
    /// The waits of calls that are made in a child, or below it.
    by_caller: BTreeSet<(ChildId, usize)>,
}

struct Wait {
    /// The process that waits, as a child, and the supervisors above it.
    caller: Box<[ChildId]>,
    awaited: Box<[ChildId]>,
}

/// A guard: while it lives, a process waits for a child.
#[derive(Debug)]
pub(crate) struct Waiting(usize);

impl Waiting {
    /// Records a wait. Returns `None` if one of those children, or a process below it, waits for the caller, directly
    /// or not.
    pub(crate) fn begin(caller: Box<[ChildId]>, awaited: Box<[ChildId]>) -> Option<Self> {
        let mut waits = lock();
        // Searched and recorded under one lock. Of two calls that close a circle at the same time, one is first, and
        // the other one finds it.
        let (mut reached, mut looked_at) = (awaited.to_vec(), 0);
        while let Some(child) = reached.get(looked_at).copied() {
            looked_at += 1;
            // N6: the awaited child waits for the caller, or for a supervisor above it, which ends after the caller.
            if caller.contains(&child) {
                return None;
            }
            for (_, key) in waits.by_caller.range((child, 0)..=(child, usize::MAX)) {
                for awaited in &waits.all[*key].awaited {
                    if !reached.contains(awaited) {
                        reached.push(*awaited);
                    }
                }
            }
        }
        let key = waits.all.vacant_key();
        // Recorded for each supervisor above the caller, too: a wait for one of these is a wait for the caller.
        waits.by_caller.extend(caller.iter().map(|child| (*child, key)));
        waits.all.insert(Wait { caller, awaited });
        Some(Self(key))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = lock();
        let Some(Wait { caller, .. }) = waits.all.try_remove(self.0) else { return };
        for child in caller {
            waits.by_caller.remove(&(child, self.0));
        }
    }
}

fn lock() -> MutexGuard<'static, Waits> {
    WAITS.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids<const N: usize>() -> [ChildId; N] {
        std::array::from_fn(|_| ChildId::next())
    }

    fn wait(caller: &[ChildId], awaited: ChildId) -> Option<Waiting> {
        Waiting::begin(caller.into(), [awaited].into())
    }

    #[test]
    fn n6_a_wait_for_itself_or_one_above_is_in_vain() {
        let [worker, inner, root] = ids();
        for awaited in [worker, inner, root] {
            assert!(wait(&[worker, inner, root], awaited).is_none());
        }
    }

    #[test]
    fn n6_two_that_wait_for_each_other_wait_in_vain() {
        let [one, left, other, right, root] = ids();
        let first = wait(&[one, left, root], other);
        assert!(first.is_some());
        assert!(wait(&[other, right, root], one).is_none());
        assert!(wait(&[other, right, root], left).is_none(), "it waits for what is below it");
        drop(first);
        assert!(wait(&[other, right, root], one).is_some());
    }

    #[test]
    fn n6_a_circle_is_seen_through_any_number_of_others() {
        let [a, b, c, d, root] = ids();
        let _waits = [wait(&[a, root], b), wait(&[b, root], c), wait(&[c, root], d)].map(Option::unwrap);
        assert!(wait(&[d, root], a).is_none());
        assert!(wait(&[d, root], ChildId::next()).is_some(), "for another one it may wait");
    }
}
