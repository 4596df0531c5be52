//! Drops values of user code that outlive their process: errors that a failure keeps, and restart conditions.

use std::{
    cell::Cell,
    mem::{self, ManuallyDrop},
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind},
    thread,
};

type Pile = Vec<Box<dyn Send>>;

thread_local! {
    /// The values that were discarded in the turn of a supervisor. `None` outside of a turn: so there is nothing for the end of the
    /// thread to drop.
    static PILE: Cell<Option<ManuallyDrop<Pile>>> = const { Cell::new(None) };
}

/// Runs the turn of a supervisor, and then drops the values that were discarded in it. Not during the turn, because the
/// supervisor may hold its lock. If `elsewhere` is set, a separate thread drops them, because their destructors may block.
pub(crate) fn after<R>(elsewhere: bool, turn: impl FnOnce() -> R) -> R {
    struct Turn {
        outer: Option<ManuallyDrop<Pile>>,
        elsewhere: bool,
    }

    impl Drop for Turn {
        fn drop(&mut self) {
            // An empty one has no memory, so it need not be dropped.
            let pile = PILE.replace(self.outer.take()).filter(|pile| !pile.is_empty());
            if let Some(pile) = pile {
                clear(ManuallyDrop::into_inner(pile), self.elsewhere);
            }
        }
    }

    let _turn = Turn { outer: PILE.replace(Some(ManuallyDrop::new(Pile::new()))), elsewhere };
    turn()
}

#[cold]
fn clear(pile: Pile, elsewhere: bool) {
    if elsewhere {
        // If no thread can be started, the values are dropped here, each under its guard.
        let _ = thread::Builder::new().name("supervision-discard".into()).spawn(move || drop(pile));
    }
}

/// A value whose destructor is user code. Any code may be its last owner, so the destructor runs under a guard, and never in
/// the turn of a supervisor.
pub(crate) struct Discard<T: Send + 'static>(Option<T>);

impl<T: Send + 'static> Discard<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Some(value))
    }
}

impl<T: Send + 'static> Deref for Discard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.0.as_ref().expect("it is taken only by the destructor")
    }
}

impl<T: Send + 'static> Drop for Discard<T> {
    fn drop(&mut self) {
        // P3: a destructor may do anything, and no supervisor waits for user code.
        if let Some(mut pile) = PILE.take() {
            pile.push(Box::new(Self(self.0.take())));
            PILE.set(Some(pile));
        }
        let value = self.0.take();
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
            // The destructor of the payload is user code, too, and may also panic.
            mem::forget(panic);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread::ThreadId};

    use super::*;

    struct Tells(mpsc::Sender<ThreadId>);

    impl Drop for Tells {
        fn drop(&mut self) {
            let _ = self.0.send(thread::current().id());
            panic!("in a destructor");
        }
    }

    fn dropped_on(elsewhere: bool) -> ThreadId {
        let (sender, receiver) = mpsc::channel();
        let is_dropped = || receiver.try_recv().is_ok();
        after(elsewhere, || {
            drop(Discard::new(Tells(sender.clone())));
            assert!(!is_dropped(), "a supervisor may hold its lock");
        });
        receiver.recv().unwrap()
    }

    #[test]
    fn p3_no_destructor_runs_in_the_turn_of_a_supervisor() {
        let own = thread::current().id();
        assert_ne!(dropped_on(true), own);
        assert_eq!(dropped_on(false), own);
        let (sender, receiver) = mpsc::channel();
        drop(Discard::new(Tells(sender)));
        assert_eq!(receiver.try_recv(), Ok(own), "elsewhere it is dropped in place");
    }
}
