use std::{fmt, panic::Location};

use crate::incarnation::current;

/// Who asks a tree to stop, for the log. Displayed in the task that asks.
pub(crate) struct AskedBy {
    pub(crate) call: &'static str,
    /// Where it is called, if that is known.
    pub(crate) place: Option<&'static Location<'static>>,
}

impl fmt::Display for AskedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` was called", self.call)?;
        if let Some(place) = self.place {
            write!(f, " at {place}")?;
        }
        match current(|current| current.path()) {
            Some(path) => write!(f, " by {path}"),
            None => Ok(()),
        }
    }
}
