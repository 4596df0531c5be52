//! What must hold whatever happens: one rule a file, each checked beside whatever a test puts an engine through.

mod budget;
mod calls;
mod counts;
mod end;
mod exits;
mod leaks;
mod live;
mod overlap;
mod starts;
mod stops;
mod terminated;

use super::*;

/// A rule, checked on all inputs and effects.
pub(super) trait Invariant {
    /// Sees an input before the engine gets it.
    fn input(&mut self, _input: &Input, _moment: Moment) {}

    /// Sees an effect.
    fn effect(&mut self, _effect: &Effect<Child>, _moment: Moment) {}

    /// Runs after an input, or a step of ordered work.
    fn step(&mut self, _moment: Moment) {}

    /// Runs at the end, when nothing happens any more.
    fn end(&mut self, _moment: Moment) {}
}

#[derive(Clone, Copy)]
pub(super) struct Moment<'a> {
    pub(super) engine: &'a Engine<Child>,
    pub(super) now: Instant,
}

/// An input of an engine.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Begin { no_successor: bool },
    Ready(ProcessKey),
    Acknowledged(ProcessKey),
    Exited(ProcessKey, Exit),
    Heard(ProcessKey, bool),
    Shutdown(StopRequest),
    Tick,
    Start { id: ChildId, child: Child, caller: Option<Caller> },
    Terminate(ChildId, Caller),
    Restart(ChildId, Caller),
    Delete(ChildId, Caller),
    Kill(ChildId, Caller),
    Reload(ChildId, Caller),
}

/// An engine, all of whose inputs and effects are looked at. The children's names have to be unique.
pub(super) struct Watched {
    pub(super) engine: Engine<Child>,
    invariants: [Box<dyn Invariant>; 11],
    /// Looked at, and not fetched yet.
    effects: VecDeque<Effect<Child>>,
    /// How many inputs and effects there were.
    pub(super) steps: usize,
}

impl Watched {
    pub(super) fn new(settings: SupervisorSettings, specs: Vec<(ChildId, Child)>, seed: u64) -> Self {
        let invariants: [Box<dyn Invariant>; 11] = [
            Box::new(budget::ChargesStayWithinTheIntensity::new(&settings)),
            Box::new(calls::EachCallIsAnsweredOnce::default()),
            Box::new(counts::WhatIsCountedIsThere),
            Box::new(end::NothingStartsAfterAStop::default()),
            Box::new(exits::EachIncarnationEndsOnce::default()),
            Box::new(leaks::NothingIsLeft),
            Box::new(live::NoMoreLiveThanDeclared::new(&settings, &specs)),
            Box::new(overlap::IncarnationsDoNotOverlap::default()),
            Box::new(starts::StartsAreInOrder::new(&settings, &specs)),
            Box::new(stops::StopsAreInReverse::new(&settings)),
            Box::new(terminated::TerminatedChildrenStayDown::default()),
        ];
        let engine = Engine::new(settings, specs.into_iter(), seed);
        Self { engine, invariants, effects: VecDeque::new(), steps: 0 }
    }

    pub(super) fn input(&mut self, input: Input, now: Instant) {
        let moment = Moment { engine: &self.engine, now };
        self.invariants.iter_mut().for_each(|invariant| invariant.input(&input, moment));
        self.steps += 1;
        let engine = &mut self.engine;
        match input {
            Input::Begin { no_successor } => engine.handle_start(no_successor),
            Input::Ready(process_key) => engine.handle_ready(process_key, now),
            Input::Acknowledged(process_key) => engine.handle_acknowledged(process_key),
            Input::Exited(process_key, exit) => engine.handle_exit(process_key, exit, now),
            Input::Heard(process_key, sign_of_life) => engine.handle_heartbeat(process_key, sign_of_life, now),
            Input::Shutdown(request) => engine.handle_shutdown(request, now),
            Input::Tick => engine.handle_deadline(now, now),
            Input::Start { id, child, caller } => engine.handle_start_child(id, child, caller, now),
            Input::Terminate(child, caller) => engine.handle_terminate_child(child, None, caller, now),
            Input::Restart(child, caller) => engine.handle_restart_child(child, caller, now),
            Input::Delete(child, caller) => engine.handle_delete_child(child, caller),
            Input::Kill(child, caller) => engine.handle_kill_child(child, caller, now),
            Input::Reload(child, caller) => engine.handle_reload_child(child, caller, now),
        }
        self.look(now);
    }

    /// Takes a report of an earlier incarnation, which changes nothing.
    pub(super) fn stale(&mut self, kind: ReportKind, process_key: ProcessKey, now: Instant) {
        let states = |engine: &Engine<Child>| -> Vec<_> {
            engine.children.iter().map(|(key, slot)| (key, slot.state.clone(), slot.has_acknowledged)).collect()
        };
        let before = states(&self.engine);
        match kind {
            ReportKind::Ready => self.engine.handle_ready(process_key, now),
            ReportKind::Acknowledged => self.engine.handle_acknowledged(process_key),
            ReportKind::Exited(exit) => self.engine.handle_exit(process_key, exit, now),
            ReportKind::Unclean(unclean) => self.engine.handle_unclean_below(process_key, unclean),
            ReportKind::Held => self.engine.handle_held(process_key, now),
            ReportKind::Vacated => unreachable!("a driver makes an exit of it"),
        }
        assert_eq!(states(&self.engine), before, "a stale report of {process_key:?} changes something");
        assert!(
            self.engine.effects.is_empty(),
            "a stale report of {process_key:?} has effects: {:?}",
            self.engine.effects
        );
    }

    pub(super) fn poll_effect(&mut self) -> Option<Effect<Child>> {
        self.effects.pop_front()
    }

    /// Takes a step of ordered work. Called when there is no effect left.
    pub(super) fn advance(&mut self, now: Instant) -> bool {
        assert!(self.effects.is_empty(), "effects come first");
        let has_moved = self.engine.advance(now);
        self.look(now);
        has_moved
    }

    pub(super) fn end(&mut self, now: Instant) {
        let moment = Moment { engine: &self.engine, now };
        self.invariants.iter_mut().for_each(|invariant| invariant.end(moment));
    }

    fn look(&mut self, now: Instant) {
        while let Some(effect) = self.engine.poll_effect() {
            let moment = Moment { engine: &self.engine, now };
            self.invariants.iter_mut().for_each(|invariant| invariant.effect(&effect, moment));
            self.steps += 1;
            self.effects.push_back(effect);
        }
        let moment = Moment { engine: &self.engine, now };
        self.invariants.iter_mut().for_each(|invariant| invariant.step(moment));
    }
}

impl Moment<'_> {
    fn name(&self, child: ChildId) -> &'static str {
        self.engine.find(child).map_or("?", |child| child.name)
    }

    /// Returns where the group restart begins that a reload of this child has begun, if that has not started anything yet.
    fn reload_from(&self, child: ChildId) -> Option<ChildId> {
        let key = self.engine.children.find(child)?;
        match &self.engine.work {
            Work::Sequence(sequence) if sequence.is_reload && sequence.joins(key) => Some(sequence.from),
            _ => None,
        }
    }

    fn id(&self, name: &str) -> Option<ChildId> {
        self.engine.children().find(|(_, child, _)| child.name == name).map(|(id, ..)| id)
    }
}
