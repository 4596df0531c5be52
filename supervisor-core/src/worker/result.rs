use std::error::Error;

use crate::{
    error::{BoxError, Failure, RestartCondition},
    incarnation::{Exit, Flags, current, guard},
    trace,
};

/// The result types of a worker's body: `()`, a `Result<(), E>` for any error, or `!` for a body that never returns.
///
/// The trait is sealed: nothing else implements it, so that the result of a body always says whether it failed. A value
/// that has no receiver has to be dropped explicitly:
///
/// ```
/// use supervision::{one_shot, worker, BoxError};
///
/// let once = one_shot("importer", async { "12".parse::<u32>().map(drop) });
/// let again = worker("importer", async |_| -> Result<(), BoxError> {
///     let _rows: u32 = "12".parse()?;
///     Ok(())
/// });
/// # let _ = (once, again);
/// ```
///
/// ```compile_fail,E0277
/// # use supervision::one_shot;
/// let once = one_shot("importer", async { "12".parse::<u32>() }); // a worker cannot return `Result<u32, ParseIntError>`
/// ```
#[diagnostic::on_unimplemented(
    message = "a worker cannot return `{Self}`",
    label = "its body returns `{Self}`",
    note = "a body must return `()`, a `Result<(), E>` whose error converts into a `BoxError`, or never",
    note = "the value would be discarded: end the body with `Ok(())`, or drop the value with `.map(drop)`"
)]
pub trait IntoWorkerResult: sealed::Sealed {
    /// Converts the value: `Ok` is a normal exit, `Err` a failure.
    fn into_worker_result(self) -> Result<(), BoxError>;
}

impl IntoWorkerResult for () {
    fn into_worker_result(self) -> Result<(), BoxError> {
        Ok(())
    }
}

impl<E: Into<BoxError>> IntoWorkerResult for Result<(), E> {
    fn into_worker_result(self) -> Result<(), BoxError> {
        self.map_err(Into::into)
    }
}

/// `!` cannot be named on stable Rust, but it is what a `fn() -> !` returns.
impl IntoWorkerResult for <fn() -> ! as Returns>::Output {
    fn into_worker_result(self) -> Result<(), BoxError> {
        self
    }
}

mod sealed {
    use super::{BoxError, Returns};

    pub trait Sealed {}

    impl Sealed for () {}
    impl<E: Into<BoxError>> Sealed for Result<(), E> {}
    impl Sealed for <fn() -> ! as Returns>::Output {}
}

#[doc(hidden)]
pub trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

/// Renders a user's error, in the process that it ended.
pub(super) fn exit_of(result: Result<(), BoxError>) -> Exit {
    result.map_or_else(|error| Exit::Failed(failure_of(error)), |()| Exit::Normal)
}

/// Renders a user's error, in the process that it ended. Asks the restart condition and keeps the error, if the child's
/// settings say so.
pub(super) fn failure_of(error: BoxError) -> Failure {
    let (handling, is_stopping) = current(|current| {
        let flags = current.control.cell().flags(current.id);
        (current.control.error_handling(), flags.is_some_and(|flags| flags.contains(Flags::SHUTDOWN)))
    })
    .unwrap_or_default();
    // B6: the condition is asked before the error is rendered. R43: the end of a child that was asked to stop changes
    // nothing, so the condition is not asked about it.
    let condition = handling.restart_if.filter(|_| !is_stopping);
    let is_final = condition.is_some_and(|condition| !may_restart(&condition, &*error));
    // P3: its `Display` is user code. Only text leaves the process, unless the child keeps its errors (B7).
    let mut failure = Failure::from_error(&*error);
    if handling.keeps {
        failure = failure.with_error(error);
    }
    if is_final { failure.with_finality() } else { failure }
}

/// Asks the restart condition. B6: a condition that panics has not said no.
fn may_restart(condition: &RestartCondition, error: &(dyn Error + 'static)) -> bool {
    guard(|| condition(error)).unwrap_or_else(|panic| {
        trace::warn_of_condition(&panic);
        true
    })
}
