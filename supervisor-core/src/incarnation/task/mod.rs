use std::{
    any::Any,
    cell::Cell,
    fmt,
    future::Future,
    mem::ManuallyDrop,
    pin::Pin,
    ptr,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use pin_project_lite::pin_project;

use super::{
    ChildId, ChildKey, Control, ControlCell, Exit, Flags, ProcessId, ProcessKey, Tally, aftermath::Aftermath, guard,
    handover, polls,
};
use crate::{
    error::UncleanProcess,
    quiescence::{InFlight, Quiescence},
    trace::{self, Origin, Span},
};

/// One incarnation of a child: the future that a [`Spawner`](crate::Spawner) runs as an independent task.
///
/// An executor polls it until it is ready, or drops it. In every case the supervisor gets exactly one report of its
/// exit, after the user's future has been dropped. The process itself does everything that supervision needs from a
/// task: it catches panics of user code, an abort drops the user's future at the next poll, and a task that is dropped
/// unfinished is reported as lost. So an executor has to return no handle and no result.
///
/// It has the size of two words, and never panics.
#[must_use = "a process does nothing until it is polled, and is reported as lost when it is dropped"]
pub struct Process(Option<Pin<Box<dyn Incarnation>>>);

const _: () = assert!(size_of::<Process>() == 2 * size_of::<usize>());

/// The link from a process to the supervisor above it.
pub(crate) trait Parent: Send + Sync {
    /// Delivers a report. Never blocks, never panics.
    fn report(&self, report: Report);

    /// Delivers the last report of a process, the exit. The id and the child, for its name, are needed if the supervisor is
    /// gone.
    fn exited(&self, process_key: ProcessKey, id: ProcessId, child: &dyn Control, exit: Exit) {
        let _ = (id, child);
        self.report(Report { process_key, kind: ReportKind::Exited(exit) });
    }

    /// Tells the monitors of a process how it has ended. Never blocks for long, never panics.
    fn tell_monitors(&self, id: ProcessId, exit: &Exit) {
        let _ = (id, exit);
    }

    /// Takes over the end of a process that has a scope. It is complete when the scope has ended, too (S1).
    fn take_over(&self, end: PendingEnd) {
        end.complete(Vec::new());
    }

    /// Returns the time on the clock of the executor that runs the process. Never panics.
    fn clock(&self) -> Instant {
        Instant::now()
    }

    /// Adds numbers of a child to the metrics, if there are any. Never panics.
    fn publish(&self, child: ChildId, segment: &str, unpublished: &mut dyn FnMut() -> Tally) {
        let _ = (child, segment, unpublished);
    }

    /// Returns the dotted name of a child of this supervisor.
    fn path_of(&self, segment: &str) -> String;

    /// Returns this as `Any`, for `node` only: it is a scope, or the scope of a child on another executor. This is the
    /// one cast between types of ours. A scope holds executors, an executor takes a [`Process`], and a process has
    /// this: if the types were named here, the three would be one module.
    fn as_any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync>;
}

/// A report of a process to its supervisor.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) process_key: ProcessKey,
    pub(crate) kind: ReportKind,
}

#[derive(Debug)]
pub(crate) enum ReportKind {
    /// The set-up is done.
    Ready,
    /// A supervisor has seen the request to stop, or to stop now.
    Acknowledged,
    /// The last report of a process.
    Exited(Exit),
    /// A process that an earlier run of the supervisor left behind may be gone now.
    Vacated,
    /// These processes in the scope of a worker did not stop well. Comes before the end of the worker.
    Unclean(Vec<UncleanProcess>),
    /// The process has ended, but in its scope there is a process that was aborted and has not yielded.
    Held,
}

/// The facts that a process has to know about itself.
#[derive(Clone)]
pub(crate) struct ProcessContext {
    pub(crate) id: ProcessId,
    pub(crate) process_key: ProcessKey,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) parent: Arc<dyn Parent>,
    pub(crate) quiescence: Quiescence,
}

impl ProcessContext {
    /// Makes the span for the process. `origin` is what it follows from, and `is_only` that no other incarnation does.
    pub(crate) fn span(&self, origin: Option<&Origin>, is_only: bool) -> Span {
        trace::process_span(self.id.as_u64(), origin, is_only, || self.parent.path_of(self.control.name()))
    }
}

