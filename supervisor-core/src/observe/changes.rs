use std::sync::Arc;

use event_listener::{Event, EventListener, IntoNotification};

use crate::process::guard;

/// Tells those who wait for a tree to be in some state that it may be in it now.
///
/// Who waits listens first, and looks at the tree after that, under the locks of its supervisors. A supervisor changes its
/// state under that lock, and tells after it. So no change is missed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(Arc<Event>);

impl Changes {
    pub(crate) fn listen(&self) -> EventListener {
        self.0.listen()
    }

    /// Costs next to nothing where nobody listens.
    pub(crate) fn tell(&self) {
        // The locks are the fence. Who listens is woken, and a waker is user code.
        let _ = guard(|| self.0.notify(usize::MAX.relaxed()));
    }
}
