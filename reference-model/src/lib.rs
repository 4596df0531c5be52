//! The reference model: the behaviour of one supervisor in the plainest form. For the tests of this workspace.
//!
//! Its inputs are those of a supervisor (a process is ready, a process has ended, a call, a deadline, a request to
//! stop), and its outputs are the supervisor's actions: [`Act`]s. It knows nothing of the engine that is compared with
//! it, and has no dependencies. It keeps the state of each child, in the words of the rules, and what the supervisor is
//! doing in order. It derives everything else by looking at every child, each time again: which child has to stop next,
//! which one is waited for, what is due when, which ones count. So there is no bookkeeping that could be wrong.
//!
//! Two tests use it. The engine's own test gives both the same inputs, in any order, and compares their actions. The
//! conformance runner builds a tree of models for a scenario in which OTP would block, and asks the models which events
//! may come next.

mod calls;
mod child;
mod exits;
mod order;
mod reload;
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

/// A caller that waits for an answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Caller {
    /// The number of the call.
    pub call: Call,
    /// The child in whose process, or below which, the call was made.
    pub within: Option<Id>,
    /// Whether the process for which this call would wait already waits for the caller (N6).
    pub is_in_circle: bool,
}

impl From<Call> for Caller {
    /// Makes a caller outside of the tree.
    fn from(call: Call) -> Self {
        Self { call, within: None, is_in_circle: false }
    }
}

/// The time since the test began.
pub type Time = std::time::Duration;