/// The code that runs inside a process: user code, or a supervisor.
pub(crate) trait ProcessBody: Send + 'static {
    /// Whether an abort drops it. A supervisor is not dropped: it stays, to abort the processes below it.
    const ABORTABLE: bool = true;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step>;

    /// Announces that it is about to be dropped though it has not ended by itself. A supervisor then aborts what is
    /// below it.
    fn cut_short(self: Pin<&mut Self>, exit: &Exit) {
        let _ = exit;
    }
}

#[derive(Debug)]
pub(crate) enum Step {
    /// The set-up is done; poll again.
    Ready,
    Ended(Exit),
    /// Another process has taken the place of this one: that one reports, and this one no longer does.
    Moved,
}

/// The result of a poll. Each poll returns it, so it is one byte; an exit is stored beside it.
enum PollOutcome {
    Pending,
    Ready,
    Moved,
    Ended,
    CutShort,
}

/// The process that is being polled, or dropped, on this thread.
pub(crate) struct Current {
    pub(crate) id: ProcessId,
    pub(crate) control: Arc<dyn Control>,
    pub(crate) parent: Arc<dyn Parent>,
    slot: u32,
    incarnation: u32,
}

thread_local! {
    // Taken out again before the thread ends, so there is nothing for the end of the thread to drop.
    static CURRENT: Cell<Option<ManuallyDrop<Current>>> = const { Cell::new(None) };
}

impl Process {
    pub(crate) fn new<L: ProcessBody>(context: ProcessContext, body: L) -> Self {
        let span = context.span(None, false);
        Self::in_span(span, context, body)
    }

    pub(crate) fn in_span<L: ProcessBody>(span: Span, context: ProcessContext, body: L) -> Self {
        let ProcessContext { id, process_key, control, parent, quiescence } = context;
        let ProcessKey { incarnation, .. } = process_key;
        let current = Current { id, control, parent, slot: process_key.child_key().slot, incarnation };
        // Counted from before the handover: a tree with a process that waits for its first poll is not quiet.
        let arrival = quiescence.in_flight();
        let current = Some(ManuallyDrop::new(current));
        let frame = Frame { current, waker: WakerId::default(), quiescence, arrival, span };
        Self::of(Task { frame, body: Some(body) })
    }

    pub(super) fn of(incarnation: impl Incarnation + 'static) -> Self {
        Self(Some(Box::pin(incarnation)))
    }

    /// Returns the process's id, until it has ended.
    pub fn id(&self) -> Option<ProcessId> {
        self.current().map(|current| current.id)
    }

    /// Returns the process's dotted name, until it has ended. Built on demand.
    pub fn path(&self) -> Option<String> {
        self.current().map(|current| current.path())
    }

    /// Returns whether the process has finished its set-up. For simulators.
    #[doc(hidden)]
    pub fn is_ready(&self) -> bool {
        let flags = self.current().and_then(|current| current.control.cell().flags(current.id));
        flags.is_some_and(|flags| flags.contains(Flags::READY))
    }

    /// Ends the process at once, as if the code in it had ended with this exit. For simulators.
    #[doc(hidden)]
    pub fn break_off(&mut self, exit: Exit) {
        if let Some(incarnation) = &mut self.0 {
            incarnation.as_mut().break_off(exit);
        }
    }

    /// Counts time in which the last poll has held its thread, after it has returned. For simulators, whose clock stands still
    /// during a poll.
    #[doc(hidden)]
    pub fn held_up(&self, lasted: Duration) {
        if let Some(incarnation) = &self.0 {
            incarnation.held_up(lasted);
        }
    }

    /// Drops what the process owns. If it has not ended, it is lost.
    pub(super) fn lose(&mut self) {
        self.0 = None;
    }

    pub(super) fn current(&self) -> Option<&Current> {
        self.0.as_ref()?.current()
    }
}

impl Future for Process {
    type Output = ();

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Some(incarnation) => incarnation.as_mut().poll(cx),
            None => Poll::Ready(()),
        }
    }
}

impl Drop for Process {
    #[inline]
    fn drop(&mut self) {
        if handover::is_under_way() {
            if let Some(refused) = self.0.take() {
                handover::give_back(Self(Some(refused)));
            }
        }
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("id", &self.id()).field("path", &self.path()).finish()
    }
}

impl Current {
    /// Returns the id of the child that this process is.
    pub(crate) fn child_id(&self) -> ChildId {
        self.control.id()
    }

