//! Spans of processes, through the `tracing` crate. Without the feature `tracing` all of this is empty.

#[cfg(feature = "tracing")]
mod spans {
    use std::{
        collections::BTreeSet,
        panic::Location,
        sync::{Mutex, PoisonError},
        time::Duration,
    };

    use tracing::{Level, level_filters::LevelFilter};

    pub(crate) use tracing::Span;

    /// The span of one process: its id and its dotted name. The name is made only if someone listens.
    pub(crate) fn process_span(id: u64, name: impl Fn() -> String) -> Span {
        tracing::info_span!(target: "supervision", parent: None, "process", id, name = name())
    }

    /// Whether anybody listens to anything.
    pub(crate) fn is_heard() -> bool {
        LevelFilter::current() != LevelFilter::OFF
    }

    /// Said of a child on which its supervisor would give up before a backoff has come to its longest wait.
    pub(crate) fn warn_of_short_intensity(path: &str, after: Duration, longest: Duration) {
        tracing::warn!(
            target: "supervision",
            process = path,
            "if it goes on failing, its supervisor gives up within {after:?}, before the backoff comes to its longest wait of \
             {longest:?}: allow more restarts, or use `with_unlimited_restarts`"
        );
    }

    /// Said for each tree, in a program that is built to abort on panic.
    pub(crate) fn warn_of_panic_abort() {
        if cfg!(panic = "abort") {
            tracing::warn!(
                target: "supervision",
                "this program is built with panic = \"abort\": a panic in a process ends the program, and is not supervised"
            );
        }
    }

    /// Said once for each place where a function is called outside of a process that does something only inside.
    #[cold]
    pub(crate) fn warn_of_call_outside(function: &str, place: &'static Location<'static>) {
        static SAID: Mutex<BTreeSet<Location<'static>>> = Mutex::new(BTreeSet::new());
        // What nobody hears is not said yet. And nothing is said under the lock: who listens may call such a function, too.
        if tracing::enabled!(target: "supervision", Level::WARN)
            && SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(*place)
        {
            tracing::warn!(
                target: "supervision",
                "`process::{function}` was called outside of a process, at {place}, and does nothing; \
                 take `process::current()` along from inside, and call `{function}` on that"
            );
        }
    }
}

#[cfg(not(feature = "tracing"))]
mod spans {
    use std::time::Duration;

    #[derive(Debug)]
    pub(crate) struct Span;

    impl Span {
        #[inline]
        pub(crate) fn enter(&self) -> Entered {
            Entered
        }
    }

    pub(crate) struct Entered;

    #[inline]
    pub(crate) fn process_span(_id: u64, _name: impl Fn() -> String) -> Span {
        Span
    }

    #[inline]
    pub(crate) fn is_heard() -> bool {
        false
    }

    #[inline]
    pub(crate) fn warn_of_short_intensity(_path: &str, _after: Duration, _longest: Duration) {}

    #[inline]
    pub(crate) fn warn_of_panic_abort() {}

    #[inline]
    pub(crate) fn warn_of_call_outside(_function: &str, _place: &'static std::panic::Location<'static>) {}
}

pub(crate) use spans::{
    Span, is_heard, process_span, warn_of_call_outside, warn_of_panic_abort, warn_of_short_intensity,
};
