//! A running supervisor: the loop between an engine and the world.
//!
//! One turn reads what has come in, the request to stop first, then exits, then due deadlines, and commands last, each
//! in batches, and then performs the effects of the engine. Nothing in here waits for anything but the next turn. So a
//! child that starts, stops or waits is a state in the engine, and everything else is served meanwhile (D1).
//!
//! The engine is under a lock, so that a tree can be read without the help of its supervisors (B4). So a turn has two
//! halves: the first one holds the lock, feeds the engine (`inputs.rs`) and takes out its effects; the second one
//! performs them without the lock (`effects.rs`). Everything that may run foreign code (a spawn, a wake, an observer, a
//! destructor) is in the second half.

mod calls;
mod deadline_timer;
mod effects;
mod inputs;
mod outcome;
mod stop_watch;
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
use self::{
    calls::PendingCall, deadline_timer::DeadlineTimer, left::Left, stop_watch::StopWatch,
    supervisor_process::DriverParts,
};
use crate::{
    engine::{Effect, Engine, StopRequest, earlier},
    error::GaveUp,
    incarnation::{ChildId, Control, Exit, Parent, ProcessBody, ProcessId, ProcessKey, Report, Step},
    mailbox::{Mailbox, Taken},
    node::{CallOrigin, Child, ChildrenEngine, Command, LockedEngine, Scope, Shared},
    observe::PlacementKind,
    placement::Placed,
    quiescence::{InFlight, Unsettled},
    spawner::{Executor, is_virtual, now, seed},
    strategy::SupervisorSettings,
};

/// The number of items of a kind that are taken, or performed, before other work gets its turn.
const BATCH: usize = 256;
/// The same for commands: new work is less urgent than reports, and causes more work.
const COMMANDS: usize = 128;

/// While fewer calls than this wait, the supervisor does not check for callers that have given up.
const CALLS: usize = 64;

/// The capacity that is kept for the next turn; more than that is freed.
const KEPT: usize = 32;

type ToDo = Effect<Arc<dyn Child>>;

pub(crate) struct Driver {
    locked: Arc<LockedEngine>,
    io: Io,
    /// Whether a separate thread drops the values of user code whose last owner it was. Not in virtual time, where each run
    /// has to be the same.
    discards_elsewhere: bool,
}

/// The parts of a supervisor other than its engine.
struct Io {
    /// The scope that its children see above them.
    scope: Arc<Scope>,
    reports: Taken<Report>,
    /// A deadline was seen at that time to have passed; this many reports are read before the engine handles it.
    reports_before_deadline: Option<(usize, Instant)>,
    commands: Arc<Mailbox<Command>>,
    commands_taken: Taken<Command>,
    shared: Arc<Shared>,
    /// Its static children, running or not: they are disposed of if the supervisor has no successor. A root has them in
    /// the engine only.
    static_children: Option<Arc<[Arc<dyn Child>]>>,
    own: Own,
    timer: Option<DeadlineTimer>,
    /// The calls that wait for an answer, by the keys that the engine uses.
    calls: Slab<PendingCall>,
    /// The origins of this turn's calls. Dropped after the lock: one may be the last owner of a tree that has ended,
    /// whose executors and subscribers are foreign code.
    origins: Vec<CallOrigin>,
    /// The number of calls at which it checks which callers still wait.
    calls_to_look_at: usize,
    /// The effects that are still to be performed.
    to_do: VecDeque<ToDo>,
    /// Processes that supervisors below have left behind.
    left: Vec<Left>,
    /// The same, if this is the supervisor of a scope, for the owner.
    left_in_scope: Vec<Arc<dyn Child>>,
    /// When everything else has stopped: until when the processes in `left` have time to end.
    left_until: Option<Instant>,
    stop_watch: StopWatch,
    /// Whether there was a listener when this turn began.
    is_heard: bool,
    /// Whether everything has stopped. Messages that were sent before `Shared` was closed are still answered.
    is_closing: bool,
    /// The requests that it has seen.
    seen: StopRequest,
    is_asked: bool,
    /// Whether it has warned that its intensity ends before a backoff.
    has_warned: bool,
    /// Whether its children have a default backoff.
    has_backoff: bool,
    gave_up: Option<GaveUp>,
    unsettled: Unsettled,
    /// Held for messages that were read and have not taken effect yet.
    in_flight: Vec<InFlight>,
}

