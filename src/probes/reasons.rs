use std::fmt::{self, Write};

use supervisor_core::{ChildKind, ChildState, Snapshot};

/// The number of processes that are named. The others are counted.
const NAMED: usize = 32;

/// Returns why a tree is not ready: one line for each process that keeps it from that, with its state.
pub(super) fn reasons(tree: &Snapshot) -> String {
    let unready = unready(tree);
    let mut text = String::new();
    for node in unready.iter().take(NAMED) {
        let _ = writeln!(text, "{}", Line(node));
    }
    if unready.len() > NAMED {
        let _ = writeln!(text, "and {} more", unready.len() - NAMED);
    }
    text
}

/// Returns the processes that keep a tree from being ready, in start order. A supervisor comes before those below it.
fn unready(tree: &Snapshot) -> Vec<&Snapshot> {
    let (mut found, mut to_come) = (Vec::new(), vec![(tree, true)]);
    while let Some((node, counts)) = to_come.pop() {
        if !counts || node.ready || node.state == ChildState::Stopped && node.spec.is_some() {
            continue;
        }
        if node.state != ChildState::Running {
            found.push(node);
        }
        // The readiness of a worker is its own, whatever its scope has.
        if node.kind == ChildKind::Supervisor {
            // The first start waits for every child.
            let all = node.state == ChildState::Starting;
            let counts = |child: &Snapshot| all || child.spec.as_ref().is_none_or(|spec| spec.readiness);
            to_come.extend(node.children.iter().rev().map(|child| (child, counts(child))));
        }
    }
    found
}

/// A process in one line: its name, its state, since when, and why.
struct Line<'a>(&'a Snapshot);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { path, process, state, since, restarts, last_exit, stuck, .. } = self.0;
        let state = match state {
            ChildState::Starting if process.is_none() => "waiting for its turn to start",
            ChildState::Starting => "starting",
            ChildState::Running => "running",
            ChildState::Restarting => "waiting to restart",
            ChildState::Stopping if *stuck => "stuck: aborted but has not yielded",
            ChildState::Stopping => "stopping",
            ChildState::Stopped => "stopped",
        };
        write!(f, "{path}: {state}")?;
        if let Some(since) = since {
            write!(f, ", for {since:.1?}")?;
        }
        if *restarts > 0 {
            write!(f, ", restarts: {restarts}")?;
        }
        if let Some(last) = last_exit {
            // The text has one line, whatever user code has put into an error.
            write!(f, ", last exit: {}", last.cause)?;
        }
        Ok(())
    }
}
