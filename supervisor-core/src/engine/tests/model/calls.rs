//! What may happen in a supervisor.

use std::rc::Rc;

use super::{
    RestartType,
    case::*,
    supervisor::{Deadline, Exit, Model, NEVER, Started},
    trace::*,
    tree::{Child, Process, Tree},
};

impl Model {
    pub(super) fn exit(&mut self, tree: &mut Tree, who: usize, how: How) -> Option<Why> {
        let child = tree.find(who)?;
        self.log(who, What::Exit(how));
        self.ended(tree, child, Exit::Worker(how))
    }

    pub(super) fn stop_subtree(&mut self, tree: &mut Tree) -> Option<Why> {
        Some(self.end(tree.take(), Why::Requested, NEVER).0)
    }

    pub(super) fn add(&mut self, tree: &mut Tree, node: &Rc<Node>) -> Option<Why> {
        let settings = tree.settings();
        let namesake = tree.children.iter().find(|child| settings.has_unique_names && child.node.name() == node.name());
        if let Some(other) = namesake {
            self.answer(node.number, Reply::NameTaken { runs: other.process.is_some() });
        } else if settings.max_children.is_some_and(|max| tree.children.len() >= max) {
            self.answer(node.number, Reply::AtCapacity);
        } else {
            tree.children.push(Child { node: node.clone(), process: None });
            let child = tree.children.len() - 1;
            match self.start(node) {
                Started::Ready(process) => {
                    tree.children[child].process = Some(process);
                    self.answer(node.number, Reply::Ok);
                }
                Started::Ignored => {
                    self.answer(node.number, Reply::Ok);
                    self.stop_or_remove(tree, child);
                }
                Started::Failed => {
                    self.answer(node.number, Reply::FailedToStart);
                    self.forget(tree, child);
                }
            }
        }
        None
    }

    pub(super) fn terminate(&mut self, tree: &mut Tree, who: usize) -> Option<Why> {
        let Some(child) = tree.find(who) else { return self.answer(who, Reply::NotFound) };
        let process = tree.children[child].process.take();
        if let Some(process) = process {
            self.stop(&tree.children[child].node.clone(), process, NEVER);
            self.answer(who, Reply::Ok);
            self.stop_or_remove(tree, child);
            return None;
        }
        self.answer(who, Reply::Ok)
    }

    pub(super) fn restart_child(&mut self, tree: &mut Tree, who: usize) -> Option<Why> {
        if tree.settings().is_dynamic {
            return self.answer(who, Reply::Dynamic);
        }
        let Some(child) = tree.find(who) else { return self.answer(who, Reply::NotFound) };
        if tree.children[child].process.is_some() {
            return self.answer(who, Reply::Running);
        }
        match self.start(&tree.children[child].node.clone()) {
            Started::Ready(process) => {
                tree.children[child].process = Some(process);
                self.answer(who, Reply::Ok)
            }
            Started::Ignored => self.answer(who, Reply::Ok),
            Started::Failed => self.answer(who, Reply::FailedToStart),
        }
    }

    pub(super) fn delete(&mut self, tree: &mut Tree, who: usize) -> Option<Why> {
        if tree.settings().is_dynamic {
            return self.answer(who, Reply::Dynamic);
        }
        let Some(child) = tree.find(who) else { return self.answer(who, Reply::NotFound) };
        if tree.children[child].process.is_some() {
            return self.answer(who, Reply::Running);
        }
        self.answer(who, Reply::Ok);
        self.forget(tree, child);
        None
    }

    pub(super) fn kill(&mut self, tree: &mut Tree, who: usize) -> Option<Why> {
        let Some(child) = tree.find(who) else { return self.answer(who, Reply::NotFound) };
        let Some(process) = tree.children[child].process.take() else { return self.answer(who, Reply::NotRunning) };
        let told = [What::Answer(Reply::Ok), What::Abort].map(|what| vec![Scene::Event(self.event(who, what))]);
        self.plot.push(Scene::Beside(told.into()));
        let exit = match process {
            Process::Worker => {
                self.log(who, What::Exit(How::Aborted));
                Exit::Worker(How::Aborted)
            }
            Process::Supervisor(below) => {
                let at_once = Deadline { at: self.now, kill: true };
                Exit::Supervisor(self.end(below, Why::Requested, at_once).0)
            }
        };
        self.ended(tree, child, exit)
    }

    pub(super) fn reload(&mut self, tree: &mut Tree, who: usize) -> Option<Why> {
        let Some(child) = tree.find(who) else { return self.answer(who, Reply::NotFound) };
        if tree.children[child].process.is_none() {
            return self.restart_child(tree, who);
        }
        let group = self.group(tree, who);
        // A child that is reloaded comes back, even a temporary one.
        self.stop_children(tree, &group, NEVER, |model, tree, child| {
            if tree.children[child].node.number != who {
                model.put_down_temporary(tree, child);
            }
        });
        let mut is_answered = false;
        for (place, node) in group.iter().enumerate() {
            let Some(child) = tree.find(node.number) else { continue };
            match self.start(node) {
                Started::Ready(process) => tree.children[child].process = Some(process),
                Started::Ignored => {
                    if node.number == who {
                        is_answered = true;
                        self.answer(who, Reply::Ok);
                    }
                    self.stop_or_remove(tree, child);
                }
                Started::Failed => {
                    if !is_answered {
                        is_answered = true;
                        self.answer(who, Reply::FailedToStart);
                    }
                    if node.spec.restart != RestartType::Temporary {
                        return self.restart(tree, node.number);
                    }
                    let comes = |node: &Rc<Node>| node.spec.significant && tree.find(node.number).is_some();
                    let others_come = group[place + 1..].iter().any(comes);
                    if let Some(why) = self.end_for_good(tree, child, others_come) {
                        return Some(why);
                    }
                }
            }
        }
        if is_answered { None } else { self.answer(who, Reply::Ok) }
    }

    fn answer(&mut self, who: usize, reply: Reply) -> Option<Why> {
        self.log(who, What::Answer(reply));
        None
    }
}
