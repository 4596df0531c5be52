//! What is known of the tree: the last snapshot, and the events since. All texts in it are clean.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    time::{Duration, UNIX_EPOCH},
};

use supervision::{
    Accounting, ChildId, ChildKind, ChildSpecInfo, ChildState, Exit, Failing, RestartCause, RestartType, ShutdownOrder,
    Snapshot, StartFailure, StopReason, SupervisorInfo,
};

use crate::{
    line::{self, Line, Summary},
    text::{clean, clock, duration},
};

/// How many events are kept.
const EVENTS: usize = 2_000;

/// How long a child that was restarted is in trouble.
const RECENT: Duration = Duration::from_secs(60);

/// How long a supervisor may leave messages unread.
const UNREAD: Duration = Duration::from_secs(1);

/// From this rank on a process is in trouble. Below, it starts or stops.
pub(crate) const TROUBLE: u8 = 2;

/// What a process is known by while snapshots come and go: its child id, or its path if it has none.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    Child(u64),
    Path(String),
}

impl Key {
    fn new(child_id: Option<u64>, path: &str) -> Self {
        child_id.map_or_else(|| Self::Path(path.to_owned()), Self::Child)
    }
}

/// A process of the tree.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) key: Key,
    pub(crate) path: String,
    pub(crate) above: Option<usize>,
    pub(crate) children: Vec<usize>,
    pub(crate) glyph: char,
    pub(crate) state: ChildState,
    /// Its state in words, with its restarts and its last end.
    pub(crate) words: String,
    /// What is wrong with it, with the message first and the place last: it is cut where the line ends.
    pub(crate) alarm: String,
    /// Since when it fails, how often it was restarted, and when the next attempt comes.
    pub(crate) timing: String,
    /// The paths of those below because of which it gave up, from the top down.
    culprits: Vec<String>,
    is_ready: bool,
    /// Its settings as a child, and as a supervisor.
    pub(crate) spec: Option<ChildSpecInfo>,
    pub(crate) supervisor: Option<SupervisorInfo>,
    /// More of it, for the one that is selected.
    pub(crate) details: String,
    /// What is known of children that are not listed.
    pub(crate) summary: Option<String>,
    /// How much trouble it has, from 0 to 5.
    pub(crate) rank: u8,
    /// What its polls have taken, and those of all below it. `None` if none is counted.
    pub(crate) accounting: Option<Accounting>,
}

impl Node {
    /// Returns the last segment of the path.
    pub(crate) fn name(&self) -> &str {
        self.path.rsplit_once('.').map_or(&self.path, |(_, segment)| segment)
    }
}

/// An event that has happened.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) at: u64,
    pub(crate) path: String,
    pub(crate) text: String,
    pub(crate) is_bad: bool,
}

/// The tree and its last events.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// Each stands after the one above it. The first one is the root.
    pub(crate) nodes: Vec<Node>,
    by_key: HashMap<Key, usize>,
    pub(crate) events: VecDeque<Happened>,
    /// How many events have not come.
    pub(crate) lost: u64,
    /// The moment of the last line.
    pub(crate) at: u64,
    /// How many processes the snapshot does not list.
    pub(crate) unlisted: u64,
    has_snapshot: bool,
}

impl Model {
    /// Takes a line.
    pub(crate) fn apply(&mut self, line: Line) {
        let Line { snapshot, summaries, event, lost, at, .. } = line;
        self.lost += lost.unwrap_or_default();
        self.at = at.or(event.as_ref().map(|event| event.at)).unwrap_or(self.at);
        if let Some(event) = event {
            self.add(event);
        }
        if let Some(snapshot) = snapshot {
            self.take(snapshot, &summaries);
        }
    }

    pub(crate) fn find(&self, key: &Key) -> Option<usize> {
        self.by_key.get(key).copied()
    }

    /// Returns the processes in trouble, the worst first: one for each cause.
    pub(crate) fn troubled(&self) -> Vec<&Node> {
        let mut troubled: Vec<&Node> = self.nodes.iter().filter(|node| self.counts(node)).collect();
        troubled.sort_by_key(|node| std::cmp::Reverse(node.rank));
        troubled
    }

    /// Returns whether it is in trouble of its own. What is a part of the trouble of its supervisor does not count: that gave up
    /// because of it, or is not there to restart it.
    fn counts(&self, node: &Node) -> bool {
        let is_part_of = |above: &Node| {
            let is_left = node.state == ChildState::Stopped && above.state != ChildState::Running;
            let is_culprit = above.rank >= 3 && above.culprits.contains(&node.path);
            above.rank >= TROUBLE && node.rank <= 4 && (is_left || is_culprit)
        };
        node.rank >= TROUBLE && !node.above.is_some_and(|above| is_part_of(&self.nodes[above]))
    }

