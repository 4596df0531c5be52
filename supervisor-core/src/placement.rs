use std::{fmt, sync::Arc};

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
    /// The factory is called in the supervisor's own process; for a child, in a process beside its siblings. An error, or a panic, is a failed start. What it returns is let
    /// go of when all its processes have ended; dropping it must not block.
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

impl fmt::Debug for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inherit => f.write_str("Inherit"),
            Self::On(spawner) => f.debug_tuple("On").field(spawner).finish(),
            Self::Fresh(_) => f.write_str("Fresh(..)"),
        }
    }
}
