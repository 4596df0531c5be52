//! What is known of the tree: the last snapshot, and the events since. All texts in it are clean.

use std::{
    collections::{HashMap, VecDeque},
    mem,
    time::Duration,
};

use supervision::{
    Accounting, ChildId, ChildKind, ChildState, Exit, RestartCause, RestartType, Snapshot, StartFailure, StopReason,
};

use crate::{
    line::{self, Line, Summary},
    text::{clean, time},
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
    /// What is wrong with it, with the reason early: it is cut where the line ends.
    pub(crate) alarm: String,
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

    /// Returns the processes in trouble, the worst first.
    pub(crate) fn troubled(&self) -> Vec<&Node> {
        let mut troubled: Vec<&Node> = self.nodes.iter().filter(|node| node.rank >= TROUBLE).collect();
        troubled.sort_by_key(|node| std::cmp::Reverse(node.rank));
        troubled
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
            let index = self.push(node(&process, above, &children));
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
                let more = format!("with all below: busy for {} in {} polls", time(sum.busy), sum.polls);
                node.details = format!("{more}, the slowest {}; {}", time(sum.slowest_poll), node.details);
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
        let words = text.strip_prefix(&path).unwrap_or(&text).trim_start().to_owned();
        let is_bad = is_bad(&kind, &data);
        self.follow(Key::new(child_id, &path), &path, &kind, words, is_bad);
        self.events.push_back(Happened { at, path, text, is_bad });
        if self.events.len() > EVENTS {
            self.events.pop_front();
        }
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
        let (state, glyph, rank) = match kind {
            "started" => (ChildState::Starting, '◐', 1),
            "ready" => (ChildState::Running, '●', 0),
            "stopping" => (ChildState::Stopping, '◌', 1),
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
        node.alarm.clone_from(&words);
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
        ChildState::Stopped if has_failed && restart != Some(RestartType::Temporary) => 4,
        ChildState::Stopped if restart == Some(RestartType::Permanent) => 2,
        ChildState::Starting | ChildState::Stopping => 1,
        ChildState::Running | ChildState::Stopped => 0,
    }
}

fn is_unread(process: &Snapshot) -> bool {
    process.supervisor.as_ref().and_then(|info| info.unread_for).is_some_and(|unread| unread > UNREAD)
}

/// Says what is wrong. What is well is not mentioned.
fn alarm(process: &Snapshot, words: &str) -> String {
    let state = match process.state {
        _ if process.stuck || process.abandoned || is_unread(process) => return words.to_owned(),
        ChildState::Restarting => "waiting to restart".to_owned(),
        ChildState::Stopped => "stopped".to_owned(),
        _ => match process.restarts {
            0 => return words.to_owned(),
            1 => "restarted once".to_owned(),
            restarts => format!("restarted {restarts} times"),
        },
    };
    match &process.last_exit {
        Some(exit) => format!("{state}: {}", exit.cause),
        None => state,
    }
}

/// Says what a list of processes has no room for.
fn details(process: &Snapshot, children: &[Snapshot]) -> String {
    let mut parts = Vec::new();
    let waits_in = match process.state {
        ChildState::Starting | ChildState::Stopping => Some(process.state),
        _ => None,
    };
    if let Some(child) = children.iter().find(|child| Some(child.state) == waits_in) {
        parts.push(format!("waits for {}", child.path));
    }
    if let Some(location) = process.last_exit.as_ref().and_then(|exit| location(&exit.cause)) {
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
        parts.push(format!("{} children", children.len()));
    }
    if let Some(info) = process.supervisor.as_ref().filter(|info| info.intensity != usize::MAX) {
        parts.push(format!("{} of {} restarts used", info.restarts_used, info.intensity));
    }
    parts.join("; ")
}

fn location(cause: &RestartCause) -> Option<String> {
    let (RestartCause::Exit(Exit::Panicked(failure)) | RestartCause::Start(StartFailure::Panicked(failure))) = cause
    else {
        return None;
    };
    failure.location().map(ToString::to_string)
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
            "schema": 1, "captured_at": 1_000, "path": path, "child_id": id, "process_id": id, "kind": kind, "state": state,
            "stuck": false, "abandoned": false, "ready": state == "running", "since_seconds": 65.0, "restarts": 0,
            "last_exit": null, "spec": null, "supervisor": null, "children": children,
        })
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
        assert_eq!(of("running", 2, 1), (3, "restarted 2 times: failed: x: y".into()));
        assert_eq!(of("running", 2, 61).0, 0, "that is long ago");
        assert_eq!(of("restarting", 0, 61), (4, "waiting to restart: failed: x: y".into()));
        assert_eq!(of("stopped", 1, 61), (4, "stopped: failed: x: y".into()));
    }

    #[test]
    fn an_event_changes_a_process_until_the_next_snapshot() {
        let mut model = shop();
        model.apply(event("shop.web.a", 4, 2_000, "ready", &Value::Null, "shop.web.a is ready"));
        assert_eq!((model.nodes[4].state, &*model.nodes[4].words), (ChildState::Running, "is ready"));
        assert!(model.troubled().is_empty());
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