    /// Returns whether it has all these words, which are in lower case.
    pub(crate) fn has_words(&self, index: usize, words: &[String]) -> bool {
        if words.is_empty() {
            return true;
        }
        let node = &self.nodes[index];
        let trouble = if self.counts(node) { "trouble" } else { "" };
        let not_ready = if node.is_ready { "" } else { "not ready" };
        let state = state(node.state);
        let text = format!("{} {state} {} {} {not_ready} {trouble}", node.path, node.words, node.alarm).to_lowercase();
        words.iter().all(|word| text.contains(word))
    }

    /// Returns the lowest processes for which a supervisor waits until it is ready, or has stopped.
    fn waited_for(&self, index: usize) -> Vec<usize> {
        let (mut found, mut to_come) = (Vec::new(), vec![index]);
        while let Some(at) = to_come.pop() {
            let node = &self.nodes[at];
            let holds = |child: &usize| {
                let child = &self.nodes[*child];
                match node.state {
                    ChildState::Running => {
                        let counts = child.spec.as_ref().is_none_or(|spec| spec.readiness);
                        counts && !child.is_ready && child.state != ChildState::Stopped
                    }
                    ChildState::Starting | ChildState::Stopping => child.state == node.state,
                    _ => false,
                }
            };
            let mut below: Vec<usize> = match node.state == self.nodes[index].state {
                true => node.children.iter().copied().filter(holds).collect(),
                false => Vec::new(),
            };
            // One after the other.
            match node.state {
                ChildState::Starting => below.truncate(1),
                ChildState::Stopping if !stops_at_once(node) => drop(below.drain(..below.len().saturating_sub(1))),
                _ => {}
            }
            if below.is_empty() && at != index {
                found.push(at);
            }
            to_come.extend(below.into_iter().rev());
        }
        found
    }

    /// Says for whom a supervisor waits.
    pub(crate) fn waits_for(&self, index: usize) -> Option<String> {
        /// More of them are counted.
        const NAMED: usize = 3;

        let found = self.waited_for(index);
        let prefix = self.nodes[index].path.len() + 1;
        let name = |node: &usize| self.nodes[*node].path.get(prefix..).unwrap_or_default().to_owned();
        let names: Vec<String> = found.iter().take(NAMED).map(name).collect();
        let more = match found.len().saturating_sub(NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!found.is_empty()).then(|| format!("waits for {}{more}", names.join(", ")))
    }

    /// Returns whether the process is this one or below it.
    pub(crate) fn is_within(&self, mut index: usize, top: usize) -> bool {
        // Each stands after the one above it.
        while index > top {
            let Some(above) = self.nodes[index].above else { return false };
            index = above;
        }
        index == top
    }

    fn take(&mut self, root: Snapshot, summaries: &[Summary]) {
        self.nodes.clear();
        self.by_key.clear();
        self.has_snapshot = true;
        // A loop, because recursion over a deep tree would overflow the stack.
        let mut to_come = vec![(root, None)];
        while let Some((mut process, above)) = to_come.pop() {
            let children = mem::take(&mut process.children);
            let mut node = node(&process, above, &children);
            if let Some(above) = above.map(|above| &self.nodes[above]) {
                let is_left = node.state == ChildState::Stopped && above.state != ChildState::Running;
                if is_left && node.rank == TROUBLE {
                    // Its supervisor has stopped it, and the state of that says the rest.
                    node.rank = 0;
                } else if is_left && matches!(node.rank, 3 | 4) {
                    node.timing = format!("its supervisor is {}", state(above.state));
                }
            }
            let index = self.push(node);
            to_come.extend(children.into_iter().rev().map(|child| (child, Some(index))));
        }
        self.unlisted = 0;
        let mut below = vec![None; self.nodes.len()];
        for summary in summaries {
            if let Some(index) = self.find(&Key::new(summary.child_id, &clean(&summary.path))) {
                let node = &mut self.nodes[index];
                node.summary = Some(in_words(summary, node.children.len()));
                below[index] = summary.accounting;
                self.unlisted += summary.children.saturating_sub(node.children.len() as u64);
            }
        }
        // Each stands after the one above it. So those below come first here.
        for index in (0..self.nodes.len()).rev() {
            let node = &mut self.nodes[index];
            node.accounting = plus(node.accounting, below[index]);
            if let (Some(sum), Some(_)) = (node.accounting, node.children.first()) {
                let more = format!("with all below: busy for {} in {} polls", duration(sum.busy), sum.polls);
                node.details = format!("{more}, the slowest {}; {}", duration(sum.slowest_poll), node.details);
            }
            // A summary counts the children that are not listed, too.
            if let Some(above) = node.above.filter(|above| self.nodes[*above].summary.is_none()) {
                below[above] = plus(below[above], self.nodes[index].accounting);
            }
        }
    }

    fn push(&mut self, node: Node) -> usize {
        let index = self.nodes.len();
        self.by_key.insert(node.key.clone(), index);
        if let Some(above) = node.above {
            self.nodes[above].children.push(index);
        }
        self.nodes.push(node);
        index
    }

