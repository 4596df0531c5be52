use std::{
    fmt,
    future::{Future, IntoFuture},
    pin::Pin,
    process::ExitCode,
    sync::Arc,
    task::{Context, Poll},
};

use super::root::{Root, RootReport};
use crate::{
    error::SupervisorError,
    incarnation::guard,
    observe::Observers,
    program::{self, ExitCodes},
    quiescence::Quiescence,
    signals::{Asked, Signals},
    spawner::Spawner,
    supervisor::Supervisor,
    trace,
    waits::Waiting,
};

type Trigger = Pin<Box<dyn Future<Output = ()> + Send>>;

/// The triggers that shut a tree down.
struct Triggers(Vec<Trigger>);

impl Supervisor {
    /// Runs this supervisor as the root of a tree on an executor. Await the returned value.
    pub fn run_on(self, spawner: impl Spawner) -> Run {
        self.run(Where::On(Arc::new(spawner)))
    }

    /// Runs it on the executor that `find` returns when the run is first polled. For the facade.
    #[doc(hidden)]
    pub fn run_where(self, find: fn() -> Result<Arc<dyn Spawner>, SupervisorError>) -> Run {
        self.run(Where::Found(find))
    }

    fn run(self, spawner: Where) -> Run {
        Run { root: self, spawner, triggers: Triggers(Vec::new()), until_signal: false, exit_codes: None }
    }
}

/// A run of a tree until its end: awaited, it resolves when the root has ended, with everything below it.
///
/// `Ok` means that the tree ended as it should: it was asked to stop and everything stopped well, or its significant
/// work was done. Anything else is an error that names what happened and where.
///
/// It comes from [`Supervisor::run_on`], and in the crate `supervision` from `run`, which finds the executor by itself.
///
/// Nothing runs before the first poll. If it is dropped after that, the tree is asked to shut down in the background.
#[must_use = "a tree does not run until it is awaited"]
pub struct Run {
    root: Supervisor,
    spawner: Where,
    triggers: Triggers,
    until_signal: bool,
    exit_codes: Option<ExitCodes>,
}

/// The executor on which a tree is going to run.
enum Where {
    On(Arc<dyn Spawner>),
    /// The executor that this function returns in the task that awaits the run.
    Found(fn() -> Result<Arc<dyn Spawner>, SupervisorError>),
}

impl Where {
    fn find(self) -> Result<Arc<dyn Spawner>, SupervisorError> {
        match self {
            Self::On(spawner) => Ok(spawner),
            Self::Found(find) => find(),
        }
    }
}

impl Run {
    /// Shuts the tree down when the future resolves, even if it resolves to an error. With several triggers, the first
    /// one counts.
    ///
    /// A trigger that panics shuts the tree down, too, because it can no longer ask for it. The log says so.
    pub fn with_shutdown<F>(mut self, trigger: F) -> Self
    where
        F: Future + Send + 'static,
    {
        self.triggers.0.push(Box::pin(async move {
            trigger.await;
        }));
        self
    }

    /// Shuts the tree down when the program is asked to stop: by SIGINT or SIGTERM. A second signal aborts all that is
    /// left, at once. After that, and when the run has ended, these signals end the program again, as they do by
    /// default; so one more signal ends a program that hangs for another reason.
    ///
    /// A plain thread receives the signals, from the first poll of the run on, before anything of the tree starts. So
    /// they are received even if every executor thread is blocked, and on every executor. Several runs may listen at
    /// once; each is asked. On Unix the thread only waits; elsewhere it checks every 100 ms. It ends with the run.
    ///
    /// The default effect comes back even in a program that listens to these signals by other means: between runs, and
    /// after the last one, they end it.
    ///
    /// The run fails with [`SupervisorError::Executor`] if the operating system refuses to install the handlers.
    #[cfg(feature = "signals")]
    pub fn until_signal(mut self) -> Self {
        self.until_signal = true;
        self
    }

    /// Runs the tree, and ends the program with its outcome: an error is printed on stderr, and the exit code is 0 if
    /// the tree ended as it should, 1 if not, and 128 + the number of the signal if a second signal aborted what was
    /// left. For the last line of `main`. [`with_exit_code`](Self::with_exit_code) sets other codes.
    ///
    /// A return from `main` would wait for everything that a runtime waits for when it is dropped: for ever, if a
    /// thread is blocked for ever. This does not wait. So destructors of what outlives the tree do not run. See
    /// [`exit`](crate::exit) for what is printed.
    pub async fn exit(mut self) -> ! {
        let codes = self.exit_codes.take();
        std::process::exit(program::report(self.await, codes).into())
    }

