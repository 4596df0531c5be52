use std::{borrow::Cow, fmt, sync::Arc, time::Duration};

use supervisor_core::{AutoShutdown, Backoff, RestartStrategy, RestartType, ShutdownStrategy, Supervisor, worker};

use crate::{
    Clock, Held, LastResort, LeaseError, LeaseStatus, Store,
    keeper::{Shared, keep},
    last_resort::Watch,
    timing::Timing,
};

/// A subtree that runs on one replica at a time: on the one that has the lease.
///
/// [`run`](Self::run) makes a supervisor of it, to be added to a tree like any other. On each replica that supervisor keeps asking for
/// the lease. The replica that has it starts the subtree. It stops the subtree before the lease can end, and gives the lease back
/// only when the subtree is gone: when all futures were dropped, and all destructors have run.
///
/// ```
/// use lease::{Leased, Memory};
/// use supervision::{BoxError, Supervisor, worker};
///
/// # fn main() -> Result<(), BoxError> {
/// let compactor = Leased::new("compactor", Memory::new()).run(|held| {
///     let mut jobs = Supervisor::new("jobs").expect("a name with letters");
///     jobs.add_worker(worker("merge", move |shutdown| {
///         let held = held.clone();
///         async move {
///             println!("merges with the token {}", held.token());
///             shutdown.await;
///         }
///     }));
///     jobs
/// })?;
///
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(compactor);
/// # Ok(())
/// # }
/// ```
///
/// # What is not promised
///
/// That two replicas never do the same step at once rests on these, which this code cannot check:
///
/// - The store keeps what it has acknowledged, and people do not delete the lease in it.
/// - Clocks of replicas and store run at the same rate, but for the [drift](Self::with_drift).
/// - A machine that goes on after a sleep, or a process after SIGSTOP, goes on with the work until the abort reaches it, which may
///   take 50 ms. Work that asks [`is_valid`](Held::is_valid) before each step makes at most the step that it was in. The
///   [token](Held::token) is for that step: let what it writes to refuse a smaller token than it has seen. A virtual machine whose
///   guest cannot see a pause at all goes on for longer.
/// - Threads, tasks of the executor's own `spawn`, and a statement that a database still executes are no futures of the tree. Wait for
///   them before a worker ends, or fence them.
///
/// # Times
///
/// | | default | |
/// |---|---|---|
/// | duration | 15 s | for how long the store grants the lease: what a crash costs |
/// | [stop](Self::with_stop_budget) | 5 s | what the subtree has to stop |
/// | [abort grace](Self::with_abort_grace) | 1 s | what an aborted process has to yield |
/// | [margin](Self::with_margin) | 0.5 s | what the last resort has, and the rest of the machine |
/// | [renewal](Self::with_renewal_interval) | 2 s | |
/// | [request](Self::with_request_limit) | 2 s | how long the store has to answer |
/// | [drift](Self::with_drift) | 1 % | |
///
/// They have to fit: `duration (1 - drift) >= stop + grace + margin + 2 renewal + request`. This is checked before anything starts,
/// and again with the duration that the store has granted.
#[must_use = "a lease does nothing until it is run"]
pub struct Leased {
    name: Cow<'static, str>,
    store: Arc<dyn crate::erased::AnyStore>,
    timing: Timing,
    clock: Option<Arc<dyn Clock>>,
    watch: Option<Arc<dyn Watch>>,
    policy: LastResort,
    is_ready_when_held: bool,
    status: LeaseStatus,
}

impl Leased {
    /// Makes a lease with the default times. The name is that of the supervisor in the tree; which lease it is, the store knows.
    pub fn new(name: impl Into<Cow<'static, str>>, store: impl Store) -> Self {
        Self {
            name: name.into(),
            store: Arc::new(store),
            timing: Timing::default(),
            clock: None,
            watch: None,
            policy: LastResort::default(),
            is_ready_when_held: false,
            status: LeaseStatus::new(),
        }
    }

    /// Sets for how long the store is asked to grant the lease. A store may grant another time: etcd counts in whole seconds, and has
    /// a least one.
    pub fn with_duration(mut self, duration: Duration) -> Self {
        self.timing.duration = duration;
        self
    }

    /// Sets how long the subtree may take to stop before what is left is aborted. It holds for a shutdown of the tree, too.
    pub fn with_stop_budget(mut self, budget: Duration) -> Self {
        self.timing.stop = budget;
        self
    }

    /// Sets how long an aborted process of the subtree may take to yield, before the last resort acts.
    ///
    /// In a shutdown the supervisors of the subtree have their own
    /// [abort grace](supervisor_core::Supervisor::with_abort_grace), which is 5 s by default: a process that does not yield delays the
    /// hand-over by that time, so set it there, too.
    pub fn with_abort_grace(mut self, grace: Duration) -> Self {
        self.timing.grace = grace;
        self
    }

