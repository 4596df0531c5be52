use std::{
    cmp::Reverse,
    collections::{BTreeMap, BinaryHeap, VecDeque},
    mem,
    time::Instant,
};

use slab::Slab;

use super::{
    earlier,
    slot::{Attempt, Look, Slot, Spec, State, StateClass, Stopping},
    start_order::StartOrder,
};
use crate::{
    incarnation::{ChildId, ChildKey, ProcessKey},
    observe::ChildCounts,
    strategy::{ChildKind, ChildSettings},
};

/// The children, with indexes that avoid a look at each.
///
/// A child keeps its slot as long as it exists, so work on one child costs the same beside any number of others. R20:
/// it keeps its position, too, in every state. Every change of a state goes through `set`, so that the counts and the
/// deadlines always match the states.
#[derive(Debug)]
pub(crate) struct Children<C> {
    slots: Slab<Slot<C>>,
    order: StartOrder,
    /// The index of names, if they have to be unique. D2: otherwise they need not be, and there is no index.
    names: Option<BTreeMap<String, ChildKey>>,
    deadlines: Deadlines,
    tallies: Tallies,
    /// The box of the last stop that is over, for the next one. Children that stop in order take turns with one.
    spare: Option<Box<Stopping>>,
}

/// The deadlines of the children.
///
/// A deadline that is over stays until it is the first one, or until most of them are over: most deadlines are never reached,
/// and to take one out of the middle costs ten times as much as to put it in. The first one of each queue is always valid.
#[derive(Debug, Default)]
struct Deadlines {
    /// Those that were set in the order in which they come, as most are: children that stop together have the same time to stop.
    /// In a heap, a stop of many children at once would move each past nearly all others.
    in_order: VecDeque<(Instant, ChildKey)>,
    /// The others, the first one on top.
    others: BinaryHeap<Reverse<(Instant, ChildKey)>>,
    /// How many of them are valid: as many as children have a deadline.
    valid: usize,
}

/// The number of children in each class of states.
#[derive(Debug, Default)]
struct Tallies {
    workers: [usize; StateClass::COUNT],
    supervisors: [usize; StateClass::COUNT],
    significant: [usize; StateClass::COUNT],
    /// Those that do not count for readiness.
    exempt: [usize; StateClass::COUNT],
}

impl<C: Spec> Children<C> {
    pub(super) fn new(children: impl Iterator<Item = (ChildId, C)>, unique_names: bool) -> Self {
        let mut slots = Slab::with_capacity(children.size_hint().0);
        let mut tallies = Tallies::default();
        let keep = |(id, child)| {
            let slot = Slot::new(id, child, Attempt::Own);
            tallies.of(slot.settings(), |tally| tally[slot.state.class() as usize] += 1);
            ChildKey { id, slot: slot_number(slots.insert(slot)) }
        };
        let order = StartOrder::new(children.map(keep));
        let name = |key: ChildKey| (slots[key.slot as usize].child.name().to_owned(), key);
        let names = unique_names.then(|| order.iter().map(name).collect());
        Self { slots, order, names, deadlines: Deadlines::default(), tallies, spare: None }
    }

    /// Adds a child after all others, to be started. R20, R58: an added child comes last.
    pub(super) fn add(&mut self, id: ChildId, child: C, attempt: Attempt) -> ChildKey {
        let slot = Slot::new(id, child, attempt);
        self.tallies.of(slot.settings(), |tally| tally[slot.state.class() as usize] += 1);
        let name = self.names.is_some().then(|| slot.child.name().to_owned());
        let key = ChildKey { id, slot: slot_number(self.slots.insert(slot)) };
        self.order.push(key);
        if let (Some(names), Some(name)) = (&mut self.names, name) {
            names.insert(name, key);
        }
        key
    }

    /// Returns the child that has this name, if names have to be unique (D2).
    pub(super) fn namesake(&self, child: &C) -> Option<&Slot<C>> {
        self.get(*self.names.as_ref()?.get(child.name())?)
    }

    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn find(&self, id: ChildId) -> Option<ChildKey> {
        self.order.find(id)
    }

    pub(crate) fn get(&self, key: ChildKey) -> Option<&Slot<C>> {
        // Another child may have the slot by now. R77: an input about a removed child is ignored.
        self.slots.get(key.slot as usize).filter(|slot| slot.id == key.id)
    }

    /// Returns the child that a report is about, unless the report is stale. R77, P5: reports of unknown and of earlier
    /// processes change nothing.
    pub(super) fn about(&self, process_key: ProcessKey) -> Option<&Slot<C>> {
        self.get(process_key.child_key()).filter(|slot| slot.is_about(process_key))
    }

    /// Edits the parts of a child that are neither counted nor have a deadline: all but the state and the look.
    pub(super) fn edit<R>(&mut self, key: ChildKey, edit: impl FnOnce(&mut Slot<C>) -> R) -> Option<R> {
        let slot = self.slots.get_mut(key.slot as usize).filter(|slot| slot.id == key.id)?;
        Some(edit(slot))
    }

