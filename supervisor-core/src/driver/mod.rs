//! A running supervisor: the loop between an engine and the world.
//!
//! One turn takes what has come in, the request to stop first, then exits, then what is due, and commands last, each in
//! batches, and then does what the engine wants done. Nothing in here waits for anything but the next turn.
//!
//! The engine stands under a lock, so that a tree can be read without the help of its supervisors (B4). A turn has two halves
//! for that: in the first one it holds the lock, feeds the engine and takes out what that wants done; in the second one it
//! does that, without the lock. Whatever may run code that is not ours (a spawn, a wake, an observer, a destructor) is in the
//! second half.
//! So a child that starts, stops or waits is a state in the engine, and everything else is served meanwhile (D1).

mod calls;
mod conclusion;
mod supervisor_process;
mod left;
mod loss;

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use slab::Slab;

pub(crate) use self::supervisor_process::SupervisorProcess;
use self::{calls::PendingCall, left::Left, supervisor_process::DriverParts};
use crate::{
    engine::{Effect, Engine, StopRequest},
    error::GaveUp,
    incarnation::{
        ChildId, Control, Exit, Flags, Parent, ProcessBody, ProcessId, ProcessKey, Report, ReportKind, Step, guard,
    },
    mailbox::{Envelope, Mailbox, Taken},
    node::{Child, Command, LockedEngine, Scope, Shared, Tree},
    observe::{Event, EventKind},
    placement::Placed,
    quiescence::{InFlight, Unsettled},
    spawner::{Executor, Timer, now, seed},
    strategy::{ChildKind, RestartType, SupervisorSettings},
    trace,
};

/// How much of a kind is taken, or done, before the rest gets its turn.
const BATCH: usize = 256;
/// How many commands: new work is less urgent than what has happened, and makes more to do.
const COMMANDS: usize = 128;

/// So many calls may wait before it is worth a look who has given up.
const CALLS: usize = 64;

/// Room for more than this is not kept for the next turn.
const KEPT: usize = 32;

type ToDo = Effect<Arc<dyn Child>>;

pub(crate) struct Driver {
    locked: Arc<LockedEngine>,
    io: Io,
}

/// All that a supervisor has but for its engine.
struct Io {
    /// What its children have above them.
    scope: Arc<Scope>,
    reports: Taken<Report>,
    /// A deadline was seen at that time to have passed, and so many reports are read before the engine hears of it.
    reports_before_deadline: Option<(usize, Instant)>,
    commands: Arc<Mailbox<Command>>,
    commands_taken: Taken<Command>,
    shared: Arc<Shared>,
    /// Its static children, alive or not: to be disposed of when nothing comes after it. A root has them in the engine alone.
    specs: Option<Arc<[Arc<dyn Child>]>>,
    /// Those up to here it had when it started.
    last_static: ChildId,
    own: Own,
    timer: Option<Pin<Box<dyn Timer>>>,
    armed: Option<Instant>,
    /// Who waits for an answer, by the keys that the engine knows them by.
    calls: Slab<PendingCall>,
    /// With so many calls it looks who still waits.
    calls_to_look_at: usize,
    /// What the engine wants done, and was not yet.
    to_do: VecDeque<ToDo>,
    /// What supervisors below have left behind.
    left: Vec<Left>,
    /// Until when those have time to let go, when all else has stopped.
    left_until: Option<Instant>,
    /// Whether anybody listened when this turn began.
    is_heard: bool,
    /// All has stopped. What was sent before `Shared` was closed is still answered.
    is_closing: bool,
    /// What it has seen of what is asked of it.
    seen: StopRequest,
    is_asked: bool,
    /// It has said that its intensity ends before a backoff.
    has_warned: bool,
    /// Its children have a backoff, if they have none of their own.
    has_backoff: bool,
    gave_up: Option<GaveUp>,
    unsettled: Unsettled,
    /// Of what was taken in and has not taken effect yet.
    in_flight: Vec<InFlight>,
}

/// The supervisor as a process of its own.
struct Own {
    id: ProcessId,
    process_key: ProcessKey,
    control: Arc<dyn Control>,
    parent: Arc<dyn Parent>,
    /// The executor that polls it. A supervisor measures time there (D3): on the executor of its children, a poll that blocks
    /// could hold up the very limit that is set to it.
    spawner: Executor,
}

