use std::time::Duration;

use crate::{
    error::{StartFailure, UncleanProcess},
    incarnation::{ChildId, ChildKey, Exit},
    observe::EventKind,
};

/// What the engine wants done.
#[derive(Debug)]
pub(crate) enum Effect<C> {
    /// Start the child. Its process answers with this incarnation.
    Start { key: ChildKey, incarnation: u32, child: C },
    /// Ask the child to stop. `no_successor`: no supervisor starts it again. R78: its process drops its
    /// specification.
    Ask { child: C, no_successor: bool },
    /// Abort the child.
    Abort { child: C, no_successor: bool },
    /// Find out whether the process has given a sign of life, and tell the engine at once.
    SampleHeartbeat { key: ChildKey, incarnation: u32 },
    /// Tell those who listen. `took`: how long it took until this, where something was waited for.
    Emit { child: C, kind: Box<EventKind>, took: Option<Duration> },
    /// Answer a call. `child`: the one that it was about, if there is one.
    Answer { caller: Caller, child: Option<C>, answer: Result<(), Refusal> },
    /// A child that was to be added is not. Without a caller it was a `spawn`: then the log and an event tell it.
    Refuse { child: C, caller: Option<Caller>, refusal: Refusal },
    /// A child is removed for good. R78: what its specification owns is not kept.
    Forget { id: ChildId, child: C },
    /// The supervisor is ready: all its children have started (R2).
    Ready,
    /// The supervisor is out of restarts, and begins to stop.
    GaveUp,
    /// The supervisor has stopped. The last effect.
    Finish,
}

/// Why a supervisor stops. R47: it stops in the same way, whatever the cause is. D5: but the causes are told apart. D6: an
/// auto-shutdown keeps the exit that triggered it, because the tree ends in a success only if that was one.
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
    /// It does not let go, and the supervisor has stopped without it (D3).
    Abandoned,
    /// It was asked to stop and ended in an error or a panic, or was lost (D9).
    Failed(Exit),
    /// It is a supervisor, and told what did not stop well below it.
    Below(Vec<UncleanProcess>),
}

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The driver's key of the call.
    pub(crate) key: usize,
    /// The child in whose process, or below which, the call was made. N6: the engine sees by it that a call waits for its
    /// caller.
    pub(crate) within: Option<ChildId>,
    /// What the call waits for waits for the caller, as other calls tell (N6): it is carried out, and answered at once.
    pub(crate) is_in_circle: bool,
}

/// Why a call is not carried out, or failed.
#[derive(Clone, Debug)]
pub(crate) enum Refusal {
    NotFound,
    NotRunning,
    Running,
    Restarting,
    Stopping,
    Stuck,
    Dynamic,
    AtCapacity(usize),
    /// A child of the same name is there.
    NameTaken {
        by: ChildId,
        runs: bool,
    },
    ShuttingDown,
    WouldDeadlock,
    FailedToStart(Box<StartFailure>),
}
