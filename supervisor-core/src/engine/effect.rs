use crate::{
    error::{Failure, StartFailure, Unclean},
    observe::EventKind,
    process::{Exit, Place},
};

/// What the engine wants done.
#[derive(Debug)]
pub(crate) enum Effect<C> {
    /// Start the child. Its process answers with this incarnation.
    Start { child: Place, incarnation: u32 },
    /// Ask the child to stop. `last`: it will not be started again under anybody.
    Ask { child: Place, last: bool },
    /// Abort the child.
    Abort { child: Place, last: bool },
    /// Tell whoever listens.
    Tell { spec: C, kind: EventKind },
    /// The supervisor is ready: all its children have started.
    Ready,
    /// The supervisor is out of restarts, and begins to stop.
    GaveUp,
    /// The supervisor has stopped. The last effect.
    Finish,
}

/// Why a supervisor stops.
#[derive(Debug)]
pub(crate) enum Cause<C> {
    Requested,
    GaveUp,
    AutoShutdown { spec: C, exit: Exit },
    FailedToStart { spec: C, failure: StartFailure },
}

/// A child that did not stop well.
#[derive(Debug)]
pub(crate) enum Badly {
    Aborted,
    Abandoned,
    Failed(Failure),
    /// It is a supervisor, and told what did not stop well below it.
    Below(Vec<Unclean>),
}