    fn add(&mut self, event: line::Event) {
        let line::Event { path, child_id, at, kind, data, text } = event;
        let (path, text) = (clean(&path).into_owned(), clean(&text).into_owned());
        let text = place_last(text, &data);
        let words = text.strip_prefix(&path).unwrap_or(&text).trim_start().to_owned();
        let is_bad = is_bad(&kind, &data);
        self.follow(Key::new(child_id, &path), &path, &kind, words, is_bad);
        if self.repeats(&kind, &path, &text) {
            return;
        }
        self.events.push_back(Happened { at, path, text, is_bad });
        if self.events.len() > EVENTS {
            self.events.pop_front();
        }
    }

    /// Returns whether an event only repeats the last one of its process. A give-up is told three times: when it is decided, when
    /// the supervisor has ended, and by the one above.
    fn repeats(&self, kind: &str, path: &str, text: &str) -> bool {
        /// How far to look back, so that a flood of events costs little.
        const RECENT: usize = 200;

        let said = || text.replacen("supervisor ended: ", "", 1);
        let last = || self.events.iter().rev().take(RECENT).find(|event| event.path == path);
        matches!(kind, "ended" | "exited") && last().is_some_and(|last| last.text == said())
    }

    /// Changes a process by an event. The next snapshot is right in any case.
    fn follow(&mut self, key: Key, path: &str, kind: &str, words: String, is_bad: bool) {
        let index = match self.find(&key) {
            Some(index) => index,
            // It is new, and the next snapshot has it with all that is known of it.
            None if self.has_snapshot => return,
            None => self.invent(key, path),
        };
        let node = &mut self.nodes[index];
        // One that has just failed is not well because it starts again.
        let after = |rank| if matches!(node.rank, 3 | 4) { 3 } else { rank };
        let (state, glyph, rank) = match kind {
            "started" => (ChildState::Starting, '◐', after(1)),
            "ready" => (ChildState::Running, '●', after(0)),
            "stopping" => (ChildState::Stopping, '◌', after(1)),
            "restarting" => (ChildState::Restarting, '↻', 4),
            "ignored" | "restart_cancelled" | "exited" | "start_failed" => {
                (ChildState::Stopped, '○', if is_bad { 3 } else { 0 })
            }
            "ended" if node.above.is_none() => (ChildState::Stopped, '○', if is_bad { 4 } else { 0 }),
            "stuck" | "abandoned" => (node.state, '!', 5),
            "blocked" | "unresponsive" => (node.state, node.glyph, 5),
            // The state stays, and the list of events has it.
            _ => return,
        };
        (node.state, node.glyph, node.rank) = (state, glyph, rank);
        node.is_ready = state == ChildState::Running;
        if is_bad || rank < TROUBLE {
            node.alarm.clone_from(&words);
            node.timing.clear();
        }
        node.words = words;
    }

    /// Adds a process with those above it, for a recording without snapshots.
    fn invent(&mut self, key: Key, path: &str) -> usize {
        let mut above: Option<usize> = None;
        let ends = path.match_indices('.').map(|(at, _)| at).chain([path.len()]);
        for end in ends {
            let path_here = &path[..end];
            let here = if end == path.len() { key.clone() } else { Key::Path(path_here.to_owned()) };
            let known = match above {
                // There is one root, whatever it is called.
                None => (!self.nodes.is_empty()).then_some(0),
                Some(above) => self.nodes[above].children.iter().copied().find(|child| {
                    let child = &self.nodes[*child];
                    // Names need not be unique. One that was made for the sake of those below it has no id yet.
                    child.path == path_here && (end < path.len() || matches!(child.key, Key::Path(_)))
                }),
            };
            let index = known.unwrap_or_else(|| {
                self.push(Node {
                    key: here.clone(),
                    path: path_here.to_owned(),
                    above,
                    children: Vec::new(),
                    glyph: '●',
                    state: ChildState::Running,
                    words: String::new(),
                    alarm: String::new(),
                    timing: String::new(),
                    culprits: Vec::new(),
                    is_ready: true,
                    spec: None,
                    supervisor: None,
                    details: String::new(),
                    summary: None,
                    rank: 0,
                    accounting: None,
                })
            });
            if end == path.len() {
                self.by_key.insert(here.clone(), index);
                self.nodes[index].key = here;
            }
            above = Some(index);
        }
        above.unwrap_or_default()
    }
}

