//! A running supervisor: the loop between an engine and the world.
//!
//! One turn takes what has come in, the request to stop first, then exits, then what is due, and commands last, each in
//! batches, and then does what the engine wants done. Nothing in here waits for anything but the next turn.

mod command;
mod conclusion;
mod hub;
mod launch;
mod view;

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use oneshot::Sender;
use slab::Slab;

use self::launch::Plan;
pub(crate) use self::{
    command::{Call, Command},
    hub::Hub,
    launch::Launch,
};
use crate::{
    child::Child,
    engine::{Effect, Engine, Order},
    error::{GaveUp, SupervisorError},
    mailbox::{Envelope, Mailbox, Taken},
    observe::{Event, EventKind},
    process::{ChildId, Control, Flags, Life, Link, News, Place, ProcessId, Report, Step, Ticket, guard},
    quiet::{Gauge, Token},
    scope::Scope,
    spawner::{Spawner, Timer},
    strategy::{ChildKind, RestartStrategy, RestartType},
};

/// How much of a kind is taken, or done, before the rest gets its turn.
const BATCH: usize = 256;
/// How many commands: new work is less urgent than what has happened, and makes more to do.
const COMMANDS: usize = 128;

pub(crate) struct Driver {
    engine: Engine<Arc<dyn Child>>,
    strategy: RestartStrategy,
    /// What its children have above them.
    scope: Arc<Scope>,
    reports: Taken<Report>,
    commands: Arc<Mailbox<Command>>,
    commands_taken: Taken<Command>,
    hub: Arc<Hub>,
    /// Its static children, alive or not: to be disposed of when nothing comes after it. A root has them in the engine alone.
    specs: Option<Arc<[Arc<dyn Child>]>>,
    /// Those up to here it had when it started.
    last_static: ChildId,
    own: Own,
    timer: Option<Pin<Box<dyn Timer>>>,
    armed: Option<Instant>,
    /// Who waits for an answer, by the keys that the engine knows them by.
    calls: Slab<Sender<Result<(), SupervisorError>>>,
    /// All has stopped. What was sent before the hub was closed is still answered.
    is_closing: bool,
    /// What it has seen of its orders.
    seen: Order,
    is_asked: bool,
    gave_up: Option<GaveUp>,
    gauge: Gauge,
    /// Of what was taken in and has not taken effect yet.
    tokens: Vec<Token>,
}

/// The supervisor as a process of its own.
struct Own {
    id: ProcessId,
    ticket: Ticket,
    control: Arc<dyn Control>,
    parent: Arc<dyn Link>,
}

enum Turn {
    Idle,
    /// There is more to do.
    Busy,
    Step(Step),
}

impl Driver {
    fn new(plan: Plan, spawner: Arc<dyn Spawner>) -> Self {
        let Plan { settings, specs, hub, parent, name, own } = plan;
        let is_root = parent.is_outside();
        let own_id = own.ticket.place().child;
        let scope = parent.below(name, own_id, hub.clone(), hub.subscribers().clone(), spawner);
        let commands = hub.open(&scope, &own.control, &settings);
        let specs_to_start: Vec<_> = specs.iter().filter(|child| child.can_start()).collect();
        let children = specs_to_start.into_iter().map(|child| (child.id(), child.clone()));
        let strategy = settings.strategy;
        let last_static = specs.last().map_or(ChildId::FIRST, |last| last.id());
        let mut engine = Engine::new(settings, children, scope.spawner.seed());
        engine.start(is_root);
        Self {
            engine,
            strategy,
            gauge: scope.quiet.gauge(),
            scope,
            reports: Taken::nothing(),
            commands,
            commands_taken: Taken::nothing(),
            hub,
            specs: (!is_root).then_some(specs),
            last_static,
            own,
            timer: None,
            armed: None,
            calls: Slab::new(),
            is_closing: false,
            seen: Order { last: is_root, kill: false },
            is_asked: false,
            gave_up: None,
            tokens: Vec::new(),
        }
    }

