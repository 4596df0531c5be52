//! Random trees under random exits, calls and delays, in which what must never happen is looked for.

use std::sync::LazyLock;

use super::{
    invariants::{Input, Watched},
    *,
};

/// What an engine is put through.
struct Trial {
    watched: Watched,
    rng: Rng,
    now: Instant,
    /// Processes that are there, by child: the incarnation, and whether it was ready.
    live: BTreeMap<ChildId, (ProcessKey, bool)>,
    /// Those that were asked to stop, or aborted.
    told: BTreeSet<ChildId>,
    /// Those that nothing ends, as long as the trial wants.
    stubborn: BTreeSet<ChildId>,
    /// Every child that there ever was.
    known: Vec<ChildId>,
    calls: usize,
    has_called: bool,
    has_finished: bool,
}

impl Trial {
    fn new(seed: u64) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mode = *pick(
            &mut rng,
            &[RestartStrategy::one_for_one(), RestartStrategy::one_for_all(), RestartStrategy::rest_for_one()],
        );
        let dynamic = rng.u8(..5) == 0;
        let auto_shutdown = if dynamic {
            AutoShutdown::Never
        } else {
            *pick(&mut rng, &[AutoShutdown::Never, AutoShutdown::AnySignificant, AutoShutdown::AllSignificant])
        };
        let settings = SupervisorSettings {
            strategy: if dynamic { RestartStrategy::one_for_one() } else { mode }
                .with_intensity_and_period(*pick(&mut rng, &[0, 1, 3, 100]), 5 * SECOND),
            auto_shutdown,
            dynamic,
            shutdown_order: *pick(&mut rng, &[ShutdownOrder::Reverse, ShutdownOrder::Concurrent]),
            max_children: rng.bool().then_some(8),
            shutdown_budget: rng.bool().then_some(7 * SECOND),
            backoff: (rng.u8(..4) == 0).then_some(Backoff::constant(SECOND)),
            ..SupervisorSettings::default()
        };
        let children = if dynamic { 0 } else { rng.usize(..6) };
        let specs: Vec<_> = (0..children).map(|n| (ChildId::next(), spec(&mut rng, n))).collect();
        let known = specs.iter().map(|(id, _)| *id).collect();
        let (mut watched, now) = (Watched::new(settings, specs, seed), Instant::now());
        watched.input(Input::Begin { no_successor: rng.bool() }, now);
        Self {
            watched,
            rng,
            now,
            live: BTreeMap::new(),
            told: BTreeSet::new(),
            stubborn: BTreeSet::new(),
            known,
            calls: 0,
            has_called: false,
            has_finished: false,
        }
    }

    fn run(mut self) {
        for _ in 0..self.rng.usize(5..60) {
            if self.has_finished {
                break;
            }
            self.step();
        }
        self.drain();
        self.stop();
        for _ in 0..200 {
            if self.has_finished {
                break;
            }
            // Whoever was told to goes, sooner or later.
            self.stubborn.clear();
            let told: Vec<_> = self.told.iter().copied().collect();
            told.into_iter().for_each(|child| self.end(child));
            self.pass(SECOND);
            self.drain();
        }
        self.watched.end(self.now);
    }

    fn step(&mut self) {
        let what = self.rng.u8(..20);
        // Calls are the last that is taken in in a turn.
        if !(12..=18).contains(&what) && self.has_called {
            self.drain();
        }
        self.has_called = (12..=18).contains(&what);
        match what {
            0..=3 => self.drain(),
            4..=5 => {
                let time = *pick(&mut self.rng, &[SECOND / 2, SECOND, 6 * SECOND]);
                self.pass(time);
            }
            6..=11 => {
                let children: Vec<_> = self.live.keys().copied().collect();
                if children.is_empty() {
                    return;
                }
                let child = *pick(&mut self.rng, &children);
                let (process_key, is_ready) = self.live[&child];
                match self.rng.u8(..6) {
                    0 if !self.stubborn.remove(&child) => drop(self.stubborn.insert(child)),
                    1 if !is_ready => {
                        self.live.insert(child, (process_key, true));
                        self.input(Input::Ready(process_key));
                    }
                    2 if self.told.contains(&child) => self.input(Input::Acknowledged(process_key)),
                    3 => {
                        let earlier = ProcessKey::new(process_key.child_key(), process_key.incarnation - 1);
                        self.watched.stale(ReportKind::Exited(error()), earlier, self.now);
                        self.watched.stale(ReportKind::Ready, earlier, self.now);
                    }
                    _ => self.end(child),
                }
            }
            12..=14 => {
                let (id, spec) = (ChildId::next(), spec(&mut self.rng, self.known.len()));
                self.known.push(id);
                let caller = self.rng.bool().then(|| self.caller());
                self.input(Input::Start { id, spec, caller });
            }
            15..=18 => {
                if self.known.is_empty() {
                    return;
                }
                let (child, caller) = (*pick(&mut self.rng, &self.known.clone()), self.caller());
                let call = match self.rng.u8(..5) {
                    0 | 1 => Input::Terminate(child, caller),
                    2 => Input::Restart(child, caller),
                    3 => Input::Delete(child, caller),
                    _ => Input::Kill(child, caller),
                };
                self.input(call);
            }
            _ => {
                if self.rng.u8(..4) == 0 {
                    self.stop();
                }
            }
        }
        // Sometimes several things come in before the engine has its next turn.
        if self.rng.bool() {
            self.drain();
        }
    }

    fn input(&mut self, input: Input) {
        self.watched.input(input, self.now);
    }

    fn caller(&mut self) -> Caller {
        self.calls += 1;
        let within =
            (self.rng.u8(..4) == 0 && !self.known.is_empty()).then(|| *pick(&mut self.rng, &self.known.clone()));
        Caller { key: self.calls, within, is_in_circle: false }
    }

    fn stop(&mut self) {
        let order = StopRequest { no_successor: self.rng.bool(), kill: self.rng.u8(..4) == 0 };
        self.input(Input::Shutdown(order));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.input(Input::Tick);
    }

    /// A process ends, in whatever way.
    fn end(&mut self, child: ChildId) {
        if self.stubborn.contains(&child) {
            return;
        }
        let Some((process_key, is_ready)) = self.live.remove(&child) else { return };
        let exit = match self.rng.u8(..6) {
            _ if self.told.remove(&child) => pick(&mut self.rng, &[Exit::Normal, Exit::Aborted, error()]).clone(),
            0 if !is_ready => Exit::Ignored,
            0..=2 => Exit::Normal,
            3 => Exit::Panicked(Failure::new("ouch")),
            _ => error(),
        };
        // A process that was not ready can only have failed to become so, or have been told to go.
        let exit = if !is_ready && matches!(exit, Exit::Normal) { Exit::Aborted } else { exit };
        self.input(Input::Exited(process_key, exit));
    }

    fn drain(&mut self) {
        loop {
            while let Some(effect) = self.watched.poll_effect() {
                self.play(effect);
            }
            if !self.watched.advance(self.now) {
                return;
            }
        }
    }

    fn play(&mut self, effect: Effect<Child>) {
        match effect {
            Effect::Start { key, incarnation, .. } => {
                let Some(spec) = self.watched.engine.child(key) else { return };
                let is_ready = spec.settings.ready_at_once;
                self.live.insert(key.id, (ProcessKey::new(key, incarnation), is_ready));
                self.told.remove(&key.id);
            }
            Effect::Ask { child: spec, .. } | Effect::Abort { child: spec, .. } => {
                let child = self.watched.engine.children().find(|(_, child, _)| child.name == spec.name);
                self.told.extend(child.map(|(id, ..)| id).filter(|id| self.live.contains_key(id)));
            }
            Effect::SampleHeartbeat { key, incarnation } => {
                let sign_of_life = self.rng.bool();
                self.input(Input::Heard(ProcessKey::new(key, incarnation), sign_of_life));
            }
            Effect::Finish => self.has_finished = true,
            _ => {}
        }
    }
}