/// Makes a node of a process, of which the children have been taken out.
fn node(process: &Snapshot, above: Option<usize>, children: &[Snapshot]) -> Node {
    // On one line: the precision is the width.
    let picture = format!("{process:.60000}");
    let glyph = picture.chars().next().filter(|glyph| !glyph.is_control()).unwrap_or(' ');
    // `● name  words`
    let words =
        picture.get(glyph.len_utf8() + 1..).and_then(|rest| rest.strip_prefix(&process.path)).unwrap_or(&picture);
    let words = words.trim_start();
    let path = clean(&process.path).into_owned();
    Node {
        key: Key::new(process.id.and_then(number), &path),
        path,
        above,
        children: Vec::new(),
        glyph,
        state: process.state,
        words: clean(words).into_owned(),
        alarm: clean(&alarm(process, words)).into_owned(),
        timing: timing(process),
        culprits: culprits(process),
        is_ready: process.ready,
        spec: process.spec.clone(),
        supervisor: process.supervisor.clone(),
        details: clean(&details(process, children)).into_owned(),
        summary: None,
        rank: rank(process),
        accounting: process.accounting,
    }
}

fn plus(a: Option<Accounting>, b: Option<Accounting>) -> Option<Accounting> {
    a.into_iter().chain(b).reduce(Accounting::plus)
}

fn number(id: ChildId) -> Option<u64> {
    serde_json::to_value(id).ok()?.as_u64()
}

/// Ranks a process by its own trouble, as the page in the browser does.
fn rank(process: &Snapshot) -> u8 {
    let last = process.last_exit.as_ref();
    let ended_lately = last.and_then(|exit| exit.ago).is_some_and(|ago| ago < RECENT);
    let has_failed = last.is_some_and(|exit| match &exit.cause {
        RestartCause::Exit(Exit::Shutdown(end)) => !matches!(end.reason, StopReason::Requested),
        RestartCause::Exit(exit) => !exit.is_success() && !matches!(exit, Exit::Aborted),
        _ => true,
    });
    let restart = process.spec.as_ref().map(|spec| spec.restart);
    match process.state {
        _ if process.stuck || process.abandoned || is_unread(process) => 5,
        ChildState::Restarting => 4,
        ChildState::Running | ChildState::Starting if process.restarts > 0 && ended_lately => 3,
        ChildState::Stopping if process.restarts > 0 && ended_lately && process.failing.is_some() => 3,
        ChildState::Stopped if has_failed && restart != Some(RestartType::Temporary) => 4,
        ChildState::Stopped if restart == Some(RestartType::Permanent) => 2,
        ChildState::Starting | ChildState::Stopping => 1,
        ChildState::Running | ChildState::Stopped => 0,
    }
}

fn is_unread(process: &Snapshot) -> bool {
    process.supervisor.as_ref().and_then(|info| info.unread_for).is_some_and(|unread| unread > UNREAD)
}

/// Says what is wrong: the message first, and the place last.
fn alarm(process: &Snapshot, words: &str) -> String {
    match &process.last_exit {
        _ if process.stuck => match &process.abort_reason {
            Some(reason) => format!("stuck: aborted because {reason}, but has not yielded"),
            None => "stuck: aborted but has not yielded".into(),
        },
        _ if process.abandoned || is_unread(process) => words.to_owned(),
        Some(exit) if rank(process) >= TROUBLE => match location(&exit.cause) {
            Some((failure, location)) => format!("panicked: {failure}, at {location}"),
            None => exit.cause.to_string(),
        },
        _ => words.to_owned(),
    }
}

/// Says since when it fails, how often it was restarted, and when the next attempt comes.
fn timing(process: &Snapshot) -> String {
    let since = |ago: Duration| {
        let at = process.captured_at.checked_sub(ago).unwrap_or(UNIX_EPOCH);
        let at = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        format!("since {} ({})", clock(u64::try_from(at).unwrap_or(u64::MAX), false), duration(ago))
    };
    if process.stuck {
        return process.since.map_or_else(String::new, since);
    }
    if !matches!(rank(process), 3 | 4) {
        return String::new();
    }
    let mut parts = Vec::new();
    if process.state == ChildState::Restarting {
        parts.push(match &process.failing {
            Some(Failing { attempt, next_in: Some(next_in), .. }) => {
                format!("next attempt in {} (attempt {attempt})", duration(*next_in))
            }
            _ => "waiting to restart".into(),
        });
    }
    if process.state == ChildState::Stopped {
        parts.push("stopped, and not restarted".into());
    }
    if let Some(failing) = &process.failing {
        parts.push(format!("failing {}", since(failing.since)));
    }
    match process.restarts {
        0 => {}
        1 => parts.push("1 restart".into()),
        restarts => parts.push(format!("{restarts} restarts")),
    }
    parts.join(", ")
}

/// Returns the paths of those below because of which a process gave up, from the top down.
fn culprits(process: &Snapshot) -> Vec<String> {
    let (mut paths, mut cause) = (Vec::new(), process.last_exit.as_ref().map(|exit| &exit.cause));
    while let Some(at) = cause {
        let gave_up = match at {
            RestartCause::Exit(Exit::Shutdown(end)) => match &end.reason {
                StopReason::GaveUp(gave_up) => gave_up,
                _ => break,
            },
            RestartCause::Start(StartFailure::GaveUp(gave_up)) => gave_up,
            _ => break,
        };
        let last = gave_up.restarts.last();
        paths.extend(last.map(|record| clean(&record.path).into_owned()));
        cause = last.map(|record| &record.cause);
    }
    paths
}