    /// Changes a state. Only here the counts and the deadlines follow it.
    pub(super) fn set(&mut self, key: ChildKey, state: State) {
        if let Some(State::Stopping(over)) = self.edit_and_set(key, |_| state) {
            self.spare = Some(over);
        }
    }

    /// Changes a state to that of a child that is being stopped.
    pub(super) fn set_stopping(&mut self, key: ChildKey, stopping: Stopping) {
        let kept = match self.spare.take() {
            Some(mut spare) => {
                *spare = stopping;
                spare
            }
            None => Box::new(stopping),
        };
        self.set(key, State::Stopping(kept));
    }

    /// Edits the parts of a child that [`edit`](Self::edit) may change, and then its state, in one access. Returns the state before.
    pub(super) fn edit_and_set(&mut self, key: ChildKey, edit: impl FnOnce(&mut Slot<C>) -> State) -> Option<State> {
        let slot = self.slots.get_mut(key.slot as usize).filter(|slot| slot.id == key.id)?;
        let before = slot.deadline();
        let state = edit(slot);
        // B2: a child that does not run is not checked for heartbeats, and a new process has its full time.
        slot.set_look(None);
        let after = state.deadline(&slot.child);
        let (from, to) = (slot.state.class(), state.class());
        let over = mem::replace(&mut slot.state, state);
        if from != to {
            self.tallies.of(slot.child.settings(), |tally| {
                tally[from as usize] -= 1;
                tally[to as usize] += 1;
            });
        }
        self.deadlines.change(&self.slots, key, before, after);
        Some(over)
    }

    /// Sets when a child is checked for a heartbeat.
    pub(super) fn set_look(&mut self, key: ChildKey, look: Option<Look>) {
        let Some(slot) = self.slots.get_mut(key.slot as usize).filter(|slot| slot.id == key.id) else {
            return;
        };
        let before = slot.deadline();
        slot.set_look(look);
        let after = slot.deadline();
        self.deadlines.change(&self.slots, key, before, after);
    }

    /// Removes a child for good. Nothing of it may stay behind: not its name (R59), its deadline, or its count.
    pub(super) fn remove(&mut self, key: ChildKey) -> Option<Slot<C>> {
        self.get(key)?;
        let slot = self.slots.remove(key.slot as usize);
        self.order.remove(key.id);
        if let Some(names) = &mut self.names {
            names.remove(slot.child.name());
        }
        self.deadlines.change(&self.slots, key, slot.deadline(), None);
        self.tallies.of(slot.settings(), |tally| tally[slot.state.class() as usize] -= 1);
        Some(slot)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (ChildKey, &Slot<C>)> {
        self.order.iter().map(|key| self.with_slot(key))
    }

    /// Returns the children from `from` on, but before `end`, if there is one.
    pub(super) fn between(&self, from: ChildId, end: Option<ChildId>) -> impl Iterator<Item = (ChildKey, &Slot<C>)> {
        self.order.between(from, end).map(|key| self.with_slot(key))
    }

    /// Returns the children from `from` on, but before `end`, if there is one, the last one first.
    pub(super) fn backwards(&self, from: ChildId, end: Option<ChildId>) -> impl Iterator<Item = (ChildKey, &Slot<C>)> {
        self.order.backwards(from, end).map(|key| self.with_slot(key))
    }

    /// Returns the children after this one, or all, in start order.
    pub(super) fn behind(&self, id: Option<ChildId>) -> impl Iterator<Item = (ChildKey, &Slot<C>)> {
        self.order.behind(id).map(|key| self.with_slot(key))
    }

    fn with_slot(&self, key: ChildKey) -> (ChildKey, &Slot<C>) {
        (key, &self.slots[key.slot as usize])
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let in_order = self.deadlines.in_order.front().map(|(deadline, _)| *deadline);
        let other = self.deadlines.others.peek().map(|Reverse((deadline, _))| *deadline);
        earlier(in_order, other)
    }

    /// Returns how many deadlines there are, and how many entries are kept for them.
    #[cfg(test)]
    pub(super) fn deadlines(&self) -> (usize, usize) {
        (self.deadlines.valid, self.deadlines.len())
    }

    /// Returns for how many deadlines there is room.
    #[cfg(test)]
    pub(super) fn room_for_deadlines(&self) -> usize {
        self.deadlines.in_order.capacity() + self.deadlines.others.capacity()
    }

    /// Returns a child whose deadline has come. Of several with the same deadline, it is the first in start order.
    pub(super) fn due(&mut self, now: Instant) -> Option<ChildKey> {
        let deadlines = &mut self.deadlines;
        while deadlines.in_order.front().is_some_and(|(deadline, _)| *deadline <= now) {
            deadlines.others.extend(deadlines.in_order.pop_front().map(Reverse));
        }
        deadlines.clean_up(&self.slots);
        deadlines.others.peek().filter(|Reverse((deadline, _))| *deadline <= now).map(|Reverse((_, key))| *key)
    }

    /// Returns how many children are in one of these states.
    pub(super) fn count_of(&self, classes: &[StateClass]) -> usize {
        self.workers_of(classes) + self.supervisors_of(classes)
    }

    pub(super) fn workers_of(&self, classes: &[StateClass]) -> usize {
        classes.iter().map(|class| self.tallies.workers[*class as usize]).sum()
    }

    pub(super) fn supervisors_of(&self, classes: &[StateClass]) -> usize {
        classes.iter().map(|class| self.tallies.supervisors[*class as usize]).sum()
    }

    /// Returns how many significant children run, are going to, or are not gone yet. R53: stopped ones count as gone,
    /// restarting ones as present.
    pub(super) fn significant_present(&self) -> usize {
        let significant = &self.tallies.significant;
        significant.iter().sum::<usize>() - significant[StateClass::Stopped as usize]
    }

    /// Returns how many children keep the supervisor from being ready: they count, and are starting, restarting or stopping.
    pub(super) fn unready(&self) -> usize {
        // B8: stopped children do not matter: R5 keeps one that has nothing to run, and R63 one that was terminated.
        let is_settled = [StateClass::Running, StateClass::Stopped];
        let exempt = &self.tallies.exempt;
        let exempt_unsettled =
            exempt.iter().sum::<usize>() - is_settled.iter().map(|class| exempt[*class as usize]).sum::<usize>();
        self.slots.len() - self.count_of(&is_settled) - exempt_unsettled
    }

    /// Counts, R67: all specifications; processes that are ready; workers and supervisors, whatever their state. R75,
    /// D7: in a dynamic supervisor, too, `specs` is the number of children, including those that wait for a restart.
    pub(crate) fn counts(&self) -> ChildCounts {
        ChildCounts {
            specs: self.slots.len(),
            active: self.count_of(&[StateClass::Running]),
            supervisors: self.tallies.supervisors.iter().sum(),
            workers: self.tallies.workers.iter().sum(),
        }
    }
}

impl Deadlines {
    /// The capacity that is always kept.
    const KEPT: usize = 32;

