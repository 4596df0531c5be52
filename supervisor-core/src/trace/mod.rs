//! Spans of processes, and lines of the log, through the `tracing` crate. Without the feature `tracing` all of this is empty.
//!
//! A subscriber is foreign code, so it is called under a guard. One that panics loses the span, or the line, that it panicked
//! on, and the process goes on without it. That is said once in a program, in the log, which the subscriber may still be good
//! for; and by the panic hook each time, as of any panic.

#[cfg(feature = "tracing")]
mod spans {
    use std::{
        collections::BTreeSet,
        mem,
        panic::Location,
        sync::{
            Mutex, PoisonError,
            atomic::{AtomicBool, Ordering::Relaxed},
        },
        time::Duration,
    };

    use tracing::{Level, event, level_filters::LevelFilter};

    use crate::{error::Failure, guard::guard, text::OneLine};

    pub(crate) use tracing::Span;

    /// The span of one process: its id and its dotted name. The name is made only if someone listens.
    pub(crate) fn process_span(id: u64, name: impl Fn() -> String) -> Span {
        let span = || tracing::info_span!(target: "supervision", parent: None, "process", id, name = name());
        guarded(span).unwrap_or_else(Span::none)
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

    /// Whether anybody listens to anything. Asks no subscriber.
    pub(crate) fn is_heard() -> bool {
        LevelFilter::current() != LevelFilter::OFF
    }

    /// Said of a child on which its supervisor would give up before a backoff has come to its longest wait.
    pub(crate) fn warn_of_short_intensity(path: &str, after: Duration, longest: Duration) {
        guarded(|| {
            tracing::warn!(
                target: "supervision",
                process = path,
                "if it goes on failing, its supervisor gives up within {after:?}, before the backoff comes to its longest \
                 wait of {longest:?}: allow more restarts, or use `with_unlimited_restarts`"
            );
        });
    }

    /// Calls the subscriber.
    pub(crate) fn guarded<R>(subscriber: impl FnOnce() -> R) -> Option<R> {
        guard(subscriber).inspect_err(tell_of_subscriber).ok()
    }

    #[cold]
    fn tell_of_subscriber(panic: &Failure) {
        static IS_TOLD: AtomicBool = AtomicBool::new(false);
        warn_of_foreign_panic(&IS_TOLD, "the `tracing` subscriber", "the span or the line that it failed on", panic);
    }

    /// Foreign code that watches has panicked.
    #[cold]
    pub(crate) fn warn_of_foreign_panic(is_told: &AtomicBool, who: &str, lost: &str, panic: &Failure) {
        if !is_told.swap(true, Relaxed) {
            let _ = guard(|| {
                let panic = OneLine(panic);
                event!(target: "supervision", Level::ERROR, "{who} panicked: {panic}; supervision goes on without {lost}");
            });
        }
    }

    /// A future that was to tell when a tree is to stop has panicked.
    pub(crate) fn warn_of_trigger(path: &str, panic: &Failure) {
        guarded(|| {
            let panic = OneLine(panic);
            event!(
                target: "supervision",
                Level::WARN,
                process = %path,
                "the future of `with_shutdown` panicked: {panic}; the tree shuts down"
            );
        });
    }

    /// Said for each tree, in a program that is built to abort on panic.
    pub(crate) fn warn_of_panic_abort() {
        // P1: the one thing that no guard can help against is said at once.
        if cfg!(panic = "abort") {
            guarded(|| {
                tracing::warn!(
                    target: "supervision",
                    "this program is built with panic = \"abort\": a panic in a process ends the program, and is not \
                     supervised"
                );
            });
        }
    }

    /// Said once for each place where a function is called outside of a process that does something only inside.
    #[cold]
    pub(crate) fn warn_of_call_outside(function: &str, place: &'static Location<'static>) {
        static SAID: Mutex<BTreeSet<Location<'static>>> = Mutex::new(BTreeSet::new());
        // What nobody hears is not said yet. And nothing is said under the lock: who listens may call such a function, too.
        guarded(|| {
            if tracing::enabled!(target: "supervision", Level::WARN)
                && SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(*place)
            {
                tracing::warn!(
                    target: "supervision",
                    "`process::{function}` was called outside of a process, at {place}, and does nothing; \
                     take `process::current()` along from inside, and call `{function}` on that"
                );
            }
        });
    }
}

#[cfg(not(feature = "tracing"))]
mod spans {
    use std::time::Duration;

    use crate::{error::Failure, guard::guard};

    #[derive(Debug)]
    pub(crate) struct Span;

    #[inline]
    pub(crate) fn process_span(_id: u64, _name: impl Fn() -> String) -> Span {
        Span
    }

    #[inline]
    pub(crate) fn inside<R>(_span: &mut Span, user_code: impl FnMut() -> R) -> Result<R, Failure> {
        guard(user_code)
    }

    #[inline]
    pub(crate) fn close(_span: &mut Span) {}

    #[inline]
    pub(crate) fn is_heard() -> bool {
        false
    }

    #[inline]
    pub(crate) fn warn_of_short_intensity(_path: &str, _after: Duration, _longest: Duration) {}

    #[inline]
    pub(crate) fn warn_of_trigger(_path: &str, _panic: &Failure) {}

    #[inline]
    pub(crate) fn warn_of_panic_abort() {}

    #[inline]
    pub(crate) fn warn_of_call_outside(_function: &str, _place: &'static std::panic::Location<'static>) {}
}

#[cfg(feature = "tracing")]
pub(crate) use spans::guarded;
#[cfg(all(feature = "tracing", feature = "metrics"))]
pub(crate) use spans::warn_of_foreign_panic;
pub(crate) use spans::{
    Span, close, inside, is_heard, process_span, warn_of_call_outside, warn_of_panic_abort, warn_of_short_intensity,
    warn_of_trigger,
};
