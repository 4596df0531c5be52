//! Reading a tree (B4). It needs no answer of a supervisor: what is read stands under a lock that none of them holds while it
//! runs foreign code. So it takes the same time whether executors are busy, blocked or gone.
//!
//! A supervisor with many children is read in pieces. Between two of them the lock is free, and so is the thread.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
    vec,
};

use futures_lite::future::yield_now;

use super::{
    Child, LockedEngine, Shared,
    locked_engine::{Cursor, PIECE},
    shared::Working,
};
use crate::{
    engine::{End, Slot, State},
    error::SupervisorError,
    incarnation::{ChildId, Exit, Name, ProcessId, ProcessKey},
    observe::{
        AbortReason, Accounting, ChildCounts, ChildInfo, ChildSpecInfo, ChildState, Failing, LastExit, RestartCause,
        Snapshot, SnapshotSource, SupervisorInfo,
    },
    strategy::{ChildKind, SupervisorSettings},
};

/// A supervisor that is being read.
struct Reading {
    snapshot: Snapshot,
    shared: Arc<Shared>,
    locked: Arc<LockedEngine>,
    is_running: bool,
    now: Instant,
    cursor: Cursor,
    /// Read, and not put into the snapshot yet.
    rows: vec::IntoIter<Row>,
    /// Whether all children up to here are ready, or need not be.
    is_ready: bool,
}

impl Shared {
    /// The supervisor with everything below it. As a loop, so that no depth is too much for a stack.
    pub(crate) async fn snapshot(self: Arc<Self>) -> Snapshot {
        let bare = |at| bare(at, self.path(), None, ChildKind::Supervisor, ChildState::Stopped);
        // One that has never run has no executor, and so no other clock.
        let Some((locked, working)) = self.look() else { return bare(SystemTime::now()) };
        let bare = bare(locked.system_time());
        let mut readings = vec![Reading::begin(bare, self, locked, working, true)];
        let mut nodes = 0;
        loop {
            let Some(reading) = readings.last_mut() else { unreachable!("the top one returns") };
            if let Some(row) = reading.rows.next() {
                // S3: or of the scope that a worker has.
                let shared = reading.shared.below(&*row.child);
                let node = row.snapshot(&reading.snapshot);
                match shared.and_then(|shared| Some((shared.look()?, shared))) {
                    Some(((locked, working), shared)) => {
                        readings.push(Reading::begin(node, shared, locked, working, false));
                    }
                    None => reading.add(node),
                }
                nodes += 1;
                // B4: the thread may be the only one.
                if nodes % PIECE == 0 {
                    yield_now().await;
                }
            } else if !reading.cursor.is_at_end() {
                reading.read_on();
            } else {
                let Some(done) = readings.pop().map(Reading::end) else { unreachable!("looked at above") };
                match readings.last_mut() {
                    Some(above) => above.add(done),
                    None => return done,
                }
            }
        }
    }