    /// Returns the key by which its supervisor knows it.
    pub(crate) fn process_key(&self) -> ProcessKey {
        ProcessKey::new(ChildKey { id: self.child_id(), slot: self.slot }, self.incarnation)
    }

    pub(crate) fn path(&self) -> String {
        self.parent.path_of(self.control.name())
    }

    /// Makes this the thread's current process while `f` runs: the two are swapped, and swapped back. The code in `f`
    /// must not unwind.
    #[inline]
    fn enter<R>(own: &mut Option<ManuallyDrop<Self>>, f: impl FnOnce() -> R) -> R {
        // P7: the one before comes back afterwards, because a process may run an executor of its own and poll others
        // there. If `f` unwound, the thread would remain in this process.
        let own = Cell::from_mut(own);
        CURRENT.with(|slot| slot.swap(own));
        let result = f();
        CURRENT.with(|slot| slot.swap(own));
        result
    }
}

/// Looks at the process that is being polled, or dropped, on this thread.
pub(crate) fn current<R>(look: impl FnOnce(&Current) -> R) -> Option<R> {
    // Taken out while `look` runs, so `look` itself must not ask for the current process: it would find none.
    let current = CURRENT.take()?;
    let result = look(&current);
    CURRENT.set(Some(current));
    Some(result)
}

/// Returns whether user code of a process runs on this thread.
pub(crate) fn is_in_process() -> bool {
    current(|_| ()).is_some()
}

pub(super) trait Incarnation: Future<Output = ()> + Send {
    fn current(&self) -> Option<&Current>;

    fn break_off(self: Pin<&mut Self>, exit: Exit);

    fn held_up(&self, lasted: Duration) {
        let _ = lasted;
    }
}

pin_project! {
    struct Task<L: ProcessBody> {
        frame: Frame,
        #[pin]
        body: Option<L>,
    }

    impl<L: ProcessBody> PinnedDrop for Task<L> {
        fn drop(this: Pin<&mut Self>) {
            // P1: an executor that drops a process unfinished has lost it, and the process says so. One that has
            // ended has reported before.
            if this.frame.current.is_some() {
                let this = this.project();
                this.frame.cut_short(this.body, Exit::Lost);
            }
        }
    }
}

/// All of a task but its code. Nothing here is built once more for each type of code: so a further closure of a user costs the
/// binary its poll, and not the end of an incarnation. A poll through a trait object would take 30 instructions more.
struct Frame {
    /// In the thread-local while user code runs. Gone for good once the exit is reported.
    current: Option<ManuallyDrop<Current>>,
    /// The waker that is in the control cell, so that a poll can compare them without a lock.
    waker: WakerId,
    quiescence: Quiescence,
    /// Held until the first poll.
    arrival: InFlight,
    span: Span,
}

/// The code of a task, of whatever type, until it is dropped.
trait Body {
    fn cut_short(self: Pin<&mut Self>, exit: &Exit);

    fn clear(self: Pin<&mut Self>);
}

impl<L: ProcessBody> Body for Option<L> {
    fn cut_short(self: Pin<&mut Self>, exit: &Exit) {
        if let Some(body) = self.as_pin_mut() {
            body.cut_short(exit);
        }
    }

    fn clear(mut self: Pin<&mut Self>) {
        self.set(None);
    }
}

impl<L: ProcessBody> Incarnation for Task<L> {
    fn current(&self) -> Option<&Current> {
        self.frame.current.as_deref()
    }

    fn break_off(self: Pin<&mut Self>, exit: Exit) {
        let this = self.project();
        this.frame.cut_short(this.body, exit);
    }
}

