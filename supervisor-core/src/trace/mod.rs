//! Spans of processes, and lines of the log, through the `tracing` crate. Without the feature `tracing` all of this is empty.
//!
//! A subscriber is foreign code, so it is called under a guard. One that panics loses the span, or the line, that it panicked
//! on, and the process goes on without it. That is said once in a program, in the log, which the subscriber may still be good
//! for; and by the panic hook each time, as of any panic.
//!
//! One name for one thing, in spans and in lines: `path` is the dotted name of a process, `process_id` its number, and a field
//! with a duration ends in `_seconds`. A field named `name` or `id` would collide with what subscribers write themselves.

#[cfg(feature = "tracing")]
mod lines;
#[cfg(not(feature = "tracing"))]
mod off;
#[cfg(feature = "tracing")]
mod spans;

#[cfg(all(feature = "tracing", feature = "metrics"))]
pub(crate) use lines::warn_of_foreign_panic;
#[cfg(not(feature = "tracing"))]
pub(crate) use off::*;
#[cfg(feature = "tracing")]
pub(crate) use {
    lines::{
        guarded, hears_info, is_heard, tell_end, tell_more_stop, tell_ready, tell_start, tell_stop, tell_waiting,
        warn_of_call_outside, warn_of_panic_abort, warn_of_short_intensity, warn_of_trigger,
    },
    spans::{Origin, Span, close, inside, process_span},
};