enum Turn {
    Idle,
    /// There is more to do.
    Busy,
    Step(Step),
}

impl Driver {
    fn new(parts: DriverParts, spawner: Executor) -> Self {
        let DriverParts { settings, specs, shared, parent, name, own } = parts;
        let is_root = parent.is_outside();
        let own_id = own.process_key.child_key().id;
        let home = own.spawner.clone();
        let scope = parent.below(name, own_id, shared.clone(), home, spawner);
        // R36: a supervisor that is restarted is new. It has its static children, no history, and nobody that was
        // added. What can run only once, and has, is left out.
        let specs_to_start: Vec<_> = specs.iter().filter(|child| child.can_start()).collect();
        let children = specs_to_start.into_iter().map(|child| (child.id(), child.clone()));
        let last_static = specs.last().map_or(ChildId::FIRST, |last| last.id());
        // The engine outlives the supervisor for as long as a handle is kept, and needs no executor.
        let to_do = SupervisorSettings { placement: Placed::default(), ..settings.clone() };
        let engine = Engine::new(to_do, children, seed(&*own.spawner));
        let locked = Arc::new(LockedEngine::new(engine, &own.spawner, own.id, own.process_key.incarnation));
        let commands = shared.open(&scope, &own.control, &settings, &locked);
        // An earlier run of it has, or had no reason to.
        let has_warned = own.process_key.incarnation > 1;
        let io = Io {
            unsettled: scope.quiescence.unsettled(),
            scope,
            reports: Taken::nothing(),
            reports_before_deadline: None,
            commands,
            commands_taken: Taken::nothing(),
            shared,
            specs: (!is_root).then_some(specs),
            last_static,
            own,
            timer: None,
            armed: None,
            calls: Slab::new(),
            calls_to_look_at: CALLS,
            to_do: VecDeque::new(),
            left: Vec::new(),
            left_until: None,
            is_heard: false,
            is_closing: false,
            seen: StopRequest { no_successor: is_root, kill: false },
            is_asked: false,
            has_warned,
            has_backoff: settings.backoff.is_some(),
            gave_up: None,
            in_flight: Vec::new(),
        };
        io.start(&mut locked.lock());
        Self { locked, io }
    }

    fn turn(&mut self) -> Turn {
        let Self { locked, io } = self;
        // Asked once, and before the lock: a clock is foreign code, and all that a turn takes in has happened at one
        // time.
        let now = io.own.spawner.now();
        // N1: the request to stop is taken in before anything else. It is looked at before the lock, because to
        // acknowledge it wakes the supervisor above.
        let request = io.look_for_request();
        let mut is_done = {
            let mut engine = locked.lock();
            let is_read = io.take_in(&mut engine, request, now);
            engine.poll_effects(&mut io.to_do, BATCH, now) && is_read
        };
        let mut step = None;
        while let Some(effect) = io.to_do.pop_front() {
            // What was heard is looked at in the next turn.
            is_done &= !matches!(effect, Effect::SampleHeartbeat { .. });
            // N1: all effects are performed before the step is handed up: nothing of this turn may come after a
            // shutdown that the next one finds.
            step = io.perform(locked, effect, now).or(step);
        }
        // Once for the whole turn, and after the lock: those who wait for a change read the engine under it.
        io.scope.changes.notify();
        if let Some(step) = step {
            return Turn::Step(step);
        }
        if is_done {
            io.to_do.shrink_to(KEPT);
        }
        // R45: the supervisor ends after its children, and not before it has read what came until it was closed: as
        // long as the engine is there, calls that wait are answered by it (A7).
        if is_done && io.is_closing {
            let grace = locked.lock().settings().abort_grace;
            // N8: what was left behind below, and has no supervisor any more, gets its grace here, last.
            io.left_until = io.wait_for_left(grace, now);
            if io.left_until.is_none() {
                return Turn::Step(Step::Ended(self.finish()));
            }
        }
        if is_done { Turn::Idle } else { Turn::Busy }
    }
}

