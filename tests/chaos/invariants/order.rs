use std::collections::{BTreeMap, BTreeSet};

use supervisor_core::{EventKind, ShutdownOrder};

use super::{Invariant, Seen, Setting};

/// A rule: siblings start one after the other, and one that is reported as started for the first time comes after all
/// before it. When a whole supervisor stops in order, a child is asked once all after it are gone, unless a call stops
/// it alone.
pub(super) struct Order {
    /// By the dotted names of their children: the siblings before each.
    before: BTreeMap<String, Vec<String>>,
    /// The same, the other way round, for supervisors that stop in order, and have the time for it.
    behind: BTreeMap<String, Vec<String>>,
    /// Those that have started at least once.
    started: BTreeSet<String>,
    present: BTreeSet<String>,
    ready: BTreeSet<String>,
    /// Supervisors that have to stop at once.
    hurried: BTreeSet<String>,
    /// Children that a call may stop out of turn.
    called: BTreeSet<String>,
    is_over: bool,
}

impl Order {
    pub(super) fn new(setting: &Setting) -> Self {
        let mut order = Self {
            before: BTreeMap::new(),
            behind: BTreeMap::new(),
            started: BTreeSet::new(),
            present: BTreeSet::new(),
            ready: BTreeSet::new(),
            hurried: BTreeSet::new(),
            called: BTreeSet::new(),
            is_over: false,
        };
        for (_, settings, children) in &setting.supervisors {
            for (index, child) in children.iter().enumerate() {
                order.before.insert(child.clone(), children[..index].to_vec());
                if settings.order == ShutdownOrder::Reverse && settings.budget.is_none() {
                    order.behind.insert(child.clone(), children[index + 1..].to_vec());
                }
            }
        }
        order
    }
}

impl Invariant for Order {
    fn see(&mut self, seen: &Seen<'_>) -> Result<(), String> {
        let event = match seen {
            Seen::Event(event) => event,
            Seen::AskedToStop => {
                self.is_over = true;
                return Ok(());
            }
            Seen::Called { path } => {
                self.called.insert((*path).to_owned());
                return Ok(());
            }
            Seen::Begun { .. } | Seen::Ended { .. } => return Ok(()),
        };
        let path = &event.path;
        match &event.kind {
            EventKind::Started => {
                self.present.insert(path.clone());
                self.started.insert(path.clone());
                // A child that was terminated before its turn came is not started.
                let is_missing =
                    |sibling: &&String| !self.started.contains(*sibling) && !self.called.contains(*sibling);
                let missing = self.before.get(path).and_then(|all| all.iter().find(is_missing));
                if let Some(missing) = missing {
                    return Err(format!("{path} has started before {missing}"));
                }
            }
            EventKind::Ready => drop(self.ready.insert(path.clone())),
            EventKind::Exited(_) | EventKind::StartFailed(_) | EventKind::Ignored | EventKind::Abandoned => {
                self.ready.remove(path);
                self.present.remove(path);
                // It is aborted, in case that it ever answers.
                if let EventKind::Abandoned = event.kind {
                    self.hurried.insert(path.clone());
                }
            }
            // The rest of its group's stop goes on (D3).
            EventKind::Stuck => drop(self.present.remove(path)),
            // Before that, a call may have terminated this one alone. A set-up is aborted at once.
            EventKind::Aborted => drop(self.hurried.insert(path.clone())),
            EventKind::Stopping if self.is_over && self.ready.contains(path) && !self.called.contains(path) => {
                if self.hurried.iter().any(|above| path.starts_with(above.as_str())) {
                    return Ok(());
                }
                let left =
                    self.behind.get(path).and_then(|all| all.iter().find(|sibling| self.present.contains(*sibling)));
                if let Some(left) = left {
                    return Err(format!("{path} is stopped while {left} is there"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}
