//! What can be seen of a tree, and what the model says about its order.

use std::{collections::HashMap, fmt};

use super::{case::How, *};

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Event {
    /// In microseconds.
    pub(super) at: u64,
    /// To whom it happens, by number.
    pub(super) who: usize,
    pub(super) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum What {
    Start,
    Ready,
    Ignored,
    StartFailed,
    Ask,
    Abort,
    Exit(How),
    /// It is going to be restarted, which is charged.
    Restarting,
    Forgotten,
    /// A call about it is answered.
    Answer(Reply),
    GaveUp,
    /// It is a supervisor, and has ended. Who did not stop well below it, in the order of the numbers.
    Ended(Why, Vec<(usize, Bad)>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Reply {
    Ok,
    NotFound,
    NotRunning,
    Running,
    Dynamic,
    AtCapacity,
    NameTaken { runs: bool },
    FailedToStart,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Why {
    Requested,
    Killed,
    GaveUp,
    AutoShutdown(usize),
    FailedToStart(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Bad {
    Aborted,
    Failed,
}

/// One thing after the other.
pub(super) type Plot = Vec<Scene>;

#[derive(Clone, Debug)]
pub(super) enum Scene {
    Event(Event),
    /// Beside each other: nothing is said about which comes first.
    Beside(Vec<Plot>),
}

/// Checks that these events are those of the plot, in one of the orders that it allows.
pub(super) fn agree(plot: &Plot, events: &[Event]) -> Result<(), String> {
    let mut places: HashMap<&Event, VecDeque<usize>> = HashMap::new();
    for (key, event) in events.iter().enumerate() {
        places.entry(event).or_default().push_back(key);
    }
    find(plot, &mut places)?;
    match places.iter().find(|(_, places)| !places.is_empty()) {
        Some((event, _)) => Err(format!("the model does not know of {event:?}")),
        None => Ok(()),
    }
}

/// Returns the first and the last place of the plot's events.
fn find(plot: &Plot, places: &mut HashMap<&Event, VecDeque<usize>>) -> Result<Option<(usize, usize)>, String> {
    let mut range: Option<(usize, usize)> = None;
    for scene in plot {
        let next = match scene {
            Scene::Event(event) => {
                let key = places.get_mut(event).and_then(VecDeque::pop_front);
                let key = key.ok_or_else(|| format!("the engine does not know of {event:?}"))?;
                Some((key, key))
            }
            Scene::Beside(plots) => {
                let mut all: Option<(usize, usize)> = None;
                for plot in plots {
                    let one = find(plot, places)?;
                    all = all.zip(one).map(|(all, one)| (all.0.min(one.0), all.1.max(one.1))).or(all).or(one);
                }
                all
            }
        };
        if let (Some((_, last)), Some((first, _))) = (range, next) {
            if last > first {
                return Err(format!("the engine is too early with {scene:?}"));
            }
        }
        range = range.zip(next).map(|(range, next)| (range.0, next.1)).or(range).or(next);
    }
    Ok(range)
}

/// Shows one event a line. Those behind a bar are beside others.
pub(super) fn show(plot: &Plot) -> String {
    let line = |scene: &Scene| match scene {
        Scene::Event(event) => format!("{event}\n"),
        Scene::Beside(plots) => {
            let parts: Vec<_> = plots.iter().map(|plot| indented(&show(plot))).collect();
            parts.join("  --\n")
        }
    };
    plot.iter().map(line).collect()
}

pub(super) fn show_all(events: &[Event]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

fn indented(lines: &str) -> String {
    lines.lines().map(|line| format!("  | {line}\n")).collect()
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} us: {} {:?}", self.at, self.who, self.what)
    }
}
