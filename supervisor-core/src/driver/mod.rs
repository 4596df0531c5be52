//! A running supervisor: the loop between an engine and the world.
//!
//! One turn takes what has come in, the request to stop first, then exits, then what is due, and commands last, each in
//! batches, and then does what the engine wants done. Nothing in here waits for anything but the next turn. So a child that
//! starts, stops or waits is a state in the engine, and everything else is served meanwhile (D1).
//!
//! The engine stands under a lock, so that a tree can be read without the help of its supervisors (B4). A turn has two halves
//! for that: in the first one it holds the lock, feeds the engine (`inputs.rs`) and takes out what that wants done; in the second
//! one it does that, without the lock (`effects.rs`). Whatever may run code that is not ours (a spawn, a wake, an observer, a destructor) is in the
//! second half.

mod calls;
mod effects;
mod inputs;
mod outcome;
mod supervisor_process;
mod left;
mod loss;

use std::{
    collections::VecDeque,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Instant,
};

use slab::Slab;

pub(crate) use self::supervisor_process::SupervisorProcess;
use self::{calls::PendingCall, left::Left, supervisor_process::DriverParts};
use crate::{
    engine::{Effect, Engine, StopRequest},
    error::GaveUp,
    incarnation::{ChildId, Control, Exit, Parent, ProcessBody, ProcessId, ProcessKey, Report, Step, guard},
    mailbox::{Mailbox, Taken},
    node::{CallOrigin, Child, ChildrenEngine, Command, LockedEngine, Scope, Shared},
    placement::Placed,
    quiescence::{InFlight, Unsettled},
    spawner::{Executor, Timer, now, seed},
    strategy::SupervisorSettings,
};

/// How much of a kind is taken, or done, before the rest gets its turn.
const BATCH: usize = 256;
/// How many commands: new work is less urgent than what has happened, and makes more to do.
const COMMANDS: usize = 128;

/// While fewer calls than this wait, the supervisor does not look for callers that have given up.
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
    static_children: Option<Arc<[Arc<dyn Child>]>>,
    /// The last of the children that it had when it started.
    last_static: ChildId,
    own: Own,
    timer: Option<Pin<Box<dyn Timer>>>,
    armed: Option<Instant>,
    /// Who waits for an answer, by the keys that the engine knows them by.
    calls: Slab<PendingCall>,
    /// Where the calls of this turn came from. Dropped after the lock: one may be the last owner of a tree that has ended, whose
    /// executors and subscribers are foreign code.
    origins: Vec<CallOrigin>,
    /// With so many calls it looks who still waits.
    calls_to_look_at: usize,
    /// What the engine wants done, and was not yet.
    to_do: VecDeque<ToDo>,
    /// What supervisors below have left behind.
    left: Vec<Left>,
    /// When all else has stopped: until when the processes in `left` have time to end.
    left_until: Option<Instant>,
    /// Whether there was a listener when this turn began.
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
        let DriverParts { settings, children, shared, parent, name, own } = parts;
        let is_root = parent.is_outside();
        let own_id = own.process_key.child_key().id;
        let home = own.spawner.clone();
        let scope = parent.below(name, own_id, shared.clone(), home, spawner);
        // R36: a supervisor that is restarted is new. It has its static children, no history, and no child that was
        // added. A child that runs only once, and has run, is left out.
        let able: Vec<_> = children.iter().filter(|child| child.can_start()).collect();
        let children_to_start = able.into_iter().map(|child| (child.id(), child.clone()));
        let last_static = children.last().map_or(ChildId::FIRST, |last| last.id());
        // The engine outlives the supervisor for as long as a handle is kept, and needs no executor.
        let kept = SupervisorSettings { placement: Placed::default(), ..settings.clone() };
        let engine = Engine::new(kept, children_to_start, seed(&*own.spawner));
        let locked = Arc::new(LockedEngine::new(engine, &own.spawner, own.id, own.process_key.incarnation));
        let commands = shared.open(&scope, &own.control, &settings, &locked);
        // Only the first run warns.
        let has_warned = own.process_key.incarnation > 1;
        let io = Io {
            unsettled: scope.quiescence.unsettled(),
            scope,
            reports: Taken::nothing(),
            reports_before_deadline: None,
            commands,
            commands_taken: Taken::nothing(),
            shared,
            static_children: (!is_root).then_some(children),
            last_static,
            own,
            timer: None,
            armed: None,
            calls: Slab::new(),
            origins: Vec::new(),
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
        // Asked before the lock: a clock is foreign code.
        let now = now(&*io.own.spawner);
        io.start(&mut locked.lock(), now);
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
        io.origins.clear();
        let mut step = None;
        while let Some(effect) = io.to_do.pop_front() {
            // What was heard is looked at in the next turn.
            is_done &= !matches!(effect, Effect::SampleHeartbeat { .. });
            // N1: all effects are performed before the step is handed up: nothing of this turn may come after a
            // shutdown that the next one finds.
            step = io.perform(locked, effect, now).or(step);
        }
        locked.serve_queue();
        // Once for the whole turn, and after the lock: those who wait for a change read the engine under it.
        io.scope.changes.notify();
        if let Some(step) = step {
            return Turn::Step(step);
        }
        if is_done {
            io.to_do.shrink_to(KEPT);
            io.origins.shrink_to(KEPT);
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
    /// Starts the engine. What an earlier run of this supervisor has left behind is adopted first.
    fn start(&self, engine: &mut ChildrenEngine, now: Instant) {
        // P2: what an earlier run has left behind is adopted before the start, so the engine starts nothing beside
        // it. A root has no earlier run.
        let is_left = |child: &&Arc<dyn Child>| child.cell().process().is_some();
        for child in self.static_children.iter().flat_map(|children| children.iter()).filter(is_left) {
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

    /// Arms the timer for what is due next. Whether that is now.
    fn poll_timer(&mut self, deadline: Option<Instant>, cx: &mut Context<'_>) -> Poll<()> {
        if deadline.is_none() && self.timer.is_none() {
            return Poll::Pending;
        }
        let timer = self.timer.get_or_insert_with(|| {
            // D3: a timer of the executor that polls the supervisor. A supervisor that never waits for a time has
            // none.
            let mut timer = self.own.spawner.timer();
            // If this panics, the timer still works, but a blocked poll may delay it.
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