    /// Sets how long before its end the lease is not counted on any more. It has to cover what cannot be measured: how late the thread
    /// of the last resort may run, and how long the last write of an aborted process may be under way. At least 100 ms, because that
    /// thread looks every 50 ms.
    pub fn with_margin(mut self, margin: Duration) -> Self {
        self.timing.margin = margin;
        self
    }

    /// Sets how often the lease is renewed, and how often a replica that waits asks for it. Most stores tell a waiting replica
    /// sooner.
    pub fn with_renewal_interval(mut self, interval: Duration) -> Self {
        self.timing.renew_every = interval;
        self
    }

    /// Sets how long the store may take to answer. After that the request is dropped, and counts as one that has failed.
    pub fn with_request_limit(mut self, limit: Duration) -> Self {
        self.timing.request = limit;
        self
    }

    /// Sets by how much the clocks of replicas and store may differ in rate, as a share: 0.01 is one percent. Clocks of machines
    /// differ by far less than the default; those of overloaded virtual machines may not.
    pub fn with_drift(mut self, drift: f64) -> Self {
        self.timing.drift = drift;
        self
    }

    /// Sets how long this replica leaves the lease to others after the subtree has failed. By default from 1 second to 1 minute,
    /// twice as long each time.
    pub fn with_backoff(mut self, backoff: Backoff) -> Self {
        self.timing.backoff = backoff;
        self
    }

    /// Sets after how many failures of the subtree in a row the failure climbs to the supervisor above. By default 3. A subtree that
    /// gives up, panics or fails to start has failed; one that has run for the backoff's `reset_after` begins to count anew.
    pub fn with_max_failures(mut self, failures: u32) -> Self {
        self.timing.max_failures = failures;
        self
    }

    /// Ends for good when the subtree has ended well, and not only gives the lease back and waits for it again. For work that is done
    /// once, by one replica; the others go on waiting, and do it again unless the work itself sees that it was done.
    pub fn ends_with_subtree(mut self) -> Self {
        self.timing.ends_with_body = true;
        self
    }

    /// Counts as ready only while it has the lease. By default a replica that waits is ready: a rolling update that waits until new
    /// replicas are ready would never end otherwise.
    ///
    /// Add such a child last: those after it start only when this replica has had the lease, and a start that is waited for ends
    /// only then.
    pub fn with_ready_when_held(mut self) -> Self {
        self.is_ready_when_held = true;
        self
    }

    /// Sets what is done if the lease is about to end, and the subtree is not gone.
    pub fn with_last_resort(mut self, policy: LastResort) -> Self {
        self.policy = policy;
        self
    }

    /// Sets the clock. By default the [machine's](crate::MachineClock), and in a simulation that of its executor.
    pub fn with_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = Some(clock);
        self
    }

    /// Sets what watches tenures. For simulations, in which no thread can.
    #[doc(hidden)]
    pub fn with_watch(mut self, watch: Arc<dyn Watch>) -> Self {
        self.watch = Some(watch);
        self
    }

    /// Returns a view on the lease: its state, and what happens to it.
    pub fn status(&self) -> LeaseStatus {
        self.status.clone()
    }

    /// Makes a supervisor of it. `subtree` is called each time that this replica gets the lease, in a process of its own, and a panic
    /// in it is a failure of the subtree.
    ///
    /// The supervisor has two children: `keeper`, which asks for the lease and renews it, and while this replica has the lease `term`,
    /// in whose scope the subtree runs. It stops in the reverse order, so the lease is renewed until the subtree is gone, and is given
    /// back then. If the store does not answer, an end waits for that no longer than two requests may take; the lease ends by itself.
    ///
    /// # Errors
    ///
    /// [`LeaseError::Invalid`] and [`LeaseError::TooShort`] for times that cannot be used or do not fit, and an invalid name.
    pub fn run(self, subtree: impl Fn(Held) -> Supervisor + Send + Sync + 'static) -> Result<Supervisor, LeaseError> {
        let Self { name, store, timing, clock, watch, policy, is_ready_when_held, status } = self;
        timing.check()?;
        let shared = Arc::new(Shared {
            store,
            clock,
            watch,
            policy,
            is_ready_when_held,
            status,
            body: Box::new(subtree),
            timing,
        });
        let timing = &shared.timing;
        let mut supervisor = Supervisor::new(name)?
            // A failure of the keeper has to climb: only the supervisor above knows what to do about it.
            .with_restart_strategy(RestartStrategy::one_for_one().with_intensity_and_period(0, Duration::from_secs(1)))
            .with_auto_shutdown(AutoShutdown::AnySignificant)
            .with_abort_grace(timing.grace);
        let limit = timing.last_release().saturating_add(timing.request);
        supervisor.add_worker(
            worker("keeper", move |shutdown| keep(shared.clone(), shutdown))
                .with_restart_type(RestartType::Transient)
                .with_significance()
                .with_explicit_ready()
                .with_shutdown_strategy(ShutdownStrategy::Graceful(limit)),
        );
        Ok(supervisor)
    }
}

impl fmt::Debug for Leased {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased").field("name", &self.name).field("timing", &self.timing).finish_non_exhaustive()
    }
}
