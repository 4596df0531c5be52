use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
    time::Instant,
};

use super::slot::{Class, Slot, Spec, State};
use crate::{
    observe::Counts,
    process::{ChildId, Ticket},
    strategy::ChildKind,
};

/// The children in start order, which is the order of their ids, with what can be read off without looking at each.
///
/// Every change of a state goes through `set`, so that the counts and the deadlines are always those of the states.
#[derive(Debug)]
pub(crate) struct Children<C> {
    slots: BTreeMap<ChildId, Slot<C>>,
    deadlines: BTreeSet<(Instant, ChildId)>,
    workers: [usize; Class::COUNT],
    supervisors: [usize; Class::COUNT],
    significant: [usize; Class::COUNT],
}

impl<C: Spec> Children<C> {
    pub(super) fn new(specs: impl Iterator<Item = (ChildId, C)>) -> Self {
        let mut children = Self {
            slots: specs.map(|(child, spec)| (child, Slot::new(spec))).collect(),
            deadlines: BTreeSet::new(),
            workers: [0; Class::COUNT],
            supervisors: [0; Class::COUNT],
            significant: [0; Class::COUNT],
        };
        let Self { slots, workers, supervisors, significant, .. } = &mut children;
        for slot in slots.values() {
            count(slot, workers, supervisors, significant, |n| *n += 1);
        }
        children
    }

    pub(crate) fn get(&self, child: ChildId) -> Option<&Slot<C>> {
        self.slots.get(&child)
    }

    /// The child that a report is about, unless the report is stale.
    pub(super) fn about(&self, ticket: Ticket) -> Option<&Slot<C>> {
        self.get(ticket.child).filter(|slot| slot.is_about(ticket))
    }

    /// For what is neither counted nor has a deadline: all but the state.
    pub(super) fn edit(&mut self, child: ChildId, edit: impl FnOnce(&mut Slot<C>)) {
        if let Some(slot) = self.slots.get_mut(&child) {
            edit(slot);
        }
    }

    pub(super) fn set(&mut self, child: ChildId, state: State) {
        let Self { slots, deadlines, workers, supervisors, significant } = self;
        let Some(slot) = slots.get_mut(&child) else { return };
        let (before, after) = (slot.state.deadline(), state.deadline());
        if before != after {
            before.map(|deadline| deadlines.remove(&(deadline, child)));
            after.map(|deadline| deadlines.insert((deadline, child)));
        }
        if slot.state.class() == state.class() {
            slot.state = state;
            return;
        }
        count(slot, workers, supervisors, significant, |n| *n -= 1);
        slot.state = state;
        count(slot, workers, supervisors, significant, |n| *n += 1);
    }

    pub(super) fn remove(&mut self, child: ChildId) {
        let Some(slot) = self.slots.remove(&child) else { return };
        if let Some(deadline) = slot.state.deadline() {
            self.deadlines.remove(&(deadline, child));
        }
        count(&slot, &mut self.workers, &mut self.supervisors, &mut self.significant, |n| *n -= 1);
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (ChildId, &Slot<C>)> {
        self.slots.iter().map(|(child, slot)| (*child, slot))
    }

    /// From `from` on, but before `end`, where there is one.
    pub(super) fn between(
        &self,
        from: ChildId,
        end: Option<ChildId>,
    ) -> impl DoubleEndedIterator<Item = (ChildId, &Slot<C>)> {
        let end = match end {
            Some(end) => Bound::Excluded(end.max(from)),
            None => Bound::Unbounded,
        };
        self.slots.range((Bound::Included(from), end)).map(|(child, slot)| (*child, slot))
    }

    /// Behind this child, in start order.
    pub(super) fn behind(&self, child: ChildId) -> impl Iterator<Item = (ChildId, &Slot<C>)> {
        self.slots.range((Bound::Excluded(child), Bound::Unbounded)).map(|(child, slot)| (*child, slot))
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// A child whose deadline has come.
    pub(super) fn due(&self, now: Instant) -> Option<ChildId> {
        self.deadlines.first().filter(|(deadline, _)| *deadline <= now).map(|(_, child)| *child)
    }

    /// How many children are in one of these states.
    pub(super) fn count_of(&self, classes: &[Class]) -> usize {
        classes.iter().map(|class| self.workers[*class as usize] + self.supervisors[*class as usize]).sum()
    }

    pub(super) fn workers_of(&self, classes: &[Class]) -> usize {
        classes.iter().map(|class| self.workers[*class as usize]).sum()
    }

    pub(super) fn supervisors_of(&self, classes: &[Class]) -> usize {
        classes.iter().map(|class| self.supervisors[*class as usize]).sum()
    }

    /// How many significant children run, are going to, or are not gone yet.
    pub(super) fn significant_present(&self) -> usize {
        self.significant.iter().sum::<usize>() - self.significant[Class::Stopped as usize]
    }

    pub(crate) fn counts(&self) -> Counts {
        Counts {
            specs: self.slots.len(),
            active: self.count_of(&[Class::Running]),
            supervisors: self.supervisors.iter().sum(),
            workers: self.workers.iter().sum(),
        }
    }
}

fn count<C: Spec>(
    slot: &Slot<C>,
    workers: &mut [usize; Class::COUNT],
    supervisors: &mut [usize; Class::COUNT],
    significant: &mut [usize; Class::COUNT],
    step: impl Fn(&mut usize),
) {
    let (settings, class) = (slot.settings(), slot.state.class() as usize);
    match settings.kind {
        ChildKind::Worker => step(&mut workers[class]),
        ChildKind::Supervisor => step(&mut supervisors[class]),
    }
    if settings.significant {
        step(&mut significant[class]);
    }
}
