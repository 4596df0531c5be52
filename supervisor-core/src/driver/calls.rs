//! The calls that a supervisor has taken: it hands the requests to the engine, and the answers back to the callers.

use std::{sync::Arc, time::Instant};

use oneshot::Sender;

use super::{CALLS, Io};
use crate::{
    engine::{Caller, Refusal},
    error::{StartFailure, SupervisorError},
    incarnation::{ChildId, Parent, guard},
    node::{Call, Child, ChildrenEngine, Command, left_behind},
    observe::{ChildState, EventKind},
    waits::Waiting,
};

/// The longest order that is recorded in the table of waits: a search through more children takes too long.
const LONGEST_ORDER: usize = 256;

/// A call that was taken, and not answered yet.
pub(super) struct PendingCall {
    pub(super) reply: Sender<Result<(), SupervisorError>>,
    /// The children that have to start, or to stop, before the child that the call is about.
    _order: Option<Waiting>,
}

impl Io {
    pub(super) fn carry_out(&mut self, engine: &mut ChildrenEngine, command: Command, now: Instant) {
        match command {
            Command::Start { child, call, room } => {
                // A8: under the lock of the engine, so the child has the room before another one sees it.
                if let Some(room) = room {
                    room.redeem(engine);
                }
                // N7: a `spawn` has no caller. An event reports its result.
                let caller = call.map(|call| self.expect(call, || engine.comes_after_start(child.id())));
                engine.handle_start_child(child.id(), child, caller, now);
            }
            Command::Terminate(id, limit, call) => {
                let caller = self.expect(call, || engine.comes_after_end(id));
                engine.handle_terminate_child(id, limit, caller, now);
            }
            Command::Restart(id, call) => {
                let caller = self.expect(call, || engine.comes_after_start(id));
                engine.handle_restart_child(id, caller, now);
            }
            Command::Delete(id, call) => {
                // It is answered at once, and waits for nothing.
                let caller = self.expect(call, Vec::new);
                // N8: a supervisor that has stopped and left processes behind is not forgotten before they are gone: it
                // is the only way to reach them. The engine does not see below a child, so this is checked here.
                let has_left = |child: &&Arc<dyn Child>| {
                    child.shared().is_some_and(|shared| !left_behind(shared, String::new()).is_empty())
                };
                match engine.find(id).filter(has_left) {
                    Some(child) if engine.state_of(id) == Some(ChildState::Stopped) => {
                        engine.handle_refused_call(child.clone(), caller, Refusal::Stopping);
                    }
                    _ => engine.handle_delete_child(id, caller),
                }
            }
            Command::Kill(id, call) => {
                // It is answered at once, and waits for nothing.
                let caller = self.expect(call, Vec::new);
                engine.handle_kill_child(id, caller, now);
            }
            Command::Reload(id, call) => {
                let caller = self.expect(call, || engine.comes_after_reload(id));
                engine.handle_reload_child(id, caller, now);
            }
            // The engine need not know: that the supervisor has read it is the answer.
            Command::Ping(call) => reply_with(call.reply, Ok(())),
        }
    }

    pub(super) fn answer(&mut self, caller: Caller, child: Option<&dyn Child>, answer: Result<(), Refusal>) {
        let answer = answer.map_err(|refusal| self.error(child, refusal));
        // Removed as it is answered, so a caller gets one answer. A caller that has given up, and was forgotten, gets
        // none.
        if let Some(pending) = self.calls.try_remove(caller.key) {
            reply_with(pending.reply, answer);
        }
    }

    /// Forgets the callers that no longer wait. Runs only before the engine is fed, when it holds no answers: an answer to one of
    /// them would reach the next caller that gets its key.
    pub(super) fn forget_given_up(&mut self, engine: &mut ChildrenEngine) {
        // In the order of the keys, because they are looked at in that order.
        let mut given_up = Vec::new();
        self.calls.retain(|key, pending| {
            let waits = !pending.reply.is_closed();
            if !waits {
                given_up.push(key);
            }
            waits
        });
        engine.handle_callers_gone(|caller| given_up.binary_search(&caller.key).is_ok());
        self.calls.shrink_to_fit();
        // The next check comes when as many again wait, so its cost is spread over as many calls as it checks.
        self.calls_to_look_at = CALLS.max(2 * self.calls.len());
    }