impl Io {
    /// Has the engine start, beside what an earlier run of this supervisor may have left behind.
    fn start(&self, engine: &mut Tree) {
        let now = now(&*self.own.spawner);
        // P2: what an earlier run has left behind is adopted before the start, so the engine starts nothing beside
        // it. A root has no earlier run.
        let is_left = |child: &&Arc<dyn Child>| child.cell().process().is_some();
        for child in self.specs.iter().flat_map(|specs| specs.iter()).filter(is_left) {
            if let Some(key) = engine.handle_left_behind(child.id(), now) {
                // Incarnation 0, which no process of this run has: the end of what was left behind is taken for no
                // other (P5).
                let process_key = ProcessKey::new(key, 0);
                if !self.wait_for_vacancy(&**child, process_key) {
                    engine.handle_exit(process_key, Exit::Aborted, now);
                }
            }
        }
        engine.handle_start(self.seen.no_successor);
    }

    /// Feeds the engine. Whether that was all that had come.
    fn take_in(&mut self, engine: &mut Tree, request: Option<StopRequest>, now: Instant) -> bool {
        // Read under the lock, and so at once with what is going to happen: who subscribed before looks at the state after
        // that, or hears of the change.
        self.is_heard = self.scope.observers.listen();
        // Only here, before the engine is fed: all that it had to say was done in the turn before, so no answer is
        // under way to a key that another caller may get now.
        if self.calls.len() >= self.calls_to_look_at {
            self.forget_given_up(engine);
        }
        engine.is_heard = self.is_heard;
        // N1: a shutdown first, so no report and no call of this turn can start anything after it.
        //
        // Then the reports, as many as a batch has. A deadline that has passed waits until all of them are read that were
        // there when it was seen: a process that has ended, or become ready, is not late because its supervisor is (see
        // "Pauses" in the docs). It does not wait for those that come after, so a flood of reports keeps no limit from
        // being held.
        //
        // Calls come last. They are new work, and a flood of them must not hold up what has happened.
        if let Some(request) = request {
            engine.handle_shutdown(request, now);
        }
        let is_due = |engine: &Tree, seen| engine.next_deadline().is_some_and(|deadline| deadline <= seen);
        let unread = self.reports.len() + self.scope.unread_reports();
        let (before_deadline, seen) =
            self.reports_before_deadline.filter(|(_, seen)| is_due(engine, *seen)).unwrap_or((unread, now));
        let has_more_reports = self.take_reports(engine, now);
        let left = before_deadline.saturating_sub(BATCH);
        self.reports_before_deadline = None;
        // What comes due while the supervisor reads waits for its own reports, from the next turn on.
        if is_due(engine, seen) {
            if has_more_reports && left > 0 {
                self.reports_before_deadline = Some((left, seen));
            } else {
                engine.handle_deadline(seen, now);
            }
        }
        let has_more_commands = self.take_commands(engine, now);
        !(has_more_reports || has_more_commands)
    }

    /// Looks at what is asked of this supervisor as a process. Returns what is new.
    fn look_for_request(&mut self) -> Option<StopRequest> {
        // Read from the cell, and not sent as a message: a request that waits behind 100,000 reports would not go
        // before them (N1).
        let flags = self.own.control.cell().flags(self.own.id)?;
        let kill = flags.contains(Flags::ABORT);
        let is_asked = kill || flags.contains(Flags::SHUTDOWN);
        let request = StopRequest { no_successor: self.seen.no_successor || flags.contains(Flags::NO_SUCCESSOR), kill };
        if !is_asked || (self.is_asked && request == self.seen) {
            return None;
        }
        // N8: said for each new request, and a kill after a stop is one: the supervisor above measures anew whether
        // it is heard.
        if !self.is_asked || request.kill != self.seen.kill {
            let report = Report { process_key: self.own.process_key, kind: ReportKind::Acknowledged };
            self.own.parent.report(report);
        }
        (self.is_asked, self.seen) = (true, request);
        self.shared.acknowledge();
        Some(request)
    }

    /// Whether there may be more.
    fn take_reports(&mut self, engine: &mut Tree, now: Instant) -> bool {
        for _ in 0..BATCH {
            let Some(Envelope { message: Report { process_key, kind }, in_flight }) =
                self.scope.next_report(&mut self.reports)
            else {
                return false;
            };
            // Kept until the engine has nothing more to do: what follows from the message is not done yet.
            self.in_flight.push(in_flight);
            match kind {
                ReportKind::Ready => engine.handle_ready(process_key, now),
                ReportKind::Acknowledged => engine.handle_acknowledged(process_key),
                ReportKind::Exited(exit) => {
                    // In a stop, the engine takes over the names of what was abandoned below, as the supervisor that
                    // ended tells them.
                    let is_told = engine.is_stopping() && matches!(exit, Exit::Shutdown(_));
                    // D3, N8: looked for before the engine hears of the exit. After that, the child may be removed,
                    // and with it the way to what is below.
                    if exit.may_have_left_any() && !is_told {
                        if let Some(child) = engine.child(process_key.child_key()) {
                            self.remember_left(child, now);
                        }
                    }
                    // R77, P5: the engine looks who that is. The end of a process that it does not know changes
                    // nothing.
                    engine.handle_exit(process_key, exit, now);
                }
                ReportKind::Vacated => self.look_for_vacancy(engine, process_key, now),
            }
        }
        true
    }

