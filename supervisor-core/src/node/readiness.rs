//! Waiting until a supervisor is ready (B8), and who must not wait (N6).

use std::{ptr, sync::Arc};

use futures_lite::future::or;

use super::{CallOrigin, ChildrenEngine, Scope, Shared};
use crate::{
    error::SupervisorError,
    incarnation::{ChildId, Flags},
    observe::{Changes, ChildState},
    waits::Waiting,
};

impl Shared {
    /// Waits until the supervisor is ready, with everything below it that counts.
    pub(crate) async fn ready(self: Arc<Self>) -> Result<(), SupervisorError> {
        loop {
            // A run or a change after these is not missed.
            let run = self.listen_for_runs();
            let change = self.changes().ok().or_else(changes_around_caller).map(|changes| changes.listen());
            if self.clone().is_ready().await {
                return Ok(());
            }
            // N7: after the end, nothing becomes ready.
            if self.is_gone_for_good() {
                return Err(self.not_running());
            }
            // N6: kept for as long as the caller waits.
            let _waiting = self.begin_to_wait()?;
            match change {
                Some(change) => or(run, change).await,
                None => run.await,
            }
        }
    }

    /// Records that the process that runs this code waits for the supervisor. Fails if the supervisor waits for the process.
    fn begin_to_wait(&self) -> Result<Option<Waiting>, SupervisorError> {
        let would_deadlock = || SupervisorError::WouldDeadlock { path: self.path() };
        let Some(caller) = CallOrigin::current() else { return Ok(None) };
        let is_own = |(scope, _): &(&Arc<Scope>, ChildId)| ptr::eq(&*scope.shared(), self);
        let mut inside = caller.upwards().take_while(|(scope, _)| !scope.is_outside());
        match (inside.any(|at| is_own(&at)), self.running_as()) {
            // A process of the supervisor may wait for the others.
            (true, _) if waits_for_caller(&caller, |scope| ptr::eq(&*scope.shared(), self)) => Err(would_deadlock()),
            (true, _) => Ok(None),
            // Where it is going to run is not known here. If it is in the caller's tree, it may start after the caller.
            (false, None) if waits_for_caller(&caller, |_| false) => Err(would_deadlock()),
            (false, None) => Ok(None),
            (false, Some(id)) => Waiting::begin(caller.chain(), id).map(Some).ok_or_else(would_deadlock),
        }
    }
}

/// Returns the changes in the tree of the process that runs this code. N6: the process may have to stop while it waits for a
/// supervisor that does not run.
fn changes_around_caller() -> Option<Changes> {
    CallOrigin::current()?.upwards().next().map(|(scope, _)| scope.changes.clone())
}

/// Returns whether a supervisor above a process waits for the process before it can be ready, the last one up to `is_last` or the
/// root: the process is not ready itself, or it has to stop, alone or with a supervisor above it.
fn waits_for_caller(caller: &CallOrigin, is_last: impl Fn(&Scope) -> bool) -> bool {
    let mut waits = false;
    let mut is_lowest = true;
    for (scope, child) in caller.upwards().take_while(|(scope, _)| !scope.is_outside()) {
        let shared = scope.shared();
        let Ok(locked) = shared.running() else { return true };
        let engine = locked.lock();
        let state = engine.state_of(child);
        // A process that has said that it is ready is, though its supervisor may not have read that yet.
        let is_ready = |engine: &ChildrenEngine| state == Some(ChildState::Running) || has_said_ready(engine, child);
        waits |= state == Some(ChildState::Stopping) || is_lowest && !is_ready(&engine);
        waits &= !engine.can_be_ready_beside(child);
        waits |= engine.is_stopping();
        if is_last(scope) {
            break;
        }
        // S3: what is above a scope is ready or not, whatever is in it.
        waits &= scope.scope_id.is_none();
        is_lowest = false;
    }
    waits
}

fn has_said_ready(engine: &ChildrenEngine, child: ChildId) -> bool {
    let Some(cell) = engine.find(child).map(|child| child.cell()) else { return false };
    cell.process().and_then(|process| cell.flags(process)).is_some_and(|flags| flags.contains(Flags::READY))
}
