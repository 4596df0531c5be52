use crate::{
    error::{BoxError, Failure},
    incarnation::Exit,
};

/// What the body of a worker may return: `()`, a `Result<(), E>` for any error, or `!`, which is to never return.
pub trait IntoWorkerResult {
    /// `Ok` is a normal exit, `Err` a failure.
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

#[doc(hidden)]
pub trait Returns {
    type Output;
}

impl<T> Returns for fn() -> T {
    type Output = T;
}

/// Renders a user's error, in the process that it ended.
pub(super) fn exit_of(result: Result<(), BoxError>) -> Exit {
    match result {
        Ok(()) => Exit::Normal,
        // P3: its `Display` is user code. What travels is text.
        Err(error) => Exit::Failed(Failure::from_error(&*error)),
    }
}
