use std::{collections::VecDeque, ops::Range};

use crate::incarnation::{ChildId, ChildKey};

/// The children in start order, which is the order of their ids, because each is added after all others. R20: starts,
/// stops and listings follow it.
///
/// A child is found by binary search. A removed one leaves a gap. The gap goes as soon as it is at either end, and with
/// all others when there are more gaps than children: so adding and removing cost the same beside any number of others.
#[derive(Debug)]
pub(super) struct StartOrder {
    entries: VecDeque<(ChildId, Option<u32>)>,
    gaps: usize,
}

impl StartOrder {
    /// Makes the order of keys that come in the order of their ids.
    pub(super) fn new(keys: impl Iterator<Item = ChildKey>) -> Self {
        Self { entries: keys.map(|key| (key.id, Some(key.slot))).collect(), gaps: 0 }
    }

    pub(super) fn push(&mut self, key: ChildKey) {
        debug_assert!(self.entries.back().is_none_or(|(last, _)| *last < key.id), "not the last one");
        self.entries.push_back((key.id, Some(key.slot)));
    }

    pub(super) fn find(&self, id: ChildId) -> Option<ChildKey> {
        let slot = self.entries[self.index(id)?].1?;
        Some(ChildKey { id, slot })
    }

    pub(super) fn remove(&mut self, id: ChildId) {
        let Some(entry) = self.index(id).and_then(|index| self.entries.get_mut(index)) else { return };
        if entry.1.take().is_some() {
            self.gaps += 1;
        }
        while let Some((_, None)) = self.entries.front() {
            self.entries.pop_front();
            self.gaps -= 1;
        }
        while let Some((_, None)) = self.entries.back() {
            self.entries.pop_back();
            self.gaps -= 1;
        }
        if self.gaps > self.entries.len() / 2 {
            self.entries.retain(|(_, slot)| slot.is_some());
            self.gaps = 0;
        }
    }

    pub(super) fn iter(&self) -> impl DoubleEndedIterator<Item = ChildKey> {
        self.range(0..self.entries.len())
    }

    /// Returns the children from `from` on, but before `end`, if there is one.
    pub(super) fn between(&self, from: ChildId, end: Option<ChildId>) -> impl DoubleEndedIterator<Item = ChildKey> {
        let begin = self.entries.partition_point(|(id, _)| *id < from);
        let end = end.map_or(self.entries.len(), |end| self.entries.partition_point(|(id, _)| *id < end));
        self.range(begin..end.max(begin))
    }

    pub(super) fn behind(&self, id: Option<ChildId>) -> impl Iterator<Item = ChildKey> {
        let begin = id.map_or(0, |id| self.entries.partition_point(|(other, _)| *other <= id));
        self.range(begin..self.entries.len())
    }

    fn index(&self, id: ChildId) -> Option<usize> {
        self.entries.binary_search_by_key(&id, |(id, _)| *id).ok()
    }

    fn range(&self, range: Range<usize>) -> impl DoubleEndedIterator<Item = ChildKey> {
        let key = |(id, slot): &(ChildId, Option<u32>)| Some(ChildKey { id: *id, slot: (*slot)? });
        self.entries.range(range).filter_map(key)
    }
}

#[cfg(test)]
mod tests {
    use fastrand::Rng;

    use super::*;

    #[test]
    fn the_start_order_is_the_same_as_a_sorted_list() {
        let mut rng = Rng::with_seed(7);
        let (mut order, mut list) = (StartOrder::new([].into_iter()), Vec::new());
        let mut ever = vec![ChildId::next()];
        for slot in 0..5_000 {
            // In some stretches it grows, in others it shrinks.
            if rng.u32(..1000) < if slot / 500 % 2 == 0 { 700 } else { 300 } {
                let key = ChildKey { id: ChildId::next(), slot };
                order.push(key);
                list.push(key);
                ever.push(key.id);
            } else if !list.is_empty() {
                let key = list.remove(rng.usize(..list.len()));
                order.remove(key.id);
                order.remove(key.id);
            }
            let (one, other) = (ever[rng.usize(..ever.len())], ever[rng.usize(..ever.len())]);
            assert_eq!(order.find(one), list.iter().copied().find(|key| key.id == one));
            assert!(order.behind(Some(one)).eq(list.iter().copied().filter(|key| key.id > one)));
            let within = list.iter().copied().filter(|key| key.id >= one && key.id < other);
            assert!(order.between(one, Some(other)).eq(within));
            assert!(order.between(one, None).rev().eq(list.iter().copied().filter(|key| key.id >= one).rev()));
            assert!(order.iter().eq(list.iter().copied()));
            assert!(order.entries.len() <= 2 * list.len(), "few gaps");
        }
    }
}