    /// Whether there may be more.
    fn take_commands(&mut self, engine: &mut Tree, now: Instant) -> bool {
        for _ in 0..COMMANDS {
            // R57: one after the other. None waits here for what it asks for; the engine remembers the caller, and
            // answers later (D1).
            let Some(Envelope { message, in_flight }) = self.commands.next(&mut self.commands_taken) else {
                return false;
            };
            self.in_flight.push(in_flight);
            self.carry_out(engine, message, now);
        }
        true
    }

    fn perform(&mut self, locked: &LockedEngine, effect: ToDo, now: Instant) -> Option<Step> {
        match effect {
            Effect::Start { key, incarnation, child } => {
                // P2: the new run of that supervisor adopts what was left behind, and waits for it.
                if !self.left.is_empty() {
                    self.forget_left(key.id);
                }
                let settings = child.settings();
                // What is added and runs once only drops its specification itself, with what it leaves behind.
                let is_only_run = settings.restart() == RestartType::Temporary && settings.kind == ChildKind::Worker;
                let flags = if is_only_run && !self.is_static(key.id) { Flags::NO_SUCCESSOR } else { Flags::NONE };
                // The id is there before the event that has it, and the event before the process can run: B3.
                let context = child.clone().begin(ProcessKey::new(key, incarnation), &self.scope, flags);
                if incarnation == 1 && settings.restart() != RestartType::Temporary {
                    self.warn_of_short_intensity(locked, &*child);
                }
                // B3: told before the process is spawned, because another thread may run it at once, and what it does
                // is told, too.
                if self.is_heard {
                    self.emit(&*child, EventKind::Started);
                }
                child.start(context, &self.scope);
            }
            Effect::Ask { child, no_successor } => request(&*child, Flags::SHUTDOWN, no_successor),
            Effect::Abort { child, no_successor } => request(&*child, Flags::ABORT, no_successor),
            Effect::SampleHeartbeat { key, incarnation } => {
                let mut engine = locked.lock();
                // B2: the look takes the sign back, so it is made once for each look of the engine, with its answer
                // in the same lock.
                let sign_of_life = engine.child(key).is_some_and(|child| child.cell().take_alive());
                engine.handle_heartbeat(ProcessKey::new(key, incarnation), sign_of_life, now);
            }
            Effect::Emit { child, kind, took } => {
                // What an earlier run of this supervisor has abandoned before is not told again.
                if !matches!(*kind, EventKind::Abandoned) || !child.cell().abandon().is_abandoned() {
                    self.emit_timed(&*child, took, *kind);
                }
            }
            // R2: a supervisor is ready when its children are. Its process reports that, as any process does.
            Effect::Ready => return Some(Step::Ready),
            Effect::GaveUp => {
                // A1: made now, because the failures that are still counted are those that it gave up for. Later,
                // some would be forgotten.
                let gave_up = self.give_up(&locked.lock(), now);
                self.emit_of_itself(EventKind::GaveUp(gave_up.clone()));
                self.gave_up = Some(gave_up);
            }
            Effect::Answer { caller, child, answer } => self.answer(caller, child.as_deref(), answer),
            Effect::Refuse { child, caller, refusal } => self.refuse(child, caller, refusal),
            Effect::Forget { id, child } => {
                // R78: nothing starts this child again, so its specification goes. A static one is kept for the next
                // run of this supervisor (R36); a root has none.
                if !self.is_static(id) || self.specs.is_none() {
                    self.dispose(child);
                }
            }
            Effect::Finish => {
                // N7: from here on, a handle says that the supervisor does not run. What was sent before that is
                // still read: the engine answers it, or `finish` turns it away (A7).
                self.shared.close(&self.scope);
                self.is_closing = true;
            }
        }
        None
    }

