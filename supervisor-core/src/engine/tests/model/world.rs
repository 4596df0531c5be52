//! Engines in a tree, each above those of its nested supervisors, and processes that do what the case says. Everything that
//! is under way at a time happens in an order that is drawn.

use std::rc::Rc;

use super::{
    case::*,
    node_spec::{NodeSpec, settings_of},
    outcome::conclude,
    process::Process,
    trace::*,
    *,
};

/// No case takes as many until nothing happens any more.
const TURNS: usize = 100_000;

pub(super) struct Forest {
    begin: Instant,
    pub(super) now: Instant,
    rng: Rng,
    /// By number, of every node that there will be.
    pub(super) ids: Vec<ChildId>,
    pub(super) processes: Vec<Option<Process>>,
    pub(super) starts: Vec<VecDeque<Start>>,
    to_do: Vec<ToDo>,
    /// Who is called about, by the keys of the callers.
    pub(super) calls: Vec<usize>,
    pub(super) events: Vec<Event>,
    /// What the engines took in, and what they wanted done.
    pub(super) steps: usize,
}

/// The work under way.
enum ToDo {
    /// The process looks what is asked of it.
    Wake(usize),
    /// The process has told this.
    Report(usize, ReportKind),
    /// The supervisor has something to do.
    Turn(usize),
}

impl Forest {
    pub(super) fn new(nodes: usize, seed: u64) -> Self {
        let begin = Instant::now();
        Self {
            begin,
            now: begin,
            rng: Rng::with_seed(seed),
            ids: (0..nodes).map(|_| ChildId::next()).collect(),
            processes: (0..nodes).map(|_| None).collect(),
            starts: vec![VecDeque::new(); nodes],
            to_do: Vec::new(),
            calls: Vec::new(),
            events: Vec::new(),
            steps: 0,
        }
    }

    /// Continues until nothing happens any more, however long that takes.
    pub(super) fn settle(&mut self) {
        for _ in 0..TURNS {
            if !self.to_do.is_empty() {
                let to_do = self.draw();
                self.take(to_do);
            } else if !self.wait() {
                return;
            }
        }
        panic!("this goes on for ever");
    }

    /// Draws anything that is under way; of the reports of one process the first.
    fn draw(&mut self) -> ToDo {
        let drawn = self.rng.usize(..self.to_do.len());
        let first = match self.to_do[drawn] {
            ToDo::Report(who, _) => {
                self.to_do.iter().position(|other| matches!(other, ToDo::Report(other, _) if *other == who))
            }
            _ => None,
        };
        self.to_do.remove(first.unwrap_or(drawn))
    }

    fn take(&mut self, to_do: ToDo) {
        match to_do {
            ToDo::Wake(who) => self.wake(who),
            ToDo::Turn(who) => self.turn(who),
            ToDo::Report(who, kind) => {
                let Some(process) = &self.processes[who] else { return };
                let (parent, process_key) = (process.parent, process.process_key);
                match kind {
                    ReportKind::Ready => {
                        if process.node.worker().is_some() {
                            self.log(who, What::Ready);
                        }
                        self.input(parent, |engine, now| engine.handle_ready(process_key, now));
                    }
                    ReportKind::Acknowledged => self.input(parent, |engine, _| engine.handle_acknowledged(process_key)),
                    ReportKind::Vacated | ReportKind::Unclean(_) | ReportKind::Held => {
                        unreachable!("a driver makes an exit of it, and workers have no scopes here")
                    }
                    ReportKind::Exited(exit) => {
                        self.log_exit(who, &exit);
                        self.processes[who] = None;
                        self.input(parent, |engine, now| engine.handle_exit(process_key, exit, now));
                    }
                }
            }
        }
    }

    /// Waits until the next moment in which something is due. Returns whether there is one.
    fn wait(&mut self) -> bool {
        let due = |process: &Process| {
            let deadline = process.engine.as_ref().and_then(Engine::next_deadline);
            [process.ends.map(|(at, _)| at), deadline].into_iter().flatten().min()
        };
        let Some(next) = self.processes.iter().flatten().filter_map(due).min() else { return false };
        self.now = self.now.max(next);
        for who in 0..self.processes.len() {
            let Some(process) = &self.processes[who] else { continue };
            if let Some((_, how)) = process.ends.filter(|(at, _)| *at <= self.now) {
                self.ends(who, how);
            } else if process.engine.as_ref().and_then(Engine::next_deadline).is_some_and(|at| at <= self.now) {
                self.input(who, |engine, now| engine.handle_deadline(now, now));
            }
        }
        true
    }

