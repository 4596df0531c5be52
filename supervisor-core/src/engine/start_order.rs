use std::{collections::VecDeque, ops::Range};

use crate::incarnation::{ChildId, ChildKey};

/// The children in start order, which is the order of their ids, because each is added after all others. R20: starts,
/// stops and listings follow it.
///
/// A child is found by its id, at once where the ids follow one another, as they do unless two supervisors are put together
/// in turns; otherwise by binary search. A removed one leaves a gap. The gap goes as soon as it is at either end, and with
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
    pub(super) fn between(&self, from: ChildId, end: Option<ChildId>) -> impl Iterator<Item = ChildKey> {
        let begin = self.before(from);
        let end = end.map_or(self.entries.len(), |end| self.before(end));
        self.range(begin..end.max(begin))
    }

    /// Returns the same, the last one first. A stop in order takes one step of it for each child, so `from` is not looked up.
    pub(super) fn backwards(&self, from: ChildId, end: Option<ChildId>) -> impl Iterator<Item = ChildKey> {
        let end = end.map_or(self.entries.len(), |end| self.before(end));
        self.range(0..end).rev().take_while(move |key| key.id >= from)
    }

    pub(super) fn behind(&self, id: Option<ChildId>) -> impl Iterator<Item = ChildKey> {
        let begin = id.map_or(0, |id| self.before(id));
        // The child itself is not behind it.
        let is_there = id.is_some() && self.entries.get(begin).is_some_and(|(other, _)| Some(*other) == id);
        self.range(begin + usize::from(is_there)..self.entries.len())
    }

    fn index(&self, id: ChildId) -> Option<usize> {
        let index = self.before(id);
        self.entries.get(index).is_some_and(|(other, _)| *other == id).then_some(index)
    }

    /// Returns how many entries are before this id.
    ///
    /// Each id is greater than the one before, so no more entries are before it than there are numbers from the first id to
    /// it, and no more are from it on than there are numbers from it to the last id. If the ids follow one another, the two
    /// leave one answer: this halves what a stop or a group restart spends on looking for the next child. If the child is
    /// where it is then, the other end need not be looked at.
    fn before(&self, id: ChildId) -> usize {
        let Some((first, _)) = self.entries.front() else { return 0 };
        let numbers = |from: ChildId, to: ChildId| {
            usize::try_from(to.as_u64().saturating_sub(from.as_u64())).unwrap_or(usize::MAX).min(self.entries.len())
        };
        let mut most = numbers(*first, id);
        if self.entries.get(most).is_some_and(|(other, _)| *other == id) {
            return most;
        }
        let Some((last, _)) = self.entries.back() else { return 0 };
        let mut least =
            self.entries.len() - if id > *last { 0 } else { (numbers(id, *last) + 1).min(self.entries.len()) };
        while least < most {
            let middle = least + (most - least) / 2;
            if self.entries[middle].0 < id { least = middle + 1 } else { most = middle }
        }
        least
    }

    fn range(&self, range: Range<usize>) -> impl DoubleEndedIterator<Item = ChildKey> {
        // By the index, and not by an iterator over the entries: that takes longer to make than the one step that a start or a
        // stop in order takes.
        range.filter_map(|index| {
            let (id, slot) = *self.entries.get(index)?;
            Some(ChildKey { id, slot: slot? })
        })
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
            assert!(order.between(one, None).eq(list.iter().copied().filter(|key| key.id >= one)));
            let within = list.iter().copied().filter(|key| key.id >= one && key.id < other);
            assert!(order.backwards(one, Some(other)).eq(within.rev()));
            assert!(order.backwards(one, None).eq(list.iter().copied().filter(|key| key.id >= one).rev()));
            assert!(order.iter().eq(list.iter().copied()));
            assert!(order.entries.len() <= 2 * list.len(), "few gaps");
        }
    }
}
