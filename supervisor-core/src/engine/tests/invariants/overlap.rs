use super::*;

/// A child is started again only when its last process has gone, and each time under a new number.
#[derive(Default)]
pub(super) struct IncarnationsDoNotOverlap {
    live: BTreeMap<ChildId, u32>,
    latest: BTreeMap<ChildId, u32>,
}

impl Invariant for IncarnationsDoNotOverlap {
    fn input(&mut self, input: &Input, _: Moment) {
        if let Input::Exited(process_key, _) = input {
            let child = process_key.child_key().id;
            if self.live.get(&child) == Some(&process_key.incarnation) {
                self.live.remove(&child);
            }
        }
    }

    fn effect(&mut self, effect: &Effect<Child>, moment: Moment) {
        if let Effect::Start { key, incarnation, .. } = effect {
            let name = moment.name(key.id);
            let beside = self.live.insert(key.id, *incarnation);
            assert_eq!(beside, None, "{name}: incarnation {incarnation} starts beside another one");
            let before = self.latest.insert(key.id, *incarnation);
            assert!(before < Some(*incarnation), "{name}: incarnation {incarnation} comes after {before:?}");
        }
    }
}
