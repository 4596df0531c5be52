use std::{iter, ptr, sync::Arc};

use super::Scope;
use crate::incarnation::{ChildId, current};

/// The origin of a call: a process, as a child of its supervisor.
pub(crate) struct CallOrigin {
    scope: Arc<Scope>,
    id: ChildId,
}

impl CallOrigin {
    /// Returns the origin for the process that runs this code.
    pub(crate) fn current() -> Option<Self> {
        // N6: known from the process that runs on this thread. A task that was spawned by other means has none, and is
        // in no chain.
        let (parent, id) = current(|current| (current.parent.clone(), current.child_id()))?;
        Some(Self { scope: Scope::above(&parent)?, id })
    }

    /// Returns the process as a child of its supervisor, and the supervisors above it, each as a child of the next.
    pub(crate) fn upwards(&self) -> impl Iterator<Item = (&Arc<Scope>, ChildId)> {
        // N6: a call that waits for a supervisor above waits for this process, too, because that supervisor ends last.
        iter::successors(Some((&self.scope, self.id)), |(scope, _)| Some((scope.parent.as_ref()?, scope.id)))
    }

    /// Returns the chain of the caller, as [`Waiting`](crate::waits::Waiting) needs it.
    pub(crate) fn chain(&self) -> Box<[ChildId]> {
        // N6: what is in a scope is waited for by those who wait for the scope, and by those who wait for its owner.
        self.upwards().flat_map(|(scope, id)| [Some(id), scope.scope_id].into_iter().flatten()).collect()
    }

    /// Returns the child of that supervisor which is this process, or is above it.
    pub(crate) fn within(&self, supervisor: &Scope) -> Option<ChildId> {
        let (mut scope, mut id) = (&self.scope, self.id);
        while !ptr::eq(&**scope, supervisor) {
            id = scope.id;
            scope = scope.parent.as_ref()?;
        }
        Some(id)
    }
}
