use std::{fmt, sync::Arc};

use super::{
    Event, EventKind, Events, log,
    metrics::{ARE_WANTED, Metrics},
};
use crate::{incarnation::guard, trace};

/// Hears what happens in a tree, as it happens. Must not block.
pub(crate) trait Observer: Send + Sync {
    fn observe(&self, event: &Event);
}

/// All that hear of a whole tree: the log, the numbers, and an observer where a test has put one.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    metrics: Metrics,
    observer: Option<Arc<dyn Observer>>,
}

impl Observers {
    #[cfg(feature = "testing")]
    pub(crate) fn one(observer: Arc<dyn Observer>) -> Self {
        Self { observer: Some(observer), ..Self::default() }
    }

    /// Whether anybody listens at all, here or as a subscriber.
    pub(crate) fn listen(&self) -> bool {
        ARE_WANTED || self.observer.is_some() || trace::is_heard() || Events::are_wanted()
    }

    /// Whether anybody wants to hear of this.
    pub(crate) fn want(&self, kind: &EventKind) -> bool {
        ARE_WANTED || self.observer.is_some() || log::wants(kind)
    }

    /// `fixed`: how many segments of its name are those of a supervisor that is always there.
    pub(crate) fn emit(&self, event: &Event, fixed: impl FnOnce() -> usize) {
        // P9: each is foreign code, and under a guard of its own, so a panic in one does not reach the others.
        if ARE_WANTED {
            self.metrics.observe(event, fixed());
        }
        if log::wants(&event.kind) {
            log::log(event);
        }
        if let Some(observer) = &self.observer {
            let _ = guard(|| observer.observe(event));
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers").field("observer", &self.observer.is_some()).finish_non_exhaustive()
    }
}
