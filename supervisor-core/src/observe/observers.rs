use std::{fmt, sync::Arc};

use super::{
    Event, EventKind, Events, log,
    metrics::{ARE_WANTED, Metrics},
};
use crate::{incarnation::guard, trace};

/// A receiver of a tree's events, as they happen. It must not block.
pub(crate) trait Observer: Send + Sync {
    fn observe(&self, event: &Event);
}

/// The receivers of a whole tree's events: the log, the metrics, and the observer of a test.
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

    /// Whether any receiver or subscriber wants events.
    pub(crate) fn listen(&self) -> bool {
        ARE_WANTED || self.observer.is_some() || trace::is_heard() || Events::are_wanted()
    }

    /// Whether any receiver wants this event.
    pub(crate) fn want(&self, kind: &EventKind) -> bool {
        ARE_WANTED || self.observer.is_some() || log::wants(kind)
    }

    /// Passes an event to each receiver. `fixed` is the number of segments of its path that name a static supervisor.
    pub(crate) fn emit(&self, event: &Event, fixed: impl FnOnce() -> usize) {
        // P9: each receiver is foreign code, and has a guard of its own. So a panic in one does not reach the others.
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