    /// Refuses a child that was to be added.
    pub(super) fn refuse(&mut self, child: Arc<dyn Child>, caller: Option<Caller>, refusal: Refusal) {
        // N7: a `spawn` has no caller to answer, so an event reports it.
        match caller {
            Some(caller) => self.answer(caller, Some(&*child), Err(refusal)),
            None => self.emit(&*child, EventKind::Refused(self.error(Some(&*child), refusal))),
        }
        // A refused child leaves nothing behind. What its specification owns is user code, so a process drops it (P3).
        self.dispose(child);
    }

    /// Registers a call that waits for its answer, and before that for these children.
    fn expect(&mut self, call: Call, others: impl FnOnce() -> Vec<ChildId>) -> Caller {
        let Call { reply, from, wait, mut is_in_circle } = call;
        let mut order = None;
        // N6: the order of a stop, or of a group, is a link of the chain of who waits for whom, like a call. A caller
        // outside of a process is in no chain.
        if let Some(wait) = wait {
            let others = others();
            if (1..=LONGEST_ORDER).contains(&others.len()) {
                order = wait.comes_after(&others);
                is_in_circle = order.is_none();
            }
        }
        // The engine knows its own children only. So it is told which of them the caller is, or is below.
        let within = from.as_ref().and_then(|origin| origin.within(&self.scope));
        self.origins.extend(from);
        Caller { key: self.calls.insert(PendingCall { reply, _order: order }), within, is_in_circle }
    }

    /// Makes the error of a refusal. `child` is the child that it is about.
    pub(super) fn error(&self, child: Option<&dyn Child>, refusal: Refusal) -> SupervisorError {
        let own = || self.scope.path();
        let path = child.map_or_else(String::new, |child| self.scope.path_of(child.name()));
        match refusal {
            // A1: whole dotted names. The supervisor's name, if there is no child to name or the supervisor is the
            // reason.
            Refusal::NotFound => SupervisorError::NotFound { path: own() },
            Refusal::NotRunning => SupervisorError::ChildNotRunning { path },
            Refusal::Running => SupervisorError::Running { path },
            Refusal::Restarting => SupervisorError::Restarting { path },
            Refusal::Stopping => SupervisorError::Stopping { path },
            Refusal::Stuck => SupervisorError::Stuck { path },
            Refusal::RunsOnce => SupervisorError::RunsOnce { path },
            // R69, D7: a dynamic supervisor keeps no child that could be restarted or deleted.
            Refusal::Dynamic => SupervisorError::Dynamic { path: own() },
            Refusal::AtCapacity(max) => SupervisorError::AtCapacity { path: own(), max },
            // R59, D2: with unique names only. The id says which child has the name.
            Refusal::NameTaken { by: id, runs: true } => SupervisorError::AlreadyStarted { path, id },
            Refusal::NameTaken { by: id, runs: false } => SupervisorError::AlreadyPresent { path, id },
            Refusal::ShuttingDown => SupervisorError::ShuttingDown { path: own() },
            Refusal::WouldDeadlock => SupervisorError::WouldDeadlock { path: own() },
            Refusal::FailedToStart(cause) => match *cause {
                // R60, A1: if the child is a supervisor, the error names the process below it that has failed, and not
                // each level between.
                StartFailure::Below { path, cause } => SupervisorError::FailedToStart { path, cause: *cause },
                cause => SupervisorError::FailedToStart { path, cause },
            },
        }
    }
}

/// Answers a call. A caller that no longer waits gets no answer. P9: under a guard, because an answer wakes the caller, and a
/// waker is foreign code.
fn reply_with<T>(reply: Sender<T>, answer: T) {
    let _ = guard(|| reply.send(answer));
}
