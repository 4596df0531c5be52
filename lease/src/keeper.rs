//! The keeper of a lease: the process that feeds the engine and carries out its effects.

use std::{
    collections::BTreeMap,
    future::{Future, pending, poll_fn},
    panic::AssertUnwindSafe,
    pin::{Pin, pin},
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use futures_lite::FutureExt;
use supervisor_core::{
    BoxError, ChildId, ChildSpec, Exit, Monitor, ProcessShutdown, RestartType, ShutdownStrategy, Supervisor,
    SupervisorError, SupervisorHandle, log, process, worker,
};

use crate::{
    Bid, Clock, Held, Holder, LeaseError, LeaseEvent, LeaseSnapshot, LeaseStatus, MachineClock,
    clock::VirtualClock,
    engine::{Answer, BidId, BodyEnd, Effect, Engine, Request, RequestId},
    erased::{AnyStore, Boxed},
    error::text,
    held::Term,
    last_resort::{LastResort, PlainThread, Watch, Watched},
    metrics,
    timing::Timing,
};

/// What all runs of one keeper share.
pub(crate) struct Shared {
    pub(crate) timing: Timing,
    pub(crate) store: Arc<dyn AnyStore>,
    pub(crate) clock: Option<Arc<dyn Clock>>,
    pub(crate) watch: Option<Arc<dyn Watch>>,
    pub(crate) policy: LastResort,
    pub(crate) is_ready_when_held: bool,
    pub(crate) status: LeaseStatus,
    pub(crate) body: Box<dyn Fn(Held) -> Supervisor + Send + Sync>,
}

/// A request that is under way.
struct Call {
    id: RequestId,
    answer: Boxed<'static, Answer>,
}

/// The subtree, while it is there.
struct Body {
    term: Arc<Term>,
    watched: Watched,
    child: ChildId,
    end: Monitor,
    /// Resolves when the future of the worker has ended, and what is in its scope may still be there. None once it has.
    future: Option<Boxed<'static, ()>>,
}

struct Keeper {
    shared: Arc<Shared>,
    engine: Engine,
    clock: Arc<dyn Clock>,
    supervisor: SupervisorHandle,
    path: String,
    holders: BTreeMap<BidId, Arc<Holder>>,
    calls: Vec<Call>,
    body: Option<Body>,
    /// The stop of the subtree that is under way.
    stop: Option<Boxed<'static, Result<(), SupervisorError>>>,
    /// The child that stands for a replica that does not have the lease, if that counts as not ready.
    unready: Option<ChildId>,
    errand: Option<Boxed<'static, ()>>,
    freed: Option<Boxed<'static, ()>>,
    /// Whether the store has said that the lease may be free, since it was asked the last time. It may say so all the time.
    was_freed: bool,
    result: Option<Result<(), LeaseError>>,
}

/// Something that has happened.
enum Input {
    Answer(RequestId, Answer),
    Gone(Exit),
    Stopped(Result<(), SupervisorError>),
    Freed,
    Stopping,
    Asked,
    Time,
}

/// Keeps the lease until the supervisor above stops. An error climbs.
pub(crate) async fn keep(shared: Arc<Shared>, shutdown: ProcessShutdown) -> Result<(), BoxError> {
    let mut keeper = Keeper::new(shared)?;
    keeper.engine.start(keeper.clock.now());
    if !keeper.shared.is_ready_when_held {
        process::ready();
    }
    let supervisor = keeper.supervisor.clone();
    let mut stopping = pin!(async {
        let _ = supervisor.stopping().await;
    });
    let mut is_stopping = false;
    let mut shutdown = pin!(shutdown);
    let mut is_asked = false;
    loop {
        keeper.perform()?;
        if let Some(result) = keeper.result.take() {
            return Ok(result?);
        }
        let input = {
            // A poll of the subtree that blocks may keep the executor from its timers and sockets. Without renewals the last resort would
            // end the process, though nothing is wrong with the lease.
            let mut time = pin!(process::sleep(keeper.pause()).insisting());
            poll_fn(|cx| {
                // First: the end of a subtree that this stops is none of its own, after which the lease would be asked for again.
                if !is_stopping && stopping.as_mut().poll(cx).is_ready() {
                    is_stopping = true;
                    return Poll::Ready(Input::Stopping);
                }
                if let Poll::Ready(input) = keeper.poll_own(cx) {
                    return Poll::Ready(input);
                }
                if !is_asked && shutdown.as_mut().poll(cx).is_ready() {
                    is_asked = true;
                    return Poll::Ready(Input::Asked);
                }
                time.as_mut().poll(cx).map(|()| Input::Time)
            })
            .await
        };
        keeper.take(input);
    }
}

impl Keeper {
    fn new(shared: Arc<Shared>) -> Result<Self, BoxError> {
        let supervisor = process::supervisor()?;
        let clock = match &shared.clock {
            Some(clock) => clock.clone(),
            None if process::is_virtual() => Arc::new(VirtualClock::new(process::clock())),
            None => Arc::new(MachineClock::default()),
        };
        Ok(Self {
            engine: Engine::new(shared.timing.clone()),
            path: supervisor.path(),
            shared,
            clock,
            supervisor,
            holders: BTreeMap::new(),
            calls: Vec::new(),
            body: None,
            stop: None,
            unready: None,
            errand: None,
            freed: None,
            was_freed: false,
            result: None,
        })
    }

    /// Returns how long to sleep. Not longer than the margin: a sleep does not count the time in which the machine sleeps, too.
    fn pause(&self) -> Duration {
        let until = self.engine.next_deadline().unwrap_or(Duration::MAX);
        until.saturating_sub(self.clock.now()).min(self.shared.timing.margin)
    }

    /// Polls what this keeper waits for. The end of the subtree comes first: what follows from it is urgent.
    fn poll_own(&mut self, cx: &mut Context<'_>) -> Poll<Input> {
        if let Some(body) = &mut self.body {
            if let Poll::Ready(exit) = Pin::new(&mut body.end).poll(cx) {
                return Poll::Ready(Input::Gone(exit));
            }
        }
        if self.has_body_ended(cx) && self.supervisor.stop_reason().is_none() {
            // It has ended by itself, and a process in it may not yield. The answer tells whether it does.
            self.stop(self.shared.timing.stop);
        }
        for index in 0..self.calls.len() {
            if let Poll::Ready(answer) = self.calls[index].answer.as_mut().poll(cx) {
                return Poll::Ready(Input::Answer(self.calls.swap_remove(index).id, answer));
            }
        }
        if let Some(stop) = &mut self.stop {
            if let Poll::Ready(result) = stop.as_mut().poll(cx) {
                self.stop = None;
                return Poll::Ready(Input::Stopped(result));
            }
        }
        if let Some(errand) = &mut self.errand {
            if errand.as_mut().poll(cx).is_ready() {
                self.errand = None;
            }
        }
        if self.engine.is_waiting() && !self.was_freed {
            let store = &self.shared.store;
            let freed = self.freed.get_or_insert_with(|| {
                let store = store.clone();
                Box::pin(async move {
                    // A store that panics is asked again from time to time, as one that does not tell.
                    if AssertUnwindSafe(store.freed()).catch_unwind().await.is_err() {
                        pending().await
                    }
                })
            });
            if freed.as_mut().poll(cx).is_ready() {
                self.freed = None;
                return Poll::Ready(Input::Freed);
            }
        }
        Poll::Pending
    }

    /// Returns, once, whether the worker's future has ended before everything in its scope.
    fn has_body_ended(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(body) = &mut self.body else { return false };
        let Some(future) = &mut body.future else { return false };
        let has_ended = future.as_mut().poll(cx).is_ready();
        if has_ended {
            body.future = None;
        }
        has_ended
    }

    fn take(&mut self, input: Input) {
        let now = self.clock.now();
        match input {
            Input::Answer(id, answer) => self.engine.answer(id, answer, now),
            Input::Gone(exit) => {
                if let Some(body) = self.body.take() {
                    body.watched.prove();
                    body.term.revoke();
                }
                self.stop = None;
                self.be_unready();
                let end = if exit.is_success() { BodyEnd::Well } else { BodyEnd::Failed(format!("{exit:#}")) };
                self.gone(end, now);
            }
            Input::Stopped(Err(SupervisorError::Stuck { .. })) => self.engine.stuck(now),
            // Its mailbox is full, or there is nothing to stop any more. The engine aborts what is left when it is time.
            Input::Stopped(_) => {}
            Input::Freed => {
                self.was_freed = true;
                self.engine.freed(now);
            }
            Input::Stopping => self.engine.stop(now),
            Input::Asked if self.body.is_some() => self.engine.abandon(now),
            Input::Asked => self.engine.stop(now),
            Input::Time => self.engine.tick(now),
        }
    }

    /// Carries out what the engine wants.
    fn perform(&mut self) -> Result<(), BoxError> {
        while let Some(effect) = self.engine.next_effect() {
            match effect {
                Effect::Send(id, request) => self.send(id, request),
                Effect::Cancel(id) => self.calls.retain(|call| call.id != id),
                Effect::Start(token, until) => self.start(token, until)?,
                Effect::Stop(within) => self.stop(within),
                Effect::ValidUntil(until) => {
                    if let Some(body) = &self.body {
                        body.term.set_until(until);
                    }
                }
                Effect::Lose => {
                    if let Some(body) = &self.body {
                        body.term.lose();
                    }
                }
                Effect::Revoke => {
                    if let Some(body) = &self.body {
                        body.term.revoke();
                    }
                }
                Effect::ActNow => {
                    if let Some(body) = &self.body {
                        body.watched.mark_stuck();
                    }
                }
                Effect::Tell(event) => self.tell(&event),
                Effect::Finish(result) => self.result = Some(result),
            }
        }
        let state = self.engine.state();
        let tenure = self.engine.tenure();
        self.shared.status.set(
            LeaseSnapshot {
                state,
                token: tenure.map(|(token, _)| token),
                holder: self.engine.holder().map(str::to_owned),
                expires_in: None,
                failures: self.engine.failures(),
                last_error: self.engine.last_error().map(str::to_owned),
            },
            tenure.map(|(_, expiry)| (expiry, self.clock.clone())),
        );
        Ok(())
    }

    fn send(&mut self, id: RequestId, request: Request) {
        let (store, clock) = (self.shared.store.clone(), self.clock.clone());
        let (duration, drift) = (self.shared.timing.duration, self.shared.timing.drift);
        if let Request::Acquire(_) = request {
            self.was_freed = false;
        }
        let (Request::Acquire(bid) | Request::Renew(bid, _) | Request::Release(bid)) = request;
        let holder = self.holders.entry(bid).or_insert_with(|| Arc::new(Holder::new(process::random()))).clone();
        let call = async move {
            let bid = Bid { holder: &holder, duration, drift, clock: &*clock };
            match request {
                Request::Acquire(_) => Answer::Acquisition(asked(|| store.acquire(bid)).await),
                Request::Renew(_, token) => Answer::Renewal(asked(|| store.renew(bid, token)).await),
                Request::Release(_) => Answer::Release(asked(|| store.release(&holder)).await),
            }
        };
        self.calls.push(Call { id, answer: Box::pin(call) });
        // Those of bids that are over are not needed: the engine counts upwards, and releases what it leaves.
        let oldest = self.engine.oldest_bid();
        self.holders.retain(|bid, _| *bid >= oldest);
    }

    /// Starts the subtree, below a worker of its own: all that it starts is in the scope of that worker, so the exit of the worker
    /// is reported when everything is gone, and not before (S1).
    fn start(&mut self, token: crate::Token, until: Duration) -> Result<(), BoxError> {
        let term = Arc::new(Term::new(self.clock.clone()));
        term.set_until(until);
        let watched = Watched::new(self.path.clone(), term.clone(), self.shared.policy);
        // The last resort is set before anything starts that it has to watch.
        match &self.shared.watch {
            Some(watch) => watch.watch(watched.clone())?,
            // No thread can watch virtual time. The event tells of it.
            None if process::is_virtual() => {}
            None => PlainThread.watch(watched.clone())?,
        }
        let (opens, gate) = async_channel::bounded(1);
        // Nothing is sent here, either: it is dropped with the future.
        let (falls, fallen) = async_channel::bounded::<()>(1);
        let falls = Mutex::new(Some(falls));
        let (shared, held) = (self.shared.clone(), Held::new(token, term.clone()));
        let timing = &self.shared.timing;
        let child = worker(TERM, move |shutdown| {
            let falls = falls.lock().unwrap_or_else(PoisonError::into_inner).take();
            let body = run_body(shared.clone(), held.clone(), gate.clone(), shutdown);
            async move {
                let _falls = falls;
                body.await
            }
        })
        .with_restart_type(RestartType::Temporary)
        // Ready at once: a child that is stopped before it is ready is aborted, and with it the part of the subtree that runs.
        .with_shutdown_strategy(ShutdownStrategy::Graceful(timing.stop));
        let now = self.clock.now();
        let child = match self.supervisor.spawn(child) {
            Ok(child) => child,
            // It stops, or has a full mailbox.
            Err(error) => {
                watched.prove();
                self.gone(BodyEnd::Failed(format!("{error:#}")), now);
                return Ok(());
            }
        };
        // It waits at the gate until then, so it is not gone before both are there.
        match (self.supervisor.monitor(child), self.supervisor.monitor(child)) {
            (Ok(end), Ok(proof)) => {
                watched.prove_by(proof);
                let future = Box::pin(async move {
                    let _ = fallen.recv().await;
                });
                self.body = Some(Body { term, watched, child, end, future: Some(future) });
                self.be_ready();
            }
            // Something has stopped it at the gate.
            _ => {
                watched.prove();
                self.gone(BodyEnd::Well, now);
            }
        }
        drop(opens);
        Ok(())
    }

    /// Tells the engine that the subtree is gone. The supervisor is asked whether it stops: what tells of that may come later than the
    /// end that it causes.
    fn gone(&mut self, end: BodyEnd, now: Duration) {
        if self.supervisor.stop_reason().is_some() {
            self.engine.stop(now);
        }
        self.engine.gone(end, process::random(), now);
    }

    /// Counts as ready, now that this replica has the lease.
    fn be_ready(&mut self) {
        if self.shared.is_ready_when_held {
            process::ready();
            if let Some(placeholder) = self.unready.take() {
                // It waits for nothing, and is stopped without a wait: what comes of it does not matter.
                let supervisor = self.supervisor.clone();
                self.errand = Some(Box::pin(async move {
                    let _ = supervisor.terminate_child(placeholder).await;
                }));
            }
        }
    }

    /// Counts as not ready: a process is never ready twice, so a child that never becomes ready stands in for it.
    fn be_unready(&mut self) {
        if self.shared.is_ready_when_held && self.unready.is_none() {
            let waiting =
                worker("waiting", |shutdown| shutdown).with_restart_type(RestartType::Temporary).with_explicit_ready();
            // A supervisor that stops needs none.
            self.unready = self.supervisor.spawn(waiting).ok();
        }
    }

    fn stop(&mut self, within: Duration) {
        let Some(body) = &self.body else { return };
        let (supervisor, child) = (self.supervisor.clone(), body.child);
        self.stop = Some(Box::pin(async move { supervisor.terminate_child_within(child, within).await }));
    }

    fn tell(&self, event: &LeaseEvent) {
        let path = &self.path;
        match event {
            LeaseEvent::Overrun => log::error(format_args!("{path} {event}")),
            event if event.is_trouble() => log::warn(format_args!("{path} {event}")),
            event => log::info(format_args!("{path} {event}")),
        }
        metrics::count(path, event);
        self.shared.status.tell(event);
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        let idle = LeaseSnapshot { last_error: self.shared.status.snapshot().last_error, ..LeaseSnapshot::default() };
        self.shared.status.set(idle, None);
        metrics::forget(&self.path);
    }
}

/// The name of the worker below which the subtree runs.
const TERM: &str = "term";

/// Runs the subtree in the scope of its own process.
async fn run_body(
    shared: Arc<Shared>,
    held: Held,
    gate: async_channel::Receiver<()>,
    shutdown: ProcessShutdown,
) -> Result<(), BoxError> {
    // Nothing is ever sent: the other end is dropped.
    if shutdown.run_until(gate.recv()).await.is_none() {
        return Ok(());
    }
    let grace = shared.timing.grace;
    let scope = process::scope_with(|scope| scope.with_abort_grace(grace))?;
    let subtree = ChildSpec::from((shared.body)(held)).with_restart_type(RestartType::Temporary);
    // S5: if it fails, so does this process, and its exit has the cause.
    let Some(child) = shutdown.run_until(scope.start_child(subtree.with_significance())).await else { return Ok(()) };
    let child = child?;
    // What is in the scope is asked to stop when this returns.
    let _ = shutdown.run_until(scope.stopped(child)).await;
    Ok(())
}

/// Asks a store, which is foreign code: a panic is its error.
async fn asked<'a, T>(ask: impl FnOnce() -> Boxed<'a, Result<T, BoxError>>) -> Result<T, String> {
    match AssertUnwindSafe(async { ask().await }).catch_unwind().await {
        Ok(answer) => answer.map_err(|error| text(&error)),
        Err(panic) => {
            let message =
                panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
            Err(format!("the store panicked: {}", message.unwrap_or("without a message")))
        }
    }
}
