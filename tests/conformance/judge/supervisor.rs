use std::{
    collections::{BTreeMap, VecDeque},
    rc::Rc,
    time::Duration,
};

use reference_model::{Act, Cause, ChildState, Exit, Id, Reply, Supervisor};

use super::{
    part::Part,
    process::{Outcome, Process, Report, Worker},
};

/// A supervisor that runs, with all below it.
pub(super) struct Live {
    pub(super) part: Rc<Part>,
    pub(super) model: Supervisor,
    /// Its children, whether they run or not.
    pub(super) parts: BTreeMap<Id, Rc<Part>>,
    processes: BTreeMap<Id, Process>,
    /// What is on its way to the one above it.
    pub(super) reports: VecDeque<Report>,
    next: Id,
}

/// The outputs of the models, apart from events.
#[derive(Default)]
pub(super) struct World {
    pub(super) now: Duration,
    /// With the steps of the calls, and whether there was nothing to run.
    pub(super) answers: Vec<(usize, Reply, bool)>,
    pub(super) causes: Vec<String>,
}

impl Live {
    pub(super) fn new(part: &Rc<Part>, world: &mut World) -> Self {
        let parts: BTreeMap<_, _> = part.children.iter().cloned().enumerate().collect();
        let specs: Vec<_> = parts.iter().map(|(id, part)| (*id, part.spec())).collect();
        let mut live = Self {
            part: part.clone(),
            model: Supervisor::new(part.settings(), specs),
            next: parts.len(),
            parts,
            processes: BTreeMap::new(),
            reports: VecDeque::new(),
        };
        live.go_on(world);
        live
    }

    /// Adds a child, on behalf of a step.
    pub(super) fn add(&mut self, part: &Rc<Part>, step: usize, world: &mut World) {
        let id = self.next;
        self.next += 1;
        self.parts.insert(id, part.clone());
        self.model.start_child(id, part.spec(), Some(step.into()), world.now);
        self.go_on(world);
        if self.model.children().all(|(other, ..)| other != id) {
            self.parts.remove(&id);
        }
    }

    pub(super) fn shut_down(&mut self, kill: bool, world: &mut World) {
        self.model.shutdown(kill, world.now);
        self.go_on(world);
    }

    /// Returns all events that may come next.
    pub(super) fn on_its_way(&self) -> Vec<String> {
        self.processes
            .iter()
            .flat_map(|(id, process)| {
                let below = if let Process::Supervisor(below) = process { below.on_its_way() } else { Vec::new() };
                below.into_iter().chain(self.event(*id, process))
            })
            .collect()
    }

    /// Handles an event. Returns whether it may come now.
    pub(super) fn happen(&mut self, event: &str, world: &mut World) -> bool {
        let is_it = |(id, process): &(&Id, &Process)| self.event(**id, process).as_deref() == Some(event);
        let Some(id) = self.processes.iter().find(is_it).map(|(id, _)| *id) else {
            return self.below().any(|below| below.happen(event, world));
        };
        let mut is_ignored = false;
        match self.processes.get_mut(&id).expect("a process") {
            Process::Worker(worker) => match worker.happen(&mut world.now) {
                Outcome::Gated => {}
                Outcome::Ready => self.model.ready(id, world.now),
                Outcome::Exited(exit) => {
                    is_ignored = exit == Exit::Ignored;
                    self.processes.remove(&id);
                    self.model.exited(id, &exit, world.now);
                }
            },
            Process::Supervisor(below) => match below.reports.pop_front().expect("a report") {
                Report::Ready => self.model.ready(id, world.now),
                Report::Ended => {
                    self.processes.remove(&id);
                    self.model.exited(id, &Exit::Ended { is_killed: false, below: Vec::new() }, world.now);
                }
            },
        }
        self.carry_out(is_ignored, world);
        self.go_on(world);
        true
    }

    /// Returns when something is due, here or below.
    pub(super) fn next_deadline(&self) -> Option<Duration> {
        let below = self.processes.values().filter_map(|process| match process {
            Process::Supervisor(below) => below.next_deadline(),
            Process::Worker(_) => None,
        });
        below.chain(self.model.next_deadline()).min()
    }

