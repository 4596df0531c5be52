//! How ill a process is. Whatever lists the worst processes first asks here. The page of the observer, which has to know it for states
//! between two snapshots, too, ranks in the same order.

use std::time::Duration;

use super::{ChildState, RestartCause, Snapshot};
use crate::{
    incarnation::{Exit, StopReason},
    strategy::RestartType,
};

/// How long a child that was restarted is in trouble.
const RECENT: Duration = Duration::from_secs(60);

/// How long a supervisor may leave messages unread.
const UNREAD: Duration = Duration::from_secs(1);

impl Snapshot {
    /// Ranks the process by its own trouble, from 0 for none to 5. From 2 on it is more than a start or a stop.
    #[doc(hidden)]
    pub fn trouble(&self) -> u8 {
        let last = self.last_exit.as_ref();
        let has_ended_lately = last.and_then(|exit| exit.ago).is_some_and(|ago| ago < RECENT);
        let is_flapping = self.restarts > 0 && has_ended_lately;
        let restart = self.spec.as_ref().map(|spec| spec.restart);
        match self.state {
            _ if self.stuck || self.abandoned || self.is_unread() => 5,
            ChildState::Restarting => 4,
            ChildState::Running | ChildState::Starting if is_flapping => 3,
            ChildState::Stopping if is_flapping && self.failing.is_some() => 3,
            ChildState::Stopped
                if restart != Some(RestartType::Temporary) && last.is_some_and(|exit| is_failure(&exit.cause)) =>
            {
                4
            }
            ChildState::Stopped if restart == Some(RestartType::Permanent) => 2,
            ChildState::Starting | ChildState::Stopping => 1,
            ChildState::Running | ChildState::Stopped => 0,
        }
    }

    /// Returns whether the process is a supervisor that has left messages unread for too long.
    #[doc(hidden)]
    pub fn is_unread(&self) -> bool {
        self.supervisor.as_ref().and_then(|info| info.unread_for).is_some_and(|unread| unread > UNREAD)
    }
}

/// Whether a child that is down for this reason should not be.
fn is_failure(cause: &RestartCause) -> bool {
    match cause {
        RestartCause::Exit(Exit::Shutdown(end)) => end.reason != StopReason::Requested,
        RestartCause::Exit(exit) => !exit.is_success() && *exit != Exit::Aborted,
        _ => true,
    }
}
