use std::{
    sync::{Arc, PoisonError},
    task::Waker,
};

use super::{Control, ControlCell, ProcessId, WaiterKey};
use crate::sync::{Mutex, MutexGuard};

/// A waiter for a signal in another task than the process's own, so it has a place of its own among the wakers of the
/// cell. A `ProcessShutdown` has this in place of its control: few need it, so the others do not pay for the space.
pub(crate) struct ShutdownWaiter {
    control: Arc<dyn Control>,
    id: ProcessId,
    key: Mutex<Option<WaiterKey>>,
}

impl ShutdownWaiter {
    pub(crate) fn new(control: Arc<dyn Control>, id: ProcessId, key: WaiterKey) -> Self {
        Self { control, id, key: Mutex::new(Some(key)) }
    }

    /// Returns the owner of the signal.
    pub(crate) fn control(&self) -> &Arc<dyn Control> {
        &self.control
    }

    /// Replaces the waker: the wait may have moved to another task.
    pub(crate) fn update(&self, waker: &Waker) {
        self.control.cell().register_waiter(self.id, &mut self.lock(), waker);
    }

    fn lock(&self) -> MutexGuard<'_, Option<WaiterKey>> {
        self.key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Control for ShutdownWaiter {
    fn cell(&self) -> &ControlCell {
        self.control.cell()
    }

    fn name(&self) -> &str {
        self.control.name()
    }

    fn release(&self) {
        self.control.release();
    }

    fn drive(&self) {
        self.control.drive();
    }

    fn waiter(&self) -> Option<&ShutdownWaiter> {
        Some(self)
    }
}

impl Drop for ShutdownWaiter {
    fn drop(&mut self) {
        let key = self.lock().take();
        if let Some(key) = key {
            self.control.cell().deregister_waiter(key);
        }
    }
}
