//! The last resort: what is done when a lease is about to end, and the subtree is not proven to be gone.
//!
//! A plain thread, because the executor may be what is blocked. It asks for the proof itself, at the moment when it counts, so no
//! other thread has to tell it in time.

use std::{
    fmt,
    future::Future,
    io::{self, Write},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    process,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::SeqCst},
        mpsc,
    },
    task::{Context, Waker},
    thread,
    time::Duration,
};

use supervisor_core::{Monitor, log};

use crate::held::Term;

/// What is done with a program whose lease ends before its work does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LastResort {
    /// The process ends, with exit code 70, after one line on stderr. The default: nothing else can stop a future that does not
    /// yield.
    #[default]
    EndProcess,
    /// The log says so at ERROR, and nothing is done. Then the work may overlap with that of the next holder.
    Report,
}

/// The exit code of [`LastResort::EndProcess`]: EX_SOFTWARE of sysexits, as for a program error.
const EXIT_CODE: i32 = 70;

/// How often the thread looks at the clock while it has something to watch. It cannot wait for a moment of a clock that goes on
/// while the machine sleeps, because that time does not count for a waiting thread. A small part of the usual margin.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// How long it waits for its line on stderr, and then for the end of the process.
const PATIENCE: Duration = Duration::from_millis(20);

/// What acts as the last resort: a thread, or what a simulation has in its place.
#[doc(hidden)]
pub trait Watch: fmt::Debug + Send + Sync + 'static {
    /// Watches a tenure until its subtree is gone. An error is that it cannot.
    fn watch(&self, tenure: Watched) -> io::Result<()>;
}

/// A tenure that is watched.
#[doc(hidden)]
#[derive(Clone)]
pub struct Watched(Arc<Inner>);

struct Inner {
    path: String,
    term: Arc<Term>,
    policy: LastResort,
    is_stuck: AtomicBool,
    gone: Mutex<Gone>,
}

enum Gone {
    /// The subtree is just being started.
    Unknown,
    /// It resolves when everything is gone.
    Awaited(Monitor),
    Proven,
}

impl Watched {
    pub(crate) fn new(path: String, term: Arc<Term>, policy: LastResort) -> Self {
        let gone = Mutex::new(Gone::Unknown);
        Self(Arc::new(Inner { path, term, policy, is_stuck: AtomicBool::new(false), gone }))
    }

    /// Gives it what proves that the subtree is gone.
    pub(crate) fn prove_by(&self, monitor: Monitor) {
        *self.gone() = Gone::Awaited(monitor);
    }

    /// Takes note that the subtree is gone.
    pub(crate) fn prove(&self) {
        *self.gone() = Gone::Proven;
    }

    /// Takes note that the subtree does not yield, so waiting is of no use.
    pub(crate) fn mark_stuck(&self) {
        self.0.is_stuck.store(true, SeqCst);
    }

    /// Returns whether it has to act: the lease ends, and the subtree is not proven to be gone.
    pub fn is_due(&self) -> bool {
        (self.0.is_stuck.load(SeqCst) || self.0.term.is_over()) && !self.is_gone()
    }

    /// Returns whether the subtree is gone, with everything below it.
    pub fn is_gone(&self) -> bool {
        let mut gone = self.gone();
        if let Gone::Awaited(monitor) = &mut *gone {
            // Nothing has to be woken: who asks comes again.
            if Pin::new(monitor).poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                *gone = Gone::Proven;
            }
        }
        matches!(*gone, Gone::Proven)
    }

    /// Acts if it is time. Returns whether there is nothing more to watch.
    fn look(&self) -> bool {
        let is_due = self.is_due();
        if is_due {
            self.act();
        }
        is_due || self.is_gone()
    }

    fn act(&self) {
        let Inner { path, policy, .. } = &*self.0;
        match policy {
            LastResort::EndProcess => end_process(format!(
                "{path} does not stop, and its lease ends: the process ends, so that no two replicas do the same work"
            )),
            LastResort::Report => log::error(format_args!(
                "{path} does not stop, and its lease ends: another replica may do the same work from now on"
            )),
        }
    }

    fn gone(&self) -> MutexGuard<'_, Gone> {
        self.0.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("path", &self.0.path).finish_non_exhaustive()
    }
}

/// The plain thread. There is one in a program, and it sleeps while there is nothing to watch.
#[derive(Debug)]
pub(crate) struct PlainThread;

static WATCHED: (Mutex<Tenures>, Condvar) =
    (Mutex::new(Tenures { list: Vec::new(), is_running: false }), Condvar::new());

struct Tenures {
    list: Vec<Watched>,
    is_running: bool,
}

impl Watch for PlainThread {
    fn watch(&self, tenure: Watched) -> io::Result<()> {
        let (tenures, more) = &WATCHED;
        let mut tenures = tenures.lock().unwrap_or_else(PoisonError::into_inner);
        if !tenures.is_running {
            thread::Builder::new().name("lease-last-resort".into()).spawn(look)?;
            tenures.is_running = true;
        }
        tenures.list.push(tenure);
        more.notify_one();
        Ok(())
    }
}

fn look() {
    let (tenures, more) = &WATCHED;
    loop {
        let mut locked = tenures.lock().unwrap_or_else(PoisonError::into_inner);
        while locked.list.is_empty() {
            locked = more.wait(locked).unwrap_or_else(PoisonError::into_inner);
        }
        // Without the lock: clocks and the log are foreign code, and so may be what a monitor drops.
        let list = locked.list.clone();
        drop(locked);
        let look = || list.iter().filter(|tenure| tenure.look()).cloned().collect::<Vec<_>>();
        // A clock that panics tells no time, so it may be time.
        let over = catch_unwind(AssertUnwindSafe(look)).unwrap_or_else(|_| {
            list.iter().filter(|tenure| !tenure.is_gone()).for_each(Watched::act);
            list.clone()
        });
        if !over.is_empty() {
            let mut locked = tenures.lock().unwrap_or_else(PoisonError::into_inner);
            locked.list.retain(|tenure| !over.iter().any(|over| Arc::ptr_eq(&over.0, &tenure.0)));
        }
        drop((list, over));
        thread::sleep(LOOK);
    }
}

/// Ends the process whatever its threads do: one of them may hold the lock of stderr, or block in a write to it, and what runs at the
/// end of a process may wait for one of them.
fn end_process(text: String) -> ! {
    let (done, is_done) = mpsc::channel::<()>();
    let speak = move || {
        let _ = writeln!(io::stderr(), "{text}");
        drop(done);
    };
    if thread::Builder::new().spawn(speak).is_ok() {
        let _ = is_done.recv_timeout(PATIENCE);
    }
    let late = || {
        thread::sleep(PATIENCE);
        process::abort();
    };
    if thread::Builder::new().spawn(late).is_err() {
        process::abort();
    }
    process::exit(EXIT_CODE);
}
