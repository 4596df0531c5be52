use super::*;

/// A child that was terminated does not start again by itself: only when a call restarts it, or a group restart that begins
/// after that does.
#[derive(Default)]
pub(super) struct TerminatedChildrenStayDown {
    /// With the group that was being restarted, if one was.
    down: BTreeMap<ChildId, Option<u32>>,
}

impl Invariant for TerminatedChildrenStayDown {
    fn input(&mut self, input: &Input, Moment { engine, .. }: Moment) {
        match input {
            Input::Terminate(child, _) => {
                let is_restarting = matches!(engine.work, Work::Sequence(_));
                self.down.insert(*child, is_restarting.then_some(engine.group));
            }
            Input::Restart(child, _) => {
                self.down.remove(child);
            }
            _ => {}
        }
    }

    fn effect(&mut self, effect: &Effect<Child>, moment: Moment) {
        match effect {
            Effect::Start { key, .. } => {
                let name = moment.name(key.id);
                assert!(!self.down.contains_key(&key.id), "{name} was terminated, and starts");
            }
            Effect::Emit { kind, .. } if matches!(**kind, EventKind::Restarting { .. }) => {
                let engine = moment.engine;
                let is_group = engine.settings.strategy.mode() != RestartMode::OneForOne;
                self.down.retain(|_, left_out_of| !is_group || *left_out_of == Some(engine.group));
            }
            _ => {}
        }
    }
}
