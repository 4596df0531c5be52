//! Records of the log that are not events of a process: the life of a tree as a whole, and warnings.
//!
//! At INFO the log has the start of a tree, its readiness, its shutdown with the cause, the processes that it waits for, and
//! its end.

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

use crate::{
    error::Failure,
    guard::guard,
    id::ProcessId,
    text::{OneLine, Rounded},
};

/// Whether there may be a subscriber. This calls none.
pub(crate) fn is_heard() -> bool {
    LevelFilter::current() != LevelFilter::OFF
}

/// Whether a subscriber wants the records of a tree.
pub(crate) fn hears_info() -> bool {
    is_heard() && guarded(|| enabled!(target: "supervision", Level::INFO)).unwrap_or(false)
}

/// Writes a record about a tree as a whole. Its texts are made only if a subscriber wants it.
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

/// The dotted name and the number of the supervisor that a record is about.
pub(crate) type About<'a> = (&'a str, Option<ProcessId>);

pub(crate) fn tell_start(root: About<'_>) {
    tell!(root, "tree_starting", "is starting its tree");
}

pub(crate) fn tell_ready(root: About<'_>) {
    tell!(root, "tree_ready", "is ready, with its whole tree");
}

/// Reports that a supervisor was asked to stop, or stops by itself.
pub(crate) fn tell_stop(supervisor: About<'_>, cause: impl fmt::Display) {
    tell!(supervisor, "shutdown", "is shutting down: {cause}");
}

/// Reports that the scope of a worker was asked to stop. The worker itself goes on.
pub(crate) fn tell_scope_stop(worker: About<'_>, cause: impl fmt::Display) {
    tell!(worker, "scope_shutdown", "is stopping what is in its scope: {cause}");
}

/// Reports that a tree which is stopping was asked to stop at once.
pub(crate) fn tell_more_stop(root: About<'_>, cause: impl fmt::Display) {
    tell!(root, "shutdown_now", "is aborting what is left: {cause}");
}

/// Reports that a tree has been stopping for this long, and that these processes have not ended.
pub(crate) fn tell_waiting(root: About<'_>, time: Duration, names: impl fmt::Display) {
    tell!(root, "shutdown_waiting", "has been stopping for {} and is still waiting for: {names}", Rounded(time));
}

pub(crate) fn tell_end(root: About<'_>, outcome: impl fmt::Display) {
    tell!(root, "tree_ended", "tree ended: {outcome}");
}

/// Writes a warning of a child that belongs to the product, in the same form as the records of a tree.
pub fn warn(text: impl fmt::Display) {
    guarded(|| event!(target: "supervision", Level::WARN, "{}", OneLine(text)));
}

/// Writes at ERROR, as [`warn`] does at WARN.
pub fn error(text: impl fmt::Display) {
    guarded(|| event!(target: "supervision", Level::ERROR, "{}", OneLine(text)));
}

/// Writes at INFO that what such a warning said is over.
pub fn info(text: impl fmt::Display) {
    guarded(|| event!(target: "supervision", Level::INFO, "{}", OneLine(text)));
}

/// Warns of a child whose supervisor would give up before the backoff reaches its longest wait.
pub(crate) fn warn_of_short_intensity((path, process_id): About<'_>, after: Duration, longest: Duration) {
    guarded(|| {
        event!(
            target: "supervision",
            Level::WARN,
            path = %path,
            process_id = process_id.map(ProcessId::as_u64),
            "{path} may fail too often for its backoff: its supervisor gives up within {after:?}, before the backoff reaches its \
             longest wait of {longest:?}; allow more restarts, or use `with_unlimited_restarts`"
        );
    });
}

/// Calls the subscriber under a guard.
pub(crate) fn guarded<R>(subscriber: impl FnOnce() -> R) -> Option<R> {
    guard(subscriber).inspect_err(tell_of_subscriber).ok()
}

#[cold]
pub(super) fn tell_of_subscriber(panic: &Failure) {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    warn_of_foreign_panic(&IS_TOLD, "the `tracing` subscriber", "the span or the record on which it panicked", panic);
}

/// Warns once that foreign code that receives reports has panicked.
#[cold]
pub(crate) fn warn_of_foreign_panic(is_told: &AtomicBool, who: &str, lost: &str, panic: &Failure) {
    if !is_told.swap(true, Relaxed) {
        let _ = guard(|| {
            let panic = OneLine(panic);
            event!(target: "supervision", Level::ERROR, "{who} panicked: {panic}; supervision goes on without {lost}");
        });
    }
}

/// Warns that the future of `with_shutdown` has panicked.
pub(crate) fn warn_of_trigger((path, process_id): About<'_>, panic: &Failure) {
    guarded(|| {
        let panic = OneLine(panic);
        event!(
            target: "supervision",
            Level::WARN,
            path = %path,
            process_id = process_id.map(ProcessId::as_u64),
            "{path} is shutting down: the future of `with_shutdown` panicked: {panic}"
        );
    });
}

/// Warns of a restart condition that panicked.
#[cold]
pub(crate) fn warn_of_condition(panic: &Failure) {
    static IS_TOLD: AtomicBool = AtomicBool::new(false);
    warn_of_foreign_panic(&IS_TOLD, "a restart condition", "its answer, and restarts the child", panic);
}

/// Warns for each tree of a program that is built to abort on panic.
pub(crate) fn warn_of_panic_abort() {
    // P1: no guard helps against this, so the log says it at the start.
    if cfg!(panic = "abort") {
        guarded(|| {
            event!(
                target: "supervision",
                Level::WARN,
                "this program is built with panic = \"abort\", so a panic in a process ends the program; build it with \
                 panic = \"unwind\" to supervise panics"
            );
        });
    }
}

/// Warns once for each place that calls a function outside of a process which has an effect only inside.
#[cold]
pub(crate) fn warn_of_call_outside(function: &str, place: &'static Location<'static>) {
    static SAID: Mutex<BTreeSet<Location<'static>>> = Mutex::new(BTreeSet::new());
    // A place that no subscriber has heard of is not marked yet. The lock is not held while a subscriber is called, because
    // that may call such a function, too.
    guarded(|| {
        if enabled!(target: "supervision", Level::WARN)
            && SAID.lock().unwrap_or_else(PoisonError::into_inner).insert(*place)
        {
            event!(
                target: "supervision",
                Level::WARN,
                "`process::{function}` was called outside of a process, at {place}, and does nothing; \
                 call `process::current()` inside the process, and `{function}` on its result"
            );
        }
    });
}
