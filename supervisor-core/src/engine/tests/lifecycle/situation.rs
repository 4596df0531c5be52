use std::sync::Arc;

use super::*;
use crate::process::{Ending, Termination};

/// What kind of child is looked at, and under what kind of supervisor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Setting {
    Worker,
    Group,
    Supervisor,
    ReadyAtOnce,
    Significant,
    OutOfRestarts,
    Dynamic,
}

/// Where the child is when something happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Situation {
    OwedFirst,
    StartingFirst,
    FailingFirst,
    Added,
    Running,
    Owed,
    OwedBehindSibling,
    OwedBeforeSibling,
    Delayed,
    StartingAgain,
    FailingAgain,
    TimedOut,
    StartingByHand,
    Terminated,
    TerminatedAborted,
    TerminatedStuck,
    Killed,
    KilledStuck,
    Group,
    GroupAborted,
    GroupStuck,
    Shutdown,
    ShutdownAborted,
    ShutdownStuck,
    Stopped,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Event {
    Ready,
    Acknowledged,
    Ignored,
    Normal,
    Failed,
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
}

impl Setting {
    pub(super) const ALL: [Self; 7] = [
        Self::Worker,
        Self::Group,
        Self::Supervisor,
        Self::ReadyAtOnce,
        Self::Significant,
        Self::OutOfRestarts,
        Self::Dynamic,
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Worker => "A worker with a set-up, alone under one-for-one",
            Self::Group => "The same in a group, under rest-for-one between `first` and `last`",
            Self::Supervisor => "A supervisor, where it differs from the worker",
            Self::ReadyAtOnce => "A worker without a set-up, where it differs from one with",
            Self::Significant => "A significant worker under any-significant, where it differs",
            Self::OutOfRestarts => "A worker whose supervisor has no restart left, where it differs",
            Self::Dynamic => "A worker of a dynamic supervisor, where it differs",
        }
    }

    pub(super) fn varies(self) -> Option<Self> {
        (!matches!(self, Self::Worker | Self::Group)).then_some(Self::Worker)
    }

    pub(super) fn situations(self) -> &'static [Situation] {
        use Situation::*;
        match self {
            Self::Worker | Self::Supervisor => &[
                OwedFirst,
                StartingFirst,
                FailingFirst,
                Added,
                Running,
                Owed,
                Delayed,
                StartingAgain,
                FailingAgain,
                TimedOut,
                StartingByHand,
                Terminated,
                TerminatedAborted,
                TerminatedStuck,
                Killed,
                KilledStuck,
                Shutdown,
                ShutdownAborted,
                ShutdownStuck,
                Stopped,
            ],
            Self::Group => &[Running, OwedBeforeSibling, OwedBehindSibling, Group, GroupAborted, GroupStuck, Stopped],
            Self::ReadyAtOnce => &[OwedFirst, Running, Owed, Delayed, Stopped],
            Self::Significant => &[Running, Delayed, StartingAgain, Terminated, Killed, Stopped],
            Self::OutOfRestarts => &[Running, Killed],
            Self::Dynamic => &[Added, Running, Owed, Delayed, StartingAgain, FailingAgain, Terminated, Killed],
        }
    }

    /// `None` where such a child is not valid.
    pub(super) fn scene(self, restart: RestartType, situation: Situation) -> Option<Scene> {
        let mut subject = if self == Self::Supervisor { supervisor("subject") } else { child("subject") };
        subject.settings.restart = Some(restart);
        subject = subject.shutdown(ShutdownStrategy::default()).start_timeout(SECOND);
        match self {
            Self::Significant if restart == RestartType::Permanent => return None,
            Self::Significant => subject.settings.significant = true,
            Self::ReadyAtOnce => subject.settings.ready_at_once = true,
            _ => {}
        }
        let intensity = if self == Self::OutOfRestarts { 0 } else { 9 };
        let settings = match self {
            Self::Group => rest_for_one(intensity),
            Self::Significant => {
                SupervisorSettings { auto_shutdown: AutoShutdown::AnySignificant, ..one_for_one(intensity) }
            }
            Self::Dynamic => SupervisorSettings {
                dynamic: true,
                shutdown_order: ShutdownOrder::Concurrent,
                ..one_for_one(intensity)
            },
            _ => one_for_one(intensity),
        };
        let is_added = self == Self::Dynamic || situation == Situation::Added;
        let children = match self {
            Self::Group => vec![child("first"), subject.clone(), child("last")],
            _ if is_added => Vec::new(),
            _ => vec![subject.clone()],
        };
        let mut scene = Scene::new(settings, children);
        scene.added = is_added.then_some(subject);
        Some(scene)
    }
}

