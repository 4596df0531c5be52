use std::{fmt, sync::Arc};

use crate::incarnation::{Control, ControlCell, Flags, ProcessId};

/// The trigger of a [`ProcessShutdown`](crate::ProcessShutdown) that was made by
/// [`paired`](crate::ProcessShutdown::paired).
///
/// Dropping the handle triggers it, too: after that, nothing else could.
#[must_use = "dropping the handle triggers the shutdown"]
pub struct ShutdownHandle(Arc<Pair>);

impl ShutdownHandle {
    pub(super) fn pair() -> (Arc<dyn Control>, ProcessId, Self) {
        let id = ProcessId::next();
        let pair = Arc::new(Pair(ControlCell::new()));
        // A cell of its own, with one incarnation that never ends.
        pair.0.begin(id, Flags::NONE);
        (pair.clone(), id, Self(pair))
    }

    /// Triggers the shutdown signal.
    pub fn trigger(self) {
        drop(self);
    }
}

impl Drop for ShutdownHandle {
    fn drop(&mut self) {
        // P6: latched, so a wait that begins later resolves, too.
        self.0.0.request(Flags::SHUTDOWN);
    }
}

impl fmt::Debug for ShutdownHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ShutdownHandle").finish_non_exhaustive()
    }
}

struct Pair(ControlCell);

impl Control for Pair {
    fn cell(&self) -> &ControlCell {
        &self.0
    }

    fn name(&self) -> &str {
        ""
    }

    fn release(&self) {}
}
