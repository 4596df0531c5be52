use std::{
    fmt, mem,
    ops::Deref,
    sync::{Arc, Weak},
    time::{Instant, SystemTime},
};

use crate::{
    error::BoxError,
    guard::guard,
    spawner::{Executor, Spawner, is_virtual, now, system_time},
};

/// The executor on which processes run: the children of a supervisor, and all below them that have no placement of
/// their own ([`Supervisor::with_child_placement`](crate::Supervisor::with_child_placement)), or one child
/// ([`ChildSpec::with_placement`](crate::ChildSpec::with_placement)).
///
/// A supervisor with a child placement is itself a process of the executor above. So it still runs, and sees what
/// happens, when the executor below fails.
///
/// It also measures time on the executor above. If that clock is virtual, in a simulation or on a Tokio runtime whose
/// clock is paused, nothing can be placed on an executor with a real clock, because the virtual one would not wait for
/// it: [`InvalidSpec::RealBelowVirtual`](crate::InvalidSpec::RealBelowVirtual), or a failed start if the executor is
/// made at the start.
#[must_use = "a placement does nothing until a child or a supervisor has it"]
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Placement {
    /// The executor of the supervisor above. The default.
    #[default]
    Inherit,
    /// This executor.
    On(Arc<dyn Spawner>),
    /// A new executor for each start of the supervisor, or of the child.
    Fresh(SpawnerFactory),
}

/// A function that makes an executor. Its argument is the dotted name of the supervisor, or of the child, for thread
/// names.
pub type SpawnerFactory = Arc<dyn Fn(&str) -> Result<Arc<dyn Spawner>, BoxError> + Send + Sync>;

impl Placement {
    /// Returns the executor that the placement names, if it names one.
    pub(crate) fn named(&self) -> Option<&dyn Spawner> {
        if let Self::On(spawner) = self { Some(&**spawner) } else { None }
    }

    /// Returns a function that makes the executor of a local worker: that of the executor which this placement names, or
    /// else of the inherited one.
    pub(crate) fn local(&self, inherited: &Executor) -> SpawnerFactory {
        let named = match self {
            Self::Inherit => inherited.clone(),
            Self::On(spawner) => Executor::new(spawner.clone()),
            Self::Fresh(factory) => {
                let factory = factory.clone();
                return Arc::new(move |name| Executor::new(factory(name)?).local_executor(name));
            }
        };
        Arc::new(move |name| named.local_executor(name))
    }

    /// Places on a new executor for each start of the supervisor, or of the child.
    ///
    /// The factory is called in the supervisor's own process; for a child, in a process beside its siblings. An error,
    /// or a panic, is a failed start. The executor is dropped when all its processes have ended, even if they handed
    /// out a [`CurrentProcess`](crate::process::CurrentProcess), a handle or a sleep. Dropping it must not block.
    pub fn fresh<S, E>(factory: impl Fn(&str) -> Result<S, E> + Send + Sync + 'static) -> Self
    where
        S: Spawner,
        E: Into<BoxError>,
    {
        Self::Fresh(Arc::new(move |name| match factory(name) {
            Ok(spawner) => Ok(Arc::new(spawner)),
            Err(error) => Err(error.into()),
        }))
    }
}

/// Places on this executor. A function that takes an `impl Into<Placement>` takes a spawner as it is:
/// `with_placement(Tokio::current()?)`.
///
/// A shared spawner can be passed as it is, too, or without another allocation as [`Placement::On`].
impl<S: Spawner> From<S> for Placement {
    fn from(spawner: S) -> Self {
        Self::On(Arc::new(spawner))
    }
}

/// Returns whether a supervisor at `home` cannot apply its time limits to processes on `placed`: these take real time,
/// and a virtual clock does not wait for them.
pub(crate) fn is_out_of_time(placed: &dyn Spawner, home: &dyn Spawner) -> bool {
    is_virtual(home) && !is_virtual(placed)
}

/// The clock of an executor for readers of a tree. It also works after the end of the tree, when it must not keep an
/// executor alive.
pub(crate) enum Clock {
    /// A virtual clock, which no other clock could replace.
    Virtual(Executor),
    /// A real clock. When its executor is gone, the system's clock replaces it.
    Real(Weak<dyn Spawner>),
}

impl Clock {
    pub(crate) fn of(executor: &Executor) -> Self {
        match is_virtual(&***executor) {
            true => Self::Virtual(executor.clone()),
            false => Self::Real(Arc::downgrade(executor)),
        }
    }

    /// Returns the time of day that goes with that clock; of the system's clock once the executor is gone.
    pub(crate) fn system_time(&self) -> SystemTime {
        match self {
            Self::Virtual(spawner) => system_time(&***spawner),
            Self::Real(spawner) => {
                let spawner = spawner.upgrade().map(Executor::new);
                spawner.map_or_else(SystemTime::now, |spawner| system_time(&**spawner))
            }
        }
    }

    /// Returns the time of that clock; of the system's clock once the executor is gone.
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Virtual(spawner) => now(&***spawner),
            Self::Real(spawner) => {
                spawner.upgrade().map(Executor::new).map_or_else(Instant::now, |spawner| now(&**spawner))
            }
        }
    }
}

/// A placement that is dropped under a guard: the last owner drops an executor, or its factory, and both are foreign
/// code.
#[derive(Clone, Default)]
pub(crate) struct Placed(Placement);

impl From<Placement> for Placed {
    fn from(placement: Placement) -> Self {
        Self(placement)
    }
}

impl Deref for Placed {
    type Target = Placement;

    fn deref(&self) -> &Placement {
        &self.0
    }
}

impl Drop for Placed {
    fn drop(&mut self) {
        let placement = mem::take(&mut self.0);
        if !matches!(placement, Placement::Inherit) {
            let _ = guard(|| drop(placement));
        }
    }
}

impl fmt::Debug for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inherit => f.write_str("Inherit"),
            Self::On(spawner) => f.debug_tuple("On").field(spawner).finish(),
            Self::Fresh(_) => f.write_str("Fresh(..)"),
        }
    }
}
