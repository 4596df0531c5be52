//! The processes that supervisors below have left behind: children that did not yield when their supervisor stopped, or
//! that live on another executor than a supervisor that was lost (D3, N8).
//!
//! They are aborted. The next run of their supervisor adopts them; without one, the supervisor above waits for them at
//! its own end, and names them.

use std::{
    mem,
    sync::Arc,
    time::{Duration, Instant},
};

use super::Io;
use crate::{
    error::{UncleanProcess, UncleanStop},
    incarnation::{ChildId, Parent, ProcessKey},
    node::{Child, Scope, Subject, left_behind},
    observe::EventKind,
    strategy::ChildKind,
};

/// A process that was left behind.
pub(super) struct Left {
    /// The child of this supervisor that it was below.
    under: ChildId,
    id: ChildId,
    path: String,
    child: Arc<dyn Child>,
    since: Instant,
    /// Whether its end wakes this supervisor.
    is_waited_for: bool,
}

impl Left {
    fn new(under: ChildId, path: String, child: Arc<dyn Child>, since: Instant) -> Self {
        Self { under, id: child.id(), path, child, since, is_waited_for: false }
    }

    fn is_there(&self) -> bool {
        self.child.cell().process().is_some()
    }
}

impl Io {
    /// Remembers what a supervisor that has ended left behind.
    pub(super) fn remember_left(&mut self, supervisor: &Arc<dyn Child>, now: Instant) {
        let under = supervisor.id();
        let Some(shared) = supervisor.shared() else { return };
        let left = left_behind(shared, self.scope.path_of(supervisor.name()));
        self.left.extend(left.into_iter().map(|(path, child)| Left::new(under, path, child, now)));
    }

    /// Remembers what a supervisor in a scope left behind: the owner of the scope ends when that is gone (S1), and the
    /// supervisor that left it may be forgotten by then.
    pub(super) fn remember_for_owner(&mut self, supervisor: &Arc<dyn Child>) {
        let Some(shared) = supervisor.shared() else { return };
        self.left_in_scope.extend(left_behind(shared, String::new()).into_iter().map(|(_, child)| child));
    }

    /// Hands what is left in a scope to the link with its owner. Runs when the supervisor of the scope ends, before its
    /// exit is reported.
    pub(super) fn hand_left_to_owner(&mut self) {
        let left = mem::take(&mut self.left_in_scope);
        if let (false, Some(above)) = (left.is_empty(), Scope::above(&self.own.parent)) {
            above.shared().scopes().leave(&self.shared, left);
        }
    }

    /// Forgets what a supervisor left behind, because it runs again and adopts its own.
    pub(super) fn forget_left(&mut self, supervisor: ChildId) {
        self.left.retain(|left| left.under != supervisor);
    }

    /// Registers again. Runs when that process has ended, or was asked to stop. Both take this supervisor's waker out
    /// of its cell.
    pub(super) fn wait_for_left_again(&mut self, id: ChildId) {
        self.left.iter_mut().filter(|left| left.id == id).for_each(|left| left.is_waited_for = false);
    }

    /// Waits for the processes that are left. Runs when everything else has stopped. Returns until when they have time
    /// to end; `None` if none is left, or their time is up.
    pub(super) fn wait_for_left(&mut self, grace: Duration, now: Instant) -> Option<Instant> {
        loop {
            self.look_below_left();
            // N8: each has its grace from when it was left behind, and together they have until the last of these graces
            // ends.
            let until = self.left.iter().filter_map(|left| left.since.checked_add(grace)).max()?;
            // D3: the supervisor does not wait for them any longer.
            if until <= now {
                return None;
            }
            // Each is registered once. Every turn from now on runs this, and registering all of them each time would cost
            // the square of their number. No process has this key. The key says which one was woken: only that one has lost
            // its waker.
            let mut left = mem::take(&mut self.left);
            for left in &mut left {
                let key = ProcessKey::of_disposal(left.id);
                left.is_waited_for = left.is_waited_for || self.wait_for_vacancy(&*left.child, key);
            }
            self.left = left;
            // One that has ended meanwhile does not wake this supervisor.
            if self.left.iter().all(|left| left.is_waited_for) {
                return Some(until);
            }
        }
    }

    /// Forgets the processes that have ended. A supervisor among them may have left some itself, of which no other supervisor
    /// knows: they take its place.
    fn look_below_left(&mut self) {
        let mut below = Vec::new();
        self.left.retain(|left| {
            let is_there = left.is_there();
            if let (false, Some(shared)) = (is_there, left.child.shared()) {
                let found = left_behind(shared, left.path.clone()).into_iter();
                below.extend(found.map(|(path, child)| Left::new(left.under, path, child, left.since)));
            }
            is_there
        });
        self.left.append(&mut below);
    }

    /// Abandons the processes that have not yielded, and returns their names.
    pub(super) fn abandon_left(&mut self) -> Vec<UncleanProcess> {
        let mut unclean = Vec::new();
        for Left { path, id, child, .. } in mem::take(&mut self.left) {
            let flags = child.cell().abandon();
            // It has ended since the last look, and has reported its exit itself.
            if flags.is_ended() {
                continue;
            }
            // P1: reported once. A supervisor below has reported its own children when it stopped.
            if !flags.is_abandoned() {
                let process = child.cell().latest();
                let subject = || Subject { path: path.clone(), id: Some(id), process };
                self.scope.emit(EventKind::Abandoned, None, child.shared(), subject);
            }
            let stop = match child.settings().kind {
                ChildKind::Worker => UncleanStop::Abandoned,
                ChildKind::Supervisor => UncleanStop::AbandonedWithSubtree,
            };
            // A5: the outcome names it, even if another supervisor has emitted the event.
            unclean.push(UncleanProcess::new(path, stop));
        }
        unclean
    }
}
