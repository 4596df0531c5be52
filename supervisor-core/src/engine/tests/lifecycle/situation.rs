use super::*;

/// The state of the child when something happens.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Situation {
    PendingFirst,
    StartingFirst,
    FailingFirst,
    Added,
    Running,
    Pending,
    PendingBehindSibling,
    PendingBeforeSibling,
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
    Reloaded,
    ReloadedStarting,
    Group,
    GroupAborted,
    GroupStuck,
    Shutdown,
    ShutdownAborted,
    LeftBehind,
    LeftBehindStuck,
    Stopped,
}

impl Situation {
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::PendingFirst => "PendingStart: its turn in the first start comes",
            Self::StartingFirst => "Starting: the first start",
            Self::FailingFirst => "Stopping: killed in the first start",
            Self::Added => "Starting: added by `start_child`",
            Self::Running => "Running",
            Self::Pending => "PendingStart: failed, its turn comes",
            Self::PendingBehindSibling => "PendingStart: its turn in a group restart comes, after `first`",
            Self::PendingBeforeSibling => "PendingStart: failed, and `last` has to stop before it starts",
            Self::Delayed => "Delayed: failed, and waits for its backoff",
            Self::StartingAgain => "Starting: a restart",
            Self::FailingAgain => "Stopping: killed in a restart",
            Self::TimedOut => "Stopping: not ready in time in a restart",
            Self::StartingByHand => "Starting: by `restart_child`",
            Self::Terminated => "Stopping: terminated",
            Self::TerminatedAborted => "Stopping: terminated, and aborted as its time was up",
            Self::TerminatedStuck => "Stuck: terminated, and has not yielded",
            Self::Killed => "Stopping: killed",
            Self::KilledStuck => "Stuck: killed, and has not yielded",
            Self::Reloaded => "Stopping: reloaded",
            Self::ReloadedStarting => "Starting: reloaded",
            Self::Group => "Stopping: as `first` has failed",
            Self::GroupAborted => "Stopping: as `first` has failed, and aborted as its time was up",
            Self::GroupStuck => "Stuck: stopped as `first` has failed, and has not yielded",
            Self::Shutdown => "Stopping: as its supervisor stops",
            Self::ShutdownAborted => "Stopping: as its supervisor stops, and aborted as its time was up",
            Self::LeftBehind => "Stopping: left behind by an earlier run of its supervisor",
            Self::LeftBehindStuck => "Stuck: left behind, and has not yielded",
            Self::Stopped => "Stopped",
        }
    }

    pub(super) fn state(self) -> &'static str {
        match self {
            Self::PendingFirst | Self::Pending | Self::PendingBehindSibling | Self::PendingBeforeSibling => {
                "PendingStart"
            }
            Self::StartingFirst | Self::Added | Self::StartingAgain | Self::StartingByHand | Self::ReloadedStarting => {
                "Starting"
            }
            Self::FailingFirst | Self::FailingAgain | Self::TimedOut => "Stopping (aborted, then fail start)",
            Self::Running => "Running",
            Self::Delayed => "Delayed",
            Self::Terminated => "Stopping (asked, then stay)",
            Self::TerminatedAborted => "Stopping (aborted, then stay)",
            Self::TerminatedStuck => "Stopping (stuck, then stay)",
            Self::Killed => "Stopping (aborted, then apply policy)",
            Self::KilledStuck => "Stopping (stuck, then apply policy)",
            Self::Group | Self::Reloaded => "Stopping (asked, then restart)",
            Self::GroupAborted => "Stopping (aborted, then restart)",
            Self::GroupStuck => "Stopping (stuck, then restart)",
            Self::Shutdown => "Stopping (asked, then end)",
            Self::ShutdownAborted => "Stopping (aborted, then end)",
            Self::LeftBehind => "Stopping (aborted, then start)",
            Self::LeftBehindStuck => "Stopping (stuck, then start)",
            Self::Stopped => "Stopped",
        }
    }

    /// Brings the child there, as far as it can get there.
    pub(super) fn arrange(self, scene: &mut Scene) {
        match self {
            Self::PendingFirst => scene.engine.handle_start(false),
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
            Self::Pending => {
                scene.come_up();
                scene.exit(scene.subject, error());
            }
            Self::PendingBehindSibling => {
                Self::Group.arrange(scene);
                scene.exit(scene.named("last"), Exit::Normal);
                scene.settle();
                scene.exit(scene.subject, Exit::Normal);
                scene.settle();
            }
            Self::PendingBeforeSibling => {
                Self::Pending.arrange(scene);
                scene.settle();
            }
            Self::Delayed => {
                scene.delay(Backoff::constant(SECOND));
                Self::Pending.arrange(scene);
            }
            Self::StartingAgain => {
                Self::Pending.arrange(scene);
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
            Self::Reloaded => {
                scene.come_up();
                Event::Reload.happen(scene);
            }
            Self::ReloadedStarting => {
                Self::Reloaded.arrange(scene);
                scene.exit(scene.subject, Exit::Normal);
                scene.settle();
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
            Self::LeftBehind => scene.adopt(),
            Self::LeftBehindStuck => Self::LeftBehind.arrange_and_wait(scene),
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
