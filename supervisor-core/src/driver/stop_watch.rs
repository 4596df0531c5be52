//! What the log says, at INFO, of a supervisor that stops: why, where it does so by itself, and for whom a tree waits.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

use super::Io;
use crate::{
    engine::Cause,
    incarnation::{Exit, Parent},
    node::{Child, ChildrenEngine, StoppingNames},
    spawner::is_virtual,
    trace,
};

/// A stop that takes longer than this is told with the names of those that it waits for.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far a stop has been told.
#[derive(Default)]
pub(super) enum StopWatch {
    #[default]
    NotStopping,
    /// If it lasts until then, it is told for whom it waits.
    Until(Instant),
    Told,
}

/// Why a supervisor stops by itself.
pub(super) enum OwnCause {
    /// It does not: it was asked to, which is told by the one who asks.
    Asked,
    GaveUp,
    SignificantChild(Arc<dyn Child>, Exit),
    FailedStart(Arc<dyn Child>),
}

impl StopWatch {
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Until(deadline) => Some(*deadline),
            Self::NotStopping | Self::Told => None,
        }
    }
}

impl Io {
    /// Looks whether the supervisor has begun to stop in this turn. Runs under the lock, and asks no subscriber.
    pub(super) fn look_for_stop(&self, engine: &ChildrenEngine) -> Option<OwnCause> {
        let StopWatch::NotStopping = self.stop_watch else { return None };
        Some(match engine.stop_cause()? {
            Cause::Requested => OwnCause::Asked,
            Cause::GaveUp => OwnCause::GaveUp,
            Cause::AutoShutdown { child, exit } => OwnCause::SignificantChild(child.clone(), exit.clone()),
            Cause::FailedToStart { child, .. } => OwnCause::FailedStart(child.clone()),
        })
    }

    /// Tells of a stop. `begun`: why, if it has begun in this turn.
    pub(super) fn tell_of_stop(&mut self, begun: Option<OwnCause>, now: Instant) {
        if let Some(cause) = begun {
            self.stop_watch = StopWatch::Told;
            let is_heard = trace::hears_info();
            if is_heard {
                self.tell_cause(&cause);
            }
            // Under a virtual clock the wake is there in any case: who listens must not change what a seed replays.
            if self.scope.is_root() && (is_heard || is_virtual(&**self.own.spawner)) {
                self.stop_watch = now.checked_add(PATIENCE).map_or(StopWatch::Told, StopWatch::Until);
            }
        } else if self.stop_watch.deadline().is_some_and(|deadline| deadline <= now) {
            self.stop_watch = StopWatch::Told;
            if trace::hears_info() {
                let names = StoppingNames::below(&self.shared);
                if !names.is_empty() {
                    trace::tell_waiting((&self.scope.path(), Some(self.own.id)), PATIENCE, names);
                }
            }
        }
    }

    fn tell_cause(&self, cause: &OwnCause) {
        let tell = |cause: fmt::Arguments<'_>| trace::tell_stop((&self.scope.path(), Some(self.own.id)), cause);
        match cause {
            // D6: for a nested supervisor, too, because that may be all that is said of it.
            OwnCause::SignificantChild(child, exit) => {
                tell(format_args!("its significant child {} {exit}", self.scope.path_of(child.name())));
            }
            // Said louder before; here, that it is the end of the tree.
            OwnCause::GaveUp if self.scope.is_root() => tell(format_args!("it gave up")),
            OwnCause::FailedStart(child) if self.scope.is_root() => {
                tell(format_args!("{} failed to start", self.scope.path_of(child.name())));
            }
            OwnCause::Asked | OwnCause::GaveUp | OwnCause::FailedStart(_) => {}
        }
    }
}
