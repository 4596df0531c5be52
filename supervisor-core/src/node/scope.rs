use std::{
    any::Any,
    iter,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::Waker,
    time::{Duration, Instant},
};

use atomic_waker::AtomicWaker;

use super::Shared;
use crate::{
    incarnation::{
        ChildId, Control, Exit, Name, Parent, PendingEnd, ProcessId, ProcessKey, Report, ReportKind, Tally, guard,
        is_in_process,
    },
    mailbox::{Envelope, Mailbox, Taken},
    observe::{ARE_WANTED, Audience, Changes, Event, EventKind, Events, Metrics, Observers, Subscribers},
    quiescence::{InFlight, Quiescence},
    spawner::{Executor, now, nudge, system_time},
};

/// A supervisor, as its children see it: the receiver of their reports, their prefix, and their executor.
///
/// Above a root there is a scope without a name.
///
/// An owner of this keeps the executors alive. So processes hold it, and no value that a user can keep longer than its
/// process lives.
pub(crate) struct Scope {
    /// The dotted name of the supervisor: the part of the names below that they share. Empty above a root.
    pub(super) path: Arc<str>,
    pub(super) parent: Option<Arc<Scope>>,
    /// The id of the supervisor as a child of its parent.
    pub(super) id: ChildId,
    /// The id of the supervisor itself, if it is the scope of a worker: `id` is the worker's then, because names, events and
    /// calls from below know the two as one child of the parent.
    pub(super) scope_id: Option<ChildId>,
    /// The last of the children that it has when it starts.
    last_static: ChildId,
    /// Whether it is there whenever the root is: it, and all above it, are static children.
    is_fixture: bool,
    /// The state that handles on the supervisor hold.
    shared: Arc<Shared>,
    /// The executor of its children.
    pub(crate) spawner: Executor,
    /// The executor of the supervisor itself.
    pub(crate) home: Executor,
    pub(crate) observers: Observers,
    pub(crate) changes: Changes,
    audience: Audience,
    pub(crate) quiescence: Quiescence,
    reports: Mailbox<Report>,
    /// Whether the supervisor was lost: then its children report their ends themselves.
    is_lost: AtomicBool,
    /// The end of a lost root, reported when nothing is left below it: when this is dropped.
    loss: OnceLock<(ProcessId, Exit)>,
    /// The waker of the supervisor, while it waits for more.
    pub(crate) waker: Arc<AtomicWaker>,
}

/// The process that an event is about.
pub(crate) struct Subject {
    pub(crate) path: String,
    pub(crate) id: Option<ChildId>,
    pub(crate) process: Option<ProcessId>,
}

/// The parent of a child that runs on an executor of its own.
pub(crate) struct PlacedParent {
    pub(crate) scope: Arc<Scope>,
    pub(crate) spawner: Executor,
}

impl Scope {
    /// Returns the supervisor above a process.
    pub(crate) fn above(parent: &Arc<dyn Parent>) -> Option<Arc<Self>> {
        let above = parent.clone().as_any();
        match above.downcast() {
            Ok(scope) => Some(scope),
            Err(above) => Some(above.downcast_ref::<PlacedParent>()?.scope.clone()),
        }
    }

    /// Returns the executor that runs a process.
    pub(crate) fn executor(parent: &Arc<dyn Parent>) -> Option<Executor> {
        let above = parent.clone().as_any();
        match above.downcast_ref::<Self>() {
            Some(scope) => Some(scope.spawner.clone()),
            None => Some(above.downcast_ref::<PlacedParent>()?.spawner.clone()),
        }
    }

