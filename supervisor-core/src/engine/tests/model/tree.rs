use std::rc::Rc;

use super::{case::*, *};

/// A supervisor that runs.
pub(super) struct Tree {
    pub(super) node: Rc<Node>,
    pub(super) children: Vec<Child>,
    /// When it has restarted something.
    pub(super) restarts: Vec<u64>,
}

pub(super) struct Child {
    pub(super) node: Rc<Node>,
    pub(super) process: Option<Process>,
}

pub(super) enum Process {
    Worker,
    Supervisor(Tree),
}

impl Tree {
    pub(super) fn settings(&self) -> &Supervisor {
        self.node.supervisor().expect("a supervisor")
    }

    pub(super) fn find(&self, number: usize) -> Option<usize> {
        self.children.iter().position(|child| child.node.number == number)
    }

    pub(super) fn child(&mut self, number: usize) -> &mut Child {
        let child = self.find(number).expect("a child that is there");
        &mut self.children[child]
    }

    /// Takes all of it, for its end.
    pub(super) fn take(&mut self) -> Self {
        let (node, children) = (self.node.clone(), mem::take(&mut self.children));
        Self { node, children, restarts: Vec::new() }
    }

    /// Returns whether there is a process of this number below the supervisor at the end of the path: if that one
    /// lives.
    pub(super) fn lives(&self, path: &[usize], number: usize) -> Option<bool> {
        let [next, rest @ ..] = path else {
            return Some(self.find(number).is_some_and(|child| self.children[child].process.is_some()));
        };
        match &self.children[self.find(*next)?].process {
            Some(Process::Supervisor(below)) => below.lives(rest, number),
            _ => None,
        }
    }
}
