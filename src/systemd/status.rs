//! One line about a tree, for an operator, and whether what it waits for will end.

use std::{
    fmt::{self, Write},
    time::Duration,
};

use supervisor_core::{ChildState, ShutdownStrategy, Snapshot, StopReason};

/// So many processes are named.
const NAMED: usize = 4;
/// So many characters of the reason for a restart are shown: `systemctl status` has one line.
const REASON: usize = 80;
/// So many of the reason for the end, which is the last that is shown.
const LAST_REASON: usize = 200;

/// What the tree is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// It was not ready yet.
    Starting,
    Running,
    /// For this long.
    Stopping(Duration),
}

/// A tree that is not ready.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) line: String,
    /// The processes for which the tree waits: the names of the first, and the number of all.
    pub(super) awaited: (Vec<String>, usize),
    /// Whether one of them has time left before it is aborted, or has failed to start.
    pub(super) has_time_left: bool,
    /// The number of processes that were looked at.
    pub(super) processes: usize,
}

/// A process to look at.
struct Node<'a> {
    snapshot: &'a Snapshot,
    /// How much time the supervisors above it leave to it.
    left: Left,
    /// How long it may take to yield after an abort.
    grace: Duration,
}

/// How much time a process has left to start or to stop. `None` is without limit.
#[derive(Clone, Copy, Default)]
struct Left {
    /// Until it is aborted.
    asked: Option<Duration>,
    /// Until the grace after that is over.
    all: Option<Duration>,
}

impl Left {
    /// `limit`: how long it may take until it is aborted.
    fn of(limit: Option<Duration>, grace: Duration, since: Duration) -> Self {
        let left = |limit: Duration| limit.saturating_sub(since);
        Self { asked: limit.map(left), all: limit.map(|limit| left(limit.saturating_add(grace))) }
    }

    fn min(self, other: Self) -> Self {
        let min = |a: Option<Duration>, b| [a, b].into_iter().flatten().min();
        Self { asked: min(self.asked, other.asked), all: min(self.all, other.all) }
    }

    /// Returns it in the words of the log's record about a stop that lasts.
    fn words(self) -> Option<String> {
        let words = |left: Duration| match left.as_secs() {
            0 => "<1s left".to_owned(),
            seconds => format!("{seconds}s left"),
        };
        match (self.asked?, self.all?) {
            (_, Duration::ZERO) => Some("aborted".into()),
            (Duration::ZERO, all) => Some(format!("aborted, {}", words(all))),
            (asked, _) => Some(words(asked)),
        }
    }
}

impl Status {
    /// `own`: the path of the process that asks, for which nothing waits.
    pub(super) fn of(root: &Snapshot, own: &str, phase: Phase) -> Self {
        let mut this = Self { line: String::new(), awaited: (Vec::new(), 0), has_time_left: false, processes: 0 };
        let mut lines = Vec::new();
        // As a loop, so that no depth is too much for a stack.
        let mut to_look = vec![Node { snapshot: root, left: Left::default(), grace: Duration::ZERO }];
        while let Some(Node { snapshot, left, grace }) = to_look.pop() {
            this.processes += 1;
            let left = left.min(left_of(snapshot, grace));
            let below = below(snapshot, left, phase);
            let is_leaf = !below.iter().any(|node| phase.waits_for(node.snapshot));
            to_look.extend(below);
            if !is_leaf || [&*root.path, own].contains(&&*snapshot.path) || !phase.waits_for(snapshot) {
                continue;
            }
            this.has_time_left |= left.all.is_some_and(|left| !left.is_zero());
            this.awaited.1 += 1;
            if lines.len() < NAMED {
                lines.push(describe(snapshot, phase, left));
                this.awaited.0.push(snapshot.path.clone());
            }
        }
        let more = this.awaited.1 - lines.len();
        if more > 0 {
            lines.push(format!("{more} more"));
        }
        let lines = lines.join(", ");
        this.line = match phase {
            Phase::Starting if lines.is_empty() => "starting".into(),
            Phase::Starting => format!("starting, waiting for {lines}"),
            Phase::Running if lines.is_empty() => "not ready".into(),
            Phase::Running => format!("not ready: {lines}"),
            Phase::Stopping(_) if lines.is_empty() => "stopping".into(),
            Phase::Stopping(_) => format!("stopping, waiting for {lines}"),
        };
        this
    }
}