    /// Makes the scope above a root. `shared` is that of the root.
    pub(crate) fn outside(
        spawner: Executor,
        observers: Observers,
        quiescence: Quiescence,
        shared: Arc<Shared>,
    ) -> Arc<Self> {
        Arc::new(Self {
            path: Arc::default(),
            parent: None,
            id: ChildId::FIRST,
            scope_id: None,
            last_static: ChildId::FIRST,
            is_fixture: true,
            shared,
            home: spawner.clone(),
            spawner,
            observers,
            changes: Changes::default(),
            audience: Audience::default(),
            quiescence,
            reports: Mailbox::new(),
            is_lost: AtomicBool::new(false),
            loss: OnceLock::new(),
            waker: Arc::default(),
        })
    }

    /// Makes the scope of a supervisor of this name below: with its own executor, and that of its children.
    #[expect(clippy::too_many_arguments, reason = "the one caller has them side by side")]
    pub(crate) fn below(
        self: Arc<Self>,
        name: &Name,
        id: ChildId,
        scope_id: Option<ChildId>,
        last_static: ChildId,
        shared: Arc<Shared>,
        home: Executor,
        spawner: Executor,
    ) -> Arc<Self> {
        Arc::new(Self {
            path: self.path_of(name.as_str()).into(),
            id,
            scope_id,
            last_static,
            // A scope comes and goes with its owner.
            is_fixture: self.is_outside() || (self.is_fixture && self.is_static(id) && scope_id.is_none()),
            shared,
            spawner,
            home,
            observers: self.observers.clone(),
            changes: self.changes.clone(),
            audience: Audience::default(),
            quiescence: self.quiescence.clone(),
            parent: Some(self),
            reports: Mailbox::new(),
            is_lost: AtomicBool::new(false),
            loss: OnceLock::new(),
            waker: Arc::default(),
        })
    }

    pub(crate) fn is_outside(&self) -> bool {
        self.parent.is_none()
    }

    /// Returns whether this is the scope of a root.
    pub(crate) fn is_root(&self) -> bool {
        self.parent.as_ref().is_some_and(|parent| parent.is_outside())
    }

    /// Returns how many supervisors there are from the root down to this one.
    pub(crate) fn depth(&self) -> usize {
        self.ancestors().filter(|scope| !scope.is_outside()).count()
    }

    /// Returns whether it is one of the children that the supervisor has when it starts.
    pub(crate) fn is_static(&self, child: ChildId) -> bool {
        child <= self.last_static
    }

    /// Returns how many segments the dotted name of the nearest supervisor has that is there whenever the root is: this one, or
    /// one above. Names below that one come and go.
    fn fixed_depth(&self) -> usize {
        self.ancestors().find(|scope| scope.is_fixture).map_or(0, Self::depth)
    }

    /// Counts what happens to a child for itself, if it is a static one: so the number of series has a bound.
    pub(crate) fn count(&self, child: ChildId, segment: &str, kind: &EventKind) {
        if ARE_WANTED && self.is_fixture && self.is_static(child) {
            Metrics::observe_static(kind, || self.path_of(segment));
        }
    }

    /// Returns the supervisor's own dotted name.
    pub(crate) fn path(&self) -> String {
        self.path.to_string()
    }

    /// What its own events are about.
    pub(crate) fn as_subject(&self, process: ProcessId) -> Subject {
        Subject { path: self.path(), id: (!self.is_root()).then_some(self.id), process: Some(process) }
    }

    pub(crate) fn shared(&self) -> Arc<Shared> {
        self.shared.clone()
    }

    /// Emits an event of this supervisor: to the log, the metrics and all subscribers. `own` is what handles share with
    /// the child that the event is about, which may have subscribers of its own. The event is made only if there is a
    /// listener.
    pub(crate) fn emit(
        &self,
        kind: EventKind,
        took: Option<Duration>,
        own: Option<&Arc<Shared>>,
        subject: impl FnOnce() -> Subject,
    ) {
        // B3: without a subscriber in the program this costs one load, before anything is looked up or made.
        let are_wanted = Events::are_wanted();
        let own = own.map(|shared| shared.subscribers()).filter(|own| are_wanted && !own.is_empty());
        let above = are_wanted.then(|| self.audience());
        let subscribers = || own.into_iter().chain(above.iter().flat_map(|above| above.iter()));
        let has_subscribers = subscribers().next().is_some();
        if !has_subscribers && !self.observers.want(&kind) {
            return;
        }
        let Subject { path, id, process } = subject();
        let event = Event { path, id, process, at: system_time(&**self.home), kind, took };
        self.observers.emit(&event, || self.fixed_depth());
        if has_subscribers {
            let event = Arc::new(event);
            subscribers().for_each(|subscribers| subscribers.emit(&event));
        }
    }