    pub(super) fn tick(&mut self, world: &mut World) {
        self.below().for_each(|below| below.tick(world));
        self.model.tick(world.now);
        self.go_on(world);
    }

    /// Returns the supervisor at this path, if it runs and can be called.
    pub(super) fn find(&mut self, path: &str) -> Option<&mut Self> {
        if self.part.path == path {
            return self.part.is_known().then_some(self);
        }
        self.below().find_map(|below| below.find(path))
    }

    /// Returns the worker at this path, if it runs or is starting.
    pub(super) fn worker(&mut self, path: &str) -> Option<&mut Worker> {
        let id = self.parts.iter().find(|(_, part)| part.path == path).map(|(id, _)| *id);
        match id {
            Some(id) => match self.processes.get_mut(&id)? {
                Process::Worker(worker) => Some(worker),
                Process::Supervisor(_) => None,
            },
            None => self.below().find_map(|below| below.worker(path)),
        }
    }

    /// Returns the child of this name.
    pub(super) fn child(&self, name: &str) -> Option<Id> {
        self.parts.iter().find(|(_, part)| part.id() == name).map(|(id, _)| *id)
    }

    fn below(&mut self) -> impl Iterator<Item = &mut Self> {
        self.processes.values_mut().filter_map(|process| match process {
            Process::Supervisor(below) => Some(&mut **below),
            Process::Worker(_) => None,
        })
    }

    /// Returns what happens to the child next.
    fn event(&self, id: Id, process: &Process) -> Option<String> {
        let path = &self.parts.get(&id)?.path;
        match process {
            Process::Worker(worker) => worker.event(path),
            Process::Supervisor(below) => Some(match below.reports.front()? {
                Report::Ready => format!("started {path}"),
                Report::Ended if self.is_starting(id) => format!("start_failed {path} error"),
                Report::Ended => format!("stopped {path} shutdown"),
            }),
        }
    }

    fn is_starting(&self, id: Id) -> bool {
        self.model.children().any(|(other, _, state)| other == id && state == ChildState::Starting)
    }

    /// Does what is to be done in order.
    pub(super) fn go_on(&mut self, world: &mut World) {
        self.model.settle(world.now);
        self.carry_out(false, world);
    }

    fn carry_out(&mut self, is_ignored: bool, world: &mut World) {
        for act in self.model.take_acts() {
            match act {
                Act::Start(id) => {
                    let part = self.parts[&id].clone();
                    let process = if part.is_supervisor() {
                        Process::Supervisor(Box::new(Self::new(&part, world)))
                    } else {
                        Process::Worker(Worker::new(part.next_start()))
                    };
                    self.processes.insert(id, process);
                }
                Act::Ask(id) => match self.processes.get_mut(&id).expect("a process") {
                    Process::Worker(worker) => {
                        let part = &self.parts[&id];
                        worker.ask(part.node.on_shutdown, &part.spec(), world.now);
                    }
                    Process::Supervisor(below) => {
                        self.model.acknowledged(id);
                        below.shut_down(false, world);
                    }
                },
                Act::Abort(id) => match self.processes.get_mut(&id).expect("a process") {
                    Process::Worker(worker) => worker.abort(),
                    Process::Supervisor(below) => {
                        self.model.acknowledged(id);
                        below.shut_down(true, world);
                    }
                },
                Act::Answer(step, reply) => world.answers.push((step, reply, is_ignored)),
                Act::Forget(id) => drop(self.parts.remove(&id)),
                Act::Ready => self.reports.push_back(Report::Ready),
                Act::End { cause, .. } => {
                    self.reports.push_back(Report::Ended);
                    let why = match cause {
                        Cause::GaveUp => "intensity",
                        Cause::AutoShutdown(_) => "auto_shutdown",
                        Cause::Requested | Cause::FailedToStart(_) => continue,
                    };
                    world.causes.push(format!("{} {why}", self.part.path));
                }
                Act::Restarting { .. }
                | Act::SampleHeartbeat(_)
                | Act::Unresponsive(_)
                | Act::Stuck(_)
                | Act::Abandoned(_)
                | Act::Refuse(..)
                | Act::GaveUp => {}
            }
        }
    }
}
