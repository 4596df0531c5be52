//! What the engine and the model are put through: a tree, and what happens to it.
//!
//! Nothing in a case is due at the same moment as anything else, where it would make a difference which comes first: a time
//! limit is in whole seconds; a limit that holds for several has some milliseconds more, and a process that takes its time
//! some microseconds, each another number of them.

use std::rc::Rc;

use super::*;

/// In microseconds, as all times are that have no unit.
pub(super) const SEC: u64 = 1_000_000;
const MS: u64 = 1000;

/// A tree, and the script of what happens to it.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) root: Supervisor,
    /// What the first starts of some workers come to, apart from becoming ready.
    pub(super) starts: Vec<(usize, Vec<Start>)>,
    pub(super) script: Vec<Input>,
    /// How the tree is stopped in the end.
    pub(super) kill: bool,
    /// Decides in which order the engines' world answers.
    pub(super) seed: u64,
}

/// Something that happens. Who is meant is a number that is taken modulo how many there are.
#[derive(Clone, Debug)]
pub(super) enum Input {
    Exit {
        who: usize,
        how: How,
    },
    Terminate {
        who: usize,
    },
    Restart {
        who: usize,
    },
    Delete {
        who: usize,
    },
    Kill {
        who: usize,
    },
    Reload {
        who: usize,
    },
    /// A child is added to a supervisor.
    Add {
        to: usize,
        spec: ChildSpec,
    },
    /// A nested supervisor is asked to stop, through its handle.
    StopSubtree {
        who: usize,
    },
    /// What the next starts of a worker come to.
    Plan {
        who: usize,
        starts: Vec<Start>,
    },
    Pass {
        seconds: u64,
    },
}

#[derive(Clone, Debug)]
pub(super) struct ChildSpec {
    pub(super) restart: RestartType,
    pub(super) significant: bool,
    pub(super) is_brutal: bool,
    /// The seconds that it has to stop; a supervisor may have no limit.
    pub(super) limit: Option<u64>,
    /// One of few names. `None` is a name that no other child has.
    pub(super) name: Option<usize>,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug)]
pub(super) enum Kind {
    Worker(Worker),
    Supervisor(Supervisor),
}

#[derive(Clone, Debug)]
pub(super) struct Worker {
    pub(super) has_set_up: bool,
    pub(super) start_timeout: Option<u64>,
    pub(super) stop: Stop,
}

#[derive(Clone, Debug)]
pub(super) struct Supervisor {
    pub(super) mode: RestartMode,
    pub(super) intensity: usize,
    pub(super) period: u64,
    pub(super) auto_shutdown: AutoShutdown,
    pub(super) order: ShutdownOrder,
    pub(super) is_dynamic: bool,
    pub(super) has_unique_names: bool,
    pub(super) max_children: Option<usize>,
    pub(super) budget: Option<u64>,
    pub(super) children: Vec<ChildSpec>,
}

/// The result of a start.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Start {
    Ready,
    Fails,
    Ignores,
    /// Until its time is up; without a limit it becomes ready.
    Hangs,
}

/// The reaction of a worker when it is asked to stop.
#[derive(Clone, Copy, Debug)]
pub(super) enum Stop {
    AtOnce(How),
    After(u64, How),
    Never,
}

/// The end of a worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum How {
    Normal,
    Failed,
    Panicked,
    Lost,
    Aborted,
}

/// A specification with its place in the tree, or in one that is added later.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) number: usize,
    pub(super) spec: ChildSpec,
    pub(super) children: Vec<Rc<Node>>,
}

/// All nodes by their numbers, and above which one each is. The root is the first.
#[derive(Debug, Default)]
pub(super) struct Nodes {
    pub(super) all: Vec<Option<Rc<Node>>>,
    pub(super) parents: Vec<usize>,
}

impl Nodes {
    /// Numbers what is to stand below the parent.
    pub(super) fn add(&mut self, spec: &ChildSpec, parent: usize) -> Rc<Node> {
        let number = self.all.len();
        self.all.push(None);
        self.parents.push(parent);
        let children = match &spec.kind {
            Kind::Worker(_) => Vec::new(),
            Kind::Supervisor(supervisor) => supervisor.children.iter().map(|spec| self.add(spec, number)).collect(),
        };
        let node = Rc::new(Node { number, spec: spec.clone(), children });
        self.all[number] = Some(node.clone());
        node
    }

    pub(super) fn get(&self, number: usize) -> &Rc<Node> {
        self.all[number].as_ref().expect("a node that is complete")
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    /// Returns the supervisors from the root down to the one that this node belongs to.
    pub(super) fn above(&self, number: usize) -> Vec<usize> {
        let mut path = vec![self.parents[number]];
        while path[0] != 0 {
            path.insert(0, self.parents[path[0]]);
        }
        path
    }
}

impl Node {
    pub(super) fn worker(&self) -> Option<&Worker> {
        match &self.spec.kind {
            Kind::Worker(worker) => Some(worker),
            Kind::Supervisor(_) => None,
        }
    }

    pub(super) fn supervisor(&self) -> Option<&Supervisor> {
        match &self.spec.kind {
            Kind::Supervisor(supervisor) => Some(supervisor),
            Kind::Worker(_) => None,
        }
    }

    /// Returns how long it may take to stop.
    pub(super) fn limit(&self) -> u64 {
        let more = if self.worker().is_some() { 0 } else { 200 * MS + self.number as u64 * MS };
        self.spec.limit.map_or(u64::MAX, |seconds| SEC * seconds + more)
    }

    /// Returns how long everything below it may take.
    pub(super) fn budget(&self) -> u64 {
        let budget = self.supervisor().and_then(|supervisor| supervisor.budget);
        budget.map_or(u64::MAX, |seconds| SEC * seconds + 500 * MS + self.number as u64 * MS)
    }

    pub(super) fn name(&self) -> String {
        self.spec.name.map_or_else(|| format!("c{}", self.number), |name| format!("n{name}"))
    }

    /// Returns how long it takes to stop when asked, and how it ends then; `None` is for ever.
    pub(super) fn takes(&self) -> Option<(u64, How)> {
        match self.worker()?.stop {
            Stop::AtOnce(how) => Some((0, how)),
            Stop::After(seconds, how) => Some((SEC * seconds + 1 + self.number as u64, how)),
            Stop::Never => None,
        }
    }
}