    /// Returns the subscribers that get the events of this supervisor.
    fn audience(&self) -> Arc<[Arc<Subscribers>]> {
        // B3: a subscriber gets the events of its supervisor and of all below, so all supervisors above get this one. The scope
        // above a root has the `Shared` of the root, which has the event already.
        let supervisors = self.ancestors().filter(|scope| !scope.is_outside());
        self.audience.of(supervisors.map(|scope| scope.shared.subscribers()))
    }

    /// Returns this supervisor and those above it, upwards.
    fn ancestors(&self) -> impl Iterator<Item = &Self> {
        iter::successors(Some(self), |scope| scope.parent.as_deref())
    }

    /// Returns the next report of a child.
    #[inline]
    pub(crate) fn next_report(&self, taken: &mut Taken<Report>) -> Option<Envelope<Report>> {
        self.reports.next(taken)
    }

    /// Closes the mailbox, because the supervisor has ended. Processes that are still below it were abandoned.
    pub(crate) fn close(&self) {
        self.reports.close().for_each(drop);
    }

    /// Closes the mailbox, because the supervisor is lost. Returns the unread reports. From now on its children report
    /// their ends themselves.
    pub(crate) fn close_lost(&self) -> Taken<Report> {
        // P1, A6: first the flag, then the mailbox. A process that finds the mailbox closed then sees that it has to
        // report its end itself.
        self.is_lost.store(true, Ordering::Release);
        self.reports.close()
    }

    /// Records the loss of a root. It is emitted as the last event of its tree.
    pub(crate) fn emit_at_the_end(&self, process: ProcessId, exit: Exit) {
        let _ = self.loss.set((process, exit));
    }

    /// Registers the waker of the supervisor, to be woken when it may have something to do.
    pub(crate) fn register(&self, waker: &Waker) {
        // Drops the waker before, which may be that of the task that runs the root: foreign code.
        let _ = guard(|| self.waker.register(waker));
    }

    /// Wakes the supervisor. If user code does that, it may block its thread next, and some executors keep a woken task
    /// for the thread that woke it: so the executor is nudged.
    pub(crate) fn wake(&self) {
        if self.wake_up() {
            nudge(&**self.home);
        }
    }

    /// Wakes the supervisor. Returns whether it slept.
    fn wake_up(&self) -> bool {
        let Some(waker) = self.waker.take() else { return false };
        // It may be the waker of the task that runs the root: foreign code.
        let _ = guard(|| waker.wake());
        true
    }

    /// Delivers a report. Returns it if the supervisor is gone.
    fn deliver(&self, report: Report) -> Result<(), Report> {
        // A report to the outside does not count: a tree is quiet although the task that runs it has not looked yet.
        let in_flight = if self.is_outside() { InFlight::none() } else { self.quiescence.in_flight() };
        // The report is in the mailbox before the supervisor is woken. If it were woken before, it could look too
        // early, and sleep.
        let delivered = self.reports.put(Envelope { message: report, in_flight }, || self.now());
        // A process that reports has ended, or yields next. But it may end inside of the poll of another process.
        if self.wake_up() && is_in_process() {
            nudge(&**self.home);
        }
        delivered.map_err(|Envelope { message, .. }| message)
    }

    /// Returns the time on the supervisor's clock. A process that is dropped at the very end of its thread calls this,
    /// too, where a backend may have no clock any more.
    pub(crate) fn now(&self) -> Instant {
        now(&**self.home)
    }

