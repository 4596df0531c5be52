use thiserror::Error;

/// A fault in the specification of a child or of a supervisor. Displayed, it says what is wrong and what to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Serialize, serde::Deserialize),
    serde(tag = "kind", rename_all = "snake_case")
)]
#[non_exhaustive]
pub enum InvalidSpec {
    /// The restart period is zero, so no restart would ever count.
    #[error("the restart period is zero; give a period above zero, or an intensity of zero to never restart")]
    PeriodZero,
    /// A significant child is permanent. Its supervisor would restart it whenever it ends, and so would never stop for it.
    #[error("a significant child cannot be permanent; make it transient or temporary")]
    SignificantPermanent,
    /// A significant child under a supervisor without auto-shutdown.
    #[error("a significant child needs a supervisor that shuts down by itself; set auto-shutdown on the supervisor")]
    SignificantWithoutAutoShutdown,
    /// A one-shot future can run once, so it cannot be restarted.
    #[error("a one-shot can only be temporary; use `worker` with a closure for a child that can be restarted")]
    OneShotNotTemporary,
    /// The abort grace is below a millisecond. No process can end in that time, so the supervisor would call every aborted
    /// process stuck.
    #[error("the abort grace is below a millisecond, in which no process can end; give more time")]
    AbortGraceTooShort,
    /// The supervisor is nested too deep: see [`Supervisor::MAX_DEPTH`](crate::Supervisor::MAX_DEPTH).
    #[error("a tree has at most {max} supervisors from the root down, and this one is deeper; nest them less")]
    TooDeep {
        /// How many supervisors there may be from the root down.
        max: usize,
    },
    /// The start timeout is zero, so no start would ever succeed.
    #[error("the start timeout is zero; give a time above zero, or no start timeout to wait without limit")]
    StartTimeoutZero,
    /// The watchdog's time is zero, so no heartbeat would ever be in time.
    #[error("the watchdog's time is zero; give a time above zero, or no watchdog")]
    WatchdogZero,
    /// A supervisor has a watchdog. Supervisors give no heartbeats.
    #[error("a supervisor cannot have a watchdog; set it on its workers")]
    WatchdogOnSupervisor,
    /// A supervisor keeps errors, or has a restart condition. Supervisors return no errors.
    #[error(
        "a supervisor returns no error to keep or to judge; set `with_typed_failures` and `with_restart_if` on its workers"
    )]
    ErrorsOfSupervisor,
    /// A `Supervisable`, or a supervisor, has explicit readiness. It is ready when its set-up is done.
    #[error("explicit readiness needs a closure or one-shot; a `Supervisable` is ready when `initialize` returns")]
    ExplicitReady,
    /// The delays of a backoff would shrink, or are not numbers.
    #[error("the factor of the backoff is below 1, infinite, or not a number; give a finite factor of at least 1")]
    BackoffFactor,
    /// Two children of a supervisor with unique names have the same name.
    #[error("a sibling has the same name, but their supervisor requires unique names; rename one of them")]
    DuplicateName,
    /// A dynamic supervisor was given children before it runs.
    #[error("a dynamic supervisor starts without children; add them with `start_child` or `spawn` while it runs")]
    DynamicWithChildren,
    /// A dynamic supervisor was given another strategy than one-for-one.
    #[error(
        "a dynamic supervisor can only be one-for-one; use `Supervisor::new` for children that depend on each other"
    )]
    DynamicStrategy,
    /// A dynamic supervisor was given an order to stop its children in.
    #[error("a dynamic supervisor stops all its children at once; do not set a shutdown order")]
    DynamicShutdownOrder,
    /// A dynamic supervisor was given auto-shutdown.
    #[error("a dynamic supervisor cannot shut down by itself; do not set auto-shutdown")]
    DynamicAutoShutdown,
    /// The children of a scope are placed on an executor that has still to be made. A scope works as soon as it is open.
    #[error("the executor of a scope has to exist when the scope is opened; give one with `Placement::On`")]
    ScopePlacement,
    /// A child or a supervisor's children are placed on an executor with a real clock, and their supervisor's own clock is
    /// virtual: that of a simulation, or of a Tokio runtime whose clock is paused. It would jump while they work, and find them
    /// late.
    #[error(
        "an executor with a real clock cannot run below one with a virtual clock (a simulation, or a paused Tokio clock), \
         which does not wait for it; use the same clock for both"
    )]
    RealBelowVirtual,
    /// A supervisor was given more children than it allows itself.
    #[error("the supervisor has more children than its maximum; raise the maximum, or add fewer children")]
    TooManyChildren,
}