impl Situation {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::OwedFirst => "Owed: its turn in the first start comes",
            Self::StartingFirst => "Starting: the first start",
            Self::FailingFirst => "Stopping: killed in the first start",
            Self::Added => "Starting: added by `start_child`",
            Self::Running => "Running",
            Self::Owed => "Owed: failed, its turn comes",
            Self::OwedBehindSibling => "Owed: its turn in a group restart comes, after `first`",
            Self::OwedBeforeSibling => "Owed: failed, and `last` has to stop before it starts",
            Self::Delayed => "Delayed: failed, and waits for its backoff",
            Self::StartingAgain => "Starting: a restart",
            Self::FailingAgain => "Stopping: killed in a restart",
            Self::TimedOut => "Stopping: not ready in time in a restart",
            Self::StartingByHand => "Starting: by `restart_child`",
            Self::Terminated => "Stopping: terminated",
            Self::TerminatedAborted => "Stopping: terminated, and aborted as its time was up",
            Self::TerminatedStuck => "Stuck: terminated, and does not let go",
            Self::Killed => "Stopping: killed",
            Self::KilledStuck => "Stuck: killed, and does not let go",
            Self::Group => "Stopping: as `first` has failed",
            Self::GroupAborted => "Stopping: as `first` has failed, and aborted as its time was up",
            Self::GroupStuck => "Stuck: stopped as `first` has failed, and does not let go",
            Self::Shutdown => "Stopping: as its supervisor stops",
            Self::ShutdownAborted => "Stopping: as its supervisor stops, and aborted as its time was up",
            Self::ShutdownStuck => "Stuck: stopped as its supervisor stops, which may be started again",
            Self::Stopped => "Stopped",
        }
    }

    pub(super) fn state(self) -> &'static str {
        match self {
            Self::OwedFirst | Self::Owed | Self::OwedBehindSibling | Self::OwedBeforeSibling => "Owed",
            Self::StartingFirst | Self::Added | Self::StartingAgain | Self::StartingByHand => "Starting",
            Self::FailingFirst | Self::FailingAgain | Self::TimedOut => "Stopping (aborted, then fail start)",
            Self::Running => "Running",
            Self::Delayed => "Delayed",
            Self::Terminated => "Stopping (asked, then stay)",
            Self::TerminatedAborted => "Stopping (aborted, then stay)",
            Self::TerminatedStuck => "Stopping (stuck, then stay)",
            Self::Killed => "Stopping (aborted, then judge)",
            Self::KilledStuck => "Stopping (stuck, then judge)",
            Self::Group => "Stopping (asked, then restart)",
            Self::GroupAborted => "Stopping (aborted, then restart)",
            Self::GroupStuck => "Stopping (stuck, then restart)",
            Self::Shutdown => "Stopping (asked, then end)",
            Self::ShutdownAborted => "Stopping (aborted, then end)",
            Self::ShutdownStuck => "Stopping (stuck, then end)",
            Self::Stopped => "Stopped",
        }
    }

    /// Brings the child there, as far as it can get there.
    pub(super) fn arrange(self, scene: &mut Scene) {
        match self {
            Self::OwedFirst => scene.engine.start(false),
            Self::StartingFirst => scene.start(),
            Self::FailingFirst => {
                scene.start();
                Event::Kill.happen(scene);
            }
            Self::Added => {
                scene.start();
                scene.add();
            }
            Self::Running => scene.come_up(),
            Self::Owed => {
                scene.come_up();
                scene.exit(scene.subject, error());
            }
            Self::OwedBehindSibling => {
                Self::Group.arrange(scene);
                scene.exit(scene.named("last"), Exit::Normal);
                scene.settle();
                scene.exit(scene.subject, Exit::Normal);
                scene.settle();
            }
            Self::OwedBeforeSibling => {
                Self::Owed.arrange(scene);
                scene.settle();
            }
            Self::Delayed => {
                scene.delay(Backoff::constant(SECOND));
                Self::Owed.arrange(scene);
            }
            Self::StartingAgain => {
                Self::Owed.arrange(scene);
                scene.settle();
            }
            Self::FailingAgain => {
                Self::StartingAgain.arrange(scene);
                Event::Kill.happen(scene);
            }
            Self::TimedOut => {
                Self::StartingAgain.arrange(scene);
                scene.wait();
            }
            Self::StartingByHand => {
                Self::Stopped.arrange(scene);
                Event::Restart.happen(scene);
            }
            Self::Terminated => {
                scene.come_up();
                Event::Terminate.happen(scene);
            }
            Self::Killed => {
                scene.come_up();
                Event::Kill.happen(scene);
            }
            Self::Group => {
                scene.come_up();
                scene.exit(scene.named("first"), error());
                scene.settle();
                scene.exit(scene.named("last"), Exit::Normal);
                scene.settle();
            }
            Self::Shutdown => {
                scene.come_up();
                Event::AskedToStop.happen(scene);
            }
            Self::TerminatedAborted => Self::Terminated.arrange_and_wait(scene),
            Self::TerminatedStuck => Self::TerminatedAborted.arrange_and_wait(scene),
            Self::KilledStuck => Self::Killed.arrange_and_wait(scene),
            Self::GroupAborted => Self::Group.arrange_and_wait(scene),
            Self::GroupStuck => Self::GroupAborted.arrange_and_wait(scene),
            Self::ShutdownAborted => Self::Shutdown.arrange_and_wait(scene),
            Self::ShutdownStuck => Self::ShutdownAborted.arrange_and_wait(scene),
            Self::Stopped => {
                Self::Terminated.arrange(scene);
                scene.exit(scene.subject, Exit::Normal);
            }
        }
    }

    fn arrange_and_wait(self, scene: &mut Scene) {
        self.arrange(scene);
        scene.wait();
        scene.settle();
    }
}