/// Returns the word for a state, as the format has it.
fn state(state: ChildState) -> &'static str {
    match state {
        ChildState::Starting => "starting",
        ChildState::Running => "running",
        ChildState::Restarting => "restarting",
        ChildState::Stopping => "stopping",
        ChildState::Stopped => "stopped",
    }
}

fn stops_at_once(node: &Node) -> bool {
    node.supervisor.as_ref().is_some_and(|info| info.shutdown_order == ShutdownOrder::Concurrent)
}

/// Says what a list of processes has no room for.
fn details(process: &Snapshot, children: &[Snapshot]) -> String {
    let mut parts = Vec::new();
    if let Some((_, location)) = process.last_exit.as_ref().and_then(|exit| location(&exit.cause)) {
        parts.push(format!("panicked at {location}"));
    }
    if let Some(spec) = &process.spec {
        parts.push(match spec.restart {
            RestartType::Permanent => "permanent".into(),
            RestartType::Transient => "transient".into(),
            RestartType::Temporary => "temporary".into(),
        });
    }
    if let Some(accounting) = &process.accounting {
        parts.push(format!("{} wakes", accounting.wakes));
    }
    if process.kind == ChildKind::Supervisor {
        parts.push(match children.len() {
            1 => "1 child".into(),
            children => format!("{children} children"),
        });
    }
    if let Some(info) = process.supervisor.as_ref().filter(|info| info.intensity != usize::MAX) {
        parts.push(format!("{} of {} restarts used", info.restarts_used, info.intensity));
    }
    parts.join("; ")
}

/// Returns the message of a panic, and its place.
fn location(cause: &RestartCause) -> Option<(String, String)> {
    let (RestartCause::Exit(Exit::Panicked(failure)) | RestartCause::Start(StartFailure::Panicked(failure))) = cause
    else {
        return None;
    };
    failure.location().map(|location| (format!("{failure:#}"), location.to_string()))
}

/// Returns the text of an event with the place of a panic at its end: a line may be cut there.
fn place_last(text: String, data: &serde_json::Value) -> String {
    let location = [&data["location"], &data["cause"]["location"]].into_iter().find(|location| location.is_object());
    let Some(location) = location else { return text };
    let file = clean(location["file"].as_str().unwrap_or_default()).into_owned();
    let place = format!("{file}:{}:{}", location["line"], location["column"]);
    match text.split_once(&format!(" at {place}: ")) {
        Some((before, after)) => format!("{before}: {after}, at {place}"),
        None => text,
    }
}

fn in_words(summary: &Summary, listed: usize) -> String {
    let numbers = [
        (summary.stuck, "stuck"),
        (summary.restarting, "waiting to restart"),
        (summary.starting, "starting"),
        (summary.stopping, "stopping"),
        (summary.stopped, "stopped"),
        (summary.running, "running"),
    ];
    let numbers: Vec<String> =
        numbers.iter().filter(|(number, _)| *number > 0).map(|(number, state)| format!("{number} {state}")).collect();
    format!("{listed} of {} children listed; of all: {}", summary.children, numbers.join(", "))
}

