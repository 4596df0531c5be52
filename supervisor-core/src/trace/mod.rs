//! Spans of processes, and records of the log, through the `tracing` crate. Without the feature `tracing` all of this is empty.
//!
//! A subscriber is foreign code, so it is called under a guard. If it panics, it loses that span or record, and the process
//! goes on without it. The log reports this once in a program, because the subscriber may still write other records. The panic
//! hook runs each time, as for any panic.
//!
//! Spans and records use the same names: `path` is the dotted name of a process, `process_id` its number, and the name of a
//! field with a duration ends in `_seconds`. No field is named `name` or `id`, because subscribers write such fields
//! themselves.

#[cfg(feature = "tracing")]
mod lines;
#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod spans;

#[cfg(all(feature = "tracing", feature = "metrics"))]
pub(crate) use lines::warn_of_foreign_panic;
#[cfg(feature = "tracing")]
pub use lines::{error, info, warn};
#[cfg(not(feature = "tracing"))]
pub(crate) use off::*;
#[cfg(not(feature = "tracing"))]
pub use off::{error, info, warn};
#[cfg(feature = "tracing")]
pub(crate) use {
    lines::{
        guarded, hears_info, is_heard, tell_end, tell_more_stop, tell_ready, tell_scope_stop, tell_start, tell_stop,
        tell_waiting, warn_of_call_outside, warn_of_condition, warn_of_panic_abort, warn_of_short_intensity,
        warn_of_trigger,
    },
    spans::{Origin, Span, close, inside, process_span},
};