fn spec(rng: &mut Rng, number: usize) -> Child {
    let mut spec = if rng.u8(..4) == 0 { supervisor(name(number)) } else { child(name(number)) };
    spec.settings.ready_at_once = spec.settings.kind == ChildKind::Worker && rng.bool();
    spec.settings.restart = Some(*pick(rng, &[RestartType::Permanent, RestartType::Transient, RestartType::Temporary]));
    spec.settings.significant = spec.settings.restart != Some(RestartType::Permanent) && rng.bool();
    if rng.u8(..4) == 0 {
        spec = spec.shutdown(*pick(rng, &[ShutdownStrategy::Brutal, ShutdownStrategy::Graceful(SECOND)]));
    }
    if rng.u8(..4) == 0 {
        spec = spec.start_timeout(2 * SECOND);
    }
    if spec.settings.kind == ChildKind::Worker && rng.u8(..4) == 0 {
        spec = spec.watchdog(SECOND);
    }
    if rng.u8(..4) == 0 {
        spec = spec.backoff(Backoff::constant(SECOND));
    }
    spec
}

/// A name for each number.
fn name(number: usize) -> &'static str {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| (0..200).map(|number| format!("c{number}")).collect());
    &NAMES[number]
}

fn pick<'a, T>(rng: &mut Rng, choice: &'a [T]) -> &'a T {
    &choice[rng.usize(..choice.len())]
}

#[test]
fn the_invariants_hold_and_every_stop_ends() {
    for seed in 0..20_000 {
        let outcome = std::panic::catch_unwind(|| Trial::new(seed).run());
        assert!(outcome.is_ok(), "seed {seed}");
    }
}
