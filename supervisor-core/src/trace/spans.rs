//! Spans in which processes are polled.
//!
//! By default there is none. A span that lives as long as a process would be the parent of every span that user code makes in
//! it: under OpenTelemetry all requests of a worker would be one trace, with one sampling decision. So the span of every process
//! is at TRACE, under a target of its own, for those who turn it on. A child of [`ChildSpec::in_current_span`] has its own.
//!
//! [`ChildSpec::in_current_span`]: crate::ChildSpec::in_current_span

use std::{
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

pub(crate) use tracing::Span;
use tracing::{info_span, trace_span};

use super::lines::{guarded, tell_of_subscriber};
use crate::{error::Failure, guard::guard};

/// The span that was current when the specification of a child was built: the child's incarnations follow from it.
#[derive(Clone)]
pub(crate) struct Origin(Arc<Held>);

/// A span that is held open. The lock is for two threads; a child has one incarnation at a time (P2).
struct Held(Mutex<Span>);

impl Origin {
    pub(crate) fn current() -> Self {
        Self(Arc::new(Held(Mutex::new(guarded(Span::current).unwrap_or_else(Span::none)))))
    }

    /// A span for one incarnation. `is_only`: there is no other one.
    fn span(&self, id: u64, path: &str, is_only: bool) -> Span {
        let span = info_span!(
            target: "supervision::process", parent: None, "process", path, process_id = id, otel.name = path
        );
        // Taken out, because a subscriber is not called under a lock.
        let origin = mem::replace(&mut *self.0.lock(), Span::none());
        span.follows_from(&origin);
        // Held any longer, the span of a request would last as long as the job that the request has started.
        if !is_only {
            *self.0.lock() = origin;
        }
        span
    }
}

impl Held {
    fn lock(&self) -> MutexGuard<'_, Span> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        close(self.0.get_mut().unwrap_or_else(PoisonError::into_inner));
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Origin")
    }
}

/// The span of one process. Its dotted name is made only if someone listens. `is_only`: the child has no other incarnation.
pub(crate) fn process_span(id: u64, origin: Option<&Origin>, is_only: bool, path: impl Fn() -> String) -> Span {
    let span = || match origin {
        Some(origin) => origin.span(id, &path(), is_only),
        None => trace_span!(
            target: "supervision::process", parent: None, "process", path = path(), process_id = id, otel.name = path()
        ),
    };
    // A span that is off is none: it costs a process nothing.
    guarded(span).filter(|span| !span.is_disabled()).unwrap_or_else(Span::none)
}

/// Runs user code in a span, once. Its panic is returned. A panic of the subscriber costs the span, and nothing else.
#[inline]
pub(crate) fn inside<R>(span: &mut Span, mut user_code: impl FnMut() -> R) -> Result<R, Failure> {
    // P3: user code always runs under a guard, in a span or not.
    if span.is_none() {
        return guard(user_code);
    }
    let mut entered = None;
    let result = guard(|| {
        entered = Some(span.enter());
        user_code()
    });
    let has_begun = entered.is_some();
    // Under a guard of its own, and not in the one above: where user code panics this would be a panic in the middle of
    // another one, which is the end of the program.
    let left = guard(|| drop(entered));
    match (result, left) {
        (Err(panic), _) if !has_begun => {
            // The thread may be in the span all the same.
            let _ = guard(|| span.with_subscriber(|(id, subscriber)| subscriber.exit(id)));
            lose(span, &panic);
            guard(user_code)
        }
        (result, Ok(())) => result,
        (result, Err(panic)) => {
            lose(span, &panic);
            result
        }
    }
}

/// The process has ended.
pub(crate) fn close(span: &mut Span) {
    if !span.is_none() {
        let span = mem::replace(span, Span::none());
        guarded(|| drop(span));
    }
}

#[cold]
fn lose(span: &mut Span, panic: &Failure) {
    close(span);
    tell_of_subscriber(panic);
}
