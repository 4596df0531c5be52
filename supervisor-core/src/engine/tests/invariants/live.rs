use super::*;

/// There is at most one process for each child that is declared, and none for a child that is not.
pub(super) struct NoMoreLiveThanDeclared {
    max: usize,
    declared: BTreeSet<ChildId>,
    live: BTreeSet<ChildId>,
}

impl NoMoreLiveThanDeclared {
    pub(super) fn new(settings: &SupervisorSettings, specs: &[(ChildId, Child)]) -> Self {
        let max = settings.max_children.unwrap_or(usize::MAX);
        let declared = specs.iter().map(|(id, _)| *id).collect();
        Self { max, declared, live: BTreeSet::new() }
    }
}

impl Invariant for NoMoreLiveThanDeclared {
    fn input(&mut self, input: &Input, _: Moment) {
        match input {
            Input::Start { id, .. } => {
                self.declared.insert(*id);
            }
            Input::Exited(process_key, _) => {
                self.live.remove(&process_key.child_key().id);
            }
            _ => {}
        }
    }

    fn effect(&mut self, effect: &Effect<Child>, moment: Moment) {
        match effect {
            Effect::Start { key, .. } => {
                self.live.insert(key.id);
                assert!(self.declared.contains(&key.id), "a process of a child that was not declared");
                assert!(self.live.len() <= self.max, "{} processes, of {} at most", self.live.len(), self.max);
            }
            Effect::Forget { id, child } => {
                self.declared.remove(id);
                assert!(!self.live.contains(id), "{} is forgotten beside its process", child.name);
            }
            // What is abandoned is not looked after any longer.
            Effect::Emit { child, kind, .. } if matches!(**kind, EventKind::Abandoned) => {
                let id = moment.id(child.name).expect("a child that is still there");
                self.live.remove(&id);
            }
            _ => {}
        }
    }

    fn step(&mut self, Moment { engine, .. }: Moment) {
        let seen = engine.live().count();
        assert!(seen <= self.live.len(), "the engine sees {seen} processes, and started {:?}", self.live);
    }
}
