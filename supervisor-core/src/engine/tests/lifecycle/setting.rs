use super::*;

/// The kind of the child, and the kind of its supervisor.
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
                PendingFirst,
                StartingFirst,
                FailingFirst,
                Added,
                Running,
                Pending,
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
                Shutdown,
                ShutdownAborted,
                LeftBehind,
                LeftBehindStuck,
                Stopped,
            ],
            Self::Group => {
                &[Running, PendingBeforeSibling, PendingBehindSibling, Group, GroupAborted, GroupStuck, Stopped]
            }
            Self::ReadyAtOnce => &[PendingFirst, Running, Pending, Delayed, Stopped],
            Self::Significant => &[Running, Delayed, StartingAgain, Terminated, Killed, Reloaded, Stopped],
            Self::OutOfRestarts => &[Running, Killed],
            Self::Dynamic => {
                &[Added, Running, Pending, Delayed, StartingAgain, FailingAgain, Terminated, Killed, Reloaded]
            }
        }
    }

    /// Sets the scene; `None` if such a child is not valid.
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
