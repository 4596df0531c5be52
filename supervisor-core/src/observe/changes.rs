use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll},
};

use event_listener::{Event, EventListener, IntoNotification};

use crate::process::guard;

/// Tells those who wait for a tree to be in some state that it may be in it now.
///
/// Who waits listens first, and looks at the tree after that, under the locks of its supervisors. A supervisor changes its
/// state under that lock, and tells after it. So no change is missed, and the locks are all the ordering that it takes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    event: Event,
    listeners: AtomicUsize,
}

/// Resolves at the next change.
pub(crate) struct NextChange {
    listener: EventListener,
    shared: Arc<Shared>,
}

impl Changes {
    pub(crate) fn listen(&self) -> NextChange {
        self.0.listeners.fetch_add(1, Relaxed);
        NextChange { listener: self.0.event.listen(), shared: self.0.clone() }
    }

    /// Where nobody listens it is one load.
    #[inline]
    pub(crate) fn tell(&self) {
        if self.0.listeners.load(Relaxed) > 0 {
            // Who listens is woken, and a waker is user code.
            let _ = guard(|| self.0.event.notify(usize::MAX.relaxed()));
        }
    }
}

impl Future for NextChange {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.listener).poll(cx)
    }
}

impl Drop for NextChange {
    fn drop(&mut self) {
        self.shared.listeners.fetch_sub(1, Relaxed);
    }
}