/// The supervisor as a process of its own.
struct Own {
    id: ProcessId,
    process_key: ProcessKey,
    control: Arc<dyn Control>,
    parent: Arc<dyn Parent>,
    /// The executor that polls it. A supervisor measures time there (D3): on the executor of its children, a blocked
    /// poll could delay the very limit that bounds it.
    spawner: Executor,
}

enum Turn {
    /// There is nothing to do before this time.
    Idle(Option<Instant>),
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
        let last_static = children.last().map_or(ChildId::FIRST, |last| last.id());
        // S3: a scope has the place and the name of its owner.
        let scope_id = settings.is_scope.then(|| own.control.id());
        let scope = parent.below(&name, own_id, scope_id, last_static, shared.clone(), home, spawner);
        // R36: a restarted supervisor is new. It has its static children, no history, and no child that was added. A
        // child that runs only once, and has run, is left out.
        let able: Vec<_> = children.iter().filter(|child| child.can_start()).collect();
        let children_to_start = able.into_iter().map(|child| (child.id(), child.clone()));
        // The engine outlives the supervisor for as long as a handle is kept, and needs no executor.
        let kept = SupervisorSettings { placement: Placed::default(), ..settings.clone() };
        let mut engine = Engine::new(kept, children_to_start, seed(&*own.spawner));
        engine.is_root = is_root;
        let (id, placement) = ((!is_root).then_some(own_id), PlacementKind::from(&*settings.placement));
        let (incarnation, meter) = (own.process_key.incarnation, own.control.meter().cloned());
        let locked = Arc::new(LockedEngine::new(engine, &own.spawner, id, own.id, placement, incarnation, meter));
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
            own,
            timer: None,
            calls: Slab::new(),
            origins: Vec::new(),
            calls_to_look_at: CALLS,
            to_do: VecDeque::new(),
            left: Vec::new(),
            left_in_scope: Vec::new(),
            left_until: None,
            stop_watch: StopWatch::default(),
            is_heard: false,
            is_closing: false,
            seen: StopRequest { no_successor: is_root, kill: false },
            is_asked: false,
            has_warned,
            has_backoff: settings.backoff.is_some(),
            gave_up: None,
            in_flight: Vec::new(),
        };
        // Called before the lock is taken: a clock is foreign code.
        let now = now(&*io.own.spawner);
        io.start(&mut locked.lock(), now);
        let discards_elsewhere = !is_virtual(&*io.own.spawner);
        Self { locked, io, discards_elsewhere }
    }

    fn turn(&mut self) -> Turn {
        let Self { locked, io, .. } = self;
        // Called once, and before the lock is taken: a clock is foreign code, and everything that a turn reads happens
        // at one time.
        let now = io.own.spawner.now();
        // N1: the request to stop is read before anything else. It is read before the lock is taken, because
        // acknowledging it wakes the supervisor above.
        let request = io.look_for_request();
        let (mut is_done, begun, unsettled, deadline) = {
            let mut engine = locked.lock();
            let is_read = io.take_in(&mut engine, request, now);
            let is_done = engine.poll_effects(&mut io.to_do, BATCH, now) && is_read;
            // What a turn has needed, the next one needs probably, too: it is freed after a turn that needs less. Otherwise
            // many children that come and go would make each turn grow the queues anew.
            if io.to_do.len() <= KEPT {
                engine.shrink(KEPT);
                if io.to_do.capacity() > KEPT {
                    io.to_do.shrink_to(KEPT);
                }
                io.origins.shrink_to(KEPT);
            }
            // Read here, so that a turn locks the engine once. What is performed below changes neither of them, except that it
            // asks for heartbeats, and then another turn follows.
            (is_done, io.look_for_stop(&engine), engine.unsettled(), engine.next_deadline())
        };
        // After the lock, because it may wake a test.
        io.unsettled.set(unsettled);
        io.origins.clear();
        let mut step = None;
        while let Some(effect) = io.to_do.pop_front() {
            // Answers to these are handled in the next turn.
            is_done &= !matches!(effect, Effect::SampleHeartbeat { .. });
            // N1: all effects are performed before the step is returned: nothing of this turn may come after a shutdown
            // that the next one finds.
            if let Some(performed) = io.perform(locked, effect, now) {
                step = Some(performed);
            }
        }
        // After the events that are its cause: a crash, a give-up, the end of a significant child.
        io.tell_of_stop(begun, now);
        locked.serve_queue();
        locked.tell_vain_monitors();
        // Once for the whole turn, and after the lock: readers that wait for a change then lock the engine.
        io.scope.changes.notify();
        if let Some(step) = step {
            return Turn::Step(step);
        }
        // R45: the supervisor ends after its children, and not before it has read what came until it was closed: as
        // long as the engine exists, it answers waiting calls (A7).
        if is_done && io.is_closing {
            let grace = locked.lock().settings().abort_grace;
            // N8: processes that were left behind below, and have no supervisor any more, get their grace here, last.
            io.left_until = io.wait_for_left(grace, now);
            if io.left_until.is_none() {
                return Turn::Step(Step::Ended(self.finish()));
            }
        }
        if is_done { Turn::Idle(deadline.or(io.left_until)) } else { Turn::Busy }
    }
}

