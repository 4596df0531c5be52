//! Snapshots for Graphviz.

use std::fmt::Write as _;

use super::{
    Snapshot,
    render::{Look, Shown, Words, segment},
    wrap::{Room, wrap},
};
use crate::strategy::ChildKind;

const LABEL: Room = Room { first: 36, others: 36, lines: 8 };

impl Snapshot {
    /// Returns a directed graph for Graphviz, in its language DOT: supervisors as boxes and workers as ellipses, coloured by
    /// state, with a legend.
    ///
    /// It leaves out what the picture for terminals leaves out: among many children only those that need attention are shown, and
    /// the others are counted. Of what user code says, the first line is shown, with control characters escaped. Labels are
    /// wrapped at 36 columns, and cut after 8 lines.
    pub fn to_dot(&self) -> String {
        let mut dot = String::from(
            "digraph supervision {\n  rankdir = LR;\n  node [fontname = \"monospace\", style = filled, fillcolor = white];\n",
        );
        let (mut number, mut to_come) = (0, vec![(None, Node::Process(self))]);
        // As a loop, so that no depth is too much for a stack.
        while let Some((parent, node)) = to_come.pop() {
            // Writing to a string does not fail.
            let _ = writeln!(dot, "  n{number} [{}];", node.attributes());
            if let Some(parent) = parent {
                let _ = writeln!(dot, "  n{parent} -> n{number};");
            }
            if let Node::Process(process) = node {
                let Shown { each, others } = Shown::of(process);
                to_come.extend(others.map(|others| (Some(number), Node::Others(others))));
                to_come.extend(each.into_iter().rev().map(|child| (Some(number), Node::Process(child))));
            }
            number += 1;
        }
        dot.push_str(&legend());
        dot.push_str("}\n");
        dot
    }
}

enum Node<'a> {
    Process(&'a Snapshot),
    /// Processes that are counted.
    Others(String),
}

impl Node<'_> {
    fn attributes(&self) -> String {
        match self {
            Self::Process(process) => format!(
                "shape = {}, fillcolor = {}, label = {}",
                shape(process.kind),
                Look::of(process).colour(),
                label([segment(process), &Words(process).to_string()])
            ),
            Self::Others(others) => format!("shape = plaintext, label = {}", label([others])),
        }
    }
}

fn shape(kind: ChildKind) -> &'static str {
    match kind {
        ChildKind::Supervisor => "box",
        ChildKind::Worker => "ellipse",
    }
}

fn legend() -> String {
    let mut dot = String::from("  subgraph cluster_legend {\n    label = \"legend\";\n");
    for (name, kind) in [("supervisor", ChildKind::Supervisor), ("worker", ChildKind::Worker)] {
        let _ = writeln!(dot, "    {name} [shape = {}, label = \"{name}\"];", shape(kind));
    }
    for (number, look) in Look::ALL.into_iter().enumerate() {
        let (colour, name) = (look.colour(), look.name());
        let _ = writeln!(dot, "    state{number} [shape = plaintext, fillcolor = {colour}, label = \"{name}\"];");
    }
    dot.push_str("  }\n");
    dot
}

/// A string of Graphviz, with each text on lines of its own.
fn label<const N: usize>(texts: [&str; N]) -> String {
    let lines: Vec<_> = texts.into_iter().flat_map(|text| wrap(text, LABEL)).map(|line| escaped(&line)).collect();
    format!("\"{}\"", lines.join("\\n"))
}

/// In a label, Graphviz obeys backslashes, and entities as HTML has them.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_graphviz_would_obey_is_escaped() {
        assert_eq!(label([r#"a\n "b" &lt;"#, "c"]), r#""a\\n \"b\" &amp;lt;\nc""#);
    }
}