    /// Returns how many reports wait to be taken out.
    pub(crate) fn unread_reports(&self) -> usize {
        self.reports.len()
    }

    /// Returns since when a report waits to be read.
    pub(crate) fn unread_since(&self) -> Option<Instant> {
        self.reports.waiting_since()
    }

    pub(crate) fn envelope<M>(&self, message: M) -> Envelope<M> {
        Envelope { message, in_flight: self.quiescence.in_flight() }
    }
}

/// Every process below holds it. So for a lost root this is the end of the tree.
impl Drop for Scope {
    fn drop(&mut self) {
        // A6: the last event of a lost root, when nothing of its tree is left.
        if let Some((process, exit)) = self.loss.take() {
            self.emit(EventKind::Exited(exit), None, None, || self.as_subject(process));
            self.shared.subscribers().close();
            self.changes.notify();
        }
    }
}

impl Parent for Scope {
    fn report(&self, report: Report) {
        // If the supervisor is gone, the report has no receiver.
        let _ = self.deliver(report);
    }

    fn exited(&self, process_key: ProcessKey, id: ProcessId, child: &dyn Control, exit: Exit) {
        let unread = self.deliver(Report { process_key, kind: ReportKind::Exited(exit) });
        // P1: an exit that no supervisor reads is reported as an event and in the log. If the supervisor has stopped,
        // and was not lost, the remaining processes were abandoned, and that was reported.
        let Err(Report { kind: ReportKind::Exited(exit), .. }) = unread else { return };
        if self.is_lost.load(Ordering::Acquire) {
            let (child, segment) = (process_key.child_key().id, child.name());
            let subject = || Subject { path: self.path_of(segment), id: Some(child), process: Some(id) };
            let kind = EventKind::Exited(exit);
            self.count(child, segment, &kind);
            self.emit(kind, None, None, subject);
        }
    }

    fn tell_monitors(&self, id: ProcessId, exit: &Exit) {
        self.shared.monitors().tell(id, exit);
    }

    fn take_over(&self, end: PendingEnd) {
        match self.shared.scopes().find(end.id()) {
            Some(dependents) => dependents.owner_ended(end),
            // Not reached: a process has the mark only while its scope is recorded here.
            None => end.complete(Vec::new()),
        }
    }

    fn clock(&self) -> Instant {
        now(&**self.spawner)
    }

    fn publish(&self, child: ChildId, segment: &str, unpublished: &mut dyn FnMut() -> Tally) {
        if ARE_WANTED {
            // A root has no supervisor, and is there all the same.
            let is_static = self.is_outside() || (self.is_fixture && self.is_static(child));
            Metrics::account(&self.path_of(segment), self.fixed_depth(), is_static, unpublished());
        }
    }

    fn path_of(&self, segment: &str) -> String {
        // A1: whole names are made on demand: a worker keeps its own segment only. A name is as long as the tree is deep, so it is
        // made from that of the supervisor, and not by a walk.
        if self.is_outside() {
            return segment.to_owned();
        }
        let mut path = String::with_capacity(self.path.len() + 1 + segment.len());
        path.push_str(&self.path);
        path.push('.');
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

    fn exited(&self, process_key: ProcessKey, id: ProcessId, child: &dyn Control, exit: Exit) {
        self.scope.exited(process_key, id, child, exit);
    }

    fn tell_monitors(&self, id: ProcessId, exit: &Exit) {
        self.scope.tell_monitors(id, exit);
    }

    fn take_over(&self, end: PendingEnd) {
        self.scope.take_over(end);
    }

    fn clock(&self) -> Instant {
        now(&**self.spawner)
    }

    fn publish(&self, child: ChildId, segment: &str, unpublished: &mut dyn FnMut() -> Tally) {
        self.scope.publish(child, segment, unpublished);
    }

    fn path_of(&self, segment: &str) -> String {
        self.scope.path_of(segment)
    }

    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}
