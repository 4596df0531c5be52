use std::{sync::Arc, time::Duration};

use oneshot::Sender;

use super::{CallOrigin, Child, Room};
use crate::{
    error::SupervisorError,
    incarnation::ChildId,
    waits::{WaitId, Waiting},
};

/// A command from a handle to a running supervisor. When a call is dropped unanswered, its caller gets an error. So a
/// supervisor that ends answers all of them, without knowing it (A7, R70).
pub(crate) enum Command {
    /// Without a call it is a `spawn`, which has no caller.
    Start {
        child: Arc<dyn Child>,
        call: Option<Call>,
        /// The room that it was promised, if it was.
        room: Option<Room>,
    },
    /// With a limit, the child has no more time than that.
    Terminate(ChildId, Option<Duration>, Call),
    Restart(ChildId, Call),
    Delete(ChildId, Call),
    Kill(ChildId, Call),
    Reload(ChildId, Call),
    /// Is answered when it is read.
    Ping(Call),
}

/// A call that waits for its answer.
pub(crate) struct Call {
    pub(crate) reply: Sender<Result<(), SupervisorError>>,
    pub(crate) from: Option<CallOrigin>,
    /// Its entry in the table of waits. None outside of a process, which is in no chain.
    pub(crate) wait: Option<WaitId>,
    /// Whether what it waits for waits for the caller.
    pub(crate) is_in_circle: bool,
}

impl Call {
    /// Makes a call from the process that runs this code, if there is one.
    pub(crate) fn new(reply: Sender<Result<(), SupervisorError>>) -> Self {
        Self { reply, from: CallOrigin::current(), wait: None, is_in_circle: false }
    }

    /// Records what it waits for. The caller keeps the returned value for as long as it waits.
    pub(crate) fn awaits(&mut self, id: ChildId) -> Option<Waiting> {
        // N6: recorded before the call is sent. If two processes call each other at once, the second one sees the
        // first.
        let waiting = Waiting::begin(self.from.as_ref()?.chain(), id);
        self.is_in_circle = waiting.is_none();
        self.wait = waiting.as_ref().map(Waiting::id);
        waiting
    }
}
