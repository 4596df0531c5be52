use std::{
    any::type_name,
    fmt, mem,
    ops::{Deref, DerefMut},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
};

use crate::incarnation::{self, Control, ProcessId, is_panicking};

/// A value that one incarnation of a worker holds, and the next one gets back: a receiver, a listener, a pool of connections.
///
/// A worker [takes](Self::take) the value when it starts. The guard gives the value back when it is dropped. So however the
/// process ends (return, panic, abort, a lost executor), the next incarnation finds the value. It is always free then,
/// because a successor starts only after the future of its predecessor was dropped. Clones share the value: the closure
/// that makes each incarnation keeps one.
///
/// Use it for a value that cannot be made again: the receiving end of a channel, with the messages in it. A value that
/// several workers use at the same time belongs in an `Arc`. A value that a fresh start should make anew belongs in the
/// worker.
///
/// ```
/// use supervision::{worker, Retained, Supervisor, SupervisorError};
///
/// # fn main() -> Result<(), SupervisorError> {
/// let (jobs, receiver) = async_channel::unbounded::<String>();
/// let receiver = Retained::new(receiver);
///
/// let mut root = Supervisor::new("root")?;
/// root.add_worker(worker("writer", move |shutdown| {
///     let receiver = receiver.clone();
///     async move {
///         let receiver = receiver.take();
///         while let Some(Ok(job)) = shutdown.run_until(receiver.recv()).await {
///             println!("{job}"); // after a panic here, the next incarnation gets the waiting jobs
///         }
///     }
/// }));
/// # let _ = jobs;
/// # Ok(())
/// # }
/// ```
///
/// # After a panic
///
/// A holder that panics may leave the value half-changed. With [`new`](Self::new) the next holder gets the value as it was
/// left, and [`RetainedGuard::was_poisoned`] says so. That is right for a channel, which is never half-changed. With
/// [`from_fn`](Self::from_fn) the next holder gets a fresh value. An abort is not a panic: it drops the holder at an
/// `.await`, so do not leave the value half-changed across one.
pub struct Retained<T>(Arc<Inner<T>>);

struct Inner<T> {
    /// No code of a user runs under this lock: neither the factory nor a destructor of a value.
    place: Mutex<Place<T>>,
    factory: Option<Box<dyn Fn() -> T + Send + Sync>>,
}

/// The place of the value. Each change is one step under one lock, so two holders never have the value.
enum Place<T> {
    /// The factory has to make it.
    Nowhere,
    Here {
        value: T,
        /// The last holder panicked.
        is_poisoned: bool,
    },
    Held(Option<Holder>),
}

/// A process that holds the value. Code outside of a process has none.
#[derive(Clone)]
struct Holder {
    id: ProcessId,
    path: String,
    /// Weak, because the child may own the value.
    control: Weak<dyn Control>,
}

impl<T> Retained<T> {
    /// Retains this value. After a holder that panicked, the next one gets the value as it was left: see
    /// [`RetainedGuard::was_poisoned`].
    pub fn new(value: T) -> Self {
        Self(Arc::new(Inner { place: Mutex::new(Place::Here { value, is_poisoned: false }), factory: None }))
    }

    /// Retains the value that this function makes. It is called at the first take, and again at the first take after a holder
    /// panicked: then the old value is dropped before the fresh one is made.
    ///
    /// Both happen in the process that takes the value. If the function panics, that process has panicked, and the next take
    /// calls the function again.
    ///
    /// ```
    /// use std::collections::HashMap;
    /// use supervision::Retained;
    ///
    /// let sessions = Retained::from_fn(HashMap::<u64, String>::new);
    /// sessions.take().insert(7, "Ada".into());
    /// assert_eq!(sessions.take().len(), 1);
    /// # std::panic::set_hook(Box::new(|_| {}));
    ///
    /// let holder = sessions.clone();
    /// std::thread::spawn(move || {
    ///     let _held = holder.take();
    ///     panic!("half-way through a change");
    /// }).join().unwrap_err();
    /// assert!(sessions.take().is_empty());
    /// ```
    pub fn from_fn(make: impl Fn() -> T + Send + Sync + 'static) -> Self {
        Self(Arc::new(Inner { place: Mutex::new(Place::Nowhere), factory: Some(Box::new(make)) }))
    }