    fn turn(&mut self) -> Turn {
        let now = self.scope.spawner.now();
        self.engine.is_heard = self.scope.observers.listen();
        self.obey(now);
        let mut is_busy = self.take_reports(now);
        if self.engine.next_deadline().is_some_and(|deadline| deadline <= now) {
            self.engine.tick(now);
        }
        is_busy |= self.take_commands(now);
        for _ in 0..BATCH {
            while let Some(effect) = self.engine.poll_effect() {
                if let Some(step) = self.perform(effect, now) {
                    return Turn::Step(step);
                }
            }
            if !self.engine.advance(now) {
                return match is_busy {
                    true => Turn::Busy,
                    false if self.is_closing => Turn::Step(Step::Ended(self.finish())),
                    false => Turn::Idle,
                };
            }
        }
        Turn::Busy
    }

    /// Looks at what is asked of this supervisor as a process.
    fn obey(&mut self, now: Instant) {
        let Some(flags) = self.own.control.cell().flags(self.own.id) else { return };
        let kill = flags.contains(Flags::ABORT);
        let is_asked = kill || flags.contains(Flags::SHUTDOWN);
        let order = Order { last: self.seen.last || flags.contains(Flags::LAST), kill };
        if !is_asked || (self.is_asked && order == self.seen) {
            return;
        }
        if !self.is_asked || order.kill != self.seen.kill {
            let report = Report { ticket: self.own.ticket, news: News::Acknowledged };
            self.own.parent.report(report);
        }
        (self.is_asked, self.seen) = (true, order);
        self.hub.acknowledge();
        self.engine.shutdown(order, now);
    }

    fn take_reports(&mut self, now: Instant) -> bool {
        for _ in 0..BATCH {
            let Some(Envelope { message: Report { ticket, news }, token }) = self.scope.next_report(&mut self.reports)
            else {
                return false;
            };
            self.tokens.push(token);
            match news {
                News::Ready => self.engine.ready(ticket, now),
                News::Acknowledged => self.engine.acknowledged(ticket),
                News::Exited(exit) => self.engine.exited(ticket, exit, now),
            }
        }
        true
    }

    fn take_commands(&mut self, now: Instant) -> bool {
        for _ in 0..COMMANDS {
            let Some(Envelope { message, token }) = self.commands.next(&mut self.commands_taken) else { return false };
            self.tokens.push(token);
            self.carry_out(message, now);
        }
        true
    }

    fn perform(&mut self, effect: Effect<Arc<dyn Child>>, now: Instant) -> Option<Step> {
        match effect {
            Effect::Start { child: place, incarnation } => {
                if let Some(spec) = self.engine.child(place) {
                    let settings = spec.settings();
                    // What is added and runs once only drops its specification itself, with what it leaves behind.
                    let is_only_run =
                        settings.restart() == RestartType::Temporary && settings.kind == ChildKind::Worker;
                    let flags = if is_only_run && !self.is_static(place.child) { Flags::LAST } else { Flags::NONE };
                    let spec = spec.clone();
                    let birth = spec.clone().begin(Ticket::new(place, incarnation), &self.scope, flags);
                    // Before it is told of anything that it does.
                    if self.engine.is_heard {
                        self.tell(&*spec, EventKind::Started);
                    }
                    spec.start(birth, &self.scope);
                }
            }
            Effect::Ask { child, last } => self.request(child, Flags::SHUTDOWN, last),
            Effect::Abort { child, last } => self.request(child, Flags::ABORT, last),
            Effect::Listen { child, incarnation } => {
                let sign_of_life = self.engine.child(child).is_some_and(|spec| spec.cell().take_alive());
                self.engine.heard(Ticket::new(child, incarnation), sign_of_life, now);
            }
            Effect::Tell { spec, kind, took } => self.tell_timed(&*spec, took, *kind),
            Effect::Ready => return Some(Step::Ready),
            Effect::GaveUp => self.tell_of_giving_up(now),
            Effect::Answer { caller, spec, answer } => self.answer(caller, spec.as_deref(), answer),
            Effect::Refuse { spec, caller, refusal } => self.refuse(spec, caller, refusal),
            Effect::Forget { child, spec } => {
                if !self.is_static(child) || self.specs.is_none() {
                    self.dispose(spec);
                }
            }
            Effect::Finish => {
                self.hub.close(&self.scope);
                self.is_closing = true;
            }
        }
        None
    }