    /// Follows the change of a child's deadline. Runs when `slots` has the new one.
    #[inline]
    fn change<C: Spec>(
        &mut self,
        slots: &Slab<Slot<C>>,
        key: ChildKey,
        before: Option<Instant>,
        after: Option<Instant>,
    ) {
        // Inlined up to here: most changes of a state change no deadline.
        if before != after {
            self.replace(slots, key, before, after);
        }
    }

    fn replace<C: Spec>(
        &mut self,
        slots: &Slab<Slot<C>>,
        key: ChildKey,
        before: Option<Instant>,
        after: Option<Instant>,
    ) {
        self.valid += usize::from(after.is_some());
        if let Some(after) = after {
            if self.in_order.back().is_none_or(|(last, _)| *last <= after) {
                self.in_order.push_back((after, key));
            } else {
                self.others.push(Reverse((after, key)));
            }
        }
        if before.is_some() {
            self.valid -= 1;
            self.clean_up(slots);
        }
    }

    fn len(&self) -> usize {
        self.in_order.len() + self.others.len()
    }

    /// Takes out what is over: from the front, or everywhere if that is most of it.
    fn clean_up<C: Spec>(&mut self, slots: &Slab<Slot<C>>) {
        if self.valid == 0 {
            self.in_order.clear();
            self.in_order.shrink_to(Self::KEPT);
            // Also an empty one may have room for many that were due at once.
            if self.others.capacity() > 0 {
                self.others = BinaryHeap::new();
            }
            return;
        }
        let is_valid = |(deadline, key): &(Instant, ChildKey)| {
            let slot = slots.get(key.slot as usize).filter(|slot| slot.id == key.id);
            slot.is_some_and(|slot| slot.deadline() == Some(*deadline))
        };
        if self.len() > 2 * self.valid + Self::KEPT {
            let all = self.in_order.drain(..).chain(self.others.drain().map(|Reverse(entry)| entry));
            let mut valid: Vec<_> = all.filter(is_valid).collect();
            valid.sort_unstable();
            // A deadline that was set again, after another one, is there more than once.
            valid.dedup();
            (self.in_order, self.others) = (valid.into(), BinaryHeap::new());
        }
        while self.in_order.front().is_some_and(|first| !is_valid(first)) {
            self.in_order.pop_front();
        }
        while self.others.peek().is_some_and(|Reverse(first)| !is_valid(first)) {
            self.others.pop();
        }
    }
}

impl Tallies {
    /// Changes the tallies that a child with these settings is part of.
    fn of(&mut self, settings: &ChildSettings, change: impl Fn(&mut [usize; StateClass::COUNT])) {
        match settings.kind {
            ChildKind::Worker => change(&mut self.workers),
            ChildKind::Supervisor => change(&mut self.supervisors),
        }
        if settings.significant {
            change(&mut self.significant);
        }
        if !settings.counts_for_readiness() {
            change(&mut self.exempt);
        }
    }
}

fn slot_number(key: usize) -> u32 {
    u32::try_from(key).expect("a supervisor has fewer than four billion children")
}