    /// Takes the value, until the guard is dropped.
    ///
    /// This always succeeds in a worker that keeps the guard in its own future.
    ///
    /// # Panics
    ///
    /// Panics if the value is in use, which is a mistake in the program. The message names the process that holds the value,
    /// and the mistake: two workers share the value; a task or a thread that the holder started has kept the guard longer
    /// than the process lived; or the holder was abandoned, because it did not yield.
    #[track_caller]
    pub fn take(&self) -> RetainedGuard<T> {
        match self.try_take() {
            Ok(guard) => guard,
            Err(in_use) => panic!("{in_use}"),
        }
    }

    /// Takes the value, until the guard is dropped.
    ///
    /// # Errors
    ///
    /// [`RetainedInUse`], as for the panics of [`take`](Self::take).
    pub fn try_take(&self) -> Result<RetainedGuard<T>, RetainedInUse> {
        let own = Holder::here();
        let found = {
            let mut place = self.0.lock();
            match &*place {
                Place::Held(holder) => Err(holder.clone()),
                Place::Nowhere | Place::Here { .. } => Ok(mem::replace(&mut *place, Place::Held(own))),
            }
        };
        // Outside of the lock, because a look at the holder may drop the last reference to its child.
        let found = found.map_err(|holder| RetainedInUse::new(holder, type_name::<T>()))?;
        // From here on this call owns the value. If user code below panics, the guard leaves the place empty.
        let during_panic = is_panicking();
        let mut guard = RetainedGuard { value: None, was_poisoned: false, during_panic, from: self.0.clone() };
        let left = match found {
            Place::Here { value, is_poisoned } => {
                guard.was_poisoned = is_poisoned;
                Some(value)
            }
            Place::Nowhere | Place::Held(_) => None,
        };
        // P10: a factory replaces the value that a panic has left, and only now. If the value were dropped where its holder
        // panicked, a panic of its destructor would be the second one, which ends the program.
        guard.value = match (&self.0.factory, left) {
            (Some(factory), Some(poisoned)) if guard.was_poisoned => {
                drop(poisoned);
                Some(factory())
            }
            (Some(factory), None) => Some(factory()),
            (_, left) => left,
        };
        Ok(guard)
    }
}

impl<T> Inner<T> {
    fn lock(&self) -> MutexGuard<'_, Place<T>> {
        self.place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Clone for Retained<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> fmt::Debug for Retained<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_held = matches!(&*self.0.lock(), Place::Held(_));
        f.debug_struct("Retained").field("is_held", &is_held).finish_non_exhaustive()
    }
}

/// A guard of a retained value: it gives the value back when it is dropped.
///
/// Keep it in the future of the worker itself. In a task or a thread that the worker starts by other means it may outlive
/// the process, and then the next incarnation cannot take the value.
#[must_use = "the value is given back when the guard is dropped"]
pub struct RetainedGuard<T> {
    /// `None` while the factory makes it, and once the guard is dropped.
    value: Option<T>,
    was_poisoned: bool,
    /// Whether a destructor took the value during a panic. Then a panic on this stack is not one of this holder.
    during_panic: bool,
    from: Arc<Inner<T>>,
}

impl<T> RetainedGuard<T> {
    /// Returns whether the holder before this one panicked. With [`Retained::new`] the value is then as that holder left it;
    /// with [`Retained::from_fn`] it is a fresh one.
    ///
    /// ```
    /// use supervision::Retained;
    /// # std::panic::set_hook(Box::new(|_| {}));
    ///
    /// let ledger = Retained::new(vec![100, -100]);
    /// let holder = ledger.clone();
    /// std::thread::spawn(move || {
    ///     holder.take().push(50);
    ///     let _held = holder.take();
    ///     panic!("before the other half was booked");
    /// }).join().unwrap_err();
    ///
    /// let mut ledger = ledger.take();
    /// if ledger.was_poisoned() && ledger.iter().sum::<i32>() != 0 {
    ///     ledger.pop(); // repair what was left half-way
    /// }
    /// assert_eq!(*ledger, [100, -100]);
    /// ```
    pub fn was_poisoned(&self) -> bool {
        self.was_poisoned
    }
}