impl<L: ProcessBody> Future for Task<L> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let this = self.project();
        let (frame, mut body) = (this.frame, this.body);
        let Some(current) = frame.current.as_ref() else { return Poll::Ready(()) };
        let _busy = frame.quiescence.in_flight();
        // First the waker, then the flags. The other way round, an abort between the two would find no waker to wake,
        // and wait for a poll that never comes. Most polls have the waker of the poll before, and then take no lock.
        let waker = WakerId::of(cx.waker());
        if frame.waker != waker {
            current.control.cell().register_process(current.id, cx.waker());
            frame.waker = waker;
        }
        // P8: checked before user code runs, and not after it. A future that ends in the very poll during which it is
        // aborted has ended in its own way.
        if is_aborted::<L>(current) {
            frame.cut_short(body, Exit::Aborted);
            return Poll::Ready(());
        }

        let end = Cell::new(None);
        let polled = {
            let span = &mut frame.span;
            let mut body = body.as_mut().as_pin_mut().expect("a process lives until it has ended");
            let poll = || match body.as_mut().poll(cx) {
                Poll::Pending => PollOutcome::Pending,
                Poll::Ready(Step::Ready) => PollOutcome::Ready,
                Poll::Ready(Step::Moved) => PollOutcome::Moved,
                Poll::Ready(Step::Ended(exit)) => {
                    end.set(Some(exit));
                    PollOutcome::Ended
                }
            };
            // P1, P4: a panic is an exit, and keeps its message. It unwinds no further.
            let caught = |caught| {
                end.set(Some(Exit::Panicked(caught)));
                PollOutcome::CutShort
            };
            // The mark is made outside of the context: it reads from `current`, which is in the thread-local while
            // user code runs.
            polls::marked(&mut frame.current, |current| {
                Current::enter(current, || trace::inside(span, poll).unwrap_or_else(caught))
            })
        };
        match polled {
            PollOutcome::Pending => {
                frame.arrival = InFlight::none();
                return Poll::Pending;
            }
            PollOutcome::Ready => {
                frame.become_ready(cx.waker());
                return Poll::Pending;
            }
            PollOutcome::Moved => frame.leave(body),
            PollOutcome::Ended => frame.end(body, end.take().expect("put down where it ended")),
            PollOutcome::CutShort => frame.cut_short(body, end.take().expect("put down where it was caught")),
        }
        Poll::Ready(())
    }
}

impl Frame {
    /// Reports that the set-up is done. `waker` is that of the poll.
    fn become_ready(&mut self, waker: &Waker) {
        if let Some(current) = &self.current {
            current.control.cell().mark_ready(current.id);
            current.parent.report(Report { process_key: current.process_key(), kind: ReportKind::Ready });
        }
        self.arrival = InFlight::none();
        // User code may block in its next poll. Tokio keeps the task that was woken last for the thread that woke it, so the
        // supervisor would not run before that poll returns: 4.0 s were measured on two threads, and 0.4 ms where the process
        // yields once first.
        waker.wake_by_ref();
    }

    /// Ends this process, but not the incarnation.
    fn leave(&mut self, body: Pin<&mut dyn Body>) {
        // P1: the process that has taken over reports the exit, so this one must not. The cell stays as it is, too: the
        // incarnation continues in the other process.
        let own = self.current.take().map(ManuallyDrop::into_inner);
        trace::close(&mut self.span);
        // The last owner of a child drops user code.
        let _ = guard(|| body.clear());
        let _ = guard(|| drop(own));
    }

    /// Ends an incarnation that has not ended by itself.
    fn cut_short(&mut self, mut body: Pin<&mut dyn Body>, exit: Exit) {
        // Before anything of it is dropped: a supervisor still knows its children, and aborts them (P2, A6).
        let _ = guard(|| body.as_mut().cut_short(&exit));
        self.end(body, exit);
    }

