use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Weak},
    time::Instant,
};

use crate::{error::BoxError, spawner::Spawner};

/// On which executor processes run: the children of a supervisor, and all below them that do not say otherwise
/// ([`Supervisor::with_placement`](crate::Supervisor::with_placement)), or one child
/// ([`ChildSpec::with_placement`](crate::ChildSpec::with_placement)).
///
/// A supervisor that is told where its children run is itself a process of the executor above: so it is there to see what
/// becomes of the one below.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Placement {
    /// On the executor of what is above. The default.
    #[default]
    Inherit,
    /// On this one.
    On(Arc<dyn Spawner>),
    /// On a new one for each start of the supervisor, or of the child.
    Fresh(Factory),
}

/// Makes an executor. It is given the dotted name of the supervisor, or of the child, to name threads after.
pub type Factory = Arc<dyn Fn(&str) -> Result<Arc<dyn Spawner>, BoxError> + Send + Sync>;

impl Placement {
    /// On this executor.
    pub fn on(spawner: impl Spawner) -> Self {
        Self::On(Arc::new(spawner))
    }

    /// On a new executor for each start of the supervisor, or of the child.
    ///
    /// The factory is called in the supervisor's own process; for a child, in a process beside its siblings. An error, or a
    /// panic, is a failed start. What it returns is let go of when all its processes have ended, whatever they have left in other
    /// hands (a [`CurrentProcess`](crate::ambient::CurrentProcess), a handle, a sleep); dropping it must not block.
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

/// An executor, as a tree holds it.
#[derive(Clone)]
pub(crate) enum Executor {
    /// Somebody else's.
    Given(Arc<dyn Spawner>),
    /// One that was made for this tree. It ends when it is let go of: so it is held by what runs on it, and by nothing that a user
    /// can keep.
    Made(Arc<dyn Spawner>),
}

/// The clock of an executor. Does not hold one that was made for a tree.
pub(crate) enum Clock {
    Given(Arc<dyn Spawner>),
    Made(Weak<dyn Spawner>),
}

impl Executor {
    pub(crate) fn clock(&self) -> Clock {
        match self {
            Self::Made(spawner) => Clock::Made(Arc::downgrade(spawner)),
            Self::Given(spawner) => Clock::Given(spawner.clone()),
        }
    }
}

impl Deref for Executor {
    type Target = Arc<dyn Spawner>;

    fn deref(&self) -> &Arc<dyn Spawner> {
        match self {
            Self::Given(spawner) | Self::Made(spawner) => spawner,
        }
    }
}

impl Clock {
    /// The time there. Once the executor is gone, that of the system.
    pub(crate) fn now(&self) -> Instant {
        match self {
            Self::Given(spawner) => spawner.now(),
            Self::Made(spawner) => spawner.upgrade().map_or_else(Instant::now, |spawner| spawner.now()),
        }
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
