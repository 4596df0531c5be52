use std::{fmt, sync::Arc};

use super::{Event, EventKind, Events, log};
use crate::trace;

/// Hears what happens in a tree, as it happens. Must not block.
pub(crate) trait Observer: Send + Sync {
    fn observe(&self, event: &Event);
}

/// All that hear of a whole tree: the log, and an observer where a test has put one.
#[derive(Clone, Default)]
pub(crate) struct Observers(Option<Arc<dyn Observer>>);

impl Observers {
    #[cfg(feature = "testing")]
    pub(crate) fn one(observer: Arc<dyn Observer>) -> Self {
        Self(Some(observer))
    }

    /// Whether anybody listens at all, here or as a subscriber.
    pub(crate) fn listen(&self) -> bool {
        self.0.is_some() || trace::is_heard() || Events::are_wanted()
    }

    /// Whether anybody wants to hear of this.
    pub(crate) fn want(&self, kind: &EventKind) -> bool {
        self.0.is_some() || log::wants(kind)
    }

    pub(crate) fn tell(&self, event: &Event) {
        if log::wants(&event.kind) {
            log::log(event);
        }
        if let Some(observer) = &self.0 {
            observer.observe(event);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observers").field(&self.0.is_some()).finish()
    }
}
