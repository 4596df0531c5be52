//! Reading a tree (B4). It needs no answer of a supervisor: what is read stands under a lock that none of them holds while it
//! runs foreign code. So it takes the same time whether executors are busy, blocked or gone.
//!
//! A supervisor with many children is read in pieces. Between two of them the lock is free, and so is the thread.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_lite::future::yield_now;

use super::{
    Hub,
    hub::Working,
    shared::{Cursor, Shared},
};
use crate::{
    child::Child,
    engine::{End, Slot},
    error::SupervisorError,
    observe::{ChildInfo, ChildSpecInfo, ChildState, Counts, LastExit, Snapshot, Source, SupervisorInfo},
    process::{ChildId, Exit, Name, ProcessId},
    strategy::ChildKind,
};

/// A snapshot in the making, and the one that it belongs in.
struct Node {
    parent: usize,
    snapshot: Snapshot,
}

impl Hub {
    /// The supervisor with everything below it. As a loop, so that no depth is too much for a stack.
    pub(crate) async fn snapshot(self: Arc<Self>) -> Snapshot {
        let top = bare(self.path(), None, ChildKind::Supervisor, ChildState::Stopped);
        let mut nodes = vec![Node { parent: 0, snapshot: top }];
        let mut to_read = vec![(0, self)];
        while let Some((index, hub)) = to_read.pop() {
            let Some((shared, working)) = hub.look() else { continue };
            let now = shared.now();
            describe(&mut nodes[index].snapshot, &shared, working.as_ref(), now, index == 0);
            let parent = nodes[index].snapshot.path.clone();
            let mut cursor = Cursor::default();
            loop {
                let rows = shared.read(&mut cursor, |id, slot| Some(Row::of(id, slot, working.is_some(), now)));
                for row in rows {
                    to_read.extend(row.hub().map(|hub| (nodes.len(), hub)));
                    nodes.push(Node { parent: index, snapshot: row.snapshot(&parent) });
                }
                if cursor.is_at_end() {
                    break;
                }
                yield_now().await;
            }
        }
        assemble(nodes)
    }

    /// Whether the supervisor is ready, with everything below it: the same as a snapshot says, without making one.
    pub(crate) async fn is_ready(self: Arc<Self>) -> bool {
        let mut to_read = vec![self];
        while let Some(hub) = to_read.pop() {
            let Some((shared, Some(_))) = hub.look() else { return false };
            if !shared.lock().is_ready() {
                return false;
            }
            if shared.lock().counts().supervisors == 0 {
                continue;
            }
            let mut cursor = Cursor::default();
            loop {
                let is_below = |slot: &Slot<Arc<dyn Child>>| slot.public_state() != ChildState::Stopped;
                to_read
                    .extend(shared.read(&mut cursor, |_, slot| is_below(slot).then(|| hub_of(&slot.spec)).flatten()));
                if cursor.is_at_end() {
                    break;
                }
                yield_now().await;
            }
        }
        true
    }

    /// The children, in start order: all of them, or those of this name.
    pub(crate) async fn children(&self, name: Option<Name>) -> Result<Vec<ChildInfo>, SupervisorError> {
        let shared = self.running()?;
        let is_it = |slot: &Slot<Arc<dyn Child>>| match &name {
            Some(name) => slot.spec.name().as_str() == name.as_str(),
            None => true,
        };
        let (mut children, mut cursor) = (Vec::new(), Cursor::default());
        loop {
            children.extend(shared.read(&mut cursor, |id, slot| is_it(slot).then(|| info(id, slot))));
            if cursor.is_at_end() {
                return Ok(children);
            }
            yield_now().await;
        }
    }

    pub(crate) fn count(&self) -> Result<Counts, SupervisorError> {
        Ok(self.running()?.lock().counts())
    }

    pub(crate) fn child_spec(&self, child: ChildId) -> Result<ChildSpecInfo, SupervisorError> {
        let shared = self.running()?;
        let spec = shared.lock().find(child).cloned();
        match spec {
            Some(spec) => Ok(ChildSpecInfo::new(spec.segment(), spec.settings())),
            None => Err(SupervisorError::NotFound { path: self.path() }),
        }
    }

    /// What a child is doing, if the supervisor runs.
    pub(crate) fn state_of(&self, child: ChildId) -> Option<ChildState> {
        self.running().ok()?.lock().state_of(child)
    }

