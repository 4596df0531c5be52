//! A supervisor that does one thing after the other: whatever it is told to do it does to the end, and then looks up again.
//! So there is no child that is about to start, about to stop, or waits for its turn, and no rule about what happens to one.

use std::rc::Rc;

use super::{
    case::*,
    trace::*,
    tree::{Child, Process, Tree},
    *,
};

/// The whole tree.
pub(super) struct Model {
    pub(super) now: u64,
    starts: HashMap<usize, VecDeque<Start>>,
    pub(super) plot: Plot,
}

pub(super) enum Started {
    Ready(Process),
    Ignored,
    Failed,
}

/// The end of a child by itself.
#[derive(Clone, Copy)]
pub(super) enum Exit {
    Worker(How),
    Supervisor(Why),
}

/// The time when all that is left is aborted, and whether a supervisor above set it.
#[derive(Clone, Copy)]
pub(super) struct Deadline {
    pub(super) at: u64,
    pub(super) kill: bool,
}

pub(super) const NEVER: Deadline = Deadline { at: u64::MAX, kill: true };

type UncleanProcess = Vec<(usize, Bad)>;

impl Model {
    pub(super) fn new() -> Self {
        Self { now: 0, starts: HashMap::new(), plot: Plot::new() }
    }

    pub(super) fn start_tree(&mut self, root: &Rc<Node>) -> Option<Tree> {
        match self.start(root) {
            Started::Ready(Process::Supervisor(tree)) => Some(tree),
            _ => None,
        }
    }

    pub(super) fn shut_down(&mut self, tree: Tree, kill: bool) {
        let at = if kill { self.now } else { u64::MAX };
        self.end(tree, Why::Requested, Deadline { at, kill: true });
    }

    pub(super) fn plan(&mut self, who: usize, starts: &[Start]) {
        self.starts.entry(who).or_default().extend(starts);
    }

    pub(super) fn pass(&mut self, seconds: u64) {
        self.now += SEC * seconds;
    }

    /// Makes something happen in the supervisor at the end of the path. Returns whether this one has ended by that, and
    /// how.
    pub(super) fn happen(
        &mut self,
        tree: &mut Tree,
        path: &[usize],
        event: &mut dyn FnMut(&mut Self, &mut Tree) -> Option<Why>,
    ) -> Option<Why> {
        let [next, rest @ ..] = path else { return event(self, tree) };
        let child = tree.find(*next)?;
        let why = match &mut tree.children[child].process {
            Some(Process::Supervisor(below)) => self.happen(below, rest, event)?,
            _ => return None,
        };
        self.ended(tree, child, Exit::Supervisor(why))
    }

    pub(super) fn start(&mut self, node: &Rc<Node>) -> Started {
        self.log(node.number, What::Start);
        match &node.spec.kind {
            Kind::Worker(worker) => self.start_worker(node.number, worker),
            Kind::Supervisor(_) => self.start_supervisor(node),
        }
    }

    fn start_worker(&mut self, number: usize, worker: &Worker) -> Started {
        let planned = self.starts.get_mut(&number).filter(|_| worker.has_set_up).and_then(VecDeque::pop_front);
        match (planned.unwrap_or(Start::Ready), worker.start_timeout) {
            (Start::Ready, _) | (Start::Hangs, None) => {
                self.log(number, What::Ready);
                Started::Ready(Process::Worker)
            }
            (Start::Ignores, _) => {
                self.log(number, What::Ignored);
                Started::Ignored
            }
            (Start::Fails, _) => {
                self.log(number, What::StartFailed);
                Started::Failed
            }
            (Start::Hangs, Some(limit)) => {
                self.now += SEC * limit;
                self.log(number, What::Abort);
                self.log(number, What::Exit(How::Aborted));
                Started::Failed
            }
        }
    }

    fn start_supervisor(&mut self, node: &Rc<Node>) -> Started {
        let child = |node: &Rc<Node>| Child { node: node.clone(), process: None };
        let children = node.children.iter().map(child).collect();
        let mut tree = Tree { node: node.clone(), children, restarts: Vec::new() };
        for child in &node.children {
            match self.start(child) {
                Started::Ready(process) => tree.child(child.number).process = Some(process),
                Started::Ignored => {
                    let child = tree.find(child.number).expect("a child that was there");
                    self.stop_or_remove(&mut tree, child);
                }
                Started::Failed => {
                    self.end(tree, Why::FailedToStart(child.number), NEVER);
                    return Started::Failed;
                }
            }
        }
        self.log(node.number, What::Ready);
        Started::Ready(Process::Supervisor(tree))
    }