    fn warn_of_short_intensity(&mut self, locked: &LockedEngine, child: &dyn Child) {
        // Said once; and most have no backoff.
        if self.has_warned || !(self.has_backoff || child.settings().backoff().is_some()) {
            return;
        }
        let Some((after, longest)) = locked.lock().settings().cuts_short(child.settings()) else { return };
        self.has_warned = true;
        trace::warn_of_short_intensity(&self.scope.path_of(child.name()), after, longest);
    }

    fn emit(&self, child: &dyn Child, kind: EventKind) {
        self.emit_timed(child, None, kind);
    }

    fn emit_timed(&self, child: &dyn Child, took: Option<Duration>, kind: EventKind) {
        self.scope.emit(kind, child.shared(), |kind| Event {
            path: self.scope.path_of(child.name()),
            process: child.cell().latest(),
            kind,
            took,
        });
    }

    fn emit_of_itself(&self, kind: EventKind) {
        self.scope.emit(kind, None, |kind| Event {
            path: self.scope.path(),
            process: Some(self.own.id),
            kind,
            took: None,
        });
    }

    /// Whether it is one of those that this supervisor has when it starts.
    fn is_static(&self, id: ChildId) -> bool {
        id <= self.last_static
    }

    /// A child is not started again, by anybody, so what its specification owns is dropped. Where it runs, or ran, its process
    /// does that; otherwise one that is made for it, so that no destructor can hold anything up.
    fn dispose(&self, child: Arc<dyn Child>) {
        // R78. First said, then looked: a process that ends in between has read it, or is seen to have ended. What
        // both drop is there once.
        request(&*child, Flags::NONE, true);
        if child.cell().process().is_none() && child.is_loaded() {
            child.dispose(&self.scope);
        }
    }

    /// Arms the timer for what is due next. Whether that is now.
    fn poll_timer(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        if deadline.is_none() && self.timer.is_none() {
            return Poll::Pending;
        }
        let timer = self.timer.get_or_insert_with(|| {
            // D3: a timer of the executor that polls the supervisor. A supervisor that never waits for a time has
            // none.
            let mut timer = self.own.spawner.timer();
            // It does without, if it has to.
            let _ = guard(|| timer.as_mut().insist());
            timer
        });
        // To set a timer costs more than to compare: most turns leave the next deadline where it was.
        if self.armed != deadline {
            timer.as_mut().reset(deadline);
            self.armed = deadline;
        }
        match deadline {
            Some(_) => timer.as_mut().poll_elapsed(cx),
            None => Poll::Pending,
        }
    }
}

fn request(child: &dyn Child, flags: Flags, no_successor: bool) {
    let flags = if no_successor { flags | Flags::NO_SUCCESSOR } else { flags };
    child.cell().request(flags);
}

/// Nothing in here is pinned.
impl Unpin for Driver {}

impl ProcessBody for Driver {
    // N8: killed, it aborts what is below, and waits for that. Dropped, it could not.
    const ABORTABLE: bool = false;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        let this = &mut *self;
        let this_turn = this.io.scope.quiescence.in_flight();
        // Before the mailboxes are looked at. What is put in after that look finds the waker.
        this.io.scope.register(cx.waker());
        loop {
            match this.turn() {
                Turn::Step(step) => return Poll::Ready(step),
                Turn::Busy => {
                    // A pause after each batch: others on this thread get their turn, and a shutdown is looked for
                    // again (N1). Nothing else wakes it, because what waits has woken it already.
                    cx.waker().wake_by_ref();
                    // The tree is not quiet: this supervisor has more to do, though no message says so.
                    this.io.in_flight.push(this_turn);
                    return Poll::Pending;
                }
                Turn::Idle => {}
            }
            let (unsettled, deadline) = {
                let mut engine = this.locked.lock();
                engine.shrink(KEPT);
                (engine.unsettled(), engine.next_deadline().or(this.io.left_until))
            };
            // First what is under way, then the messages are let go of. In the other order, the tree would look quiet
            // for a moment.
            this.io.unsettled.set(unsettled);
            this.io.in_flight.clear();
            // Where the deadline has come meanwhile there is another turn. Pending, the timer has the waker.
            if this.io.poll_timer(deadline, cx).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn cut_short(self: Pin<&mut Self>, exit: &Exit) {
        self.get_mut().lose(exit);
    }
}