    /// Whether a child is stopped, or is going to be with its supervisor.
    pub(crate) fn is_stopping_with(&self, child: ChildId) -> bool {
        let Ok(shared) = self.running() else { return true };
        let engine = shared.lock();
        engine.is_stopping() || engine.state_of(child) == Some(ChildState::Stopping)
    }

    fn running(&self) -> Result<Arc<Shared>, SupervisorError> {
        match self.look() {
            Some((shared, Some(_))) => Ok(shared),
            _ => Err(self.not_running()),
        }
    }
}

/// Writes down what a supervisor knows of itself. What its parent knows of it stays, where it has one in this snapshot.
fn describe(snapshot: &mut Snapshot, shared: &Shared, working: Option<&Working>, now: Instant, is_top: bool) {
    let unread_for = working.and_then(|working| working.unread_since).map(|since| now.saturating_duration_since(since));
    let engine = shared.lock();
    let source = if working.is_some() { Source::Running } else { Source::Ended };
    snapshot.supervisor = Some(SupervisorInfo::new(source, unread_for, engine.settings()));
    if is_top {
        snapshot.process = Some(shared.process);
        snapshot.restarts = shared.restarts;
        snapshot.state = match working {
            None => ChildState::Stopped,
            Some(_) if engine.is_stopping() => ChildState::Stopping,
            Some(_) if engine.is_up() => ChildState::Running,
            Some(_) => ChildState::Starting,
        };
    }
}

/// Puts each node into the one that it belongs in. Those below come behind those above, and siblings in their order.
fn assemble(mut nodes: Vec<Node>) -> Snapshot {
    let top = loop {
        let Some(Node { parent, mut snapshot }) = nodes.pop() else { unreachable!("the first one is the last to go") };
        snapshot.children.reverse();
        let knows_children = snapshot.supervisor.as_ref().is_none_or(|info| info.source == Source::Running);
        snapshot.ready = knows_children && Snapshot::is_ready(snapshot.state, &snapshot.children);
        match nodes.get_mut(parent) {
            Some(above) => above.snapshot.children.push(snapshot),
            None => break snapshot,
        }
    };
    debug_assert!(nodes.is_empty());
    top
}

/// A child, as its supervisor knows it.
struct Row {
    id: ChildId,
    child: Arc<dyn Child>,
    state: ChildState,
    since: Option<Duration>,
    restarts: u32,
    last_exit: Option<LastExit>,
}

impl Row {
    fn of(id: ChildId, slot: &Slot<Arc<dyn Child>>, is_supervised: bool, now: Instant) -> Self {
        let ago = |then: Instant| now.saturating_duration_since(then);
        let ended_well = || LastExit { how: Exit::Normal.to_string(), ago: None };
        // A supervisor that was lost has not seen how its children ended.
        let is_gone = !is_supervised && slot.state.is_live() && slot.spec.cell().process().is_none();
        Self {
            id,
            child: slot.spec.clone(),
            state: if is_gone { ChildState::Stopped } else { slot.public_state() },
            since: slot.since().map(ago),
            restarts: slot.restarts(),
            last_exit: match slot.end() {
                Some(End { how, at }) => Some(LastExit { how: how.to_string(), ago: Some(ago(*at)) }),
                None => slot.has_ended_well().then(ended_well),
            },
        }
    }

    fn hub(&self) -> Option<Arc<Hub>> {
        hub_of(&self.child)
    }

    fn snapshot(self, parent: &str) -> Snapshot {
        let Self { id, child, state, since, restarts, last_exit } = self;
        let (segment, settings) = (child.segment(), child.settings());
        Snapshot {
            id: Some(id),
            since,
            restarts,
            last_exit,
            spec: Some(ChildSpecInfo::new(segment, settings)),
            ..bare(format!("{parent}.{segment}"), child.cell().latest(), settings.kind, state)
        }
    }
}

fn hub_of(child: &Arc<dyn Child>) -> Option<Arc<Hub>> {
    child.hub()?.downcast().ok()
}

fn info(id: ChildId, slot: &Slot<Arc<dyn Child>>) -> ChildInfo {
    let spec = &slot.spec;
    ChildInfo {
        id,
        name: spec.segment().to_owned(),
        process: spec.cell().process(),
        state: slot.public_state(),
        kind: spec.settings().kind,
    }
}

fn bare(path: String, process: Option<ProcessId>, kind: ChildKind, state: ChildState) -> Snapshot {
    Snapshot {
        path,
        id: None,
        process,
        kind,
        state,
        ready: false,
        since: None,
        restarts: 0,
        last_exit: None,
        spec: None,
        supervisor: None,
        children: Vec::new(),
    }
}
