//! Snapshots for the eye.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use super::{ChildState, Snapshot, SupervisorInfo};
use crate::{
    strategy::{ChildKind, RestartMode},
    text::{FirstLine, Restarts},
};

/// For terminals: a line for each process, with a glyph for its state.
///
/// ```text
/// ● root  running for 3.2s, one for one, 1 restart in 5s
/// ├─ ● api  running for 3.2s, rest for one, 3 restarts in 5s
/// │  ├─ ● listener  running for 1.0s, restarted once, 1.0s ago it panicked: boom
/// │  └─ ○ warm_up  stopped, 3.2s ago it ended normally
/// └─ ◐ cache  starting for 3.2s
/// ```
///
/// Of what user code says, the first line is shown, up to 1,000 characters of it, with control characters escaped.
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}  {}", glyph(self), self.path, Words(self))?;
        // As a loop, so that no depth is too much for a stack.
        let (mut margin, mut levels) = (String::new(), vec![self.children.iter()]);
        while let Some(level) = levels.last_mut() {
            let Some(child) = level.next() else {
                levels.pop();
                // The root has none.
                for _ in 0..MARGIN {
                    margin.pop();
                }
                continue;
            };
            let is_last = level.as_slice().is_empty();
            let branch = if is_last { "└─" } else { "├─" };
            write!(f, "\n{margin}{branch} {} {}  {}", glyph(child), segment(child), Words(child))?;
            margin.push_str(if is_last { "   " } else { "│  " });
            levels.push(child.children.iter());
        }
        Ok(())
    }
}

/// How many characters each level is further to the right.
const MARGIN: usize = 3;

impl Snapshot {
    /// For Graphviz: a directed graph, supervisors as boxes, coloured by state. What user code says is shown as in the picture
    /// for terminals.
    pub fn to_dot(&self) -> String {
        let mut dot = String::from(
            "digraph supervision {\n  rankdir = LR;\n  node [fontname = \"monospace\", style = filled];\n",
        );
        let (mut number, mut to_come) = (0, vec![(None, self)]);
        while let Some((parent, this)) = to_come.pop() {
            // Writing to a string does not fail.
            let _ = node(this, parent, number, &mut dot);
            to_come.extend(this.children.iter().rev().map(|child| (Some(number), child)));
            number += 1;
        }
        dot.push_str("}\n");
        dot
    }
}

fn node(this: &Snapshot, parent: Option<usize>, own: usize, dot: &mut String) -> fmt::Result {
    let shape = if this.kind == ChildKind::Supervisor { "box" } else { "ellipse" };
    let label =
        format!("{}\n{}", segment(this), Words(this)).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    writeln!(dot, "  n{own} [shape = {shape}, fillcolor = {}, label = \"{label}\"];", colour(this))?;
    match parent {
        Some(parent) => writeln!(dot, "  n{parent} -> n{own};"),
        None => Ok(()),
    }
}

/// A supervisor that has not read its messages for so long does not get to run.
const BLOCKED_AFTER: Duration = Duration::from_secs(1);

/// For how long a supervisor has not got to run, if it should have.
fn blocked_for(node: &Snapshot) -> Option<Duration> {
    node.supervisor.as_ref()?.unread_for.filter(|unread_for| *unread_for >= BLOCKED_AFTER)
}

fn glyph(node: &Snapshot) -> char {
    match node.state {
        _ if blocked_for(node).is_some() => '?',
        ChildState::Starting => '◐',
        ChildState::Running => '●',
        ChildState::Restarting => '↻',
        ChildState::Stopping => '◌',
        ChildState::Stopped => '○',
    }
}

fn colour(node: &Snapshot) -> &'static str {
    match node.state {
        _ if blocked_for(node).is_some() => "magenta",
        ChildState::Starting => "lightblue",
        ChildState::Running => "palegreen",
        ChildState::Restarting => "orange",
        ChildState::Stopping => "khaki",
        ChildState::Stopped => "lightgray",
    }
}

fn segment(node: &Snapshot) -> &str {
    node.path.rsplit_once('.').map_or(&node.path, |(_, segment)| segment)
}

/// What there is to say of a process, apart from its name.
struct Words<'a>(&'a Snapshot);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { state, since, restarts, last_exit, supervisor, .. } = self.0;
        f.write_str(match state {
            ChildState::Starting => "starting",
            ChildState::Running => "running",
            ChildState::Restarting => "waits to be restarted",
            ChildState::Stopping => "stopping",
            ChildState::Stopped => "stopped",
        })?;
        if let (Some(since), ChildState::Starting | ChildState::Running | ChildState::Stopping) = (since, state) {
            write!(f, " for {since:.1?}")?;
        }
        if let Some(blocked_for) = blocked_for(self.0) {
            write!(f, ", has not read its messages for {blocked_for:.1?}")?;
        }
        if let Some(info) = supervisor {
            write!(f, ", {}", Settings(info))?;
        }
        match restarts {
            0 => {}
            1 => f.write_str(", restarted once")?,
            _ => write!(f, ", restarted {restarts} times")?,
        }
        if let Some(last) = last_exit {
            let how = last.cause.words().to_string();
            let how = FirstLine(&how);
            match last.ago {
                Some(ago) => write!(f, ", {ago:.1?} ago it {how}")?,
                None => write!(f, ", {how}")?,
            }
        }
        Ok(())
    }
}

struct Settings<'a>(&'a SupervisorInfo);

impl fmt::Display for Settings<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let SupervisorInfo { mode, intensity, period, dynamic, .. } = self.0;
        f.write_str(match mode {
            _ if *dynamic => "dynamic",
            RestartMode::OneForOne => "one for one",
            RestartMode::OneForAll => "one for all",
            RestartMode::RestForOne => "rest for one",
        })?;
        match intensity {
            0 => f.write_str(", never restarts"),
            _ => write!(f, ", {}", Restarts { intensity: *intensity, period: *period }),
        }
    }
}
