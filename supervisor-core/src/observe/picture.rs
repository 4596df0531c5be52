//! Snapshots for the eye.

use std::{
    fmt::{self, Write as _},
    time::Duration,
};

use super::{ChildState, Snapshot, SupervisorInfo};
use crate::strategy::{ChildKind, RestartMode};

/// For terminals: a line for each process, with a glyph for its state.
///
/// ```text
/// ● root  running for 3.2s, one for one, 1 restart in 5s
/// ├─ ● api  running for 3.2s, rest for one, 3 restarts in 5s
/// │  ├─ ● listener  running for 1.0s, restarted once, 1.0s ago it panicked: boom
/// │  └─ ○ warm_up  stopped, 3.2s ago it ended normally
/// └─ ◐ cache  starting for 3.2s
/// ```
impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}  {}", glyph(self), self.path, Words(self))?;
        below(self, "", f)
    }
}

fn below(node: &Snapshot, margin: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    for (index, child) in node.children.iter().enumerate() {
        let is_last = index + 1 == node.children.len();
        let (branch, next) = if is_last { ("└─", "   ") } else { ("├─", "│  ") };
        write!(f, "\n{margin}{branch} {} {}  {}", glyph(child), segment(child), Words(child))?;
        below(child, &format!("{margin}{next}"), f)?;
    }
    Ok(())
}

impl Snapshot {
    /// For Graphviz: a directed graph, supervisors as boxes, coloured by state.
    pub fn to_dot(&self) -> String {
        let mut dot = String::from(
            "digraph supervision {\n  rankdir = LR;\n  node [fontname = \"monospace\", style = filled];\n",
        );
        let mut number = 0;
        // Writing to a string does not fail.
        let _ = node(self, None, &mut number, &mut dot);
        dot.push_str("}\n");
        dot
    }
}

fn node(this: &Snapshot, parent: Option<usize>, number: &mut usize, dot: &mut String) -> fmt::Result {
    let own = *number;
    *number += 1;
    let shape = if this.kind == ChildKind::Supervisor { "box" } else { "ellipse" };
    let label =
        format!("{}\n{}", segment(this), Words(this)).replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    writeln!(dot, "  n{own} [shape = {shape}, fillcolor = {}, label = \"{label}\"];", colour(this))?;
    if let Some(parent) = parent {
        writeln!(dot, "  n{parent} -> n{own};")?;
    }
    this.children.iter().try_for_each(|child| node(child, Some(own), number, dot))
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
            let how = last.how.lines().next().unwrap_or_default();
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
            1 => write!(f, ", 1 restart in {period:?}"),
            _ => write!(f, ", {intensity} restarts in {period:?}"),
        }
    }
}