    /// Handles a child that has ended by itself.
    pub(super) fn ended(&mut self, tree: &mut Tree, child: usize, exit: Exit) -> Option<Why> {
        let spec = tree.children[child].node.spec.clone();
        let number = tree.children[child].node.number;
        tree.children[child].process = None;
        let has_failed = match exit {
            Exit::Worker(how) => how != How::Normal,
            Exit::Supervisor(why) => why == Why::Killed,
        };
        match spec.restart {
            RestartType::Permanent => self.restart(tree, number),
            RestartType::Transient if has_failed => self.restart(tree, number),
            RestartType::Transient | RestartType::Temporary => self.end_for_good(tree, child, false),
        }
    }

    /// Puts down a child that has ended by itself and is not restarted. `others_come` is set if significant children are going
    /// to be started with it.
    pub(super) fn end_for_good(&mut self, tree: &mut Tree, child: usize, others_come: bool) -> Option<Why> {
        let Node { number, ref spec, .. } = *tree.children[child].node.clone();
        self.stop_or_remove(tree, child);
        let is_significant = |child: &Child| child.node.spec.significant && child.process.is_some();
        let ends = match tree.settings().auto_shutdown {
            AutoShutdown::Never => false,
            AutoShutdown::AnySignificant => spec.significant,
            AutoShutdown::AllSignificant => {
                spec.significant && !others_come && !tree.children.iter().any(is_significant)
            }
        };
        ends.then(|| self.end(tree.take(), Why::AutoShutdown(number), NEVER).0)
    }

    /// Restarts a child, with its group, until that has come to something.
    pub(super) fn restart(&mut self, tree: &mut Tree, mut who: usize) -> Option<Why> {
        loop {
            let period = SEC * tree.settings().period;
            tree.restarts.retain(|then| self.now - then <= period);
            if tree.restarts.len() >= tree.settings().intensity {
                self.log(tree.node.number, What::GaveUp);
                return Some(self.end(tree.take(), Why::GaveUp, NEVER).0);
            }
            tree.restarts.push(self.now);
            self.log(who, What::Restarting);
            match self.start_group(tree, who) {
                Some(failed) => who = failed,
                None => return None,
            }
        }
    }

    /// Starts a group. Returns the child that failed to start, if one did.
    fn start_group(&mut self, tree: &mut Tree, who: usize) -> Option<usize> {
        let group = self.group(tree, who);
        self.stop_children(tree, &group, NEVER, Self::put_down_temporary);
        for node in group {
            let Some(child) = tree.find(node.number) else { continue };
            match self.start(&node) {
                Started::Ready(process) => tree.children[child].process = Some(process),
                Started::Ignored => self.stop_or_remove(tree, child),
                Started::Failed => return Some(node.number),
            }
        }
        None
    }

    /// Returns what is restarted with a child.
    pub(super) fn group(&self, tree: &Tree, who: usize) -> Vec<Rc<Node>> {
        let from = match tree.settings().mode {
            RestartMode::OneForAll => 0,
            RestartMode::RestForOne | RestartMode::OneForOne => tree.find(who).expect("a child that is there"),
        };
        let mut group: Vec<_> = tree.children[from..].iter().map(|child| child.node.clone()).collect();
        if tree.settings().mode == RestartMode::OneForOne {
            group.truncate(1);
        }
        group
    }

    /// Ends the supervisor: it stops all its children.
    pub(super) fn end(&mut self, mut tree: Tree, why: Why, deadline: Deadline) -> (Why, UncleanProcess) {
        let budget = self.now.saturating_add(tree.node.budget());
        let earlier = if budget < deadline.at { Deadline { at: budget, kill: false } } else { deadline };
        let all: Vec<_> = tree.children.iter().map(|child| child.node.clone()).collect();
        let mut unclean = self.stop_children(&mut tree, &all, earlier, |_, _, _| {});
        unclean.sort_unstable();
        let why = if self.now >= deadline.at { Why::Killed } else { why };
        self.log(tree.node.number, What::Ended(why, unclean.clone()));
        (why, unclean)
    }

