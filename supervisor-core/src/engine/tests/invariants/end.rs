use super::*;

/// Once a supervisor stops, by request or by itself, it goes on stopping, and nothing starts. Once it has stopped, nothing
/// comes.
#[derive(Default)]
pub(super) struct NothingStartsAfterAStop {
    is_stopping: bool,
    has_finished: bool,
}

impl Invariant for NothingStartsAfterAStop {
    fn input(&mut self, input: &Input, _: Moment) {
        self.is_stopping |= matches!(input, Input::Shutdown(_));
    }

    fn effect(&mut self, effect: &Effect<Child>, moment: Moment) {
        // Calls are answered as long as there are callers.
        let is_answer = matches!(effect, Effect::Answer { .. } | Effect::Refuse { .. } | Effect::Forget { .. });
        assert!(!self.has_finished || is_answer, "after the end: {effect:?}");
        match effect {
            Effect::Start { key, .. } => {
                assert!(!self.is_stopping, "{} starts in a supervisor that stops", moment.name(key.id));
            }
            Effect::GaveUp => self.is_stopping = true,
            Effect::Finish => {
                assert!(moment.engine.is_stopping(), "it ends without having stopped");
                self.has_finished = true;
            }
            _ => {}
        }
    }

    fn step(&mut self, Moment { engine, .. }: Moment) {
        assert!(engine.is_stopping() || !self.is_stopping, "it does not stop any longer");
        self.is_stopping = engine.is_stopping();
    }

    fn end(&mut self, _: Moment) {
        assert!(self.has_finished, "it was asked to stop, and does not come to an end");
    }
}