    pub(super) fn input(&mut self, who: usize, input: impl FnOnce(&mut Engine<NodeSpec>, Instant)) {
        let engine = self.processes[who].as_mut().and_then(|process| process.engine.as_mut());
        // The root has no supervisor to report to.
        let Some(engine) = engine else { return assert_eq!(who, 0, "a report to a supervisor that is there") };
        input(engine, self.now);
        self.steps += 1;
        self.to_do.push(ToDo::Turn(who));
    }

    fn turn(&mut self, who: usize) {
        let mut effects = Vec::new();
        let Some(engine) = self.processes[who].as_mut().and_then(|process| process.engine.as_mut()) else { return };
        effects.extend(std::iter::from_fn(|| engine.poll_effect()));
        if effects.is_empty() && engine.advance(self.now) {
            self.to_do.push(ToDo::Turn(who));
        }
        if !effects.is_empty() {
            self.to_do.push(ToDo::Turn(who));
        }
        self.steps += effects.len();
        effects.into_iter().for_each(|effect| self.perform(who, effect));
    }

    fn perform(&mut self, who: usize, effect: Effect<NodeSpec>) {
        match effect {
            Effect::Start { key, incarnation, .. } => {
                let child = self.engine(who).child(key).expect("a child that is there");
                let node = child.node.clone();
                self.start(&node, who, ProcessKey::new(key, incarnation));
            }
            Effect::SampleHeartbeat { .. } => unreachable!("no child in here has a watchdog"),
            Effect::Ask { child, no_successor } => {
                let number = child.node.number;
                self.log(number, What::Ask);
                self.request(number, |process| {
                    process.is_asked = true;
                    process.is_last |= no_successor;
                });
            }
            Effect::Abort { child, no_successor } => {
                let number = child.node.number;
                self.log(number, What::Abort);
                self.request(number, |process| {
                    (process.is_asked, process.is_aborted) = (true, true);
                    process.is_last |= no_successor;
                });
            }
            Effect::Emit { child, kind, .. } => {
                if matches!(*kind, EventKind::Restarting { .. }) {
                    self.log(child.node.number, What::Restarting);
                }
            }
            Effect::Answer { caller, answer, .. } => self.answer(caller, answer.err()),
            Effect::Refuse { caller, refusal, .. } => self.answer(caller.expect("a caller"), Some(refusal)),
            Effect::Keep { .. } => {}
            Effect::Forget { child, .. } => self.log(child.node.number, What::Forgotten),
            Effect::Ready => {
                self.log(who, What::Ready);
                self.to_do.push(ToDo::Report(who, ReportKind::Ready));
            }
            Effect::GaveUp => self.log(who, What::GaveUp),
            Effect::Finish => self.finish(who),
        }
    }

    pub(super) fn start(&mut self, node: &Rc<Node>, parent: usize, process_key: ProcessKey) {
        let who = node.number;
        self.log(who, What::Start);
        let mut process = Process::new(node.clone(), parent, process_key);
        if let Some(supervisor) = node.supervisor() {
            let specs: Vec<_> = node.children.iter().map(|node| (self.ids[node.number], NodeSpec::new(node))).collect();
            let mut engine = Engine::new(settings_of(node, supervisor), specs.into_iter(), 1);
            engine.handle_start(who == 0);
            self.steps += 1;
            process.engine = Some(engine);
            self.to_do.push(ToDo::Turn(who));
        }
        let beside = self.processes[who].replace(process);
        assert!(beside.is_none(), "two processes of {who}");
        let Some(worker) = node.worker() else { return };
        if !worker.has_set_up {
            return self.log(who, What::Ready);
        }
        let kind = match (self.starts[who].pop_front().unwrap_or(Start::Ready), worker.start_timeout) {
            (Start::Ready, _) | (Start::Hangs, None) => ReportKind::Ready,
            (Start::Ignores, _) => ReportKind::Exited(Exit::Ignored),
            (Start::Fails, _) => ReportKind::Exited(error()),
            (Start::Hangs, Some(_)) => return,
        };
        self.to_do.push(ToDo::Report(who, kind));
    }

