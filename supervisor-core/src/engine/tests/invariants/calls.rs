use super::*;

/// Each call is answered, and once.
#[derive(Default)]
pub(super) struct EachCallIsAnsweredOnce {
    waiting: BTreeMap<usize, Input>,
}

impl EachCallIsAnsweredOnce {
    fn answered(&mut self, caller: Caller, effect: &Effect<Child>) {
        assert!(self.waiting.remove(&caller.key).is_some(), "no caller waits for this answer: {effect:?}");
    }
}

impl Invariant for EachCallIsAnsweredOnce {
    fn input(&mut self, input: &Input, _: Moment) {
        let caller = match input {
            Input::Start { caller, .. } => *caller,
            Input::Terminate(_, caller)
            | Input::Restart(_, caller)
            | Input::Delete(_, caller)
            | Input::Kill(_, caller)
            | Input::Reload(_, caller) => Some(*caller),
            _ => None,
        };
        if let Some(caller) = caller {
            let before = self.waiting.insert(caller.key, input.clone());
            assert!(before.is_none(), "a key that is not in use");
        }
    }

    fn effect(&mut self, effect: &Effect<Child>, _: Moment) {
        match effect {
            Effect::Answer { caller, .. } | Effect::Refuse { caller: Some(caller), .. } => {
                self.answered(*caller, effect)
            }
            _ => {}
        }
    }

    fn end(&mut self, _: Moment) {
        assert!(self.waiting.is_empty(), "without an answer: {:?}", self.waiting);
    }
}
