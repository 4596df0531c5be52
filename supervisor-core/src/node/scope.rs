use std::{
    any::Any,
    iter,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::Instant,
};

use atomic_waker::AtomicWaker;

use super::Shared;
use crate::{
    incarnation::{ChildId, Exit, Name, Parent, ProcessId, ProcessKey, Report, ReportKind, guard, is_in_process},
    mailbox::{Envelope, Mailbox, Taken},
    observe::{Changes, Event, EventKind, Events, Observers},
    quiescence::{InFlight, Quiescence},
    spawner::{Executor, now, nudge},
};

/// A supervisor, as its children see it: where their reports go, what they are called, where they run.
///
/// What is above a root is a scope without a name.
///
/// Who holds this holds the executors. So processes do, and nothing that a user can keep for longer than its process lives.
pub(crate) struct Scope {
    name: Option<Name>,
    pub(super) parent: Option<Arc<Scope>>,
    /// As which child of its parent.
    pub(super) id: ChildId,
    /// What handles on the supervisor hold.
    shared: Arc<Shared>,
    /// The executor of its children.
    pub(crate) spawner: Executor,
    /// The executor of the supervisor itself.
    pub(crate) home: Executor,
    pub(crate) observers: Observers,
    pub(crate) changes: Changes,
    pub(crate) quiescence: Quiescence,
    reports: Mailbox<Report>,
    /// The supervisor was lost: how its children end is told by themselves.
    is_lost: AtomicBool,
    /// The end of a root that was lost, to be told when nothing is left below it: when this is dropped.
    loss: OnceLock<(ProcessId, Exit)>,
    /// The supervisor, when it has seen all that there was.
    waker: AtomicWaker,
}

/// What a child that runs on an executor of its own has above it.
pub(crate) struct PlacedParent {
    pub(crate) scope: Arc<Scope>,
    pub(crate) spawner: Executor,
}

impl Scope {
    /// The supervisor that a process has above it.
    pub(crate) fn above(parent: &Arc<dyn Parent>) -> Option<Arc<Self>> {
        let above = parent.clone().as_any();
        match above.downcast() {
            Ok(scope) => Some(scope),
            Err(above) => Some(above.downcast_ref::<PlacedParent>()?.scope.clone()),
        }
    }

    /// The executor that runs a process.
    pub(crate) fn executor(parent: &Arc<dyn Parent>) -> Option<Executor> {
        let above = parent.clone().as_any();
        match above.downcast_ref::<Self>() {
            Some(scope) => Some(scope.spawner.clone()),
            None => Some(above.downcast_ref::<PlacedParent>()?.spawner.clone()),
        }
    }