    /// Runs the tree, prints its error as [`exit`](Self::exit) does, and returns the same code, for a `main` that returns it.
    ///
    /// The difference: after this, `main` returns, so its destructors run. A log writer flushes when its guard is dropped, and
    /// the runtime waits for its blocking threads. So a thread that is blocked for ever keeps the program from ending; `exit`
    /// ends it.
    ///
    /// ```standalone_crate
    /// use std::process::ExitCode;
    /// use supervision::{Supervisor, SupervisorError, worker};
    ///
    /// # #[cfg(feature = "tokio")]
    /// #[tokio::main]
    /// async fn main() -> ExitCode {
    ///     let root = Supervisor::new("root").expect("it has letters").with_worker(worker("ticker", |shutdown| shutdown));
    ///     supervision::run(root)
    ///         .with_shutdown(async {}) // or whatever ends your work
    ///         .until_signal()
    ///         .with_exit_code(|error| matches!(error, SupervisorError::GaveUp(_)).then_some(75)) // try again later
    ///         .exit_code()
    ///         .await
    /// }
    /// # #[cfg(not(feature = "tokio"))]
    /// # fn main() {}
    /// ```
    pub async fn exit_code(mut self) -> ExitCode {
        let codes = self.exit_codes.take();
        program::report(self.await, codes).into()
    }

    /// Sets exit codes of your own: `code` chooses the one for an error, and `None` is the usual one, 1.
    ///
    /// It counts for [`exit`](Self::exit) and [`exit_code`](Self::exit_code), which print the error as always, and for nothing
    /// else: a run that is awaited returns its error. It is not asked when the tree ended well, which is 0, nor when a second
    /// signal aborted the tree, because 128 + the number of the signal tells a caller more than the error does. If it panics,
    /// the code is the usual one.
    pub fn with_exit_code(mut self, code: impl FnOnce(&SupervisorError) -> Option<u8> + Send + 'static) -> Self {
        self.exit_codes = Some(Box::new(code));
        self
    }
}

impl Run {
    fn begin(self) -> Result<State, SupervisorError> {
        let Self { root, spawner, triggers, until_signal, exit_codes: _ } = self;
        let spawner = spawner.find()?;
        // Before anything starts, so that a signal during a long start is received.
        let signals = until_signal.then(Signals::listen).transpose()?;
        let (root, waiting) = Root::launch(root, spawner, Observers::default(), Quiescence::uncounted())?;
        Ok(State::Running { _waiting: waiting, root, triggers, signals })
    }
}

impl IntoFuture for Run {
    type Output = Result<(), SupervisorError>;
    type IntoFuture = RunFuture;

    fn into_future(self) -> RunFuture {
        RunFuture { state: State::New(Box::new(self)) }
    }
}

impl fmt::Debug for Where {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::On(spawner) => spawner.fmt(f),
            Self::Found(_) => f.write_str("found when it is first polled"),
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("root", &self.root)
            .field("spawner", &self.spawner)
            .field("until_signal", &self.until_signal)
            .finish_non_exhaustive()
    }
}

/// The future of a [`Run`].
#[must_use = "a tree does not run until it is awaited"]
pub struct RunFuture {
    state: State,
}

enum State {
    New(Box<Run>),
    /// With the record that the process which awaits this waits, if a process awaits it.
    Running {
        _waiting: Option<Waiting>,
        root: Root,
        triggers: Triggers,
        signals: Option<Signals>,
    },
    Ended,
}

/// Nothing in here is pinned.
impl Unpin for RunFuture {}

impl Future for RunFuture {
    type Output = Result<(), SupervisorError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let State::New(_) = self.state {
            let State::New(run) = std::mem::replace(&mut self.state, State::Ended) else { unreachable!() };
            self.state = run.begin()?;
        }
        let State::Running { root, triggers, signals, .. } = &mut self.state else {
            panic!("a `RunFuture` was polled after it had resolved");
        };
        if triggers.0.iter_mut().any(|trigger| has_fired(trigger, root, cx)) {
            triggers.forget();
            root.shutdown("a future of `with_shutdown` has ended");
        }
        while let Some(asked) = signals.as_mut().and_then(|signals| signals.poll(cx)) {
            match asked {
                Asked::Stop(signal) => root.shutdown(signal),
                Asked::StopNow(signal) => root.abort(format_args!("{signal}, the second signal")),
            }
        }
        while let Poll::Ready(kind) = root.poll_report(cx) {
            if let RootReport::Ended(exit) = kind {
                let outcome = root.outcome(exit);
                self.state = State::Ended;
                return Poll::Ready(outcome);
            }
        }
        Poll::Pending
    }
}

/// Polls a trigger. It is foreign code, polled in the task that runs the tree. Whatever it does, the tree stops in
/// order.
fn has_fired(trigger: &mut Trigger, root: &Root, cx: &mut Context<'_>) -> bool {
    // P9: the trigger is foreign code. A panic of it must not end the task that runs the tree.
    match guard(|| trigger.as_mut().poll(cx)) {
        Ok(polled) => polled.is_ready(),
        Err(panic) => {
            trace::warn_of_trigger(root.about(), &panic);
            true
        }
    }
}

impl Triggers {
    /// Drops the triggers, each under a guard: their destructors do not affect the outcome.
    fn forget(&mut self) {
        for trigger in self.0.drain(..) {
            let _ = guard(|| drop(trigger));
        }
    }
}

impl Drop for Triggers {
    fn drop(&mut self) {
        self.forget();
    }
}

impl fmt::Debug for RunFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunFuture").finish_non_exhaustive()
    }
}