    /// Whether the supervisor is ready, with everything below it: the same as a snapshot says, without making one.
    pub(crate) async fn is_ready(self: Arc<Self>) -> bool {
        let mut to_read = vec![self];
        while let Some(shared) = to_read.pop() {
            let Some((locked, Some(_))) = shared.look() else { return false };
            if !locked.lock().is_ready() {
                return false;
            }
            // Its own engine has said it all. Only what is below has to be asked for itself.
            if locked.lock().counts().supervisors == 0 {
                continue;
            }
            let mut cursor = Cursor::default();
            loop {
                // B8: one that is stopped, or does not count, is not asked for what is below it.
                let counts = |slot: &Slot<Arc<dyn Child>>| {
                    slot.public_state() != ChildState::Stopped && slot.child.settings().counts_for_readiness()
                };
                to_read
                    .extend(locked.read(&mut cursor, |_, slot| counts(slot).then(|| shared_of(&slot.child)).flatten()));
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
        let locked = self.running()?;
        // D2: a name may be that of several, so all of them are found.
        let is_it = |slot: &Slot<Arc<dyn Child>>| match &name {
            Some(name) => slot.child.name() == name.as_str(),
            None => true,
        };
        let (mut children, mut cursor) = (Vec::new(), Cursor::default());
        loop {
            // R66: id, process or state, kind, in start order (R20).
            children.extend(locked.read(&mut cursor, |id, slot| is_it(slot).then(|| info(id, slot))));
            if cursor.is_at_end() {
                return Ok(children);
            }
            yield_now().await;
        }
    }

    /// Returns what is known of one child.
    pub(crate) fn child_info(&self, id: ChildId) -> Result<ChildInfo, SupervisorError> {
        let found = self.running()?.lock().slot(id).map(|slot| info(id, slot));
        found.ok_or_else(|| SupervisorError::NotFound { path: self.path() })
    }

    /// Returns what a process may know of those before it: the number of consecutive restarts, and how the last process
    /// ended. `None` if it is not a process of this supervisor any more.
    pub(crate) fn before(&self, process_key: ProcessKey) -> Option<(u32, Option<RestartCause>)> {
        // Also of a supervisor that is gone: a process that it has left behind may ask.
        let (locked, _) = self.look()?;
        let engine = locked.lock();
        let slot = engine.slot_of(process_key)?;
        let ended_well = || slot.has_ended_well().then_some(RestartCause::Exit(Exit::Normal));
        Some((slot.failures(), slot.end().map(|end| end.how.clone()).or_else(ended_well)))
    }

    pub(crate) fn count(&self) -> Result<ChildCounts, SupervisorError> {
        // R67, R75: kept by the engine as states change, so a million children are counted as fast as one.
        Ok(self.running()?.lock().counts())
    }

    pub(crate) fn child_spec(&self, id: ChildId) -> Result<ChildSpecInfo, SupervisorError> {
        // R68: as the supervisor has it, with all defaults filled in.
        self.child(id).map(|child| ChildSpecInfo::new(child.name(), child.settings()))
    }

    /// A child of the supervisor, if that runs.
    pub(super) fn child(&self, id: ChildId) -> Result<Arc<dyn Child>, SupervisorError> {
        let child = self.running()?.lock().find(id).cloned();
        child.ok_or_else(|| SupervisorError::NotFound { path: self.path() })
    }

    /// Whether the supervisor is stopping, or does not run.
    pub(crate) fn is_stopping(&self) -> bool {
        self.running().map_or(true, |locked| locked.lock().is_stopping())
    }

    pub(super) fn running(&self) -> Result<Arc<LockedEngine>, SupervisorError> {
        match self.look() {
            Some((locked, Some(_))) => Ok(locked),
            // N7, R70: no supervisor runs these children, so their last states are not returned as if one did.
            _ => Err(self.not_running()),
        }
    }
}

impl Reading {
    /// Completes what is known of a supervisor by what it knows itself. At the top that is all; below, its state is what the one
    /// above knows.
    fn begin(
        mut snapshot: Snapshot,
        shared: Arc<Shared>,
        locked: Arc<LockedEngine>,
        working: Option<Working>,
        is_top: bool,
    ) -> Self {
        let now = locked.now();
        let waits = working.as_ref().and_then(|working| working.unread_since);
        {
            let engine = locked.lock();
            let source = if working.is_some() { SnapshotSource::Running } else { SnapshotSource::Ended };
            let unread_for = waits.map(|since| now.saturating_duration_since(since));
            let used = engine.restarts_used(now);
            snapshot.supervisor =
                Some(SupervisorInfo::new(source, unread_for, used, engine.settings(), locked.placement));
            // At once, because to grow a large one takes long.
            snapshot.children.reserve_exact(engine.counts().specs);
            if is_top {
                snapshot.id = locked.id;
                snapshot.process = Some(locked.process);
                snapshot.restarts = locked.restarts;
                snapshot.accounting = locked.meter.as_deref().map(Accounting::of);
                snapshot.state = match working {
                    None => ChildState::Stopped,
                    Some(_) if engine.is_stopping() => ChildState::Stopping,
                    Some(_) if engine.is_up() => ChildState::Running,
                    Some(_) => ChildState::Starting,
                };
            }
        }
        let is_running = working.is_some();
        let (cursor, rows) = (Cursor::default(), Vec::new().into_iter());
        Self { snapshot, shared, locked, is_running, now, cursor, rows, is_ready: is_running }
    }

    fn read_on(&mut self) {
        let (is_running, now) = (self.is_running, self.now);
        let (settings, group) = {
            let engine = self.locked.lock();
            (engine.settings().clone(), engine.delayed_until())
        };
        let rows = self.locked.read(&mut self.cursor, |id, slot| {
            let failing = is_running.then(|| failing(slot, &settings, group, now)).flatten();
            Some(Row { failing, ..Row::of(id, slot, is_running, now) })
        });
        self.rows = rows.into_iter();
    }

    fn add(&mut self, child: Snapshot) {
        self.is_ready &= child.is_out_of_the_way();
        self.snapshot.children.push(child);
    }

    fn end(mut self) -> Snapshot {
        // S3: the readiness of a worker is its own, whatever its scope has.
        self.is_ready |= self.snapshot.kind == ChildKind::Worker;
        self.snapshot.ready = Snapshot::is_ready(self.snapshot.state, self.is_ready);
        self.snapshot
    }
}

/// A child, as its supervisor knows it.
struct Row {
    id: ChildId,
    child: Arc<dyn Child>,
    state: ChildState,
    is_stuck: bool,
    abort_reason: Option<AbortReason>,
    since: Option<Duration>,
    restarts: u32,
    failing: Option<Failing>,
    last_exit: Option<LastExit>,
}

impl Row {
    fn of(id: ChildId, slot: &Slot<Arc<dyn Child>>, is_supervised: bool, now: Instant) -> Self {
        let ago = |then: Instant| now.saturating_duration_since(then);
        let ended_well = || LastExit { cause: RestartCause::Exit(Exit::Normal), ago: None };
        // A supervisor that was lost has not seen how its children ended.
        let is_gone = !is_supervised && slot.state.is_live() && slot.child.cell().process().is_none();
        Self {
            id,
            child: slot.child.clone(),
            state: if is_gone { ChildState::Stopped } else { slot.public_state() },
            is_stuck: slot.is_stuck(),
            abort_reason: slot.abort_reason(),
            since: slot.since().filter(|_| !is_gone).map(ago),
            restarts: slot.restarts(),
            failing: None,
            last_exit: match slot.end() {
                // Of one before that: how the last one ended was told when it did.
                _ if is_gone => None,
                Some(End { how, at }) => Some(LastExit { cause: how.brief(), ago: Some(ago(*at)) }),
                None => slot.has_ended_well().then(ended_well),
            },
        }
    }

    fn snapshot(self, parent: &Snapshot) -> Snapshot {
        let Self { id, child, state, is_stuck, abort_reason, since, restarts, failing, last_exit } = self;
        let (segment, settings) = (child.name(), child.settings());
        Snapshot {
            id: Some(id),
            stuck: is_stuck,
            abort_reason,
            abandoned: state == ChildState::Stopped && child.cell().is_left(),
            ready: Snapshot::is_ready(state, true),
            since,
            restarts,
            failing,
            last_exit,
            spec: Some(ChildSpecInfo::new(segment, settings)),
            accounting: settings.meter().map(|meter| Accounting::of(meter)),
            ..bare(
                parent.captured_at,
                format!("{}.{segment}", parent.path),
                child.cell().latest(),
                settings.kind,
                state,
            )
        }
    }
}

/// Returns the failures of a child since it was last well.
fn failing(
    slot: &Slot<Arc<dyn Child>>,
    settings: &SupervisorSettings,
    group: Option<Instant>,
    now: Instant,
) -> Option<Failing> {
    let has_ended_well = slot.end().is_none_or(|end| matches!(&end.how, RestartCause::Exit(exit) if exit.is_success()));
    if slot.state == State::Stopped && has_ended_well {
        return None;
    }
    let since = slot.failing_since(settings.reset_after(slot.child.settings()), now)?;
    Some(Failing {
        since: now.saturating_duration_since(since),
        attempt: slot.failures(),
        next_in: slot.next_start(group).map(|next| next.saturating_duration_since(now)),
    })
}

fn shared_of(child: &Arc<dyn Child>) -> Option<Arc<Shared>> {
    child.shared().cloned()
}

fn info(id: ChildId, slot: &Slot<Arc<dyn Child>>) -> ChildInfo {
    let child = &slot.child;
    ChildInfo {
        id,
        name: child.name().to_owned(),
        process: child.cell().process(),
        state: slot.public_state(),
        kind: child.settings().kind,
    }
}

fn bare(
    captured_at: SystemTime,
    path: String,
    process: Option<ProcessId>,
    kind: ChildKind,
    state: ChildState,
) -> Snapshot {
    Snapshot {
        captured_at,
        path,
        id: None,
        process,
        kind,
        state,
        stuck: false,
        abort_reason: None,
        abandoned: false,
        ready: false,
        since: None,
        restarts: 0,
        failing: None,
        last_exit: None,
        spec: None,
        supervisor: None,
        accounting: None,
        children: Vec::new(),
    }
}
