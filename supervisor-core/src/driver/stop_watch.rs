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
    node::{Child, ChildrenEngine, StoppingProcesses},
    spawner::is_virtual,
    trace,
};

/// A stop that takes longer than this is told with the names of those that it waits for. If it goes on, it is told again:
/// each time after as long again, because who has waited long can wait longer.
const PATIENCE: Duration = Duration::from_secs(1);
/// But after no longer than this.
const LONGEST: Duration = Duration::from_secs(10);

/// How far a stop has been told.
#[derive(Default)]
pub(super) enum StopWatch {
    #[default]
    NotStopping,
    /// If it lasts until `next`, it is told for whom it waits.
    Stopping { since: Instant, next: Instant },
    /// Nothing more is told of it.
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
    /// Returns the watch of a stop that goes on, until it is told the next time.
    fn after(since: Instant, now: Instant) -> Self {
        let time = now.saturating_duration_since(since).clamp(PATIENCE, LONGEST);
        now.checked_add(time).map_or(Self::Told, |next| Self::Stopping { since, next })
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Stopping { next, .. } => Some(*next),
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
                self.stop_watch = StopWatch::after(now, now);
            }
            return;
        }
        let StopWatch::Stopping { since, next } = self.stop_watch else { return };
        if now < next {
            return;
        }
        let stopping = StoppingProcesses::below(&self.shared);
        if !stopping.is_empty() {
            let time = now.saturating_duration_since(since);
            trace::tell_waiting((&self.scope.path(), Some(self.own.id)), time, &stopping);
        }
        // Under a virtual clock, time goes on to the next wake: with a wake every ten seconds for ever, a simulation would
        // never find that a stop without limit hangs.
        let goes_on = !is_virtual(&**self.own.spawner) || stopping.has_limit();
        self.stop_watch = if goes_on { StopWatch::after(since, now) } else { StopWatch::Told };
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
