//! Lines of the log that are not events of a process: what a tree as a whole does, and warnings.
//!
//! At INFO a tree says that it starts, is ready, stops and why, for whom it waits, and how it ended.

use std::{
    collections::BTreeSet,
    fmt,
    panic::Location,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

use tracing::{Level, enabled, event, level_filters::LevelFilter};

use crate::{error::Failure, guard::guard, id::ProcessId, text::OneLine};

/// Whether anyone listens to anything. Asks no subscriber.
pub(crate) fn is_heard() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

/// Whether anyone listens to what a tree says of itself.
pub(crate) fn hears_info() -> bool {
    is_heard() && guarded(|| enabled!(target: "supervision", Level::INFO)).unwrap_or(false)
}

/// A line about a tree as a whole. Its texts are made only if someone listens.
macro_rules! tell {
    ($root:expr, $event:literal, $($text:tt)+) => {
        if hears_info() {
            guarded(|| {
                let (path, process_id) = $root;
                event!(
                    target: "supervision",
                    Level::INFO,
                    path = %path,
                    process_id = process_id.map(ProcessId::as_u64),
                    event = $event,
                    "{path} {}",
                    OneLine(format_args!($($text)+))
                );
            });
        }
    };
}

/// The dotted name and the number of the supervisor that a line is about.
pub(crate) type About<'a> = (&'a str, Option<ProcessId>);

pub(crate) fn tell_start(root: About<'_>) {
    tell!(root, "tree_starting", "is starting its tree");
}

pub(crate) fn tell_ready(root: About<'_>) {
    tell!(root, "tree_ready", "is ready, with its whole tree");
}

/// A supervisor is asked to stop, or stops by itself.
pub(crate) fn tell_stop(supervisor: About<'_>, cause: impl fmt::Display) {
    tell!(supervisor, "shutdown", "is shutting down: {cause}");
}

/// A tree that stops is asked to stop at once.
pub(crate) fn tell_more_stop(root: About<'_>, cause: impl fmt::Display) {
    tell!(root, "shutdown_now", "is aborting what is left: {cause}");
}

/// A tree has been stopping for this long, and these have not ended.
pub(crate) fn tell_waiting(root: About<'_>, time: Duration, names: impl fmt::Display) {
    tell!(root, "shutdown_waiting", "has been stopping for {time:?} and still waits for: {names}");
}

pub(crate) fn tell_end(root: About<'_>, outcome: impl fmt::Display) {
    tell!(root, "tree_ended", "has ended its tree: {outcome}");
}

/// Said of a child on which its supervisor would give up before a backoff has come to its longest wait.
pub(crate) fn warn_of_short_intensity((path, process_id): About<'_>, after: Duration, longest: Duration) {
    guarded(|| {
        event!(
            target: "supervision",
            Level::WARN,
            path = %path,
            process_id = process_id.map(ProcessId::as_u64),
            "{path}: if it goes on failing, its supervisor gives up within {after:?}, before the backoff reaches its longest \
             wait of {longest:?}: allow more restarts, or use `with_unlimited_restarts`"
        );
    });
}

/// Calls the subscriber.
pub(crate) fn guarded<R>(subscriber: impl FnOnce() -> R) -> Option<R> {
    guard(subscriber).inspect_err(tell_of_subscriber).ok()
}

#[cold]
pub(super) fn tell_of_subscriber(panic: &Failure) {
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
pub(crate) fn warn_of_trigger((path, process_id): About<'_>, panic: &Failure) {
    guarded(|| {
        let panic = OneLine(panic);
        event!(
            target: "supervision",
            Level::WARN,
            path = %path,
            process_id = process_id.map(ProcessId::as_u64),
            "the future of `with_shutdown` panicked: {panic}; the tree shuts down"
        );
    });
}

/// Said for each tree, in a program that is built to abort on panic.
pub(crate) fn warn_of_panic_abort() {
    // P1: the one thing that no guard can help against is said at once.
    if cfg!(panic = "abort") {
        guarded(|| {
            event!(
                target: "supervision",
                Level::WARN,
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
    // What no subscriber hears is not said yet. And nothing is said under the lock: a subscriber may call such a function, too.
    guarded(|| {
        if enabled!(target: "supervision", Level::WARN)
            && SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(*place)
        {
            event!(
                target: "supervision",
                Level::WARN,
                "`process::{function}` was called outside of a process, at {place}, and does nothing; \
                 take `process::current()` along from inside, and call `{function}` on that"
            );
        }
    });
}
