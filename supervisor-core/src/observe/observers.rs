use std::{fmt, sync::Arc};

use super::{Event, EventKind, log};
use crate::trace;

/// Hears what happens in a tree, as it happens. Must not block.
pub(crate) trait Observer: Send + Sync {
    fn observe(&self, event: &Event);
}

/// All that hear of a tree: the log, and an observer where a test has put one.
#[derive(Clone, Default)]
pub(crate) struct Observers(Option<Arc<dyn Observer>>);

impl Observers {
    #[cfg(feature = "testing")]
    pub(crate) fn one(observer: Arc<dyn Observer>) -> Self {
        Self(Some(observer))
    }

    /// Whether anybody listens at all.
    pub(crate) fn listen(&self) -> bool {
        self.0.is_some() || trace::is_heard()
    }

    /// Tells those who want to hear of this. The event is made only if there is one.
    pub(crate) fn tell(&self, kind: EventKind, event: impl FnOnce(EventKind) -> Event) {
        let logged = log::wants(&kind);
        if self.0.is_none() && !logged {
            return;
        }
        let event = event(kind);
        if logged {
            log::log(&event);
        }
        if let Some(observer) = &self.0 {
            observer.observe(&event);
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Observers").field(&self.0.is_some()).finish()
    }
}
