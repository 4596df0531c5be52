//! The scope of a worker: a supervisor of the worker's own, and what links the two.
//!
//! The scope's supervisor is a process beside the worker, its *owner*, on the executor of the supervisor above. So it outlives
//! an executor of the owner's that ends. It reports to its [`Dependents`] instead of a supervisor, and these decide what the
//! end of one of the two means for the other:
//!
//! ```text
//!   the owner's future ends --(1)--> the scope is asked to stop, or aborted
//!   the scope has ended, and all below it ---(2)---> the owner's end is complete: reported (S1)
//!   the scope has failed while the owner runs --(3)--> the owner is aborted (S5)
//!   the owner is aborted --(4)--> the scope is aborted
//!   the owner is asked to stop --(4)--> the scope is asked, if the owner's future has ended, or if it comes first (S6)
//! ```
//!
//! 1. `owner_ended`: the process of the owner hands the rest of its end over.
//! 2. `settle`
//! 3. `exited`
//! 4. `pass_on`, a waiter in the owner's cell
//!
//! While the state is locked, nothing is woken, and no other lock is taken.

use std::{
    any::Any,
    collections::BTreeMap,
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    task::{Wake, Waker},
    time::Duration,
};

use super::{Child, Scope, Shared, check, left_behind};
use crate::{
    error::{Failure, SupervisorError, UncleanProcess},
    incarnation::{
        Control, Exit, Flags, Parent, PendingEnd, ProcessContext, ProcessId, ProcessKey, Report, ReportKind,
        StopReason, current, guard,
    },
    quiescence::InFlight,
    spawner::Executor,
};

/// A process that may open a scope: the one that runs this code.
pub(crate) struct Owner {
    id: ProcessId,
    control: Arc<dyn Control>,
    parent: Arc<dyn Parent>,
    above: Arc<Scope>,
    /// How long it may take to stop.
    time_to_stop: Duration,
}

impl Owner {
    /// Returns the process that runs this code.
    pub(crate) fn current() -> Result<Self, SupervisorError> {
        let own = current(|current| (current.id, current.control.clone(), current.parent.clone()));
        let (id, control, parent) = own.ok_or(SupervisorError::OutsideProcess)?;
        let above = Scope::above(&parent).ok_or(SupervisorError::OutsideProcess)?;
        let flags = control.cell().flags(id).unwrap_or(Flags::NONE);
        // One that only drops what its child owns is no worker: no supervisor waits for it (see `Flags::ABANDONED`).
        let is_disposal = flags.is_abandoned() && !flags.contains(Flags::ABORT);
        match control.time_to_stop() {
            Some(time_to_stop) if !is_disposal => Ok(Self { id, control, parent, above, time_to_stop }),
            _ => Err(SupervisorError::NoScope { path: parent.path_of(control.name()) }),
        }
    }

    /// Returns the scope, if the process has opened one.
    pub(crate) fn scope(&self) -> Option<Arc<Shared>> {
        self.above.shared().scopes().find(self.id).map(|dependents| dependents.shared())
    }

    pub(crate) fn path(&self) -> String {
        self.parent.path_of(self.control.name())
    }

    pub(crate) fn name(&self) -> &str {
        self.control.name()
    }

    pub(crate) fn time_to_stop(&self) -> Duration {
        self.time_to_stop
    }

    pub(crate) fn is_counted(&self) -> bool {
        self.control.meter().is_some()
    }

    /// Returns the executor that runs the process, if it is another one than that of its siblings.
    pub(crate) fn own_executor(&self) -> Option<Executor> {
        Scope::executor(&self.parent).filter(|executor| !Arc::ptr_eq(executor, &self.above.spawner))
    }

    /// Opens the scope of the process: starts its supervisor, if that can work here.
    pub(crate) fn open(self, scope: Arc<dyn Child>) -> Result<(), SupervisorError> {
        let Self { id, control, above, time_to_stop, .. } = self;
        check(&*scope, &|| above.path(), None, &**above.spawner, &**above.spawner, || above.depth())?;
        // S2: a brutal owner is not asked, and so nothing below it is.
        let at_end = if time_to_stop.is_zero() { Flags::ABORT } else { Flags::SHUTDOWN };
        let dependents = Dependents::link(id, control, above.clone(), at_end, scope.clone());
        // R78: the scope runs once, so nothing of it is kept for a successor.
        let key = ProcessKey::only(dependents.owner.id());
        let context = scope.clone().begin(key, &above, Flags::NO_SUCCESSOR);
        let context = ProcessContext { parent: dependents.clone(), ..context };
        // S1: first recorded, then marked, then spawned: a process with the mark finds its scope, and a scope that its
        // executor refuses finds the owner.
        above.shared().scopes().add(id, dependents.clone());
        dependents.owner.cell().mark_scoped(id);
        scope.start(context, &above);
        // The owner may have been aborted before.
        dependents.pass_on();
        Ok(())
    }
}

