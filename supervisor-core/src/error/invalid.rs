use thiserror::Error;

/// What is wrong with the specification of a child or of a supervisor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum InvalidSpec {
    /// The restart period is zero, so no restart would ever count.
    #[error("its restart period is zero; give a period above zero, or an intensity of zero to never restart")]
    PeriodZero,
    /// A significant child is permanent. It would be restarted whenever it ends, so it could never end its supervisor.
    #[error("it is significant and permanent; a significant child has to be transient or temporary")]
    SignificantPermanent,
    /// A significant child under a supervisor without auto-shutdown.
    #[error("it is significant, but its supervisor never shuts down by itself; set auto-shutdown on the supervisor")]
    SignificantWithoutAutoShutdown,
    /// A one-shot future can run once, so it cannot be restarted.
    #[error("it is a one-shot, which can only be temporary; use `worker` with a closure for what may be restarted")]
    OneShotNotTemporary,
    /// The grace of its children is below a millisecond. No process can be gone at the moment in which it is aborted, so all
    /// would be said not to yield.
    #[error("its abort grace is below a millisecond, in which nothing can end; give more time")]
    AbortGraceTooShort,
    /// It is nested too deep: see [`Supervisor::MAX_DEPTH`](crate::Supervisor::MAX_DEPTH).
    #[error("it is nested too deep: a tree has at most {max} supervisors from the root down, this one counted")]
    TooDeep {
        /// How many there may be.
        max: usize,
    },
    /// The time to become ready is zero, so no start would ever succeed.
    #[error("its start timeout is zero; give a time above zero, or none to wait without limit")]
    StartTimeoutZero,
    /// The time for a sign of life is zero, so none would ever be in time.
    #[error("its watchdog has a time of zero; give a time above zero, or no watchdog")]
    WatchdogZero,
    /// A supervisor gives no signs of life: it answers calls instead.
    #[error("it is a supervisor, which gives no signs of life; put watchdogs on its workers")]
    WatchdogOnSupervisor,
    /// What has a set-up is ready when that is done.
    #[error("it has a set-up, and is ready when that is done; only a closure or a one-shot can say so itself")]
    ExplicitReady,
    /// A backoff whose delays would shrink, or are not numbers.
    #[error("the factor of its backoff is below 1 or not a number; give a finite factor of at least 1")]
    BackoffFactor,
    /// Two children of a supervisor with unique names have the same name.
    #[error("a sibling has the same name, and their supervisor wants unique names")]
    DuplicateName,
    /// A dynamic supervisor was given children before it runs.
    #[error("it is dynamic and starts without children; add them with `start_child` or `spawn` when it runs")]
    DynamicWithChildren,
    /// A dynamic supervisor was given another strategy than one-for-one.
    #[error("it is dynamic, and its children have nothing to do with each other; it can only be one-for-one")]
    DynamicStrategy,
    /// A dynamic supervisor was given an order to stop its children in.
    #[error("it is dynamic, and stops its children all at once; it has no shutdown order to set")]
    DynamicShutdownOrder,
    /// A dynamic supervisor was given auto-shutdown.
    #[error("it is dynamic, and cannot shut down by itself; leave auto-shutdown at never")]
    DynamicAutoShutdown,
    /// A child or a supervisor's children are placed on an executor with a real clock, and their supervisor's own clock is
    /// virtual: that of a simulation, or of a Tokio runtime whose clock is paused. It would jump while they work, and find them
    /// late.
    #[error(
        "it is placed on an executor with a real clock, below one with a virtual clock (a simulation, or a Tokio clock that is \
         paused), which does not wait for it; give both the same clock"
    )]
    RealBelowVirtual,
    /// A supervisor was given more children than it allows itself.
    #[error("it has more children than its own maximum; raise the maximum, or give it fewer")]
    TooManyChildren,
}
