use std::sync::Arc;

use oneshot::Sender;

use super::{CallOrigin, Child, Room};
use crate::{error::SupervisorError, incarnation::ChildId, waits::Waiting};

/// What a handle asks of a running supervisor. A call that is dropped unanswered tells its caller so. So a supervisor that goes
/// away answers all of them, without knowing it (A7, R70).
pub(crate) enum Command {
    /// Without a call it is a `spawn`, which has no caller.
    Start {
        child: Arc<dyn Child>,
        call: Option<Call>,
        /// The room that it was promised, if it was.
        room: Option<Room>,
    },
    Terminate(ChildId, Call),
    Restart(ChildId, Call),
    Delete(ChildId, Call),
    Kill(ChildId, Call),
}

/// A call that waits until it has been carried out.
pub(crate) struct Call {
    pub(crate) reply: Sender<Result<(), SupervisorError>>,
    pub(crate) from: Option<CallOrigin>,
    /// What it waits for waits for the caller.
    pub(crate) is_in_circle: bool,
}

impl Call {
    /// From the process that this runs in, if it is one.
    pub(crate) fn new(reply: Sender<Result<(), SupervisorError>>) -> Self {
        Self { reply, from: CallOrigin::current(), is_in_circle: false }
    }

    /// What it waits for. The caller keeps what this returns for as long as it waits.
    pub(crate) fn awaits(&mut self, id: ChildId) -> Option<Waiting> {
        // N6: entered before the call is sent. Two that call each other at once: the second one sees the first.
        let waiting = Waiting::begin(self.from.as_ref()?.chain(), [id].into());
        self.is_in_circle = waiting.is_none();
        waiting
    }
}