fn is_bad(kind: &str, data: &serde_json::Value) -> bool {
    let word = |value: &serde_json::Value| value["kind"].as_str().unwrap_or_default().to_owned();
    match kind {
        "exited" => match &*word(data) {
            "normal" | "ignored" => false,
            "shutdown" => word(&data["reason"]) != "requested",
            _ => true,
        },
        "ended" => word(data) != "requested",
        _ => matches!(
            kind,
            "start_failed"
                | "restarting"
                | "not_restarted"
                | "unresponsive"
                | "aborted"
                | "blocked"
                | "stuck"
                | "abandoned"
                | "refused"
                | "left_down"
                | "gave_up"
        ),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// Returns the line of a snapshot: of processes with a path, a state, and children.
    pub(crate) fn snapshot(root: &Value) -> Line {
        line::read(&json!({"snapshot": root, "summaries": [], "at": 1_000}).to_string()).expect("a snapshot")
    }

    /// Returns a process as it stands in a snapshot.
    pub(crate) fn process(path: &str, id: u64, state: &str, children: &[Value]) -> Value {
        let kind = if children.is_empty() { "worker" } else { "supervisor" };
        json!({
            "schema": 1, "captured_at": 1_764_152_400_123_u64, "path": path, "child_id": id, "process_id": id, "kind": kind, "state": state,
            "stuck": false, "abandoned": false, "ready": state == "running", "since_seconds": 65.0, "restarts": 0,
            "last_exit": null, "spec": null, "supervisor": null, "children": children,
        })
    }

    /// Returns a process that has failed for two minutes.
    pub(crate) fn failing(path: &str, id: u64, state: &str) -> Value {
        let mut child = process(path, id, state, &[]);
        child["restarts"] = 43.into();
        let next = if state == "restarting" { json!(33.5) } else { Value::Null };
        child["failing"] = json!({"since_seconds": 125.0, "attempt": 3, "next_in_seconds": next});
        child["last_exit"] = json!({
            "ago_seconds": 1, "phase": "run", "kind": "failed", "message": "cannot reach db.internal:5432",
            "chain": ["connection refused"], "location": null
        });
        child
    }

    pub(crate) fn event(path: &str, id: u64, at: u64, kind: &str, data: &Value, text: &str) -> Line {
        let event = json!({"path": path, "child_id": id, "process_id": id, "at": at, "took_seconds": null, "kind": kind, "data": data});
        line::read(&json!({"event": event, "text": text}).to_string()).expect("an event")
    }

    pub(crate) fn shop() -> Model {
        let mut model = Model::default();
        let web = process(
            "shop.web",
            2,
            "running",
            &[process("shop.web.b", 3, "running", &[]), process("shop.web.a", 4, "restarting", &[])],
        );
        model.apply(snapshot(&process("shop", 1, "running", &[process("shop.api", 5, "running", &[]), web])));
        model
    }

    fn paths(model: &Model) -> Vec<&str> {
        model.nodes.iter().map(|node| &*node.path).collect()
    }

    #[test]
    fn a_snapshot_is_read_in_start_order_with_its_words() {
        let model = shop();
        assert_eq!(paths(&model), ["shop", "shop.api", "shop.web", "shop.web.b", "shop.web.a"]);
        assert_eq!((model.nodes[1].glyph, &*model.nodes[1].words), ('●', "running for 1m 5s"));
        assert_eq!(model.nodes[4].words, "waiting to restart");
        assert_eq!(model.troubled().iter().map(|node| &*node.path).collect::<Vec<_>>(), ["shop.web.a"]);
        assert!(model.is_within(4, 2) && model.is_within(2, 2) && !model.is_within(1, 2));
    }

    #[test]
    fn the_reason_of_trouble_comes_early() {
        let of = |state: &str, restarts: u32, ago: u32| {
            let mut child = process("shop.a", 2, state, &[]);
            child["restarts"] = restarts.into();
            child["last_exit"] = json!({
                "ago_seconds": ago, "phase": "run", "kind": "failed", "message": "x", "chain": ["y"], "location": null
            });
            let mut model = Model::default();
            model.apply(snapshot(&process("shop", 1, "running", &[child])));
            (model.nodes[1].rank, model.nodes[1].alarm.clone())
        };
        assert_eq!(of("running", 2, 1), (3, "failed: x: y".into()));
        assert_eq!(of("running", 2, 61).0, 0, "that is long ago");
        assert_eq!(of("restarting", 0, 61), (4, "failed: x: y".into()));
        assert_eq!(of("stopped", 1, 61), (4, "failed: x: y".into()));
    }

    #[test]
    fn the_place_of_a_panic_comes_after_its_message() {
        let mut child = failing("shop.a", 2, "running");
        child["last_exit"]["kind"] = "panicked".into();
        child["last_exit"]["location"] = json!({"file": "src/a.rs", "line": 1, "column": 2});
        let mut model = Model::default();
        model.apply(snapshot(&process("shop", 1, "running", &[child])));
        let data = json!({"attempt": 1, "cause": {"location": {"file": "src/a.rs", "line": 1, "column": 2}}});
        let text = "shop.a restarting (attempt 1): panicked at src/a.rs:1:2: oh: no";
        model.apply(event("shop.a", 9, 2_000, "restarting", &data, text));
        assert_eq!(model.events[0].text, "shop.a restarting (attempt 1): panicked: oh: no, at src/a.rs:1:2");
        assert_eq!(
            model.nodes[1].alarm,
            "panicked: cannot reach db.internal:5432: connection refused, at src/a.rs:1:2"
        );
    }

    #[test]
    fn a_give_up_and_its_reason_are_one_trouble_at_any_moment() {
        let gave_up = json!({
            "ago_seconds": 1, "phase": "run", "kind": "shutdown", "unclean": [], "reason": {
                "kind": "gave_up", "path": "shop.mail", "intensity": 2, "period_seconds": 10.0,
                "restarts": [{"path": "shop.mail.sender", "ago_seconds": 0.0, "cause": {
                    "phase": "run", "kind": "failed", "message": "x", "chain": [], "location": null
                }}],
            },
        });
        for (mail, sender) in
            [("running", "running"), ("running", "restarting"), ("stopping", "stopped"), ("restarting", "stopped")]
        {
            let queue = process("shop.mail.queue", 4, "running", &[]);
            let mut above = process("shop.mail", 2, mail, &[failing("shop.mail.sender", 3, sender), queue]);
            above["restarts"] = 20.into();
            above["failing"] = json!({"since_seconds": 125.0, "attempt": 20, "next_in_seconds": null});
            above["last_exit"] = gave_up.clone();
            let mut model = Model::default();
            model.apply(snapshot(&process("shop", 1, "running", &[above])));
            let troubled: Vec<&str> = model.troubled().iter().map(|node| &*node.path).collect();
            assert_eq!(troubled, ["shop.mail"], "{mail} {sender}");
            if sender == "stopped" {
                assert_eq!(model.nodes[2].timing, format!("its supervisor is {mail}"));
            }
        }
    }

    #[test]
    fn children_of_a_supervisor_that_was_stopped_are_one_trouble_with_it() {
        let permanent = json!({
            "name": "x", "kind": "worker", "restart": "permanent", "shutdown": {"kind": "brutal"},
            "start_timeout_seconds": null, "significant": false, "placement": "inherit", "explicit_ready": false,
            "children_first": false, "readiness": true, "watchdog_seconds": null, "backoff": null,
        });
        let with_settings = |mut child: Value| {
            child["spec"] = permanent.clone();
            child
        };
        let children = [process("shop.web.a", 3, "stopped", &[]), failing("shop.web.b", 4, "stopped")];
        let web = with_settings(process("shop.web", 2, "stopped", &children.map(with_settings)));
        let mut model = Model::default();
        model.apply(snapshot(&process("shop", 1, "running", &[web])));
        assert_eq!(model.troubled().iter().map(|node| &*node.path).collect::<Vec<_>>(), ["shop.web"]);
    }

    #[test]
    fn a_give_up_is_one_event() {
        let mut model = shop();
        for (kind, text) in [
            ("gave_up", "shop.web gave up: x"),
            ("ended", "shop.web supervisor ended: gave up: x"),
            ("exited", "shop.web gave up: x"),
            ("restarting", "shop.web restarting (attempt 1): gave up: x"),
        ] {
            model.apply(event("shop.web", 2, 1_000, kind, &json!({"kind": "gave_up"}), text));
        }
        let said: Vec<&str> = model.events.iter().map(|event| &*event.text).collect();
        assert_eq!(said, ["shop.web gave up: x", "shop.web restarting (attempt 1): gave up: x"]);
    }

    #[test]
    fn a_supervisor_names_the_lowest_for_which_it_waits() {
        let mut parts: Vec<Value> =
            (10..15).map(|id| process(&format!("shop.web.w{id}"), id, "starting", &[])).collect();
        parts[0]["spec"] = json!({
            "name": "w10", "kind": "worker", "restart": "permanent", "shutdown": {"kind": "brutal"},
            "start_timeout_seconds": null, "significant": false, "placement": "inherit", "explicit_ready": false,
            "children_first": false, "readiness": false, "watchdog_seconds": null, "backoff": null,
        });
        let mut web = process("shop.web", 2, "running", &parts);
        web["ready"] = false.into();
        let mut model = Model::default();
        model.apply(snapshot(&process("shop", 1, "running", &[web])));
        // The first one does not count for readiness.
        assert_eq!(model.waits_for(0).as_deref(), Some("waits for web.w11, web.w12, web.w13 and 1 more"));
        let stopping = [process("shop.a", 2, "stopping", &[]), process("shop.b", 3, "stopping", &[])];
        model.apply(snapshot(&process("shop", 1, "stopping", &stopping)));
        assert_eq!(model.waits_for(0).as_deref(), Some("waits for b"), "the last one stops first");
        assert_eq!(model.waits_for(1), None);
    }

    #[test]
    fn an_event_changes_a_process_until_the_next_snapshot() {
        let mut model = shop();
        model.apply(event("shop.web.a", 4, 2_000, "ready", &Value::Null, "shop.web.a is ready"));
        assert_eq!((model.nodes[4].state, &*model.nodes[4].words), (ChildState::Running, "is ready"));
        assert_eq!((model.nodes[4].rank, &*model.nodes[4].alarm), (3, "waiting to restart"), "it has just failed");
        model.apply(event("shop.new", 9, 2_001, "started", &Value::Null, "shop.new has started"));
        assert_eq!(model.nodes.len(), 5, "a new one comes with the next snapshot");
        assert_eq!(model.events.len(), 2);
        assert_eq!(model.at, 2_001);
    }

    #[test]
    fn events_alone_make_a_tree() {
        let mut model = Model::default();
        model.apply(event("root.a.b", 3, 1, "started", &Value::Null, "root.a.b has started"));
        model.apply(event("root.c", 4, 2, "started", &Value::Null, "root.c has started"));
        model.apply(event("root.a.b", 3, 3, "exited", &json!({"kind": "failed"}), "root.a.b failed: x"));
        assert_eq!(paths(&model), ["root", "root.a", "root.a.b", "root.c"]);
        assert_eq!((model.nodes[2].state, &*model.nodes[2].words), (ChildState::Stopped, "failed: x"));
        assert!(model.events[2].is_bad && !model.events[0].is_bad);
    }

    #[test]
    fn hostile_names_and_texts_are_clean_in_the_model() {
        let hostile = "shop.\u{1b}[2J\u{9b}31m\u{202e}";
        let mut root = process("shop", 1, "running", &[process(hostile, 2, "stopped", &[])]);
        root["children"][0]["last_exit"] = json!({
            "ago_seconds": 1, "phase": "run", "kind": "failed", "message": "\u{1b}]0;x\u{7}", "chain": [], "location": null
        });
        let mut model = Model::default();
        model.apply(snapshot(&root));
        model.apply(event(hostile, 2, 1, "stopping", &Value::Null, &format!("{hostile} \u{1b}c")));
        let node = &model.nodes[1];
        let texts = [&node.path, &node.words, &node.details, &model.events[0].text, &model.events[0].path];
        for text in texts {
            assert!(!text.contains(|c: char| c.is_control() || c == '\u{202e}'), "{text:?}");
        }
        assert_eq!(node.state, ChildState::Stopping, "it is found all the same");
    }

    #[test]
    fn events_are_kept_up_to_a_bound() {
        let mut model = shop();
        for at in 0..EVENTS as u64 + 10 {
            model.apply(event("shop.api", 5, at, "ready", &Value::Null, "shop.api is ready"));
        }
        assert_eq!(model.events.len(), EVENTS);
        assert_eq!(model.events[0].at, 10);
    }

    #[test]
    fn a_crowd_is_summed_up_in_words() {
        let root = process("shop", 1, "running", &[process("shop.a", 2, "running", &[])]);
        let summary = json!({"path": "shop", "child_id": 1, "children": 300, "running": 299, "stuck": 1});
        let text = json!({"snapshot": root, "summaries": [summary], "at": 1}).to_string();
        let mut model = Model::default();
        model.apply(line::read(&text).expect("a line"));
        assert_eq!(model.nodes[0].summary.as_deref(), Some("1 of 300 children listed; of all: 1 stuck, 299 running"));
    }

    #[test]
    fn what_polls_take_is_summed_up_with_those_that_are_not_listed() {
        let taken = |polls: u64, busy: f64| json!({"polls": polls, "wakes": 1, "busy_seconds": busy, "slowest_poll_seconds": busy});
        let mut web = process("shop.web", 2, "running", &[process("shop.web.a", 3, "running", &[])]);
        web["children"][0]["accounting"] = taken(5, 0.5);
        let mut crowd = process("shop.crowd", 4, "running", &[process("shop.crowd.a", 5, "running", &[])]);
        crowd["accounting"] = taken(1, 0.25);
        let summary = json!({"path": "shop.crowd", "child_id": 4, "children": 300, "accounting": taken(100, 3.0)});
        let root = process("shop", 1, "running", &[web, crowd]);
        let mut model = Model::default();
        model.apply(
            line::read(&json!({"snapshot": root, "summaries": [summary], "at": 1}).to_string()).expect("a line"),
        );
        let polls = |index: usize| model.nodes[index].accounting.map(|sum| sum.polls);
        assert_eq!(paths(&model), ["shop", "shop.web", "shop.web.a", "shop.crowd", "shop.crowd.a"]);
        assert_eq!([polls(0), polls(1), polls(2), polls(3), polls(4)], [Some(106), Some(5), Some(5), Some(101), None]);
        let details = &model.nodes[0].details;
        assert!(details.starts_with("with all below: busy for 3.8s in 106 polls, the slowest 3.0s; "), "{details}");
        assert_eq!(model.nodes[2].words, "running for 1m 5s, busy for 500ms in 5 polls, the slowest 500ms");
    }

    #[test]
    fn the_deepest_tree_is_read_on_the_stack_of_the_program() {
        // As text, because a value that deep is built by recursion.
        let leaf = process("x", 1, "running", &[]).to_string();
        let (before, after) = leaf.split_once("\"children\":[]").expect("it has no children");
        // Each has two levels, and so have the line and its end together with the last one.
        let levels = line::DEEPEST / 2 - 2;
        let open = format!("{before}\"children\":[").repeat(levels);
        let text = format!("{{\"snapshot\":{open}{leaf}{}}}", format!("]{after}").repeat(levels));
        // On a stack as the program has it.
        let read = std::thread::Builder::new().stack_size(crate::STACK).spawn(move || {
            let mut model = Model::default();
            model.apply(line::read(&text).expect("a snapshot"));
            model.nodes.len()
        });
        assert_eq!(read.expect("a thread").join().expect("it is read"), levels + 1);
    }
}
