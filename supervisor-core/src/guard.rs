use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    task::Waker,
};

use crate::{
    error::Failure,
    panics::{self, Outer},
};

/// Runs user code. A panic becomes its message, and its payload is dropped here, under a guard of its own.
///
/// A panic may leave half-done what the closure touched: callers drop it and do not look at it again.
#[inline]
pub(crate) fn guard<R>(user_code: impl FnOnce() -> R) -> Result<R, Failure> {
    // P1, P3, P4: no panic of user code unwinds further than this, and its message is kept.
    let outer = panics::enter();
    match catch_unwind(AssertUnwindSafe(user_code)) {
        Ok(result) => {
            if let Some(outer) = outer {
                outer.leave();
            }
            Ok(result)
        }
        Err(payload) => Err(told(payload, outer)),
    }
}

/// Wakes a task. P9: a waker is foreign code, and one that panics must not keep the next one from being woken.
pub(crate) fn wake(waker: Waker) {
    let _ = guard(|| waker.wake());
}

#[cold]
fn told(payload: Box<dyn Any + Send>, outer: Option<Outer>) -> Failure {
    let failure = Failure::from_panic(&*payload);
    // P12: with its place, if the program captures panics.
    let failure = match outer.and_then(Outer::leave) {
        Some(seen) => seen.complete(failure, &*payload),
        None => failure,
    };
    // P1: a payload can be of any type, and its destructor is user code, too.
    if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        // The payload of a panic in a payload's destructor. Nothing good can come of dropping that one.
        std::mem::forget(second);
    }
    failure
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Bomb;

    impl Drop for Bomb {
        fn drop(&mut self) {
            if !std::thread::panicking() {
                panic!("in the destructor of a payload");
            }
        }
    }

    #[test]
    fn a_panic_becomes_its_message() {
        assert_eq!(guard(|| 7).unwrap(), 7);
        assert_eq!(guard(|| panic!("boom {}", 7)).unwrap_err().message(), "boom 7");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_caught_too() {
        let failure = guard(|| std::panic::panic_any(Bomb)).unwrap_err();
        assert_eq!(failure.message(), "panic with non-string payload");
    }
}
