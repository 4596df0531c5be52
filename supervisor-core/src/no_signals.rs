//! Replaces `signals` if the feature of that name is off: there is no way to listen then.

use std::{convert::Infallible, task::Context};

use crate::error::SupervisorError;

#[derive(Debug)]
pub(crate) enum Signals {}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "nothing is ever heard")]
pub(crate) enum Asked {
    Stop(Received),
    StopNow(Received),
}

/// No signal is ever received.
pub(crate) type Received = Infallible;

impl Signals {
    pub(crate) fn listen() -> Result<Self, SupervisorError> {
        Err(SupervisorError::executor(
            "waiting for a signal needs the feature `signals` of `supervisor-core`; turn it on",
        ))
    }

    pub(crate) fn poll(&mut self, _: &Context<'_>) -> Option<Asked> {
        match *self {}
    }
}

pub(crate) fn forced() -> Option<(&'static str, u8)> {
    None
}
