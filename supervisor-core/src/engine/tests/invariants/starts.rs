use super::*;

/// A rule: in a first start and in a group restart children start in order, each when the one before it is ready; and a
/// group starts when all of it has stopped. A start by a call has its own time.
pub(super) struct StartsAreInOrder {
    mode: RestartMode,
    is_up: bool,
    /// Static children that have not started yet.
    first: BTreeSet<ChildId>,
    /// Where a group begins whose members are still being stopped, and the child whose failure leads it.
    pending: Option<(Option<ChildId>, ChildId)>,
    /// The last one that was started in order.
    last: Option<ChildId>,
    by_call: BTreeSet<ChildId>,
    /// Neither ready nor gone, and not terminated either.
    coming: BTreeSet<ChildId>,
    live: BTreeSet<ChildId>,
    /// The child that was reloaded, until the effects are seen.
    reloaded: Option<ChildId>,
}

impl StartsAreInOrder {
    pub(super) fn new(settings: &SupervisorSettings, specs: &[(ChildId, Child)]) -> Self {
        Self {
            mode: settings.strategy.mode(),
            is_up: false,
            first: specs.iter().map(|(id, _)| *id).collect(),
            pending: None,
            last: None,
            by_call: BTreeSet::new(),
            coming: BTreeSet::new(),
            live: BTreeSet::new(),
            reloaded: None,
        }
    }

    fn starts(&mut self, child: ChildId, moment: Moment) {
        let name = moment.name(child);
        if let Some((_, from)) = self.pending.filter(|(_, from)| child >= *from) {
            let beside: Vec<_> = self.live.range(from..).map(|child| moment.name(*child)).collect();
            assert!(beside.is_empty(), "{name} starts with its group, beside {beside:?}");
            (self.pending, self.last) = (None, None);
        }
        let is_first = self.first.remove(&child);
        let is_in_order = is_first || self.mode != RestartMode::OneForOne;
        if is_in_order && !self.by_call.contains(&child) {
            let before: Vec<_> = self.first.range(..child).collect();
            assert!(!is_first || before.is_empty(), "{name} starts for the first time, before others");
            if let Some(last) = self.last {
                let other = moment.name(last);
                assert!(last < child, "{name} starts after {other}");
                assert!(!self.coming.contains(&last), "{name} starts while {other} does");
            }
            self.last = Some(child);
        }
        self.live.insert(child);
        self.coming.insert(child);
    }
}

impl Invariant for StartsAreInOrder {
    fn input(&mut self, input: &Input, Moment { engine, .. }: Moment) {
        self.reloaded = None;
        match input {
            Input::Ready(process_key) => {
                self.coming.remove(&process_key.child_key().id);
            }
            Input::Exited(process_key, _) => {
                let child = process_key.child_key().id;
                self.coming.remove(&child);
                self.live.remove(&child);
            }
            Input::Start { id: child, .. } | Input::Restart(child, _) => {
                self.by_call.insert(*child);
            }
            Input::Reload(child, _) if engine.state_of(*child) == Some(ChildState::Stopped) => {
                self.by_call.insert(*child);
            }
            Input::Reload(child, _) => self.reloaded = Some(*child),
            Input::Terminate(child, _) => {
                self.coming.remove(child);
                self.first.remove(child);
                // The restart is cancelled that waits for it, unless it is part of a first start.
                self.pending = self.pending.filter(|(leader, _)| *leader != Some(*child) || !self.is_up);
            }
            _ => {}
        }
    }

    fn step(&mut self, moment: Moment) {
        // A group restart without an event that tells of it.
        if let Some(from) = self.reloaded.take().and_then(|child| moment.reload_from(child)) {
            self.pending = Some((None, from));
        }
    }

    fn effect(&mut self, effect: &Effect<Child>, moment: Moment) {
        match effect {
            Effect::Start { key, .. } => {
                self.starts(key.id, moment);
                if moment.engine.child(*key).is_some_and(|child| child.settings.is_ready_at_once()) {
                    self.coming.remove(&key.id);
                }
            }
            Effect::Ready => self.is_up = true,
            Effect::Emit { child, kind, .. } => {
                let Some(id) = moment.id(child.name) else { return };
                match **kind {
                    EventKind::Restarting { .. } => {
                        let from = if self.mode == RestartMode::OneForAll { ChildId::FIRST } else { id };
                        self.pending = Some((Some(id), from)).filter(|_| self.mode != RestartMode::OneForOne);
                    }
                    EventKind::Ready | EventKind::StartFailed(_) | EventKind::Ignored => {
                        self.by_call.remove(&id);
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
}
