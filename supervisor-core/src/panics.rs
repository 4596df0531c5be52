//! Finds the place of a panic.
//!
//! The payload of a panic has its message, but only the panic hook gets its location. The hook runs on the thread that panics,
//! before the unwinding. So it stores the location in that thread, and the guard that catches the panic takes it from there.

use std::{
    any::{Any, TypeId},
    backtrace::{Backtrace, BacktraceStatus},
    cell::RefCell,
    panic::{self, AssertUnwindSafe, PanicHookInfo},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
};

use crate::error::{Failure, PanicLocation, PanicSite};

static IS_CAPTURING: AtomicBool = AtomicBool::new(false);

thread_local! {
    static SLOT: RefCell<Slot> = const { RefCell::new(Slot { is_guarded: false, last: None }) };
}

/// The data of the guard that this thread is in.
struct Slot {
    is_guarded: bool,
    /// The latest panic under this guard.
    last: Option<Box<Seen>>,
}

pub(crate) struct Seen {
    /// The type of the payload and its text. A guard that catches another panic does not take this one. User code may, for
    /// example, have caught this one and resumed an earlier one.
    of: (TypeId, Option<String>),
    site: PanicSite,
}

/// Installs a panic hook, so that failures have the place of a panic: [`Failure::location`](crate::Failure::location), and
/// [`Failure::backtrace`](crate::Failure::backtrace) if `RUST_BACKTRACE` asks for one. Logs and errors then say
/// `panicked at src/feed.rs:10:5: no peer`.
///
/// Only the panic hook of a program gets the place of a panic. This hook stores it for panics in processes, and then calls the
/// hook before it, which by default prints the panic. For panics outside of processes it changes nothing. Without it, a failure
/// has only the message of a panic. The hook costs a process two accesses of a thread-local for each poll.
///
/// Call it once, in `main`, and not in a library. Further calls do nothing. A hook that was set before keeps working. A hook
/// that is set later has to call the one before it, which [`std::panic::take_hook`] returns. Otherwise locations are no longer
/// known. On a thread that is panicking, the call does nothing.
///
/// ```
/// use supervision::{EventKind, Events, Exit, capture_panics};
///
/// fn main() {
///     capture_panics();
///     // Then run a tree.
/// }
///
/// async fn watch(mut events: Events) {
///     while let Some(event) = events.next().await {
///         let EventKind::Exited(Exit::Panicked(failure)) = &event.kind else { continue };
///         if let Some(location) = failure.location() {
///             println!("{} panicked in {}, line {}", event.path, location.file(), location.line());
///         }
///     }
/// }
/// ```
pub fn capture_panics() {
    static IS_INSTALLED: Mutex<bool> = Mutex::new(false);
    // A thread that is panicking cannot change the hook: the standard library would panic.
    if thread::panicking() {
        return;
    }
    let mut is_installed = IS_INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if *is_installed {
        return;
    }
    let before = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        put_down(panic);
        before(panic);
    }));
    IS_CAPTURING.store(true, Relaxed);
    *is_installed = true;
}

fn put_down(panic: &PanicHookInfo<'_>) {
    // Outside of a guard no failure is made of the panic. At the end of a thread there is no slot any more.
    let _ = SLOT.try_with(|slot| {
        let Ok(mut slot) = slot.try_borrow_mut() else { return };
        if slot.is_guarded {
            let location = panic.location().map(|place| PanicLocation::new(place.file(), place.line(), place.column()));
            let backtrace = Backtrace::capture();
            let backtrace =
                (backtrace.status() == BacktraceStatus::Captured).then(|| Arc::new(AssertUnwindSafe(backtrace)));
            let site = PanicSite { location, backtrace };
            slot.last = Some(Box::new(Seen { of: identity(panic.payload()), site }));
        }
    });
}

fn identity(payload: &(dyn Any + Send)) -> (TypeId, Option<String>) {
    let text = payload.downcast_ref::<&'static str>().map(|text| (*text).to_owned());
    (payload.type_id(), text.or_else(|| payload.downcast_ref::<String>().cloned()))
}

/// The data of the guard around this one. A panic there may be unwinding: this guard may be in a destructor that it runs.
///
/// It has no destructor: that would run at each poll, also without the hook. The guard catches every panic, so it always comes
/// to `leave`.
#[must_use = "a guard that was entered has to be left"]
pub(crate) struct Outer(Slot);

/// Enters a guard, if the program captures panics.
#[inline]
pub(crate) fn enter() -> Option<Outer> {
    if IS_CAPTURING.load(Relaxed) { swap(Slot { is_guarded: true, last: None }).map(Outer) } else { None }
}

fn swap(new: Slot) -> Option<Slot> {
    SLOT.try_with(|slot| slot.try_borrow_mut().ok().map(|mut slot| std::mem::replace(&mut *slot, new))).ok().flatten()
}

impl Outer {
    /// Leaves the guard. Returns the latest panic under it.
    pub(crate) fn leave(self) -> Option<Box<Seen>> {
        swap(self.0)?.last
    }
}

impl Seen {
    /// Adds the place of this panic to the failure that was made of a payload, if it is the panic of that payload.
    pub(crate) fn complete(self, failure: Failure, payload: &(dyn Any + Send)) -> Failure {
        if self.of == identity(payload) { failure.with_site(self.site) } else { failure }
    }
}