    /// What is above a root. `shared` is that of the root.
    pub(crate) fn outside(
        spawner: Executor,
        observers: Observers,
        quiescence: Quiescence,
        shared: Arc<Shared>,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: None,
            parent: None,
            id: ChildId::FIRST,
            shared,
            home: spawner.clone(),
            spawner,
            observers,
            changes: Changes::default(),
            quiescence,
            reports: Mailbox::new(),
            is_lost: AtomicBool::new(false),
            loss: OnceLock::new(),
            waker: AtomicWaker::new(),
        })
    }

    /// A supervisor of this name below: its own executor, and that of its children.
    pub(crate) fn below(
        self: Arc<Self>,
        name: Name,
        id: ChildId,
        shared: Arc<Shared>,
        home: Executor,
        spawner: Executor,
    ) -> Arc<Self> {
        Arc::new(Self {
            name: Some(name),
            id,
            shared,
            spawner,
            home,
            observers: self.observers.clone(),
            changes: self.changes.clone(),
            quiescence: self.quiescence.clone(),
            parent: Some(self),
            reports: Mailbox::new(),
            is_lost: AtomicBool::new(false),
            loss: OnceLock::new(),
            waker: AtomicWaker::new(),
        })
    }

    pub(crate) fn is_outside(&self) -> bool {
        self.name.is_none()
    }

    /// Whether it is that of a root.
    pub(crate) fn is_root(&self) -> bool {
        self.parent.as_ref().is_some_and(|parent| parent.is_outside())
    }

    /// How many supervisors there are from the root down to this one.
    pub(crate) fn depth(&self) -> usize {
        iter::successors(Some(self), |scope| scope.parent.as_deref()).filter(|scope| !scope.is_outside()).count()
    }

    /// The supervisor's own dotted name.
    pub(crate) fn path(&self) -> String {
        match (&self.parent, &self.name) {
            (Some(parent), Some(name)) => parent.path_of(name.as_str()),
            _ => String::new(),
        }
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Emits an event of this supervisor: to the log, the metrics and all subscribers. `own`: what handles share with the child
    /// that it is about, which may have subscribers of its own. The event is made only if there is a listener.
    pub(crate) fn emit(&self, kind: EventKind, own: Option<&Arc<Shared>>, event: impl FnOnce(EventKind) -> Event) {
        let subscribers = || {
            // B3: a subscriber hears of its supervisor and of all below, so all above hear of this.
            let above = iter::successors(Some(self), |scope| scope.parent.as_deref());
            // What is above a root has the `Shared` of the root, who is told already.
            let above = above.filter(|scope| !scope.is_outside()).map(|scope| &scope.shared);
            let all = own.into_iter().chain(above).map(|shared| shared.subscribers());
            all.filter(|subscribers| !subscribers.is_empty())
        };
        // B3: without a subscriber in the program this is one load, before anything is walked or made.
        let has_subscribers = Events::are_wanted() && subscribers().next().is_some();
        if !has_subscribers && !self.observers.want(&kind) {
            return;
        }
        let event = event(kind);
        self.observers.emit(&event);
        if has_subscribers {
            let event = Arc::new(event);
            subscribers().for_each(|subscribers| subscribers.emit(&event));
        }
    }

    /// The next report of a child.
    pub(crate) fn next_report(&self, taken: &mut Taken<Report>) -> Option<Envelope<Report>> {
        self.reports.next(taken)
    }

    /// The supervisor has ended: nothing is reported to it any more. What is still there below it was abandoned.
    pub(crate) fn close(&self) {
        self.reports.close().for_each(drop);
    }

    /// The supervisor is lost. Returns what it has not read. What its children report from now on, they tell themselves.
    pub(crate) fn close_lost(&self) -> Taken<Report> {
        // P1, A6: first the flag, then the mailbox. A process that finds the mailbox closed then sees that it has to
        // tell its end itself.
        self.is_lost.store(true, Ordering::Release);
        self.reports.close()
    }

    /// The supervisor is a root, and lost. That is the last thing that is told of its tree.
    pub(crate) fn emit_at_the_end(&self, process: ProcessId, exit: Exit) {
        let _ = self.loss.set((process, exit));
    }

    /// The supervisor has something to do, or may have.
    pub(crate) fn register(&self, waker: &Waker) {
        // Drops the waker before, which may be that of the task that runs the root: foreign code.
        let _ = guard(|| self.waker.register(waker));
    }

    /// Has the supervisor look what there is. Where user code does that, it may block its thread next, and some executors keep
    /// a task that was woken for the thread that woke it: so its executor is nudged.
    pub(crate) fn wake(&self) {
        if self.wake_up() {
            nudge(&**self.home);
        }
    }

    /// Whether it slept.
    fn wake_up(&self) -> bool {
        let Some(waker) = self.waker.take() else { return false };
        // It may be the waker of the task that runs the root: foreign code.
        let _ = guard(|| waker.wake());
        true
    }

    /// Gives the report back if the supervisor is gone.
    fn deliver(&self, report: Report) -> Result<(), Report> {
        // A report to the outside does not count: a tree is quiet although the task that runs it has not looked yet.
        let in_flight = if self.is_outside() { InFlight::none() } else { self.quiescence.in_flight() };
        // The report is in the mailbox before the supervisor is woken. Woken before, it could look too early, and
        // sleep.
        let delivered = self.reports.put(Envelope { message: report, in_flight }, || self.now());
        // Here a process has ended, or yields next. But one process may end inside of another one's poll.
        if self.wake_up() && is_in_process() {
            nudge(&**self.home);
        }
        delivered.map_err(|Envelope { message, .. }| message)
    }

    /// The time, as the supervisor measures it. Asked for also by a process that is dropped at the very end of its thread, where
    /// a backend may have no clock any more.
    pub(crate) fn now(&self) -> Instant {
        now(&**self.home)
    }

    /// How many reports wait to be taken out.
    pub(crate) fn unread_reports(&self) -> usize {
        self.reports.len()
    }

    /// Since when a report waits to be read.
    pub(crate) fn unread_since(&self) -> Option<Instant> {
        self.reports.waiting_since()
    }

    pub(crate) fn envelope<M>(&self, message: M) -> Envelope<M> {
        Envelope { message, in_flight: self.quiescence.in_flight() }
    }
}

/// Every process below holds it. So for a root that is lost this is the end of the tree.
impl Drop for Scope {
    fn drop(&mut self) {
        // A6: the last event of a root that is lost, when nothing of its tree is left.
        if let Some((process, exit)) = self.loss.take() {
            let event = |kind| Event { path: self.path(), process: Some(process), kind, took: None };
            self.emit(EventKind::Exited(exit), None, event);
            self.shared.subscribers().close();
            self.changes.notify();
        }
    }
}

impl Parent for Scope {
    fn report(&self, report: Report) {
        // If the supervisor is gone, the report is of no use.
        let _ = self.deliver(report);
    }

    fn exited(&self, process_key: ProcessKey, id: ProcessId, segment: &str, exit: Exit) {
        let unread = self.deliver(Report { process_key, kind: ReportKind::Exited(exit) });
        // P1: an exit that no supervisor reads is told as an event and in the log. Where the supervisor has stopped,
        // and was not lost, what is left was abandoned, and that was told.
        let Err(Report { kind: ReportKind::Exited(exit), .. }) = unread else { return };
        if self.is_lost.load(Ordering::Acquire) {
            let event = |kind| Event { path: self.path_of(segment), process: Some(id), kind, took: None };
            self.emit(EventKind::Exited(exit), None, event);
        }
    }

    fn tell_monitors(&self, id: ProcessId, exit: &Exit) {
        self.shared.monitors().tell(id, exit);
    }

    fn path_of(&self, segment: &str) -> String {
        // A1: whole names are made on demand. A process keeps its own segment only.
        let mut path = self.path();
        if !path.is_empty() {
            path.push('.');
        }
        path + segment
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

impl Parent for PlacedParent {
    fn report(&self, report: Report) {
        self.scope.report(report);
    }

    fn exited(&self, process_key: ProcessKey, id: ProcessId, segment: &str, exit: Exit) {
        self.scope.exited(process_key, id, segment, exit);
    }

    fn tell_monitors(&self, id: ProcessId, exit: &Exit) {
        self.scope.tell_monitors(id, exit);
    }

    fn path_of(&self, segment: &str) -> String {
        self.scope.path_of(segment)
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