impl<T> Deref for RetainedGuard<T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.value.as_ref().expect("a guard has its value until it is dropped")
    }
}

impl<T> DerefMut for RetainedGuard<T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value.as_mut().expect("a guard has its value until it is dropped")
    }
}

impl<T> Drop for RetainedGuard<T> {
    fn drop(&mut self) {
        // P10: a holder that panics may leave the value half-changed, so the next one is told.
        let is_poisoned = !self.during_panic && is_panicking();
        let left = match self.value.take() {
            Some(value) => Place::Here { value, is_poisoned },
            None => Place::Nowhere,
        };
        let held = mem::replace(&mut *self.from.lock(), left);
        drop(held);
    }
}

impl<T: fmt::Debug> fmt::Debug for RetainedGuard<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetainedGuard").field("value", &**self).field("was_poisoned", &self.was_poisoned).finish()
    }
}

/// An error: a [`Retained`] value could not be taken, because something else holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RetainedInUse {
    holder: Option<(ProcessId, String)>,
    reason: Reason,
    of_type: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// The process that takes it has the value already.
    TakenHere,
    /// The holder still runs.
    Running,
    /// No supervisor waits for the holder any more, and it has not ended.
    Abandoned,
    /// The holder has ended, but its guard was kept elsewhere.
    Ended,
    /// The holder is not a process.
    Outside,
}

impl Holder {
    /// Returns the process that runs here.
    fn here() -> Option<Self> {
        incarnation::current(|current| Self {
            id: current.id,
            path: current.path(),
            control: Arc::downgrade(&current.control),
        })
    }

    fn reason(&self) -> Reason {
        if incarnation::current(|current| current.id == self.id) == Some(true) {
            return Reason::TakenHere;
        }
        // P2: the cell knows whether that incarnation is over. If the child itself is gone, it is over, too.
        match self.control.upgrade().and_then(|control| control.cell().flags(self.id)) {
            Some(flags) if flags.is_ended() => Reason::Ended,
            Some(flags) if flags.is_abandoned() => Reason::Abandoned,
            Some(_) => Reason::Running,
            None => Reason::Ended,
        }
    }
}

impl RetainedInUse {
    fn new(holder: Option<Holder>, of_type: &'static str) -> Self {
        let reason = holder.as_ref().map_or(Reason::Outside, Holder::reason);
        Self { holder: holder.map(|holder| (holder.id, holder.path)), reason, of_type }
    }

    /// Returns the process that holds the value, and `None` for code outside of a process.
    pub fn holder(&self) -> Option<ProcessId> {
        self.holder.as_ref().map(|(id, _)| *id)
    }

    /// Returns the dotted name of the process that holds the value, and `None` for code outside of a process.
    pub fn holder_path(&self) -> Option<&str> {
        self.holder.as_ref().map(|(_, path)| path.as_str())
    }
}

impl fmt::Display for RetainedInUse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.holder {
            Some((id, path)) => write!(f, "`{path}` (process {id}) holds the retained `{}`", self.of_type)?,
            None => write!(f, "code outside of a process holds the retained `{}`", self.of_type)?,
        }
        f.write_str(match self.reason {
            Reason::TakenHere => ", and takes it again; drop the first guard before that",
            Reason::Running => " and is still running; give each worker a value of its own",
            Reason::Abandoned => "; it was abandoned because it did not yield, and has not ended yet",
            Reason::Ended => {
                ", though it has ended: a task or a thread that it started has kept the guard; \
                 keep the guard in the future of the process"
            }
            Reason::Outside => "; drop that guard first, and keep guards in the future of a process",
        })
    }
}

impl std::error::Error for RetainedInUse {}
