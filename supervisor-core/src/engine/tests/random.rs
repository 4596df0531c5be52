//! Random trees under random exits, calls and delays, in which what must never happen is looked for.

use std::sync::LazyLock;

use super::{
    invariants::{Input, Watched},
    *,
};

/// What happens to an engine, and how often.
const STEPS: [(Step, u32); 6] = [
    (Step::TakeTurns, 4),
    (Step::PassTime, 2),
    (Step::Report, 6),
    (Step::StartChild, 3),
    (Step::Call, 4),
    (Step::Shutdown, 1),
];

/// What a process reports, and how often.
const REPORTS: [(Report, u32); 5] = [
    (Report::TurnStubborn, 1),
    (Report::Ready, 1),
    (Report::Acknowledged, 1),
    (Report::OfPredecessor, 1),
    (Report::Exit, 2),
];

/// What is called on a child, and how often.
const CALLS: [(Call, u32); 5] =
    [(Call::Terminate, 2), (Call::Restart, 1), (Call::Delete, 1), (Call::Kill, 1), (Call::Reload, 2)];

/// How processes that were not told to go end, and how often.
const ENDS: [(End, u32); 5] =
    [(End::Ignored, 1), (End::Normal, 2), (End::Panicked, 1), (End::Failed, 2), (End::FailedForGood, 1)];

#[derive(Clone, Copy, PartialEq)]
enum Step {
    TakeTurns,
    PassTime,
    Report,
    StartChild,
    Call,
    Shutdown,
}

#[derive(Clone, Copy)]
enum Report {
    /// From now on nothing ends it; or, if it was stubborn, it ends.
    TurnStubborn,
    Ready,
    Acknowledged,
    /// What its predecessor reports arrives late.
    OfPredecessor,
    Exit,
}

#[derive(Clone, Copy)]
enum Call {
    Terminate,
    Restart,
    Delete,
    Kill,
    Reload,
}

#[derive(Clone, Copy)]
enum End {
    /// Of a process that is not ready; of any other it is normal.
    Ignored,
    Normal,
    Panicked,
    Failed,
    /// No restart helps.
    FailedForGood,
}

impl Step {
    fn is_call(self) -> bool {
        matches!(self, Self::StartChild | Self::Call)
    }
}

