use super::*;

/// A child is started again only when its last process has gone, and each time under a new number.
#[derive(Default)]
pub(super) struct IncarnationsDoNotOverlap {
    live: BTreeMap<ChildId, u32>,
    latest: BTreeMap<ChildId, u32>,
}

impl Invariant for IncarnationsDoNotOverlap {
    fn input(&mut self, input: &Input, _: Moment) {
        if let Input::Exited(ticket, _) = input {
            let child = ticket.place().child;
            if self.live.get(&child) == Some(&ticket.incarnation) {
                self.live.remove(&child);
            }
        }
    }

    fn effect(&mut self, effect: &Effect<Child>, moment: Moment) {
        if let Effect::Start { child, incarnation, .. } = effect {
            let name = moment.name(child.child);
            let beside = self.live.insert(child.child, *incarnation);
            assert_eq!(beside, None, "{name}: incarnation {incarnation} starts beside another one");
            let before = self.latest.insert(child.child, *incarnation);
            assert!(before < Some(*incarnation), "{name}: incarnation {incarnation} comes after {before:?}");
        }
    }
}