impl Io {
    /// Starts the engine. It first adopts what an earlier run of this supervisor has left behind.
    fn start(&self, engine: &mut ChildrenEngine, now: Instant) {
        // P2: processes of an earlier run are adopted before the start, so the engine starts nothing beside them. A
        // root has no earlier run.
        let is_left = |child: &&Arc<dyn Child>| child.cell().process().is_some();
        for child in self.static_children.iter().flat_map(|children| children.iter()).filter(is_left) {
            if let Some(key) = engine.handle_left_behind(child.id(), now) {
                // Incarnation 0, which no process of this run has: the end of a process that was left behind is not
                // mistaken for another one (P5).
                let process_key = ProcessKey::new(key, 0);
                if !self.wait_for_vacancy(&**child, process_key) {
                    engine.handle_exit(process_key, Exit::Aborted, now);
                }
            }
        }
        engine.handle_start(self.seen.no_successor);
    }

    /// Arms the timer for the next deadline. Ready if that is now.
    fn poll_timer(&mut self, deadline: Option<Instant>) -> Poll<()> {
        match deadline {
            // A supervisor that never waits for a time has no timer.
            Some(deadline) => self
                .timer
                .get_or_insert_with(|| DeadlineTimer::new(&self.own.spawner, &self.scope.waker))
                .poll(deadline),
            None => {
                self.timer.iter_mut().for_each(DeadlineTimer::disarm);
                Poll::Pending
            }
        }
    }
}

/// Nothing in here is pinned.
impl Unpin for Driver {}

impl ProcessBody for Driver {
    // N8: a killed supervisor aborts the processes below it, and waits for them. Dropped, it could not.
    const ABORTABLE: bool = false;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        let this = &mut *self;
        let this_turn = this.io.scope.quiescence.in_flight();
        // Before the mailboxes are read. A message that is put in after that finds the waker, and so does the timer.
        this.io.scope.register(cx.waker());
        loop {
            let deadline = match this.turn() {
                Turn::Step(step) => return Poll::Ready(step),
                Turn::Busy => {
                    // A pause after each batch: other tasks on this thread get their turn, and a shutdown is checked
                    // again (N1). Nothing else wakes it, because the waiting messages have woken it already.
                    cx.waker().wake_by_ref();
                    // The tree is not quiet: this supervisor has more to do, though no message shows it.
                    this.io.in_flight.push(this_turn);
                    return Poll::Pending;
                }
                Turn::Idle(deadline) => earlier(deadline, this.io.stop_watch.deadline()),
            };
            // The turn has recorded the work under way. If the messages were dropped before that, the tree would look quiet for
            // a moment.
            this.io.in_flight.clear();
            // If the deadline has come meanwhile there is another turn. While it is pending, the timer wakes the supervisor.
            if this.io.poll_timer(deadline).is_pending() {
                return Poll::Pending;
            }
        }
    }

    fn cut_short(self: Pin<&mut Self>, exit: &Exit) {
        self.get_mut().lose(exit);
    }
}
