//! The engine does what the reference model does, whatever comes in and whenever.
//!
//! One supervisor, with processes that do anything that a process can do: they are ready late or never, end at any time, and
//! yield to an abort at once, late or never. Both take the same inputs in the same order, also while starts, stops and group
//! restarts are under way, one by one or several before the next turn. After each of them both have to have done the same, in
//! the same order where a process is told something; and all children have to be in the same states, and the same has to be
//! due next.
//!
//! The cases are the same each time. `PROPTEST_CASES=1000000` goes on to new ones.

mod case;
mod peer;

use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestRng, TestRunner};
use reference_model::{self as model, Act, Time};

use self::{
    case::{By, Case, Input, Pass},
    peer::{Peer, act_of, end_of, exit_of, settings_of, state_of},
};
use super::*;

const OUTSIDE: By = By { within: None, is_in_circle: false };

const CASES: u32 = 10_000;
const STEPS: usize = 250_000;

#[test]
fn the_engine_does_what_the_reference_model_does() {
    let persistence = FileFailurePersistence::WithSource("regressions");
    let mut config = Config {
        source_file: Some(file!()),
        failure_persistence: Some(Box::new(persistence)),
        max_shrink_iters: 100_000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let steps = std::cell::Cell::new(0);
    let result = TestRunner::new_with_rng(config, rng).run(&case::case(), |case| {
        let compared = Lockstep::new(&case).run(&case.inputs).map_err(TestCaseError::fail)?;
        steps.set(steps.get() + compared);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    assert!(steps.get() >= STEPS, "only {} steps were compared", steps.get());
}

struct Lockstep {
    engine: Engine<Peer>,
    model: model::Supervisor,
    begin: Instant,
    now: Time,
    ids: Vec<ChildId>,
    specs: Vec<model::Spec>,
    /// The children that have sent a heartbeat since the last check.
    signs: BTreeSet<usize>,
    /// The processes, by the numbers of their children, and whether they are ready.
    live: BTreeMap<usize, (ProcessKey, bool)>,
    calls: usize,
    has_ended: bool,
    /// What the engine has done and was not compared yet.
    effects: Vec<Act>,
    history: String,
    steps: usize,
}

impl Lockstep {
    fn new(case: &Case) -> Self {
        let ids: Vec<_> = case.children.iter().map(|_| ChildId::next()).collect();
        let peers = case.children.iter().enumerate().map(|(number, spec)| (ids[number], Peer::new(number, spec)));
        let mut engine = Engine::new(settings_of(&case.settings), peers.collect::<Vec<_>>().into_iter(), 1);
        let mut model = model::Supervisor::new(case.settings.clone(), case.children.iter().cloned().enumerate());
        let begin = Instant::now();
        let mut live = BTreeMap::new();
        for child in &case.left_behind {
            let key = engine.handle_left_behind(ids[*child], begin).expect("a child that is there");
            live.insert(*child, (ProcessKey::new(key, 0), true));
            model.adopt(*child, Time::ZERO);
        }
        engine.handle_start(false);
        Self {
            engine,
            model,
            begin,
            now: Time::ZERO,
            ids,
            specs: case.children.clone(),
            signs: BTreeSet::new(),
            live,
            calls: 0,
            has_ended: false,
            effects: Vec::new(),
            history: String::new(),
            steps: 0,
        }
    }

    /// Runs a case. Returns how many steps were compared.
    fn run(mut self, inputs: &[Input]) -> Result<usize, String> {
        self.settle()?;
        let mut was_call = false;
        for input in inputs {
            // Calls are the last that is taken in in a turn.
            if was_call && !input.is_call() {
                self.settle()?;
            }
            was_call = input.is_call();
            self.take(input)?;
        }
        self.settle()?;
        self.take(&Input::Shutdown { kill: false })?;
        for _ in 0..100 {
            self.settle()?;
            if self.has_ended {
                return Ok(self.steps);
            }
            self.take(&Input::Exit { who: 0, how: case::How::Aborted })?;
            self.take(&Input::Pass { time: Pass::For(SECOND) })?;
        }
        Err(format!("it does not come to an end\n{}", self.history))
    }

    fn take(&mut self, input: &Input) -> Result<(), String> {
        if self.has_ended {
            return Ok(());
        }
        let at = self.begin + self.now;
        match input {
            Input::Ready { who } => {
                let unready = self.live.iter().filter(|(_, (_, is_ready))| !is_ready).map(|(who, _)| *who).collect();
                let Some(who) = one_of(*who, unready) else { return Ok(()) };
                let (process_key, is_ready) = self.live.get_mut(&who).expect("a process");
                *is_ready = true;
                self.engine.handle_ready(*process_key, at);
                self.model.ready(who, self.now);
            }
            Input::Exit { who, how } => {
                let Some(who) = one_of(*who, self.live.keys().copied().collect()) else { return Ok(()) };
                let (process_key, is_ready) = self.live.remove(&who).expect("a process");
                let (exit, of_model) = exit_of(&self.specs[who], is_ready, *how);
                self.engine.handle_exit(process_key, exit, at);
                self.model.exited(who, &of_model, self.now);
            }
            Input::Acknowledged { who } => {
                let is_supervisor = |who: &usize| self.specs[*who].kind == model::Kind::Supervisor;
                let Some(who) = one_of(*who, self.live.keys().copied().filter(is_supervisor).collect()) else {
                    return Ok(());
                };
                self.engine.handle_acknowledged(self.live[&who].0);
                self.model.acknowledged(who);
            }
            Input::Sign { who } => {
                let signs = one_of(*who, self.live.keys().copied().collect());
                self.signs.extend(signs);
                return Ok(());
            }
            Input::Add { spec, by } => {
                let (id, number) = (ChildId::next(), self.ids.len());
                self.ids.push(id);
                self.specs.push(spec.clone());
                let (caller, of_model) = by.map(|by| self.caller(by)).unzip();
                self.engine.handle_start_child(id, Peer::new(number, spec), caller, at);
                self.model.start_child(number, spec.clone(), of_model, self.now);
            }
            Input::Restart { who, by } => {
                let Some((who, id)) = self.any(*who) else { return Ok(()) };
                let (caller, of_model) = self.caller(*by);
                self.engine.handle_restart_child(id, caller, at);
                self.model.restart_child(who, of_model, self.now);
            }
            Input::Terminate { who, by } => {
                let Some((who, id)) = self.any(*who) else { return Ok(()) };
                let (caller, of_model) = self.caller(*by);
                self.engine.handle_terminate_child(id, None, caller, at);
                self.model.terminate_child(who, of_model, self.now);
            }
            Input::Delete { who } => {
                let Some((who, id)) = self.any(*who) else { return Ok(()) };
                let (caller, of_model) = self.caller(OUTSIDE);
                self.engine.handle_delete_child(id, caller);
                self.model.delete_child(who, of_model.call);
            }
            Input::Kill { who } => {
                let Some((who, id)) = self.any(*who) else { return Ok(()) };
                let (caller, of_model) = self.caller(OUTSIDE);
                self.engine.handle_kill_child(id, caller, at);
                self.model.kill_child(who, of_model.call, self.now);
            }
            Input::Reload { who, by } => {
                let Some((who, id)) = self.any(*who) else { return Ok(()) };
                let (caller, of_model) = self.caller(*by);
                self.engine.handle_reload_child(id, caller, at);
                self.model.reload_child(who, of_model, self.now);
            }
            Input::Shutdown { kill } => {
                self.engine.handle_shutdown(StopRequest { no_successor: false, kill: *kill }, at);
                self.model.shutdown(*kill, self.now);
            }
            Input::Pass { time } => {
                let until_due = || self.model.next_deadline().map_or(SECOND, |at| at.saturating_sub(self.now));
                self.now += match time {
                    Pass::UntilDue => until_due(),
                    Pass::Late => until_due() + SECOND / 2,
                    Pass::For(time) => *time,
                };
                self.engine.handle_deadline(self.begin + self.now, self.begin + self.now);
                self.model.tick(self.now);
            }
            Input::Settle => return self.settle(),
        }
        self.compare(input)
    }

    /// Lets both take their turns until nothing is due.
    fn settle(&mut self) -> Result<(), String> {
        while !self.has_ended {
            loop {
                self.drain();
                if !self.engine.advance(self.begin + self.now) {
                    break;
                }
            }
            self.model.settle(self.now);
            self.compare(&"a turn")?;
            if self.model.next_deadline().is_none_or(|at| at > self.now) {
                break;
            }
            self.engine.handle_deadline(self.begin + self.now, self.begin + self.now);
            self.model.tick(self.now);
            self.compare(&"what was due")?;
        }
        Ok(())
    }

    fn drain(&mut self) {
        while let Some(effect) = self.engine.poll_effect() {
            if let Effect::Start { key, incarnation, .. } = &effect {
                let number = self.number(key.id);
                let before = self
                    .live
                    .insert(number, (ProcessKey::new(*key, *incarnation), self.specs[number].is_ready_at_once));
                assert!(before.is_none(), "two processes of {number}\n{}", self.history);
            }
            let act = match effect {
                Effect::Finish => Some(end_of(&mut self.engine)),
                effect => act_of(&effect, |id| self.number(id)),
            };
            self.effects.extend(act);
        }
    }

    /// Checks whether both have done the same since the last time.
    fn compare(&mut self, after: &dyn std::fmt::Debug) -> Result<(), String> {
        self.drain();
        let (engine, model) = (mem::take(&mut self.effects), self.model.take_acts());
        self.steps += 1 + engine.len();
        self.history += &format!("{:?}, {after:?}\n    {engine:?}\n", self.now);
        self.has_ended |= engine.iter().any(|act| matches!(act, Act::End { .. }));
        let states = |engine: &Engine<Peer>| -> Vec<_> {
            engine.children().map(|(_, peer, state)| (peer.number, state_of(state))).collect()
        };
        let (of_engine, of_model) =
            (states(&self.engine), self.model.children().map(|(id, _, state)| (id, state)).collect::<Vec<_>>());
        let due = self.engine.next_deadline().map(|at| at.saturating_duration_since(self.begin));
        let due_in_model = self.model.next_deadline();
        for act in &engine {
            if let Act::SampleHeartbeat(who) = act {
                self.listen(*who);
            }
        }
        if sorted(&engine) != sorted(&model) {
            Err(format!("the engine does not what the model does:\n    {model:?}\n{}", self.history))
        } else if of_engine != of_model {
            Err(format!("the engine's children are {of_engine:?}, the model's {of_model:?}\n{}", self.history))
        } else if due != due_in_model && !self.has_ended {
            Err(format!(
                "in the engine something is due at {due:?}, in the model at {due_in_model:?}\n{}",
                self.history
            ))
        } else {
            Ok(())
        }
    }

    /// Tells both whether it has sent a heartbeat, before anything else.
    fn listen(&mut self, who: usize) {
        let is_alive = self.signs.remove(&who);
        if let Some((process_key, _)) = self.live.get(&who) {
            self.engine.handle_heartbeat(*process_key, is_alive, self.begin + self.now);
            self.model.heard(who, is_alive, self.now);
        }
    }

    /// Returns one of all the children that there ever were.
    fn any(&self, who: usize) -> Option<(usize, ChildId)> {
        let who = one_of(who, (0..self.ids.len()).collect())?;
        Some((who, self.ids[who]))
    }

    fn caller(&mut self, By { within, is_in_circle }: By) -> (Caller, model::Caller) {
        self.calls += 1;
        let (number, id) = within.and_then(|within| self.any(within)).unzip();
        let caller = Caller { key: self.calls, within: id, is_in_circle };
        (caller, model::Caller { call: self.calls, within: number, is_in_circle })
    }

    fn number(&self, id: ChildId) -> usize {
        self.ids.iter().position(|other| *other == id).expect("a child that is known")
    }
}

fn one_of(which: usize, all: Vec<usize>) -> Option<usize> {
    all.get(which % all.len().max(1)).copied()
}

/// Sorts: messages to processes keep their order; messages to others may have any order.
fn sorted(acts: &[Act]) -> (Vec<Act>, Vec<String>) {
    let is_order = |act: &&Act| {
        matches!(act, Act::Start(_) | Act::Ask(_) | Act::Abort(_) | Act::Ready | Act::GaveUp | Act::End { .. })
    };
    let (orders, others): (Vec<_>, Vec<_>) = acts.iter().partition(is_order);
    let mut orders: Vec<_> = orders.into_iter().cloned().collect();
    for act in &mut orders {
        if let Act::End { bad, .. } = act {
            bad.sort_unstable();
        }
    }
    let mut others: Vec<_> = others.into_iter().map(|act| format!("{act:?}")).collect();
    others.sort_unstable();
    (orders, others)
}
