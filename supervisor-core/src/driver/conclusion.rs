//! The end of a supervisor, told with names.

use std::{sync::Arc, time::Instant};

use super::Driver;
use crate::{
    child::Child,
    engine::{Badly, Cause, Conclusion},
    error::{GaveUp, Restart, StartFailure, Unclean, UncleanStop},
    observe::EventKind,
    process::{ChildId, Ending, Exit, Link, Termination},
    strategy::ChildKind,
};

impl Driver {
    /// Makes the story while the clock is that of its end, and the children's names are known.
    pub(super) fn tell_of_giving_up(&mut self, now: Instant) {
        let tell = |charge: &crate::engine::Charge<Arc<dyn Child>>| {
            let ago = now.saturating_duration_since(charge.at);
            Restart::new(self.scope.path_of(charge.spec.name().as_str()), ago, charge.cause.to_string())
        };
        let restarts = self.engine.story().map(tell).collect();
        let (intensity, period) = (self.strategy.intensity(), self.strategy.period());
        let story = GaveUp::new(self.scope.path(), intensity, period, restarts);
        self.tell_of_itself(EventKind::GaveUp(story.clone()));
        self.gave_up = Some(story);
    }

    pub(super) fn finish(&mut self) -> Exit {
        let Conclusion { cause, killed, badly } = self.engine.conclude();
        let path_of = |spec: &Arc<dyn Child>| self.scope.path_of(spec.name().as_str());
        let unclean = badly.into_iter().flat_map(|(spec, badly)| match badly {
            Badly::Below(unclean) => unclean,
            Badly::Aborted => vec![Unclean::new(path_of(&spec), UncleanStop::Aborted)],
            Badly::Failed(failure) => vec![Unclean::new(path_of(&spec), UncleanStop::Failed(failure))],
            Badly::Abandoned => vec![Unclean::new(
                path_of(&spec),
                match spec.settings().kind {
                    ChildKind::Worker => UncleanStop::Abandoned,
                    ChildKind::Supervisor => UncleanStop::AbandonedWithSubtree,
                },
            )],
        });
        let unclean = unclean.collect();
        let ending = match cause {
            _ if killed => Ending::Killed,
            Cause::Requested => Ending::Requested,
            Cause::GaveUp => self.gave_up.take().map_or(Ending::Requested, Ending::GaveUp),
            Cause::AutoShutdown { spec, exit } => {
                Ending::AutoShutdown { path: self.scope.path(), child: path_of(&spec), exit }
            }
            Cause::FailedToStart { failure: StartFailure::Below { path, cause }, .. } => {
                Ending::FailedToStart { path, cause: *cause }
            }
            Cause::FailedToStart { spec, failure } => Ending::FailedToStart { path: path_of(&spec), cause: failure },
        };
        self.tell_of_itself(EventKind::Ended(ending.clone()));
        // Nothing comes after this supervisor, or at least not the children that were added to it.
        let children: Vec<_> = self.engine.children().map(|(id, spec, _)| (id, spec.clone())).collect();
        let is_over = |id: &ChildId| self.specs.is_none() || !self.is_static(*id);
        children.into_iter().filter(|(id, _)| is_over(id)).for_each(|(_, spec)| self.dispose(spec));
        if let (Some(specs), true) = (&self.specs, self.seen.last) {
            specs.iter().for_each(|spec| self.dispose(spec.clone()));
        }
        self.leave_remains();
        Exit::Shutdown(Arc::new(Termination { ending, unclean }))
    }
}
