use std::{iter, ptr, sync::Arc};

use super::Scope;
use crate::incarnation::{ChildId, current};

/// Where a call comes from: a process, as a child of its supervisor.
pub(crate) struct CallOrigin {
    scope: Arc<Scope>,
    id: ChildId,
}

impl CallOrigin {
    /// Of the process that this runs in.
    pub(crate) fn current() -> Option<Self> {
        // N6: known from the process that runs on this thread. A task that was spawned by other means has none, and
        // is in no chain.
        let (parent, id) = current(|current| (current.parent.clone(), current.child_id()))?;
        Some(Self { scope: Scope::above(&parent)?, id })
    }

    /// The process as a child of its supervisor, and the supervisors above it, each as a child of the next.
    pub(crate) fn upwards(&self) -> impl Iterator<Item = (&Arc<Scope>, ChildId)> {
        // N6: a call that waits for a supervisor above waits for this process, too, because that supervisor ends last.
        iter::successors(Some((&self.scope, self.id)), |(scope, _)| Some((scope.parent.as_ref()?, scope.id)))
    }

    /// Who waits, as [`Waiting`](crate::waits::Waiting) knows it.
    pub(crate) fn chain(&self) -> Box<[ChildId]> {
        self.upwards().map(|(_, id)| id).collect()
    }

    /// The child of that supervisor which this is, or is below of.
    pub(crate) fn within(&self, supervisor: &Scope) -> Option<ChildId> {
        let (mut scope, mut id) = (&self.scope, self.id);
        while !ptr::eq(&**scope, supervisor) {
            id = scope.id;
            scope = scope.parent.as_ref()?;
        }
        Some(id)
    }
}
