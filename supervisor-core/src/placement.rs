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

/// On which executor processes run: the children of a supervisor, and all below them that do not say otherwise
/// ([`Supervisor::with_child_placement`](crate::Supervisor::with_child_placement)), or one child
/// ([`ChildSpec::with_placement`](crate::ChildSpec::with_placement)).
///
/// A supervisor that is told where its children run is itself a process of the executor above: so it is there to see what
/// becomes of the one below.
///
/// It measures time there, too. Where that clock is virtual, in a simulation or on a Tokio runtime whose clock is paused,
/// nothing can be placed on an executor with a real clock, because the virtual one would not wait for it:
/// [`InvalidSpec::RealBelowVirtual`](crate::InvalidSpec::RealBelowVirtual), or a failed start where the executor is made.
#[must_use = "a placement does nothing until a child or a supervisor has it"]
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Placement {
    /// On the executor of what is above. The default.
    #[default]
    Inherit,
    /// On this one.
    On(Arc<dyn Spawner>),
    /// On a new one for each start of the supervisor, or of the child.
    Fresh(SpawnerFactory),
}

/// Makes an executor. It is given the dotted name of the supervisor, or of the child, to name threads after.
pub type SpawnerFactory = Arc<dyn Fn(&str) -> Result<Arc<dyn Spawner>, BoxError> + Send + Sync>;

impl Placement {
    /// The executor that is named, where one is.
    pub(crate) fn named(&self) -> Option<&dyn Spawner> {
        if let Self::On(spawner) = self { Some(&**spawner) } else { None }
    }

    /// On a new executor for each start of the supervisor, or of the child.
    ///
    /// The factory is called in the supervisor's own process; for a child, in a process beside its siblings. An error, or a
    /// panic, is a failed start. What it returns is let go of when all its processes have ended, whatever they have left in other
    /// hands (a [`CurrentProcess`](crate::process::CurrentProcess), a handle, a sleep); dropping it must not block.
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

/// On this executor. What takes an `impl Into<Placement>` takes a spawner as it is: `with_placement(Tokio::current()?)`.
///
/// A spawner that is shared already is passed as it is, too, or without another allocation as [`Placement::On`].
impl<S: Spawner> From<S> for Placement {
    fn from(spawner: S) -> Self {
        Self::On(Arc::new(spawner))
    }
}

/// Whether what runs on this executor cannot be held to the time limits of a supervisor at home on that one: it takes real time,
/// and a virtual clock does not wait for it.
pub(crate) fn is_out_of_time(placed: &dyn Spawner, home: &dyn Spawner) -> bool {
    is_virtual(home) && !is_virtual(placed)
}

/// The clock of an executor, as whoever reads a tree has it: also after the end of the tree, when it must not keep an executor.
pub(crate) enum Clock {
    /// A virtual one, which nothing else could stand for.
    Virtual(Executor),
    /// A real one. When its executor is gone, that of the system is as good.
    Real(Weak<dyn Spawner>),
}

impl Clock {
    pub(crate) fn of(executor: &Executor) -> Self {
        match is_virtual(&***executor) {
            true => Self::Virtual(executor.clone()),
            false => Self::Real(Arc::downgrade(executor)),
        }
    }

    /// The time there. Once the executor is gone, that of the system.
    /// The time of day that goes with it.
    pub(crate) fn system_time(&self) -> SystemTime {
        match self {
            Self::Virtual(spawner) => system_time(&***spawner),
            Self::Real(spawner) => {
                let spawner = spawner.upgrade().map(Executor::new);
                spawner.map_or_else(SystemTime::now, |spawner| system_time(&**spawner))
            }
        }
    }

    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Virtual(spawner) => now(&***spawner),
            Self::Real(spawner) => {
                spawner.upgrade().map(Executor::new).map_or_else(Instant::now, |spawner| now(&**spawner))
            }
        }
    }
}

/// A placement, let go of under a guard: a last one drops an executor, or what makes one, and either is code of somebody else.
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