    /// Ends the incarnation: drops user code, ends all waits for its shutdown, and then reports.
    fn end(&mut self, mut body: Pin<&mut dyn Body>, exit: Exit) {
        // P1: taken out once and never put back, so a second end finds nothing, whatever causes it.
        let mut current = self.current.take();
        let Some((control, id)) = current.as_ref().map(|current| (&current.control, current.id)) else { return };
        let _busy = self.quiescence.in_flight();
        self.arrival = InFlight::none();
        // Read before the future is dropped, so that the specification is dropped right after it: in the process, as
        // user code must be (P3, P7).
        let has_no_successor = control.cell().flags(id).is_some_and(|flags| flags.contains(Flags::NO_SUCCESSOR));
        // Beside the one that user code sees as the current process.
        let mut specification = has_no_successor.then(|| control.clone());

        let dropped = {
            let drop_user_code = || {
                // P3: each under a guard of its own. A future that panics when it is dropped is no reason to keep the
                // specification.
                // P10: after a panic the body is dropped when the unwinding is over. The mark tells its guards of retained values
                // about the panic.
                let aftermath = matches!(exit, Exit::Panicked(_)).then(|| Aftermath::of(id));
                let body = guard(|| body.as_mut().clear());
                drop(aftermath);
                let specification = specification.take().map_or(Ok(()), |control| guard(|| control.release()));
                body.and(specification)
            };
            let span = &mut self.span;
            polls::marked(&mut current, |current| {
                Current::enter(current, || trace::inside(span, drop_user_code).and_then(|dropped| dropped))
            })
        };
        trace::close(&mut self.span);
        // P1, P4: a panic in a destructor turns any other end into a panic. The first panic is the one that is
        // reported, and a process that the executor has dropped is lost, whatever its destructor does then.
        let exit = match (dropped, exit) {
            (Ok(()), exit) | (Err(_), exit @ (Exit::Panicked(_) | Exit::Lost)) => exit,
            (Err(panic), _) => Exit::Panicked(panic),
        };

        let Some(current) = current.map(ManuallyDrop::into_inner) else { return };
        if let Some(meter) = current.control.meter() {
            meter.end(&*current.control, &*current.parent);
        }
        let end = PendingEnd { current, has_released: has_no_successor, exit };
        // P2: the future is dropped by now, and the cell is vacant before the report is sent. The supervisor that reads
        // the report may begin a successor at once, and would find the cell occupied otherwise. P6: this also ends all
        // waits for the signal.
        let asked = end.cell().end(id, end.has_released);
        if asked.contains(Flags::SCOPED) {
            // S1: the incarnation lasts until its scope has ended.
            let parent = end.current.parent.clone();
            parent.take_over(end);
        } else {
            end.report(asked, None);
        }
    }
}

/// The rest of the end of a process: its future is dropped, and its exit is not reported yet.
pub(crate) struct PendingEnd {
    current: Current,
    /// Whether the user code in the specification was dropped, too.
    has_released: bool,
    pub(crate) exit: Exit,
}

impl PendingEnd {
    pub(crate) fn id(&self) -> ProcessId {
        self.current.id
    }

    pub(crate) fn process_key(&self) -> ProcessKey {
        self.current.process_key()
    }

    fn cell(&self) -> &ControlCell {
        self.current.control.cell()
    }

    /// Ends the incarnation of a process whose scope has ended, and reports. `unclean` are the processes of the scope that did
    /// not stop well.
    pub(crate) fn complete(self, unclean: Vec<UncleanProcess>) {
        // P2: as for a process without a scope: the cell is vacant before the report is sent.
        let asked = self.cell().end_with_scope(self.id(), self.has_released);
        self.report(asked, Some(unclean).filter(|unclean| !unclean.is_empty()));
    }

    fn report(self, asked: Flags, unclean: Option<Vec<UncleanProcess>>) {
        let process_key = self.process_key();
        let Self { current: Current { id, control, parent, .. }, has_released, exit } = self;
        if !has_released && asked.contains(Flags::NO_SUCCESSOR) {
            // The flag was set after the future was dropped.
            let _ = guard(|| control.release());
        }
        // P2, P11, A9: after the future was dropped, and before a successor can start. The report takes the exit along.
        let _ = guard(|| control.on_exit(&exit));
        if asked.contains(Flags::MONITORED) {
            // P11: an abandoned process tells its monitors, too.
            parent.tell_monitors(id, &exit);
        }
        // P1: the abandonment was the last report about an abandoned process.
        if !asked.is_abandoned() {
            if let Some(unclean) = unclean {
                parent.report(Report { process_key, kind: ReportKind::Unclean(unclean) });
            }
            parent.exited(process_key, id, &*control, exit);
        }
        // The last owner of a child drops user code.
        let _ = guard(move || drop(control));
    }
}

/// The identity of a waker. Valid for comparison as long as one of the two wakers is kept: the one in the control cell
/// is.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct WakerId(usize, usize);

impl WakerId {
    fn of(waker: &Waker) -> Self {
        Self(waker.data() as usize, ptr::from_ref(waker.vtable()) as usize)
    }
}

fn is_aborted<L: ProcessBody>(current: &Current) -> bool {
    // N8: an abort does not drop a supervisor. It stays, and aborts the processes below it: dropped, it could not wait
    // for them.
    L::ABORTABLE && current.control.cell().flags(current.id).is_some_and(|flags| flags.contains(Flags::ABORT))
}

#[cfg(test)]
mod tests;