/// A trial of an engine.
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
        let dynamic = one_in(&mut rng, 5);
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
            backoff: one_in(&mut rng, 4).then_some(Backoff::constant(SECOND)),
            ..SupervisorSettings::default()
        };
        let children = if dynamic { 0 } else { rng.usize(..6) };
        let specs: Vec<_> = (0..children).map(|n| (ChildId::next(), random_child(&mut rng, n))).collect();
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
            // A process that was told to stop goes, sooner or later.
            self.stubborn.clear();
            let told: Vec<_> = self.told.iter().copied().collect();
            told.into_iter().for_each(|child| self.end(child));
            self.pass(SECOND);
            self.drain();
        }
        self.watched.end(self.now);
    }

    fn step(&mut self) {
        let step = draw(&mut self.rng, &STEPS);
        // Calls are the last that is taken in in a turn.
        if !step.is_call() && self.has_called {
            self.drain();
        }
        self.has_called = step.is_call();
        match step {
            Step::TakeTurns => self.drain(),
            Step::PassTime => {
                let time = *pick(&mut self.rng, &[SECOND / 2, SECOND, 6 * SECOND]);
                self.pass(time);
            }
            Step::Report if self.live.is_empty() => return,
            Step::Report => self.report(),
            Step::StartChild => {
                let (id, child) = (ChildId::next(), random_child(&mut self.rng, self.known.len()));
                self.known.push(id);
                let caller = self.rng.bool().then(|| self.caller());
                self.input(Input::Start { id, child, caller });
            }
            Step::Call if self.known.is_empty() => return,
            Step::Call => self.call(),
            // Few go on for long after it.
            Step::Shutdown if one_in(&mut self.rng, 4) => self.stop(),
            Step::Shutdown => {}
        }
        // Sometimes several things come in before the engine has its next turn.
        if self.rng.bool() {
            self.drain();
        }
    }

    fn report(&mut self) {
        let children: Vec<_> = self.live.keys().copied().collect();
        let child = *pick(&mut self.rng, &children);
        let (process_key, is_ready) = self.live[&child];
        match draw(&mut self.rng, &REPORTS) {
            Report::TurnStubborn if !self.stubborn.remove(&child) => drop(self.stubborn.insert(child)),
            Report::Ready if !is_ready => {
                self.live.insert(child, (process_key, true));
                self.input(Input::Ready(process_key));
            }
            Report::Acknowledged if self.told.contains(&child) => self.input(Input::Acknowledged(process_key)),
            Report::OfPredecessor => {
                let earlier = ProcessKey::new(process_key.child_key(), process_key.incarnation - 1);
                self.watched.stale(ReportKind::Exited(error()), earlier, self.now);
                self.watched.stale(ReportKind::Ready, earlier, self.now);
            }
            // Or what cannot be reported now.
            _ => self.end(child),
        }
    }

    fn call(&mut self) {
        let (child, caller) = (*pick(&mut self.rng, &self.known.clone()), self.caller());
        let call = match draw(&mut self.rng, &CALLS) {
            Call::Terminate => Input::Terminate(child, caller),
            Call::Restart => Input::Restart(child, caller),
            Call::Delete => Input::Delete(child, caller),
            Call::Kill => Input::Kill(child, caller),
            Call::Reload => Input::Reload(child, caller),
        };
        self.input(call);
    }

    fn input(&mut self, input: Input) {
        self.watched.input(input, self.now);
    }

    fn caller(&mut self) -> Caller {
        self.calls += 1;
        let within =
            (one_in(&mut self.rng, 4) && !self.known.is_empty()).then(|| *pick(&mut self.rng, &self.known.clone()));
        Caller { key: self.calls, within, is_in_circle: false }
    }

    fn stop(&mut self) {
        let request = StopRequest { no_successor: self.rng.bool(), kill: one_in(&mut self.rng, 4) };
        self.input(Input::Shutdown(request));
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
        self.input(Input::Tick);
    }

    /// Ends a process, in any way.
    fn end(&mut self, child: ChildId) {
        if self.stubborn.contains(&child) {
            return;
        }
        let Some((process_key, is_ready)) = self.live.remove(&child) else { return };
        let exit = match draw(&mut self.rng, &ENDS) {
            _ if self.told.remove(&child) => pick(&mut self.rng, &[Exit::Normal, Exit::Aborted, error()]).clone(),
            End::Ignored if !is_ready => Exit::Ignored,
            End::Ignored | End::Normal => Exit::Normal,
            End::Panicked => Exit::Panicked(Failure::new("ouch")),
            End::Failed => error(),
            End::FailedForGood => final_error(),
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
                let Some(child) = self.watched.engine.child(key) else { return };
                let is_ready = child.settings.ready_at_once;
                self.live.insert(key.id, (ProcessKey::new(key, incarnation), is_ready));
                self.told.remove(&key.id);
            }
            Effect::Ask { child, .. } | Effect::Abort { child, .. } => {
                let found = self.watched.engine.children().find(|(_, other, _)| other.name == child.name);
                self.told.extend(found.map(|(id, ..)| id).filter(|id| self.live.contains_key(id)));
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

fn random_child(rng: &mut Rng, number: usize) -> Child {
    let mut child = if one_in(rng, 4) { supervisor(name(number)) } else { child(name(number)) };
    let is_worker = child.settings.kind == ChildKind::Worker;
    child.settings.ready_at_once = is_worker && rng.bool();
    child.settings.restart =
        Some(*pick(rng, &[RestartType::Permanent, RestartType::Transient, RestartType::Temporary]));
    child.settings.runs_once = is_worker && child.settings.restart == Some(RestartType::Temporary) && one_in(rng, 4);
    child.settings.significant = child.settings.restart != Some(RestartType::Permanent) && rng.bool();
    child.settings.set_readiness(rng.bool());
    if one_in(rng, 4) {
        child = child.shutdown(*pick(rng, &[ShutdownStrategy::Brutal, ShutdownStrategy::Graceful(SECOND)]));
    }
    if one_in(rng, 4) {
        child = child.start_timeout(2 * SECOND);
    }
    if is_worker && one_in(rng, 4) {
        child = child.watchdog(SECOND);
    }
    if one_in(rng, 4) {
        child = child.backoff(Backoff::constant(SECOND));
    }
    child
}

/// Returns a name for each number.
fn name(number: usize) -> &'static str {
    static NAMES: LazyLock<Vec<String>> = LazyLock::new(|| (0..200).map(|number| format!("c{number}")).collect());
    &NAMES[number]
}

/// Draws one of the rows of a table, as often as its weight says.
fn draw<T: Copy>(rng: &mut Rng, table: &[(T, u32)]) -> T {
    let total: u32 = table.iter().map(|(_, weight)| weight).sum();
    let mut left = rng.u32(..total);
    for (row, weight) in table {
        match left.checked_sub(*weight) {
            Some(rest) => left = rest,
            None => return *row,
        }
    }
    unreachable!("what is drawn is less than the sum of the weights")
}

fn one_in(rng: &mut Rng, many: u32) -> bool {
    rng.u32(..many) == 0
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
