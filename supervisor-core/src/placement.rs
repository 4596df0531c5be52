use std::{fmt, sync::Arc};

use crate::{error::BoxError, spawner::Spawner};

/// On which executor the children of a supervisor run, and all below them that do not say otherwise.
///
/// The supervisor itself is a process of the executor above: so it is there to see what becomes of the one below.
#[derive(Clone, Default)]
#[non_exhaustive]
pub enum Placement {
    /// On the executor that the supervisor itself runs on. The default.
    #[default]
    Inherit,
    /// On this one.
    On(Arc<dyn Spawner>),
    /// On a new one for each start of the supervisor.
    Fresh(Factory),
}

/// Makes an executor. It is given the dotted name of the supervisor, to name threads after.
pub type Factory = Arc<dyn Fn(&str) -> Result<Arc<dyn Spawner>, BoxError> + Send + Sync>;

impl Placement {
    /// On this executor.
    pub fn on(spawner: impl Spawner) -> Self {
        Self::On(Arc::new(spawner))
    }

    /// On a new executor for each start of the supervisor.
    ///
    /// The factory is called in the supervisor's own process. An error, or a panic, is a failed start. What it returns is let
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
