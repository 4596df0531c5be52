use super::*;

/// A rule: when all is over there is no process, no timer, no caller, and nothing to be done.
pub(super) struct NothingIsLeft;

impl Invariant for NothingIsLeft {
    fn step(&mut self, Moment { engine, .. }: Moment) {
        let gone: Vec<_> = engine.callers.keys().filter(|child| engine.child(**child).is_none()).collect();
        assert!(gone.is_empty(), "callers wait for children that are gone: {gone:?}");
    }

    fn end(&mut self, Moment { engine, .. }: Moment) {
        assert_eq!(engine.next_deadline(), None, "no timer");
        assert!(engine.callers.is_empty(), "no caller: {:?}", engine.callers);
        assert_eq!(engine.live().count(), 0, "no process");
        assert_eq!(engine.unsettled(), 0, "nothing that is under way");
        assert!(engine.children.iter().all(|(_, slot)| slot.state == State::Stopped), "all are stopped");
        assert!(engine.effects.is_empty(), "nothing to do: {:?}", engine.effects);
    }
}
