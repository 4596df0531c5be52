//! Records which process waits for which child, so that no call waits for its own caller (N6).
//!
//! A call that waits, made in a process, is an edge: from that process to the child that it waits for, and to the children that
//! have to stop before. A supervisor knows its own orders of starts and stops, and its engine checks those. This table has the
//! calls, across supervisors and trees: two workers of different supervisors may each terminate the other, and wait.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use crate::incarnation::ChildId;

static WAITS: Mutex<Waits> = Mutex::new(Waits { all: BTreeMap::new(), by_caller: BTreeSet::new(), last: WaitId(0) });

struct Waits {
    all: BTreeMap<WaitId, Wait>,
    /// The waits of calls that are made in a child, or below it.
    by_caller: BTreeSet<(ChildId, WaitId)>,
    last: WaitId,
}

struct Wait {
    /// The process that waits, as a child, and the supervisors above it.
    caller: Box<[ChildId]>,
    awaited: Vec<ChildId>,
}

/// Names a wait, also when it is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WaitId(u64);

/// A guard: while it lives, a process waits for a child.
#[derive(Debug)]
pub(crate) struct Waiting(WaitId);

impl Waits {
    /// Returns whether one of those children, or a process below it, waits for the caller, directly or not.
    fn lead_to(&self, caller: &[ChildId], awaited: &[ChildId]) -> bool {
        let (mut reached, mut looked_at) = (awaited.to_vec(), 0);
        while let Some(child) = reached.get(looked_at).copied() {
            looked_at += 1;
            // N6: the awaited child waits for the caller, or for a supervisor above it, which ends after the caller.
            if caller.contains(&child) {
                return true;
            }
            for (_, wait) in self.by_caller.range((child, WaitId(0))..=(child, self.last)) {
                for awaited in self.all.get(wait).into_iter().flat_map(|wait| &wait.awaited) {
                    if !reached.contains(awaited) {
                        reached.push(*awaited);
                    }
                }
            }
        }
        false
    }
}

impl Waiting {
    /// Records a wait. Returns `None` if what it waits for waits for the caller.
    pub(crate) fn begin(caller: Box<[ChildId]>, awaited: ChildId) -> Option<Self> {
        let mut waits = lock();
        // Searched and recorded under one lock. Of two calls that close a circle at the same time, one is first, and
        // the other one finds it.
        if waits.lead_to(&caller, &[awaited]) {
            return None;
        }
        waits.last.0 += 1;
        let id = waits.last;
        // Recorded for each supervisor above the caller, too: a wait for one of these is a wait for the caller.
        waits.by_caller.extend(caller.iter().map(|child| (*child, id)));
        waits.all.insert(id, Wait { caller, awaited: vec![awaited] });
        Some(Self(id))
    }

    pub(crate) fn id(&self) -> WaitId {
        self.0
    }
}

impl WaitId {
    /// Records that these children have to stop before the wait can end. Returns a second guard, with which the wait ends, too;
    /// or `None` if one of those children waits for the caller.
    ///
    /// Recorded for the caller, and not for the child that it waits for: another process that waits for that child need not wait
    /// for these.
    pub(crate) fn comes_after(self, others: &[ChildId]) -> Option<Waiting> {
        let mut waits = lock();
        // A caller that has given up waits for nothing.
        if let Some(mut wait) = waits.all.remove(&self) {
            let is_circle = waits.lead_to(&wait.caller, others);
            if !is_circle {
                wait.awaited.extend(others);
            }
            waits.all.insert(self, wait);
            if is_circle {
                return None;
            }
        }
        Some(Waiting(self))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut waits = lock();
        let Some(Wait { caller, .. }) = waits.all.remove(&self.0) else { return };
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
        Waiting::begin(caller.into(), awaited)
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

    #[test]
    fn n6_the_order_of_a_call_is_a_link_for_its_caller_only() {
        let [one, other, a, b, root] = ids();
        let first = wait(&[one, root], a).unwrap();
        let order = first.id().comes_after(&[b]);
        assert!(order.is_some());
        let second = wait(&[other, root], b).unwrap();
        assert!(second.id().comes_after(&[a]).is_some(), "each waits for both, and neither for the other");
        assert!(wait(&[b, root], one).is_none(), "it waits for this one");
        drop(order);
        assert!(wait(&[b, root], one).is_some(), "the call is answered");
    }

    #[test]
    fn n6_a_caller_that_has_given_up_waits_for_nothing() {
        let [one, a, b, root] = ids();
        let id = wait(&[one, root], a).unwrap().id();
        let _order = id.comes_after(&[b]);
        assert!(wait(&[b, root], one).is_some());
    }

    #[test]
    fn n6_an_order_that_leads_back_to_the_caller_is_found() {
        let [caller, a, b, root] = ids();
        let first = wait(&[caller, root], a).unwrap();
        let _second = wait(&[b, root], caller);
        assert!(first.id().comes_after(&[b]).is_none());
    }
}