impl Phase {
    fn waits_for(self, process: &Snapshot) -> bool {
        match (self, process.state) {
            (_, ChildState::Stopping) => true,
            (Self::Starting | Self::Running, ChildState::Starting | ChildState::Restarting) => true,
            (Self::Stopping(_), ChildState::Starting | ChildState::Restarting) => false,
            (_, ChildState::Running | ChildState::Stopped) => false,
        }
    }
}

/// Returns how much time a process has left by its own settings, to start or to stop.
fn left_of(process: &Snapshot, grace: Duration) -> Left {
    let (Some(spec), Some(since)) = (&process.spec, process.since) else { return Left::default() };
    match (process.state, spec.shutdown) {
        // A start that is aborted is a stop, which has the grace.
        (ChildState::Starting, _) => Left::of(spec.start_timeout, Duration::ZERO, since),
        (ChildState::Stopping, ShutdownStrategy::Graceful(Duration::MAX)) => Left::default(),
        (ChildState::Stopping, ShutdownStrategy::Graceful(time)) => Left::of(Some(time), grace, since),
        (ChildState::Stopping, _) => Left::of(Some(Duration::ZERO), grace, since),
        _ => Left::default(),
    }
}

/// Returns the children of a supervisor, the first one last.
fn below<'a>(process: &'a Snapshot, left: Left, phase: Phase) -> Vec<Node<'a>> {
    let Some(supervisor) = &process.supervisor else { return Vec::new() };
    // A snapshot does not say since when its top is stopping.
    let stopping_for = match (phase, process.state) {
        (_, ChildState::Stopping) if process.since.is_some() => process.since,
        (Phase::Stopping(time), ChildState::Stopping) => Some(time),
        _ => None,
    };
    // After the budget, all that is left is aborted, with one grace.
    let budget = stopping_for.map(|time| Left::of(supervisor.shutdown_budget, supervisor.abort_grace, time));
    let left = left.min(budget.unwrap_or_default());
    let grace = supervisor.abort_grace;
    process.children.iter().rev().map(|snapshot| Node { snapshot, left, grace }).collect()
}

fn describe(process: &Snapshot, phase: Phase, left: Left) -> String {
    let mut text = process.path.clone();
    let what = match process.state {
        _ if process.stuck => Some("stuck".into()),
        ChildState::Restarting => Some(match &process.last_exit {
            Some(exit) => format!("restarting: {}", one_line(&exit.cause, REASON)),
            None => "restarting".into(),
        }),
        ChildState::Starting if phase == Phase::Running => Some("starting".into()),
        ChildState::Stopping if !matches!(phase, Phase::Stopping(_)) => Some("stopping".into()),
        ChildState::Stopping => Some(left.words().unwrap_or_else(|| "no limit".into())),
        _ => left.words(),
    };
    if let Some(what) = what {
        let _ = write!(text, " ({what})");
    }
    text
}

/// Adds why the tree stops to what it waits for, if it stops by itself.
pub(super) fn with_cause(status: &str, reason: Option<StopReason>) -> String {
    match reason {
        None | Some(StopReason::Requested) => status.into(),
        Some(reason) => format!("{status}: {}", one_line(&reason, LAST_REASON)),
    }
}

/// Returns a text on one line, cut after `most` characters. It may have any text of the program in it: a line break would begin
/// another message to systemd.
fn one_line(text: &dyn fmt::Display, most: usize) -> String {
    let text = text.to_string();
    let line: String = text.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if text.chars().nth(most).is_some() { line + ".." } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grace_is_told_apart_from_the_time_to_stop() {
        let words = |millis| {
            Left::of(Some(Duration::from_secs(5)), Duration::from_secs(3), Duration::from_millis(millis)).words()
        };
        let told = [0, 1, 4100, 5000, 6001, 8000].map(|millis| words(millis).unwrap());
        assert_eq!(told, ["5s left", "4s left", "<1s left", "aborted, 3s left", "aborted, 1s left", "aborted"]);
        assert_eq!(Left::default().words(), None);
        // A limit above ends the time to stop, and has a grace of its own.
        let above = Left::of(Some(Duration::from_secs(1)), Duration::from_secs(9), Duration::from_secs(2));
        let both = above.min(Left::of(Some(Duration::from_secs(5)), Duration::from_secs(3), Duration::from_secs(2)));
        assert_eq!(both.words().unwrap(), "aborted, 6s left");
    }
}
