use super::*;

/// A rule: the counts match a look at each child.
pub(super) struct WhatIsCountedIsThere;

impl Invariant for WhatIsCountedIsThere {
    fn step(&mut self, Moment { engine, .. }: Moment) {
        let counts = engine.counts();
        let (mut all, mut running, mut unready, mut deadline) = (0, 0, 0, None);
        for (_, slot) in engine.children.iter() {
            all += 1;
            running += usize::from(matches!(slot.state, State::Running { .. }));
            let is_settled = matches!(slot.state, State::Running { .. } | State::Stopped);
            unready += usize::from(!is_settled && slot.settings().counts_for_readiness());
            deadline = [deadline, slot.deadline()].into_iter().flatten().min();
        }
        assert_eq!((counts.specs, counts.active), (all, running), "all children, and those that run");
        assert_eq!(counts.specs, counts.workers + counts.supervisors, "each is one or the other");
        assert_eq!(engine.children.unready(), unready, "those that count, and are neither running nor stopped");
        assert_eq!(engine.children.next_deadline(), deadline, "the first of the children's deadlines");
    }
}
