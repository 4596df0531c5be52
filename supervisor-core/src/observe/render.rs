//! The parts of a process that the picture and the graph share: its look, its text, and the children that are shown.

use std::{fmt, time::Duration};

use super::{Accounting, ChildState, Failing, Snapshot, SupervisorInfo};
use crate::{
    strategy::RestartMode,
    text::{FirstLine, Restarts, Rounded},
};

/// The look of a process. The looks that need attention most stand first, because among many children these are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Look {
    NotResponding,
    Stuck,
    NotReady,
    Restarting,
    Starting,
    Stopping,
    Stopped,
    Running,
}

impl Look {
    pub(super) const ALL: [Self; 8] = [
        Self::NotResponding,
        Self::Stuck,
        Self::NotReady,
        Self::Restarting,
        Self::Starting,
        Self::Stopping,
        Self::Stopped,
        Self::Running,
    ];

    pub(super) fn of(node: &Snapshot) -> Self {
        match node.state {
            _ if unread_for(node).is_some() => Self::NotResponding,
            // An abandoned process is one that was stuck until its supervisor stopped without it.
            _ if node.stuck || node.abandoned => Self::Stuck,
            ChildState::Starting => Self::Starting,
            ChildState::Running if node.ready => Self::Running,
            ChildState::Running => Self::NotReady,
            ChildState::Restarting => Self::Restarting,
            ChildState::Stopping => Self::Stopping,
            ChildState::Stopped => Self::Stopped,
        }
    }

    pub(super) fn glyph(self) -> char {
        self.drawn().0
    }

    /// The colour, by a name that Graphviz knows.
    pub(super) fn colour(self) -> &'static str {
        self.drawn().1
    }

    /// The name, for the legend and for counts.
    pub(super) fn name(self) -> &'static str {
        self.drawn().2
    }

    fn drawn(self) -> (char, &'static str, &'static str) {
        match self {
            Self::NotResponding => ('?', "magenta", "not responding"),
            Self::Stuck => ('!', "tomato", "stuck"),
            Self::NotReady => ('◑', "yellow", "not ready"),
            Self::Restarting => ('↻', "orange", "waiting to restart"),
            Self::Starting => ('◐', "lightblue", "starting"),
            Self::Stopping => ('◌', "khaki", "stopping"),
            Self::Stopped => ('○', "lightgray", "stopped"),
            Self::Running => ('●', "palegreen", "running"),
        }
    }
}

/// A supervisor that is polled reads its messages at once. One that has not read them for this long is not polled.
const NOT_RESPONDING_AFTER: Duration = Duration::from_secs(1);

/// How long a supervisor that does not respond has left its messages unread.
fn unread_for(node: &Snapshot) -> Option<Duration> {
    node.supervisor.as_ref()?.unread_for.filter(|unread_for| *unread_for >= NOT_RESPONDING_AFTER)
}

/// The last segment of its dotted name.
pub(super) fn segment(node: &Snapshot) -> &str {
    node.path.rsplit_once('.').map_or(&node.path, |(_, segment)| segment)
}

/// The text of a process, without its name.
pub(super) struct Words<'a>(pub(super) &'a Snapshot);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Snapshot { state, stuck, abort_reason, abandoned, ready, since, restarts, failing, .. } = self.0;
        let Snapshot { last_exit, supervisor, accounting, .. } = self.0;
        f.write_str(match state {
            ChildState::Starting => "starting",
            ChildState::Running => "running",
            ChildState::Restarting => "waiting to restart",
            ChildState::Stopping => "stopping",
            ChildState::Stopped => "stopped",
        })?;
        if let (Some(since), ChildState::Starting | ChildState::Running | ChildState::Stopping) = (since, state) {
            write!(f, " for {}", Rounded(*since))?;
        }
        if let Some(Failing { attempt, next_in: Some(next_in), .. }) = failing {
            write!(f, ", attempt {attempt} in {}", Rounded(*next_in))?;
        }
        match (stuck, abort_reason) {
            (false, _) => {}
            (true, None) => f.write_str(", stuck: aborted but has not yielded")?,
            (true, Some(reason)) => write!(f, ", stuck: aborted because {reason}, but has not yielded")?,
        }
        if *abandoned {
            f.write_str(", abandoned: aborted but never yielded")?;
        }
        if *state == ChildState::Running && !ready {
            f.write_str(", not ready")?;
        }
        if let Some(unread_for) = unread_for(self.0) {
            write!(f, ", not responding: has not read its messages for {}", Rounded(unread_for))?;
        }
        if let Some(info) = supervisor {
            write!(f, ", {}", Settings(info))?;
        }
        match restarts {
            0 => {}
            1 => f.write_str(", restarted once")?,
            _ => write!(f, ", restarted {restarts} times")?,
        }
        if let Some(Accounting { polls, busy, slowest_poll, .. }) = accounting {
            write!(f, ", busy for {} in {polls} polls, the slowest {}", Rounded(*busy), Rounded(*slowest_poll))?;
        }
        if let Some(last) = last_exit {
            let how = last.cause.words().to_string();
            let how = FirstLine(&how);
            match last.ago {
                Some(ago) => write!(f, ", {} ago it {how}", Rounded(ago))?,
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

/// The children of a process that are shown, and a count of the others.
pub(super) struct Shown<'a> {
    /// The children that are shown one by one, in start order.
    pub(super) each: Vec<&'a Snapshot>,
    /// The count of the others: `… 4990 more: 3 stopped, 4987 running`.
    pub(super) others: Option<String>,
}

/// The children of a dynamic supervisor are alike, so only a few are shown.
const FEW_DYNAMIC: usize = 10;

/// The children of other supervisors usually stand in the program one by one. Calls can add thousands, though.
const FEW: usize = 100;

impl<'a> Shown<'a> {
    pub(super) fn all(node: &'a Snapshot) -> Self {
        Self { each: node.children.iter().collect(), others: None }
    }

    /// All children if they are few. Otherwise the few that need attention most.
    pub(super) fn of(node: &'a Snapshot) -> Self {
        let is_dynamic = node.supervisor.as_ref().is_some_and(|info| info.dynamic);
        let few = if is_dynamic { FEW_DYNAMIC } else { FEW };
        if node.children.len() <= few {
            return Self::all(node);
        }
        let mut rows: Vec<_> = node.children.iter().map(worst).zip(&node.children).enumerate().collect();
        // The sort is stable: of children that look alike, the earlier ones are shown.
        rows.sort_by_key(|(_, (look, _))| *look);
        let shown = rows.iter().take(few).take_while(|(_, (look, _))| *look != Look::Running).count();
        let counted = rows.split_off(shown);
        let count = |look| counted.iter().filter(|(_, (one, _))| *one == look).count();
        let counts = Look::ALL.into_iter().map(|look| (count(look), look.name())).filter(|(count, _)| *count > 0);
        let counts: Vec<_> = counts.map(|(count, name)| format!("{count} {name}")).collect();
        rows.sort_by_key(|(position, _)| *position);
        Self {
            each: rows.into_iter().map(|(_, (_, child))| child).collect(),
            others: Some(format!("… {} more: {}", counted.len(), counts.join(", "))),
        }
    }
}

/// The look of a child, or `NotResponding` if a supervisor below it does not respond: that does not make the child unready.
fn worst(child: &Snapshot) -> Look {
    let is_deaf = child.iter().any(|below| unread_for(below).is_some());
    if is_deaf { Look::NotResponding } else { Look::of(child) }
}