    fn request(&self, child: Place, flags: Flags, last: bool) {
        let Some(spec) = self.engine.child(child) else { return };
        let flags = if last { flags | Flags::LAST } else { flags };
        // Wakes whoever waits for it, and a waker is user code.
        let _ = guard(|| spec.cell().request(flags));
    }

    fn tell(&self, spec: &dyn Child, kind: EventKind) {
        self.tell_timed(spec, None, kind);
    }

    fn tell_timed(&self, spec: &dyn Child, took: Option<Duration>, kind: EventKind) {
        self.scope.tell(kind, spec.subscribers(), |kind| Event {
            path: self.scope.path_of(spec.segment()),
            process: spec.cell().latest(),
            kind,
            took,
        });
    }

    fn tell_of_itself(&self, kind: EventKind) {
        self.scope.tell(kind, None, |kind| Event {
            path: self.scope.path(),
            process: Some(self.own.id),
            kind,
            took: None,
        });
    }

    /// Whether it is one of those that this supervisor has when it starts.
    fn is_static(&self, child: ChildId) -> bool {
        child <= self.last_static
    }

    /// A child is not started again, by anybody, so what its specification owns is dropped. Where it ran it has done that
    /// itself; otherwise a process of its own does, so that no destructor can hold anything up.
    fn dispose(&self, spec: Arc<dyn Child>) {
        if spec.cell().process().is_none() && spec.is_loaded() {
            spec.dispose(&self.scope);
        }
    }

    /// Arms the timer for what is due next. Whether that is now.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let deadline = self.engine.next_deadline();
        if deadline.is_none() && self.timer.is_none() {
            return Poll::Pending;
        }
        let timer = self.timer.get_or_insert_with(|| self.scope.spawner.timer());
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

impl Life for Driver {
    const ABORTABLE: bool = false;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Step> {
        let this = &mut *self;
        let turn_token = this.scope.quiet.token();
        this.scope.waker.register(cx.waker());
        loop {
            match this.turn() {
                Turn::Step(step) => return Poll::Ready(step),
                Turn::Busy => {
                    cx.waker().wake_by_ref();
                    this.tokens.push(turn_token);
                    return Poll::Pending;
                }
                Turn::Idle => {}
            }
            this.gauge.set(this.engine.unsettled());
            this.tokens.clear();
            if this.poll_timer(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}

/// Only where the executor drops a supervisor that still runs: what is below it must not go on unsupervised.
impl Drop for Driver {
    fn drop(&mut self) {
        self.hub.close(&self.scope);
        self.scope.close();
        while let Some(Envelope { message, .. }) = self.commands.next(&mut self.commands_taken) {
            if let Command::Start { child, call } = message {
                if call.is_none() {
                    self.tell(&*child, EventKind::Refused(self.hub.not_running()));
                }
                self.dispose(child);
            }
        }
        for spec in self.engine.live() {
            let _ = guard(|| spec.cell().request(Flags::ABORT));
        }
        if self.specs.is_none() {
            // One by one, because two destructors that panic together are the end of the program.
            let specs = self.engine.children().map(|(_, spec, _)| spec).filter(|spec| spec.cell().process().is_none());
            specs.for_each(|spec| drop(guard(|| spec.release())));
        }
    }
}
