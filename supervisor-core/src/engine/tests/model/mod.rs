//! The engine does what a supervisor does that could hardly be simpler.
//!
//! `supervisor.rs` is that one: it carries out whatever happens to its end, then looks up again. It has no states in between,
//! which are where the engine could go wrong. Random trees are put through random scripts, by it and by engines in a tree;
//! what can be seen of both has to be the same, with the times. What happens beside each other, as in a concurrent stop,
//! may happen in any order.
//!
//! What comes in while something else is under way is not compared here, because this model is never under way: `lockstep/`
//! does that, with one supervisor and the reference model.
//!
//! The cases are the same each time. `PROPTEST_CASES=1000000` goes on to new ones.

mod calls;
mod case;
mod outcome;
mod generate;
mod inputs;
mod process;
mod node_spec;
mod supervisor;
mod trace;
mod tree;
mod world;

use std::collections::HashMap;

use proptest::test_runner::{Config, FileFailurePersistence, RngAlgorithm, TestCaseError, TestRng, TestRunner};

use self::{
    case::{Case, Input, Nodes},
    supervisor::Model,
    trace::{show, show_all},
    tree::Tree,
    world::Forest,
};
use super::*;

const CASES: u32 = 8_000;
const STEPS: usize = 1_000_000;

#[test]
fn the_engine_does_what_the_model_does() {
    let persistence = FileFailurePersistence::WithSource("regressions");
    let mut config =
        Config { source_file: Some(file!()), failure_persistence: Some(Box::new(persistence)), ..Config::default() };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let steps = std::cell::Cell::new(0);
    let result = TestRunner::new_with_rng(config, rng).run(&generate::case(), |case| {
        let compared = Comparison::of(&case).map_err(TestCaseError::fail)?;
        steps.set(steps.get() + compared);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    assert!(steps.get() >= STEPS, "only {} steps were compared", steps.get());
}

struct Comparison {
    nodes: Nodes,
    model: Model,
    /// The model's tree, as long as it lives.
    tree: Option<Tree>,
    forest: Forest,
}

impl Comparison {
    /// Runs a case. Returns how many steps the engines took.
    fn of(case: &Case) -> Result<usize, String> {
        let mut nodes = Nodes::default();
        let root = case::ChildSpec {
            restart: RestartType::Permanent,
            significant: false,
            is_brutal: false,
            limit: None,
            name: None,
            kind: case::Kind::Supervisor(case.root.clone()),
        };
        let root = nodes.add(&root, 0);
        let added = |input: &Input| if let Input::Add { spec, .. } = input { size(spec) } else { 0 };
        let all = nodes.len() + case.script.iter().map(added).sum::<usize>();
        let (mut model, mut forest) = (Model::new(), Forest::new(all, case.seed));
        for (who, starts) in &case.starts {
            forest.plan(who % all, starts);
            model.plan(who % all, starts);
        }
        let tree = model.start_tree(&root);
        forest.start_tree(&root);
        let mut comparison = Self { nodes, model, tree, forest };
        comparison.check(&"the first start")?;
        for input in &case.script {
            comparison.happen(input);
            comparison.check(input)?;
        }
        if let Some(tree) = comparison.tree.take() {
            comparison.model.shut_down(tree, case.kill);
            comparison.forest.shut_down(case.kill);
            comparison.check(&"the shutdown")?;
        }
        let left: Vec<_> = (0..all).filter(|who| comparison.forest.lives(*who)).collect();
        if left.is_empty() { Ok(comparison.forest.steps) } else { Err(format!("{left:?} are left behind")) }
    }

    fn happen(&mut self, input: &Input) {
        let known = self.nodes.len();
        match input {
            Input::Exit { who, how } => {
                let is_live_worker = |who| self.nodes.get(who).worker().is_some() && self.lives(who) == Some(true);
                if let Some(who) = self.one_of(*who, is_live_worker) {
                    self.forest.exit(who, *how);
                    self.model_does(who, |model, tree| model.exit(tree, who, *how));
                }
            }
            Input::StopSubtree { who } => {
                let is_live = |who| self.nodes.get(who).supervisor().is_some() && self.lives(who) == Some(true);
                if let Some(who) = self.one_of(*who, is_live) {
                    self.forest.stop_subtree(who);
                    let path: Vec<_> = self.nodes.above(who).into_iter().chain([who]).collect();
                    self.model_does_at(&path, |model, tree| model.stop_subtree(tree));
                }
            }
            Input::Terminate { who } => self.call(who % known, Forest::terminate, Model::terminate),
            Input::Restart { who } => self.call(self.stopped(*who), Forest::restart, Model::restart_child),
            Input::Delete { who } => self.call(self.stopped(*who), Forest::delete, Model::delete),
            Input::Kill { who } => self.call(who % known, Forest::kill, Model::kill),
            Input::Reload { who } => self.call(who % known, Forest::reload, Model::reload),
            Input::Add { to, spec } => {
                let is_supervisor = |who| self.nodes.get(who).supervisor().is_some();
                let to = self.one_of(*to, is_supervisor).expect("the root");
                let node = self.nodes.add(spec, to);
                if self.lives(node.number).is_some() {
                    self.forest.add(to, &node);
                    self.model_does(node.number, |model, tree| model.add(tree, &node));
                }
            }
            Input::Plan { who, starts } => {
                let has_set_up = |who| self.nodes.get(who).worker().is_some_and(|worker| worker.has_set_up);
                if let Some(who) = self.one_of(*who, has_set_up) {
                    self.forest.plan(who, starts);
                    self.model.plan(who, starts);
                }
            }
            Input::Pass { seconds } => {
                self.forest.pass(*seconds);
                self.model.pass(*seconds);
            }
        }
    }

    /// Returns one of the nodes for which this is true.
    fn one_of(&self, which: usize, is_one: impl Fn(usize) -> bool) -> Option<usize> {
        let all: Vec<_> = (0..self.nodes.len()).filter(|who| is_one(*who)).collect();
        all.get(which % all.len().max(1)).copied()
    }

    /// Returns, more often than not, a child that has no process, if there is one.
    fn stopped(&self, which: usize) -> usize {
        let stopped = self.one_of(which, |who| self.lives(who) == Some(false) && which % 4 > 0);
        stopped.unwrap_or(which % self.nodes.len())
    }

    fn call(
        &mut self,
        who: usize,
        of_forest: impl FnOnce(&mut Forest, usize, usize),
        of_model: impl Fn(&mut Model, &mut Tree, usize) -> Option<trace::Why>,
    ) {
        if self.lives(who).is_some() {
            of_forest(&mut self.forest, self.nodes.parents[who], who);
            self.model_does(who, |model, tree| of_model(model, tree, who));
        }
    }

    /// Returns whether it has a process, as the model sees it, if its supervisor lives.
    fn lives(&self, who: usize) -> Option<bool> {
        // The root has no parent.
        let path = (who != 0).then(|| self.nodes.above(who))?;
        self.tree.as_ref()?.lives(&path[1..], who)
    }

    /// Makes something happen in the supervisor of this child.
    fn model_does(&mut self, who: usize, event: impl FnMut(&mut Model, &mut Tree) -> Option<trace::Why>) {
        let path = self.nodes.above(who);
        self.model_does_at(&path, event);
    }

    fn model_does_at(&mut self, path: &[usize], mut event: impl FnMut(&mut Model, &mut Tree) -> Option<trace::Why>) {
        let Some(tree) = &mut self.tree else { return };
        if self.model.happen(tree, &path[1..], &mut event).is_some() {
            self.tree = None;
        }
    }

    /// Compares what both did since the last time.
    fn check(&mut self, after: &dyn std::fmt::Debug) -> Result<(), String> {
        let (plot, events) = (mem::take(&mut self.model.plot), mem::take(&mut self.forest.events));
        let agreed = trace::agree(&plot, &events).and_then(|()| match self.tree.is_some() == self.forest.lives(0) {
            true => Ok(()),
            false => Err("one of them has ended".into()),
        });
        agreed.map_err(|reason| {
            format!("after {after:?}: {reason}\nmodel:\n{}engine:\n{}", show(&plot), show_all(&events))
        })
    }
}

fn size(spec: &case::ChildSpec) -> usize {
    match &spec.kind {
        case::Kind::Worker(_) => 1,
        case::Kind::Supervisor(supervisor) => 1 + supervisor.children.iter().map(size).sum::<usize>(),
    }
}