impl Event {
    pub(super) const ALL: [Self; 20] = [
        Self::Ready,
        Self::Acknowledged,
        Self::Ignored,
        Self::Normal,
        Self::Failed,
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
    ];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Acknowledged => "acknowledged",
            Self::Ignored => "exit: ignored",
            Self::Normal => "exit: normal",
            Self::Shutdown => "exit: shutdown",
            Self::Failed => "exit: failed",
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
        }
    }

    /// `None` if it cannot happen now.
    pub(super) fn happen(self, scene: &mut Scene) -> Option<Outcome> {
        let (child, ticket) = (scene.subject, scene.ticket(scene.subject));
        if let Some(exit) = self.exit(scene.is_supervisor(), scene.was_ready()) {
            return Some(scene.outcome_of(|scene| scene.exit(child, exit)));
        }
        match self {
            Self::Ready | Self::Acknowledged => {
                let ticket = ticket.filter(|_| scene.was_ready().is_some())?;
                let can = if self == Self::Ready { scene.was_ready() == Some(false) } else { scene.is_supervisor() };
                can.then(|| {
                    scene.outcome_of(|scene| match self {
                        Self::Ready => scene.engine.ready(ticket, scene.now),
                        _ => scene.engine.acknowledged(ticket),
                    })
                })
            }
            Self::StaleReady | Self::StaleExit => {
                let ticket = ticket?;
                let stale = Ticket::new(ticket.place(), ticket.incarnation - 1);
                Some(scene.outcome_of(|scene| match self {
                    Self::StaleReady => scene.engine.ready(stale, scene.now),
                    _ => scene.engine.exited(stale, error(), scene.now),
                }))
            }
            Self::Deadline => {
                scene.engine.next_deadline()?;
                Some(scene.outcome_of(Scene::wait))
            }
            Self::AskedToStop | Self::AskedToStopLast | Self::ToldToStopAtOnce => {
                let order = Order { last: self == Self::AskedToStopLast, kill: self == Self::ToldToStopAtOnce };
                Some(scene.outcome_of(|scene| scene.engine.shutdown(order, scene.now)))
            }
            Self::Terminate | Self::Restart | Self::Delete | Self::Kill => {
                let caller = scene.caller(self.title());
                Some(scene.outcome_of(|scene| match self {
                    Self::Terminate => scene.engine.terminate_child(child, caller, scene.now),
                    Self::Restart => scene.engine.restart_child(child, caller, scene.now),
                    Self::Delete => scene.engine.delete_child(child, caller),
                    _ => scene.engine.kill_child(child, caller, scene.now),
                }))
            }
            _ => None,
        }
    }

    /// How a process ends, if this is an end of such a process: one that was ready or was not, if there is one.
    fn exit(self, is_supervisor: bool, was_ready: Option<bool>) -> Option<Exit> {
        let was_ready = was_ready?;
        let stopped = |ending| Exit::Shutdown(Arc::new(Termination { ending, unclean: Vec::new() }));
        match self {
            Self::Aborted => Some(Exit::Aborted),
            Self::Lost => Some(Exit::Lost),
            Self::Shutdown if is_supervisor => Some(stopped(Ending::Requested)),
            Self::Killed if is_supervisor => Some(stopped(Ending::Killed)),
            _ if is_supervisor => None,
            Self::Ignored if !was_ready => Some(Exit::Ignored),
            Self::Normal if was_ready => Some(Exit::Normal),
            Self::Failed => Some(error()),
            Self::Panicked => Some(Exit::Panicked(Failure::new("ouch"))),
            _ => None,
        }
    }
}