    /// Stops the children. Returns those that did not stop well. `then` is what follows for each.
    pub(super) fn stop_children(
        &mut self,
        tree: &mut Tree,
        which: &[Rc<Node>],
        deadline: Deadline,
        then: impl Fn(&mut Self, &mut Tree, usize),
    ) -> UncleanProcess {
        let (mut unclean, mut beside) = (Vec::new(), Vec::new());
        let (begin, mut last) = (self.now, self.now);
        let is_concurrent = tree.settings().order == ShutdownOrder::Concurrent;
        for node in which.iter().rev() {
            let child = tree.find(node.number).expect("a child that is there");
            let Some(process) = tree.children[child].process.take() else { continue };
            if is_concurrent {
                self.now = begin;
            }
            let plot = self.apart(|model| {
                unclean.extend(model.stop(node, process, deadline));
                then(model, tree, child);
            });
            last = last.max(self.now);
            // From the deadline on all are aborted at once.
            if is_concurrent || self.now >= deadline.at { beside.push(plot) } else { self.plot.extend(plot) }
        }
        self.now = last;
        self.plot.push(Scene::Beside(beside));
        unclean
    }

    pub(super) fn stop(&mut self, node: &Rc<Node>, process: Process, deadline: Deadline) -> UncleanProcess {
        let (number, is_due) = (node.number, self.now >= deadline.at);
        let is_asked = !node.spec.is_brutal && (!is_due || !deadline.kill);
        if is_asked {
            self.log(number, What::Ask);
        }
        let limit = if is_asked { self.now.saturating_add(node.limit()).min(deadline.at) } else { self.now };
        let limit = limit.max(self.now);
        let is_at_once = limit == self.now;
        match process {
            Process::Worker => match node.takes() {
                Some((time, how)) if !is_at_once && self.now + time < limit => {
                    self.now += time;
                    self.log(number, What::Exit(how));
                    if how == How::Normal { UncleanProcess::new() } else { vec![(number, Bad::Failed)] }
                }
                _ => {
                    self.now = limit;
                    self.log(number, What::Abort);
                    self.log(number, What::Exit(How::Aborted));
                    if node.spec.is_brutal { UncleanProcess::new() } else { vec![(number, Bad::Aborted)] }
                }
            },
            Process::Supervisor(below) => {
                let mut unclean = UncleanProcess::new();
                let deadline = Deadline { at: limit, kill: true };
                let plot = self.apart(|model| unclean = model.end(below, Why::Requested, deadline).1);
                if is_at_once {
                    self.log(number, What::Abort);
                    self.plot.extend(plot);
                } else if self.now >= limit {
                    let abort = vec![Scene::Event(self.event(number, What::Abort))];
                    self.plot.push(Scene::Beside(vec![plot, abort]));
                } else {
                    self.plot.extend(plot);
                }
                unclean.retain(|(_, bad)| !node.spec.is_brutal || *bad != Bad::Aborted);
                unclean
            }
        }
    }

    /// Puts down a child that is not restarted: it is kept, unless it is temporary, or its supervisor keeps none.
    pub(super) fn stop_or_remove(&mut self, tree: &mut Tree, child: usize) {
        if tree.settings().is_dynamic || tree.children[child].node.spec.restart == RestartType::Temporary {
            self.forget(tree, child);
        }
    }

    /// Puts down a child that stopped for its group: only one that is not temporary comes back.
    pub(super) fn put_down_temporary(&mut self, tree: &mut Tree, child: usize) {
        if tree.children[child].node.spec.restart == RestartType::Temporary {
            self.forget(tree, child);
        }
    }

    pub(super) fn forget(&mut self, tree: &mut Tree, child: usize) {
        let child = tree.children.remove(child);
        self.log(child.node.number, What::Forgotten);
    }

    pub(super) fn log(&mut self, who: usize, what: What) {
        let event = self.event(who, what);
        self.plot.push(Scene::Event(event));
    }

    pub(super) fn event(&self, who: usize, what: What) -> Event {
        Event { at: self.now, who, what }
    }

    /// Does something apart from the order of the rest.
    fn apart(&mut self, happen: impl FnOnce(&mut Self)) -> Plot {
        let before = mem::take(&mut self.plot);
        happen(self);
        mem::replace(&mut self.plot, before)
    }
}
