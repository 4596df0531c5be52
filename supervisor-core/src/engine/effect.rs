use std::time::Duration;

use crate::{
    error::{StartFailure, UncleanProcess},
    incarnation::{ChildId, ChildKey, Exit},
    observe::EventKind,
};

/// An effect: something that the engine wants done.
#[derive(Debug)]
pub(crate) enum Effect<C> {
    /// Start the child. Its process reports with this incarnation.
    Start { key: ChildKey, incarnation: u32, child: C },
    /// Keep the specification of the child over the end of its process, though it is temporary: it is going to be started
    /// again. Comes before that process is told to stop.
    Keep { child: C },
    /// Ask the child to stop. `no_successor`: no supervisor starts it again. R78: its process drops its specification.
    Ask { child: C, no_successor: bool },
    /// Abort the child.
    Abort { child: C, no_successor: bool },
    /// Read and clear the heartbeat flag of the process, and tell the engine at once.
    SampleHeartbeat { key: ChildKey, incarnation: u32 },
    /// Emit an event to all listeners. `took` is how long it took until this, if something was waited for.
    Emit { child: C, kind: Box<EventKind>, took: Option<Duration> },
    /// Answer a call. `child` is the one that the call was about, if there is one.
    Answer { caller: Caller, child: Option<C>, answer: Result<(), Refusal> },
    /// Refuse a child that was to be added. Without a caller it was a `spawn`: then the log and an event report it.
    Refuse { child: C, caller: Option<Caller>, refusal: Refusal },
    /// Remove a child for good. R78: what its specification owns is not kept.
    Forget { id: ChildId, child: C },
    /// Report the supervisor as ready: all its children have started (R2).
    Ready,
    /// Record that the supervisor is out of restarts, and begins to stop.
    GaveUp,
    /// Finish: the supervisor has stopped. The last effect.
    Finish,
}

/// The reason why a supervisor stops. R47: it stops in the same way for each cause. D5: but the causes are told apart.
/// D6: an auto-shutdown keeps the exit that triggered it, because the tree ends in a success only if that exit was one.
#[derive(Debug)]
pub(crate) enum Cause<C> {
    Requested,
    GaveUp,
    AutoShutdown { child: C, exit: Exit },
    FailedToStart { child: C, failure: StartFailure },
}

/// A child that did not stop well (A5).
#[derive(Debug)]
pub(crate) enum UncleanKind {
    Aborted,
    /// A caller has killed it during the stop.
    Killed,
    /// It has not yielded, and the supervisor has stopped without it (D3).
    Abandoned,
    /// It was asked to stop and ended in an error or a panic, or was lost (D9).
    Failed(Exit),
    /// It is a supervisor, and reported what did not stop well below it.
    Below(Vec<UncleanProcess>),
}

/// A caller that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The driver's key of the call.
    pub(crate) key: usize,
    /// The child in whose process, or below which, the call was made. N6: with it the engine sees that a call waits for
    /// its caller.
    pub(crate) within: Option<ChildId>,
    /// Whether the awaited child waits for the caller, as other calls show (N6): then the call is carried out, and
    /// answered at once.
    pub(crate) is_in_circle: bool,
}

/// The reason why a call is not carried out, or failed.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    NotFound,
    NotRunning,
    Running,
    Restarting,
    Stopping,
    Stuck,
    /// There is nothing to run a second time.
    RunsOnce,
    Dynamic,
    AtCapacity(usize),
    /// A child of the same name exists.
    NameTaken {
        by: ChildId,
        runs: bool,
    },
    ShuttingDown,
    WouldDeadlock,
    FailedToStart(Box<StartFailure>),
}
