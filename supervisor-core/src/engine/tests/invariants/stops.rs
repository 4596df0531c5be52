use super::*;

/// A rule: when children stop in reverse order, a running one is stopped when all after it have gone, or are stuck;
/// unless a call stops it, or everything at once.
pub(super) struct StopsAreInReverse {
    mode: RestartMode,
    order: ShutdownOrder,
    has_budget: bool,
    is_killed: bool,
    is_tick: bool,
    live: BTreeSet<ChildId>,
    /// Ready, and not asked to stop.
    running: BTreeSet<ChildId>,
    starting: BTreeSet<ChildId>,
    stuck: BTreeSet<ChildId>,
    /// Stopped by a call, or after a missed heartbeat.
    stopped: BTreeSet<ChildId>,
}

impl StopsAreInReverse {
    pub(super) fn new(settings: &SupervisorSettings) -> Self {
        Self {
            mode: settings.strategy.mode(),
            order: settings.shutdown_order,
            has_budget: settings.shutdown_budget.is_some(),
            is_killed: false,
            is_tick: false,
            live: BTreeSet::new(),
            running: BTreeSet::new(),
            starting: BTreeSet::new(),
            stuck: BTreeSet::new(),
            stopped: BTreeSet::new(),
        }
    }

    fn stops(&mut self, child: ChildId, moment: Moment) {
        let is_all_at_once =
            self.order == ShutdownOrder::Concurrent || self.is_killed || (self.has_budget && self.is_tick);
        self.starting.remove(&child);
        if self.running.remove(&child) && !self.stopped.contains(&child) && !is_all_at_once {
            let is_in_the_way = |other: &&ChildId| **other > child && !self.stuck.contains(other);
            let behind: Vec<_> = self.live.iter().filter(is_in_the_way).map(|other| moment.name(*other)).collect();
            assert!(behind.is_empty(), "{} is stopped before {behind:?}", moment.name(child));
        }
    }
}

impl Invariant for StopsAreInReverse {
    fn input(&mut self, input: &Input, _: Moment) {
        self.is_tick = matches!(input, Input::Tick);
        match input {
            Input::Ready(process_key) => {
                let child = process_key.child_key().id;
                if self.starting.remove(&child) {
                    self.running.insert(child);
                }
            }
            Input::Exited(process_key, _) => {
                let child = process_key.child_key().id;
                for set in [&mut self.live, &mut self.running, &mut self.starting, &mut self.stuck, &mut self.stopped] {
                    set.remove(&child);
                }
            }
            Input::Shutdown(request) => self.is_killed |= request.kill,
            Input::Terminate(child, _) | Input::Kill(child, _) => {
                self.stopped.insert(*child);
            }
            // A group stops in order.
            Input::Reload(child, _) if self.mode == RestartMode::OneForOne => {
                self.stopped.insert(*child);
            }
            Input::Heard(process_key, false) => {
                self.stopped.insert(process_key.child_key().id);
            }
            _ => {}
        }
    }

    fn effect(&mut self, effect: &Effect<Child>, moment: Moment) {
        match effect {
            Effect::Start { key, .. } => {
                self.live.insert(key.id);
                self.stopped.remove(&key.id);
                let is_ready = moment.engine.child(*key).is_some_and(|child| child.settings.is_ready_at_once());
                if is_ready { &mut self.running } else { &mut self.starting }.insert(key.id);
            }
            Effect::Ask { child, .. } | Effect::Abort { child, .. } => {
                let id = moment.id(child.name).expect("a child that is still there");
                self.stops(id, moment);
            }
            Effect::Emit { child, kind, .. } if matches!(**kind, EventKind::Stuck | EventKind::Abandoned) => {
                self.stuck.extend(moment.id(child.name));
            }
            _ => {}
        }
    }
}
