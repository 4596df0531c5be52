//! What supervisors below have left behind: children that did not let go when theirs stopped, or that live on another executor
//! than one that was lost (D3, N8).
//!
//! They are aborted. A next run of their supervisor adopts them; without one, the supervisor above is the one that waits for
//! them at its own end, and names them.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::Io;
use crate::{
    error::{UncleanProcess, UncleanStop},
    incarnation::{ChildId, Parent, ProcessKey},
    node::Child,
    observe::{Event, EventKind},
    strategy::ChildKind,
};

/// One of them.
pub(super) struct Left {
    /// The child of this supervisor that it is below of.
    under: ChildId,
    id: ChildId,
    path: String,
    child: Arc<dyn Child>,
    since: Instant,
    /// Its end wakes this supervisor.
    is_waited_for: bool,
}

impl Left {
    fn is_there(&self) -> bool {
        self.child.cell().process().is_some()
    }
}

impl Io {
    /// A supervisor has ended. Remembers what it has left behind.
    pub(super) fn remember_left(&mut self, supervisor: &Arc<dyn Child>, now: Instant) {
        let under = supervisor.id();
        let left = left_behind(supervisor, self.scope.path_of(supervisor.name()));
        self.left.extend(left.into_iter().map(|(path, child)| Left {
            under,
            id: child.id(),
            path,
            child,
            since: now,
            is_waited_for: false,
        }));
    }

    /// It runs again, and looks after its own.
    pub(super) fn forget_left(&mut self, supervisor: ChildId) {
        self.left.retain(|left| left.under != supervisor);
    }

    /// It was woken, which takes its waiter out: by its end, or because it was asked to stop.
    pub(super) fn wait_for_left_again(&mut self, id: ChildId) {
        self.left.iter_mut().filter(|left| left.id == id).for_each(|left| left.is_waited_for = false);
    }

    /// All else has stopped. Until when those that are left have time to let go; `None` if none is there, or none has any.
    pub(super) fn wait_for_left(&mut self, grace: Duration, now: Instant) -> Option<Instant> {
        self.left.retain(Left::is_there);
        // N8: each has its grace from when it was left behind, and together they have until the last of these ends.
        let until = self.left.iter().filter_map(|left| left.since.checked_add(grace)).max()?;
        // D3: the supervisor waits for no one longer than that.
        if until <= now {
            return None;
        }
        // Once for each: every turn from now on comes by here, and to register all of them again would cost the square of
        // their number. The key is one that no process has, and says which one it was: only that one has lost its waiter.
        let mut left = mem::take(&mut self.left);
        left.retain_mut(|left| {
            let key = ProcessKey::of_disposal(left.id);
            left.is_waited_for = left.is_waited_for || self.wait_for_vacancy(&*left.child, key);
            left.is_waited_for
        });
        self.left = left;
        (!self.left.is_empty()).then_some(until)
    }

    /// Names those that do not let go.
    pub(super) fn abandon_left(&mut self) -> Vec<UncleanProcess> {
        let mut unclean = Vec::new();
        for Left { path, child, .. } in mem::take(&mut self.left) {
            let flags = child.cell().abandon();
            // It has gone after the last look, and has told its exit itself.
            if flags.is_ended() {
                continue;
            }
            // P1: told by whoever is first. A supervisor below, when it stopped, has told it of its own children.
            if !flags.is_abandoned() {
                let event = |kind| Event { path: path.clone(), process: child.cell().latest(), kind, took: None };
                self.scope.emit(EventKind::Abandoned, child.shared(), event);
            }
            let stop = match child.settings().kind {
                ChildKind::Worker => UncleanStop::Abandoned,
                ChildKind::Supervisor => UncleanStop::AbandonedWithSubtree,
            };
            // A5: the outcome names it, whoever has told the event.
            unclean.push(UncleanProcess::new(path, stop));
        }
        unclean
    }
}

/// The processes below a supervisor that has ended, with their dotted names.
pub(super) fn left_behind(supervisor: &Arc<dyn Child>, path: String) -> Vec<(String, Arc<dyn Child>)> {
    let (mut found, mut to_look) = (Vec::new(), vec![(path, supervisor.clone())]);
    while let Some((path, child)) = to_look.pop() {
        let Some(shared) = child.shared() else { continue };
        // One that runs looks after its own, and its lock is not taken: locks are taken downwards, and only of
        // supervisors that have ended.
        let Some((locked, None)) = shared.look() else { continue };
        for (_, below, _) in locked.lock().children() {
            let path = format!("{path}.{}", below.name());
            // One that is still there has those below it for itself. One that has ended may have left some.
            if below.cell().is_occupied() {
                found.push((path, below.clone()));
            } else if below.settings().kind == ChildKind::Supervisor {
                to_look.push((path, below.clone()));
            }
        }
    }
    found
}
