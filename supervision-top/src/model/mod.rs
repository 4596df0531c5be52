//! What is known of the tree: the last snapshot, and the events since. All texts in it are clean.

#[cfg(test)]
pub(crate) mod tests;
mod words;

use std::{
    collections::{HashMap, VecDeque},
    mem,
};

use supervision::{
    Accounting, ChildId, ChildSpecInfo, ChildState, Exit, RestartCause, ShutdownOrder, Snapshot, StartFailure,
    StopReason, SupervisorInfo,
};

use crate::{
    line::{self, Line, Summary},
    text::{clean, duration},
};

/// How many events are kept.
const EVENTS: usize = 2_000;

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
        let state = words::state(node.state);
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
                    node.timing = format!("its supervisor is {}", words::state(above.state));
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
                node.summary = Some(words::in_words(summary, node.children.len()));
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
        let text = words::place_last(text, &data);
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
        alarm: clean(&words::alarm(process, words)).into_owned(),
        timing: words::timing(process),
        culprits: culprits(process),
        is_ready: process.ready,
        spec: process.spec.clone(),
        supervisor: process.supervisor.clone(),
        details: clean(&words::details(process, children)).into_owned(),
        summary: None,
        rank: process.trouble(),
        accounting: process.accounting,
    }
}

fn plus(a: Option<Accounting>, b: Option<Accounting>) -> Option<Accounting> {
    a.into_iter().chain(b).reduce(Accounting::plus)
}

fn number(id: ChildId) -> Option<u64> {
    serde_json::to_value(id).ok()?.as_u64()
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

fn stops_at_once(node: &Node) -> bool {
    node.supervisor.as_ref().is_some_and(|info| info.shutdown_order == ShutdownOrder::Concurrent)
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
