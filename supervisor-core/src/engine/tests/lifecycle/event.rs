use std::sync::Arc;

use super::*;
use crate::incarnation::{StopReason, Termination};

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    Ready,
    Acknowledged,
    Ignored,
    Normal,
    Failed,
    Final,
    Panicked,
    Aborted,
    Lost,
    Shutdown,
    Killed,
    StaleReady,
    StaleExit,
    Deadline,
    AskedToStop,
    AskedToStopLast,
    ToldToStopAtOnce,
    Terminate,
    Restart,
    Delete,
    Kill,
    Reload,
}

impl Event {
    pub(super) const ALL: [Self; 22] = [
        Self::Ready,
        Self::Acknowledged,
        Self::Ignored,
        Self::Normal,
        Self::Failed,
        Self::Final,
        Self::Panicked,
        Self::Aborted,
        Self::Lost,
        Self::Shutdown,
        Self::Killed,
        Self::StaleReady,
        Self::StaleExit,
        Self::Deadline,
        Self::AskedToStop,
        Self::AskedToStopLast,
        Self::ToldToStopAtOnce,
        Self::Terminate,
        Self::Restart,
        Self::Delete,
        Self::Kill,
        Self::Reload,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Acknowledged => "acknowledged",
            Self::Ignored => "exit: ignored",
            Self::Normal => "exit: normal",
            Self::Shutdown => "exit: shutdown",
            Self::Failed => "exit: failed",
            Self::Final => "exit: final failure",
            Self::Panicked => "exit: panicked",
            Self::Aborted => "exit: aborted",
            Self::Lost => "exit: lost",
            Self::Killed => "exit: killed",
            Self::StaleReady => "stale ready",
            Self::StaleExit => "stale exit",
            Self::Deadline => "deadline",
            Self::AskedToStop => "shutdown",
            Self::AskedToStopLast => "shutdown, last",
            Self::ToldToStopAtOnce => "shutdown at once",
            Self::Terminate => "terminate",
            Self::Restart => "restart",
            Self::Delete => "delete",
            Self::Kill => "kill",
            Self::Reload => "reload",
        }
    }

    /// Makes the event happen. Returns `None` if it cannot happen now.
    pub(super) fn happen(self, scene: &mut Scene) -> Option<Outcome> {
        let (child, process_key) = (scene.subject, scene.process_key(scene.subject));
        if let Some(exit) = self.exit(scene.is_supervisor(), scene.was_ready()) {
            return Some(scene.outcome_of(|scene| scene.exit(child, exit)));
        }
        match self {
            Self::Ready | Self::Acknowledged => {
                let process_key = process_key.filter(|_| scene.was_ready().is_some())?;
                let can = if self == Self::Ready { scene.was_ready() == Some(false) } else { scene.is_supervisor() };
                can.then(|| {
                    scene.outcome_of(|scene| match self {
                        Self::Ready => scene.engine.handle_ready(process_key, scene.now),
                        _ => scene.engine.handle_acknowledged(process_key),
                    })
                })
            }
            Self::StaleReady | Self::StaleExit => {
                let process_key = process_key?;
                let stale = ProcessKey::new(process_key.child_key(), process_key.incarnation.checked_sub(1)?);
                Some(scene.outcome_of(|scene| match self {
                    Self::StaleReady => scene.engine.handle_ready(stale, scene.now),
                    _ => scene.engine.handle_exit(stale, error(), scene.now),
                }))
            }
            Self::Deadline => {
                scene.engine.next_deadline()?;
                Some(scene.outcome_of(Scene::wait))
            }
            Self::AskedToStop | Self::AskedToStopLast | Self::ToldToStopAtOnce => {
                let request =
                    StopRequest { no_successor: self == Self::AskedToStopLast, kill: self == Self::ToldToStopAtOnce };
                Some(scene.outcome_of(|scene| scene.engine.handle_shutdown(request, scene.now)))
            }
            Self::Terminate | Self::Restart | Self::Delete | Self::Kill | Self::Reload => {
                let caller = scene.caller(self.title());
                Some(scene.outcome_of(|scene| match self {
                    Self::Terminate => scene.engine.handle_terminate_child(child, None, caller, scene.now),
                    Self::Restart => scene.engine.handle_restart_child(child, caller, scene.now),
                    Self::Delete => scene.engine.handle_delete_child(child, caller),
                    Self::Reload => scene.engine.handle_reload_child(child, caller, scene.now),
                    _ => scene.engine.handle_kill_child(child, caller, scene.now),
                }))
            }
            _ => None,
        }
    }

    /// Returns how a process ends, if this is an end of such a process: one that was ready or was not, if there is one.
    fn exit(self, is_supervisor: bool, was_ready: Option<bool>) -> Option<Exit> {
        let was_ready = was_ready?;
        let stopped = |reason| Exit::Shutdown(Arc::new(Termination { reason, unclean: Vec::new() }));
        match self {
            Self::Aborted => Some(Exit::Aborted),
            Self::Lost => Some(Exit::Lost),
            Self::Shutdown if is_supervisor => Some(stopped(StopReason::Requested)),
            Self::Killed if is_supervisor => Some(stopped(StopReason::Killed)),
            _ if is_supervisor => None,
            Self::Ignored if !was_ready => Some(Exit::Ignored),
            Self::Normal if was_ready => Some(Exit::Normal),
            Self::Failed => Some(error()),
            Self::Final => Some(final_error()),
            Self::Panicked => Some(Exit::Panicked(Failure::new("ouch"))),
            _ => None,
        }
    }
}