    /// Shows the process its requests.
    fn wake(&mut self, who: usize) {
        let Some(process) = self.processes[who].as_mut().filter(|process| process.is_asked && !process.has_finished)
        else {
            return;
        };
        let request = StopRequest { no_successor: process.is_last, kill: process.is_aborted };
        if process.engine.is_some() {
            if who != 0 {
                self.to_do.push(ToDo::Report(who, ReportKind::Acknowledged));
            }
            self.input(who, |engine, now| engine.handle_shutdown(request, now));
        } else if process.is_aborted {
            self.ends(who, How::Aborted);
        } else if process.ends.is_none() {
            process.ends = process.node.takes().map(|(time, how)| (self.now + Duration::from_micros(time), how));
        }
    }

    pub(super) fn request(&mut self, who: usize, request: impl FnOnce(&mut Process)) {
        if let Some(process) = &mut self.processes[who] {
            request(process);
            self.to_do.push(ToDo::Wake(who));
        }
    }

    /// Ends the worker, if it has not ended yet.
    pub(super) fn ends(&mut self, who: usize, how: How) {
        let has_ended = |to_do: &ToDo| matches!(to_do, ToDo::Report(other, ReportKind::Exited(_)) if *other == who);
        if self.to_do.iter().any(has_ended) {
            return;
        }
        if let Some(process) = &mut self.processes[who] {
            process.ends = None;
        }
        self.to_do.push(ToDo::Report(who, ReportKind::Exited(how.exit())));
    }

    fn finish(&mut self, who: usize) {
        let process = self.processes[who].as_mut().expect("a process");
        process.has_finished = true;
        let engine = process.engine.as_mut().expect("a supervisor");
        let live: Vec<_> = engine.live().map(|child| child.node.number).collect();
        assert!(live.is_empty(), "{who} leaves {live:?} behind");
        let (ended, exit) = conclude(who, engine);
        self.log(who, ended);
        if who == 0 { self.processes[0] = None } else { self.to_do.push(ToDo::Report(who, ReportKind::Exited(exit))) }
    }

    fn answer(&mut self, caller: Caller, refusal: Option<Refusal>) {
        let reply = match refusal {
            None => Reply::Ok,
            Some(Refusal::NotFound) => Reply::NotFound,
            Some(Refusal::NotRunning) => Reply::NotRunning,
            Some(Refusal::Running) => Reply::Running,
            Some(Refusal::Dynamic) => Reply::Dynamic,
            Some(Refusal::AtCapacity(_)) => Reply::AtCapacity,
            Some(Refusal::NameTaken { runs, .. }) => Reply::NameTaken { runs },
            Some(Refusal::FailedToStart(_)) => Reply::FailedToStart,
            Some(refusal) => panic!("nothing is under way: {refusal:?}"),
        };
        self.log(self.calls[caller.key], What::Answer(reply));
    }

    fn log_exit(&mut self, who: usize, exit: &Exit) {
        let what = match exit {
            // It has told its end itself.
            Exit::Shutdown(_) => return,
            Exit::Ignored => What::Ignored,
            Exit::Failed(_) if self.is_starting(who) => What::StartFailed,
            Exit::Normal => What::Exit(How::Normal),
            Exit::Failed(_) => What::Exit(How::Failed),
            Exit::Panicked(_) => What::Exit(How::Panicked),
            Exit::Lost => What::Exit(How::Lost),
            Exit::Aborted | Exit::Unresponsive { .. } => What::Exit(How::Aborted),
        };
        self.log(who, what);
    }

    fn is_starting(&self, who: usize) -> bool {
        let process = self.processes[who].as_ref().expect("a process");
        let slot = self.engine(process.parent).children.get(process.process_key.child_key()).expect("a child");
        matches!(slot.state, State::Starting { .. })
    }

    fn log(&mut self, who: usize, what: What) {
        let at = self.now.duration_since(self.begin).as_micros() as u64;
        self.events.push(Event { at, who, what });
    }

    fn engine(&self, who: usize) -> &Engine<NodeSpec> {
        self.processes[who].as_ref().and_then(|process| process.engine.as_ref()).expect("a supervisor")
    }
}
