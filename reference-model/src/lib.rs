//! The reference model: what one supervisor does, as plainly as it can be said. For the tests of this workspace.
//!
//! It takes what a supervisor is told (a process is ready, a process has ended, a call, a deadline, a request to stop), and
//! says what the supervisor does: [`Act`]s. It knows nothing of the engine that it is held against, and depends on nothing.
//! It keeps the state of each child, in the words of the rules, and what the supervisor is doing in order. All else it
//! derives from these by looking at every child, each time again: who has to stop next, who is waited for, what is due when,
//! who counts. So there is no bookkeeping that could be wrong.
//!
//! Two tests use it. The engine's own test gives both the same inputs, in any order, and compares what they do. The
//! conformance runner builds a tree of models for a scenario in which OTP would block, and asks the models which events may
//! come next.

mod calls;
mod child;
mod exits;
mod order;
mod settings;
mod stopping;
mod supervisor;
mod watch;

pub use self::{
    child::{ChildState, Exit},
    settings::{AutoShutdown, Backoff, Kind, Restart, Settings, Shutdown, Spec, Strategy},
    supervisor::{Act, Bad, Cause, Reply, Supervisor},
};

/// The number of a child. A child that is added later has a higher one.
pub type Id = usize;

/// The number of a call.
pub type Call = usize;

/// Who waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caller {
    /// The number of the call.
    pub call: Call,
    /// The child in whose process, or below which, the call was made.
    pub within: Option<Id>,
    /// Elsewhere somebody waits for the caller whom this call would wait for (N6).
    pub is_in_circle: bool,
}

impl From<Call> for Caller {
    /// From outside of the tree.
    fn from(call: Call) -> Self {
        Self { call, within: None, is_in_circle: false }
    }
}

/// The time since the test began.
pub type Time = std::time::Duration;
