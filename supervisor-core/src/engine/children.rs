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

/// The children, with what can be read off without looking at each.
///
/// A child keeps its slot as long as it is there, so what is about one child costs the same beside any number of others. R20:
/// it keeps its position, too, whatever becomes of it. Every change of a state goes through `set`, so that the counts and the
/// deadlines are always those of the states.
#[derive(Debug)]
pub(crate) struct Children<C> {
    slots: Slab<Slot<C>>,
    order: StartOrder,
    /// Where names have to be unique. D2: elsewhere they need not, and nothing is kept for it.
    names: Option<BTreeMap<String, ChildKey>>,
    deadlines: Deadlines,
    tallies: Tallies,
}

/// When there is something to do about a child, and about which.
#[derive(Debug, Default)]
struct Deadlines(BTreeSet<(Instant, ChildKey)>);

/// How many children are in which class of states.
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

    /// A child behind all others, which is going to be started. R20, R58: an added child comes last.
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

    /// The child that has this name, where names have to be unique (D2).
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
        // Another child may have the slot by now. R77: what is about one that is not there any more is ignored.
        self.slots.get(key.slot as usize).filter(|slot| slot.id == key.id)
    }

    /// The child that a report is about, unless the report is stale. R77, P5: those of unknown and of earlier processes change
    /// nothing.
    pub(super) fn about(&self, process_key: ProcessKey) -> Option<&Slot<C>> {
        self.get(process_key.child_key()).filter(|slot| slot.is_about(process_key))
    }

    /// For what is neither counted nor has a deadline: all but the state and the look.
    pub(super) fn edit<R>(&mut self, key: ChildKey, edit: impl FnOnce(&mut Slot<C>) -> R) -> Option<R> {
        let slot = self.slots.get_mut(key.slot as usize).filter(|slot| slot.id == key.id)?;
        Some(edit(slot))
    }

    /// Runs at each change of a state: here alone the counts and the deadlines follow it.
    pub(super) fn set(&mut self, key: ChildKey, state: State) {
        let Some(slot) = self.slots.get_mut(key.slot as usize).filter(|slot| slot.id == key.id) else {
            return;
        };
        let before = slot.deadline();
        // B2: what does not run is not looked at for signs of life, and a new process has all its time.
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

    /// Sets when a child is looked at for a sign of life.
    pub(super) fn set_look(&mut self, key: ChildKey, look: Option<Look>) {
        let Some(slot) = self.slots.get_mut(key.slot as usize).filter(|slot| slot.id == key.id) else {
            return;
        };
        let before = slot.deadline();
        slot.set_look(look);
        self.deadlines.change(key, before, slot.deadline());
    }

    /// Runs when a child is removed for good. Nothing of it may stay behind: not its name (R59), its deadline, or its count.
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

    /// From `from` on, but before `end`, where there is one.
    pub(super) fn between(
        &self,
        from: ChildId,
        end: Option<ChildId>,
    ) -> impl DoubleEndedIterator<Item = (ChildKey, &Slot<C>)> {
        self.order.between(from, end).map(|key| self.with_slot(key))
    }

    /// Behind this child, or all, in start order.
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

    /// A child whose deadline has come.
    pub(super) fn due(&self, now: Instant) -> Option<ChildKey> {
        self.deadlines.0.first().filter(|(deadline, _)| *deadline <= now).map(|(_, key)| *key)
    }

    /// How many children are in one of these states.
    pub(super) fn count_of(&self, classes: &[StateClass]) -> usize {
        self.workers_of(classes) + self.supervisors_of(classes)
    }

    pub(super) fn workers_of(&self, classes: &[StateClass]) -> usize {
        classes.iter().map(|class| self.tallies.workers[*class as usize]).sum()
    }

    pub(super) fn supervisors_of(&self, classes: &[StateClass]) -> usize {
        classes.iter().map(|class| self.tallies.supervisors[*class as usize]).sum()
    }

    /// How many significant children run, are going to, or are not gone yet. R53: stopped ones count as gone, restarting ones
    /// as present.
    pub(super) fn significant_present(&self) -> usize {
        let significant = &self.tallies.significant;
        significant.iter().sum::<usize>() - significant[StateClass::Stopped as usize]
    }

    /// R67: all specifications; processes that are ready; workers and supervisors, whatever their state. R75, D7: in a dynamic
    /// supervisor, too, `specs` is the number of children, and those that wait for a restart are among them.
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
