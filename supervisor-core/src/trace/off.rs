//! Empty spans and records, for builds without the feature `tracing`.

use std::{fmt, panic::Location, time::Duration};

use crate::{error::Failure, guard::guard, id::ProcessId};

#[derive(Debug)]
pub(crate) struct Span;

/// No value of this type exists, because without the feature no specification has an origin.
#[derive(Clone, Debug)]
pub(crate) enum Origin {}

pub(crate) type About<'a> = (&'a str, Option<ProcessId>);

#[inline]
pub(crate) fn process_span(_id: u64, _origin: Option<&Origin>, _is_only: bool, _path: impl Fn() -> String) -> Span {
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
pub(crate) fn hears_info() -> bool {
    false
}

#[inline]
pub(crate) fn tell_start(_root: About<'_>) {}

#[inline]
pub(crate) fn tell_ready(_root: About<'_>) {}

#[inline]
pub(crate) fn tell_stop(_supervisor: About<'_>, _cause: impl fmt::Display) {}

#[inline]
pub(crate) fn tell_scope_stop(_worker: About<'_>, _cause: impl fmt::Display) {}

#[inline]
pub(crate) fn tell_more_stop(_root: About<'_>, _cause: impl fmt::Display) {}

#[inline]
pub(crate) fn tell_waiting(_root: About<'_>, _time: Duration, _names: impl fmt::Display) {}

#[inline]
pub(crate) fn tell_end(_root: About<'_>, _outcome: impl fmt::Display) {}

#[inline]
pub(crate) fn warn_of_short_intensity(_child: About<'_>, _after: Duration, _longest: Duration) {}

#[inline]
pub(crate) fn warn_of_trigger(_root: About<'_>, _panic: &Failure) {}

#[inline]
pub(crate) fn warn_of_condition(_panic: &Failure) {}

#[inline]
pub(crate) fn warn_of_panic_abort() {}

#[inline]
pub(crate) fn warn_of_call_outside(_function: &str, _place: &'static Location<'static>) {}

/// Writes nothing.
#[inline]
pub fn error(_text: impl fmt::Display) {}

/// Writes nothing.
#[inline]
pub fn warn(_text: impl fmt::Display) {}

/// Writes nothing.
#[inline]
pub fn info(_text: impl fmt::Display) {}