/// The scopes of a supervisor's children, by the processes that own them.
///
/// While it is locked, no other lock is taken, and no code of others runs.
#[derive(Default)]
pub(crate) struct Scopes(Mutex<BTreeMap<ProcessId, Arc<Dependents>>>);

impl Scopes {
    fn add(&self, owner: ProcessId, dependents: Arc<Dependents>) {
        self.lock().insert(owner, dependents);
    }

    /// Makes the owner of this scope wait for processes that a supervisor in it has left behind.
    pub(crate) fn leave(&self, scope: &Arc<Shared>, left: Vec<Arc<dyn Child>>) {
        let is_meant =
            |dependents: &&Arc<Dependents>| dependents.scope.shared().is_some_and(|of| Arc::ptr_eq(of, scope));
        let found = self.lock().values().find(is_meant).cloned();
        if let Some(dependents) = found {
            dependents.leave(left);
        }
    }

    fn remove(&self, owner: ProcessId) {
        let removed = self.lock().remove(&owner);
        drop(removed);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(super) fn find(&self, owner: ProcessId) -> Option<Arc<Dependents>> {
        self.lock().get(&owner).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProcessId, Arc<Dependents>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// Returns what handles share with the supervisor that a child is, or with the scope that it has opened.
    pub(crate) fn below(&self, child: &dyn Child) -> Option<Arc<Self>> {
        match child.shared() {
            Some(shared) => Some(shared.clone()),
            None => self.scopes().find(child.cell().scoped()?).map(|dependents| dependents.shared()),
        }
    }
}

/// The scope of one process, and the link between the two.
pub(crate) struct Dependents {
    me: Weak<Self>,
    /// The supervisor above the owner.
    above: Arc<Scope>,
    owner: Arc<dyn Control>,
    owner_id: ProcessId,
    /// What the scope is asked when the owner has ended by itself.
    at_end: Flags,
    scope: Arc<dyn Child>,
    state: Mutex<State>,
}

struct State {
    owner: OwnerState,
    /// How the scope has ended.
    exit: Option<Exit>,
    /// The failure of the scope that is the cause of the owner's end.
    failure: Option<Failure>,
    /// How many processes the scope has left behind that are still there.
    left: usize,
    /// Whether the scope has seen a request that was passed on to it.
    has_acknowledged: bool,
    /// Held for a request to the scope that it has not seen yet.
    asked: InFlight,
    /// Whether the supervisor above knows that processes which do not yield hold up the end.
    has_told: bool,
}

enum OwnerState {
    Lives,
    Ended(PendingEnd),
    Reported,
}

impl Dependents {
    /// Links a process and its scope.
    pub(crate) fn link(
        owner_id: ProcessId,
        owner: Arc<dyn Control>,
        above: Arc<Scope>,
        at_end: Flags,
        scope: Arc<dyn Child>,
    ) -> Arc<Self> {
        let state = State {
            owner: OwnerState::Lives,
            exit: None,
            failure: None,
            left: 0,
            has_acknowledged: false,
            asked: InFlight::none(),
            has_told: false,
        };
        let state = Mutex::new(state);
        Arc::new_cyclic(|me| Self { me: me.clone(), above, owner, owner_id, at_end, scope, state })
    }

    fn shared(&self) -> Arc<Shared> {
        self.scope.shared().expect("the scope is a supervisor").clone()
    }

    fn path(&self) -> String {
        self.above.path_of(self.owner.name())
    }

    /// Takes over the rest of the owner's end: its future was dropped.
    pub(crate) fn owner_ended(&self, end: PendingEnd) {
        // S2: an owner that was aborted, or lost, can ask nothing any more. N8: so all below it is aborted.
        let request = match &end.exit {
            Exit::Aborted | Exit::Lost => Flags::ABORT,
            _ => self.at_end,
        };
        // The task of the owner is over. Its waker is foreign code.
        let _ = guard(|| self.owner.cell().register_process(self.owner_id, Waker::noop()));
        let (process_key, has_acknowledged) = {
            let mut state = self.lock();
            let process_key = end.process_key();
            state.owner = OwnerState::Ended(end);
            if state.exit.is_none() {
                state.asked = self.above.quiescence.in_flight();
            }
            (process_key, state.has_acknowledged)
        };
        if has_acknowledged {
            self.above.report(Report { process_key, kind: ReportKind::Acknowledged });
        }
        self.scope.cell().request(request);
        // S2: asked to stop, or aborted, before its future ended.
        self.pass_on();
        self.settle();
    }

    /// Passes the requests to the owner on to the scope, and waits for the next ones.
    pub(crate) fn pass_on(&self) {
        let Some(me) = self.me.upgrade() else { return };
        let (cell, mut key) = (self.owner.cell(), None);
        // First registered, then read: a request that comes in between finds the waiter.
        cell.register_waiter(self.owner_id, &mut key, &Waker::from(me));
        let Some(flags) = cell.flags(self.owner_id).filter(|flags| !flags.is_ended()) else {
            // The waiter came after the end, which has woken all others.
            key.into_iter().for_each(|key| cell.deregister_waiter(key));
            return;
        };
        let has_ended = !matches!(self.lock().owner, OwnerState::Lives);
        // N8: a process that is aborted and does not yield leaves no orphans: what it owns is aborted, too.
        if flags.contains(Flags::ABORT) {
            self.scope.cell().request(Flags::ABORT);
        } else if flags.contains(Flags::SHUTDOWN) && (has_ended || flags.contains(Flags::CHILDREN_FIRST)) {
            // S6: while the owner runs, only if its scope comes first.
            self.scope.cell().request(Flags::SHUTDOWN);
        }
    }

    /// Completes the end of the owner, if it and everything in its scope has ended.
    fn settle(&self) {
        let (mut end, failure) = {
            let mut state = self.lock();
            if state.exit.is_none() || !matches!(state.owner, OwnerState::Ended(_)) {
                return;
            }
            if state.left > 0 {
                drop(state);
                self.tell_held();
                return;
            }
            let OwnerState::Ended(end) = mem::replace(&mut state.owner, OwnerState::Reported) else { return };
            (end, state.failure.take())
        };
        let unclean = self.take_unclean();
        self.above.shared().scopes().remove(self.owner_id);
        // S5: it was aborted for that; or its future has ended by itself while the scope stopped for that, maybe because it
        // could start nothing any more. P4: a panic of its own is told.
        if let (Some(failure), Exit::Aborted | Exit::Normal | Exit::Failed(_)) = (failure, &end.exit) {
            end.exit = Exit::Failed(failure);
        }
        end.complete(unclean);
    }

    /// Tells the supervisor above, once, that a process in the scope does not yield: as if the owner itself did not (D3).
    fn tell_held(&self) {
        let process_key = {
            let mut state = self.lock();
            // The processes of a scope that was lost have had no grace. The limits of the supervisor above hold for them,
            // unless it has none because the scope had answered.
            let have_had_grace = state.has_acknowledged || matches!(state.exit, Some(Exit::Shutdown(_)));
            let OwnerState::Ended(end) = &state.owner else { return };
            if !have_had_grace || state.has_told {
                return;
            }
            let process_key = end.process_key();
            state.has_told = true;
            process_key
        };
        // S7, A5: their names, before the process is given up.
        let unclean = self.take_unclean();
        if !unclean.is_empty() {
            self.above.report(Report { process_key, kind: ReportKind::Unclean(unclean) });
        }
        self.above.report(Report { process_key, kind: ReportKind::Held });
    }

    /// Takes out the processes of the scope that did not stop well, so that they are told once.
    fn take_unclean(&self) -> Vec<UncleanProcess> {
        let mut state = self.lock();
        match &mut state.exit {
            Some(Exit::Shutdown(termination)) => mem::take(&mut Arc::make_mut(termination).unclean),
            _ => Vec::new(),
        }
    }

    /// One of the processes that the scope has left behind is gone.
    fn vacated(&self, child: &dyn Child) {
        // P2: a supervisor that was left behind may have left some itself. No other waits for these any more.
        let left = child.shared().map_or_else(Vec::new, |shared| left_below(shared));
        {
            let mut state = self.lock();
            state.left += left.len();
            state.left -= 1;
        }
        self.wait_for(left);
        self.settle();
    }

    /// Waits for processes that a supervisor in the scope has left behind. Before the exit of the scope, which counts what it
    /// has left itself. A process that both count is waited for twice.
    fn leave(&self, left: Vec<Arc<dyn Child>>) {
        let left: Vec<_> = left.into_iter().filter_map(|child| Some((child.cell().process()?, child))).collect();
        self.lock().left += left.len();
        self.wait_for(left);
    }

    /// Waits for processes that are counted as left behind.
    fn wait_for(&self, left: Vec<(ProcessId, Arc<dyn Child>)>) {
        for (process, child) in left {
            Arc::new(Vacancy { dependents: self.me.clone(), child, process, is_told: Mutex::new(false) }).wait();
        }
    }

    /// Returns the failure of the owner, if the scope ended because it failed.
    fn failure_of(&self, exit: &Exit) -> Option<Failure> {
        let path = self.path();
        let error = match exit {
            Exit::Lost => SupervisorError::Lost { path },
            Exit::Panicked(panic) => SupervisorError::Panicked { path, panic: panic.clone() },
            Exit::Shutdown(termination) => match &termination.reason {
                StopReason::AutoShutdown { child, exit, .. } => {
                    SupervisorError::SignificantChildFailed { path, child: child.clone(), exit: exit.clone() }
                }
                // It was asked, and has done as it was asked.
                _ => return None,
            },
            _ => return None,
        };
        let failure = Failure::from_error(&error);
        // B7: an error of ours, kept as one of the user's would be.
        Some(if self.owner.error_handling().keeps { failure.with_error(error.into()) } else { failure })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the processes below a supervisor that has ended.
fn left_below(supervisor: &Arc<Shared>) -> Vec<(ProcessId, Arc<dyn Child>)> {
    let left = left_behind(supervisor, String::new());
    left.into_iter().filter_map(|(_, child)| Some((child.cell().process()?, child))).collect()
}

/// A waiter in the owner's cell.
impl Wake for Dependents {
    fn wake(self: Arc<Self>) {
        self.pass_on();
    }
}

/// What the supervisor of the scope sees above it.
impl Parent for Dependents {
    fn report(&self, report: Report) {
        // It counts as ready from the beginning.
        let ReportKind::Acknowledged = report.kind else { return };
        let process_key = {
            let mut state = self.lock();
            state.has_acknowledged = true;
            state.asked = InFlight::none();
            let OwnerState::Ended(end) = &state.owner else { return };
            end.process_key()
        };
        // N8: the supervisor above waits for it as for a supervisor below, which bounds each of its children itself.
        self.above.report(Report { process_key, kind: ReportKind::Acknowledged });
    }

    fn exited(&self, _: ProcessKey, _: ProcessId, _: &dyn Control, exit: Exit) {
        // S7, P2: what has not yielded, or lives on another executor, is waited for.
        let left = if exit.may_have_left_any() { left_below(&self.shared()) } else { Vec::new() };
        let failure = self.failure_of(&exit);
        let fails_owner = {
            let mut state = self.lock();
            state.left += left.len();
            state.exit = Some(exit);
            state.asked = InFlight::none();
            // S5: a needed child that failed first is the cause of the end, whether or not the owner has ended meanwhile. A
            // scope that is lost only then has ended nothing.
            let lives = matches!(state.owner, OwnerState::Lives);
            let is_cause = lives || matches!(state.exit, Some(Exit::Shutdown(_)));
            state.failure = failure.filter(|_| is_cause);
            lives && state.failure.is_some()
        };
        self.wait_for(left);
        if fails_owner {
            // S5, P5: if it has ended by now, the request does nothing.
            self.owner.cell().request_of(self.owner_id, Flags::ABORT);
        }
        self.owner.cell().let_see_shutdown(self.owner_id);
        self.settle();
    }

    fn tell_monitors(&self, id: ProcessId, exit: &Exit) {
        self.above.tell_monitors(id, exit);
    }

    fn path_of(&self, segment: &str) -> String {
        self.above.path_of(segment)
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self.above.clone()
    }
}

/// A waiter in the cell of a process that the scope has left behind.
struct Vacancy {
    dependents: Weak<Dependents>,
    child: Arc<dyn Child>,
    process: ProcessId,
    is_told: Mutex<bool>,
}

impl Vacancy {
    fn wait(self: Arc<Self>) {
        if self.child.cell().register_for_end(self.process, &Waker::from(self.clone())) {
            return;
        }
        let is_told = mem::replace(&mut *self.is_told.lock().unwrap_or_else(PoisonError::into_inner), true);
        if let (false, Some(dependents)) = (is_told, self.dependents.upgrade()) {
            dependents.vacated(&*self.child);
        }
    }
}

impl Wake for Vacancy {
    fn wake(self: Arc<Self>) {
        self.wait();
    }
}
