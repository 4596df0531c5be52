use std::{
    collections::{BTreeMap, BTreeSet},
    time::Instant,
};

use slab::Slab;

use super::{
    slot::{Attempt, Look, Slot, Spec, State, StateClass},
    start_order::StartOrder,
};
use crate::{
    incarnation::{ChildId, ChildKey, ProcessKey},
    observe::ChildCounts,
    strategy::ChildKind,
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
}

/// The deadlines of the children, in order.
#[derive(Debug, Default)]
struct Deadlines(BTreeSet<(Instant, ChildKey)>);

/// The number of children in each class of states.
#[derive(Debug, Default)]
struct Tallies {
    workers: [usize; StateClass::COUNT],
    supervisors: [usize; StateClass::COUNT],
    significant: [usize; StateClass::COUNT],
}

impl<C: Spec> Children<C> {
    pub(super) fn new(children: impl Iterator<Item = (ChildId, C)>, unique_names: bool) -> Self {
        let mut slots = Slab::with_capacity(children.size_hint().0);
        let mut tallies = Tallies::default();
        let keep = |(id, child)| {
            let slot = Slot::new(id, child, Attempt::Own);
            tallies.count(&slot, |n| *n += 1);
            ChildKey { id, slot: slot_number(slots.insert(slot)) }
        };
        let order = StartOrder::new(children.map(keep));
        let name = |key: ChildKey| (slots[key.slot as usize].child.name().to_owned(), key);
        let names = unique_names.then(|| order.iter().map(name).collect());
        Self { slots, order, names, deadlines: Deadlines::default(), tallies }
    }

    /// Adds a child after all others, to be started. R20, R58: an added child comes last.
    pub(super) fn add(&mut self, id: ChildId, child: C, attempt: Attempt) -> ChildKey {
        let slot = Slot::new(id, child, attempt);
        self.tallies.count(&slot, |n| *n += 1);
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
        let Some(slot) = self.slots.get_mut(key.slot as usize).filter(|slot| slot.id == key.id) else {
            return;
        };
        let before = slot.deadline();
        // B2: a child that does not run is not checked for heartbeats, and a new process has its full time.
        slot.set_look(None);
        let after = state.deadline(slot.settings());
        self.deadlines.change(key, before, after);
        if slot.state.class() == state.class() {
            slot.state = state;
        } else {
            self.tallies.count(slot, |n| *n -= 1);
            slot.state = state;
            self.tallies.count(slot, |n| *n += 1);
        }
    }

    /// Sets when a child is checked for a heartbeat.
    pub(super) fn set_look(&mut self, key: ChildKey, look: Option<Look>) {
        let Some(slot) = self.slots.get_mut(key.slot as usize).filter(|slot| slot.id == key.id) else {
            return;
        };
        let before = slot.deadline();
        slot.set_look(look);
        self.deadlines.change(key, before, slot.deadline());
    }

    /// Removes a child for good. Nothing of it may stay behind: not its name (R59), its deadline, or its count.
    pub(super) fn remove(&mut self, key: ChildKey) -> Option<Slot<C>> {
        self.get(key)?;
        let slot = self.slots.remove(key.slot as usize);
        self.order.remove(key.id);
        if let Some(names) = &mut self.names {
            names.remove(slot.child.name());
        }
        self.deadlines.change(key, slot.deadline(), None);
        self.tallies.count(&slot, |n| *n -= 1);
        Some(slot)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (ChildKey, &Slot<C>)> {
        self.order.iter().map(|key| self.with_slot(key))
    }

    /// Returns the children from `from` on, but before `end`, if there is one.
    pub(super) fn between(
        &self,
        from: ChildId,
        end: Option<ChildId>,
    ) -> impl DoubleEndedIterator<Item = (ChildKey, &Slot<C>)> {
        self.order.between(from, end).map(|key| self.with_slot(key))
    }

    /// Returns the children after this one, or all, in start order.
    pub(super) fn behind(&self, id: Option<ChildId>) -> impl Iterator<Item = (ChildKey, &Slot<C>)> {
        self.order.behind(id).map(|key| self.with_slot(key))
    }

    fn with_slot(&self, key: ChildKey) -> (ChildKey, &Slot<C>) {
        (key, &self.slots[key.slot as usize])
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.0.first().map(|(deadline, _)| *deadline)
    }

    #[cfg(test)]
    pub(super) fn deadlines(&self) -> usize {
        self.deadlines.0.len()
    }

    /// Returns a child whose deadline has come.
    pub(super) fn due(&self, now: Instant) -> Option<ChildKey> {
        self.deadlines.0.first().filter(|(deadline, _)| *deadline <= now).map(|(_, key)| *key)
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
    fn change(&mut self, key: ChildKey, before: Option<Instant>, after: Option<Instant>) {
        if before == after {
            return;
        }
        if let Some(before) = before {
            self.0.remove(&(before, key));
        }
        if let Some(after) = after {
            self.0.insert((after, key));
        }
    }
}

impl Tallies {
    fn count<C: Spec>(&mut self, slot: &Slot<C>, step: impl Fn(&mut usize)) {
        let (settings, class) = (slot.settings(), slot.state.class() as usize);
        match settings.kind {
            ChildKind::Worker => step(&mut self.workers[class]),
            ChildKind::Supervisor => step(&mut self.supervisors[class]),
        }
        if settings.significant {
            step(&mut self.significant[class]);
        }
    }
}

fn slot_number(key: usize) -> u32 {
    u32::try_from(key).expect("a supervisor has fewer than four billion children")
}
