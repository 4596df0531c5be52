use super::*;

/// A child that was terminated does not start again by itself: only when a call restarts it, or a group restart that begins
/// after that does.
#[derive(Default)]
pub(super) struct TerminatedChildrenStayDown {
    /// With the group that was being restarted, if one was.
    down: BTreeMap<ChildId, Option<u32>>,
    /// The number of the group restart before a reload, until its effects are seen.
    before_reload: Option<u32>,
}

impl Invariant for TerminatedChildrenStayDown {
    fn input(&mut self, input: &Input, Moment { engine, .. }: Moment) {
        self.before_reload = None;
        match input {
            Input::Terminate(child, _) => {
                let is_restarting = matches!(engine.work, Work::Sequence(_));
                self.down.insert(*child, is_restarting.then_some(engine.group));
            }
            Input::Restart(child, _) => {
                self.down.remove(child);
            }
            // A stopped child starts alone.
            Input::Reload(child, _) if engine.state_of(*child) == Some(ChildState::Stopped) => {
                self.down.remove(child);
            }
            Input::Reload(..) => self.before_reload = Some(engine.group),
            _ => {}
        }
    }

    fn step(&mut self, Moment { engine, .. }: Moment) {
        // A group restart has begun, without an event that tells of it.
        if self.before_reload.take().is_some_and(|group| group != engine.group) {
            self.down.clear();
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
