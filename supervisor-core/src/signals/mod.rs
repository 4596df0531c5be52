//! Receives the signals that ask a program to stop, on a plain thread.
//!
//! An executor's own signal support depends on the thread that waits for its sockets. A poll that blocks can hold that
//! thread up, and then the program does not see the signal (8 s were measured). A plain thread receives it whatever is
//! blocked, and wakes the run from outside of the executor, which makes another thread of the executor look for work.
//!
//! ```text
//!            1st            2nd signal, or the run ends
//! listening ─────► heard ─────► no longer listening: if no other run listens,
//!                  stop         the next signal has its default effect again
//!                               abort
//! ```
//!
//! An installed handler stays, because other code may depend on it. So the handler itself applies the default effect
//! while no run listens.

#[cfg_attr(unix, path = "unix.rs")]
#[cfg_attr(not(unix), path = "elsewhere.rs")]
mod ear;

use std::{
    fmt, io,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicI32, AtomicU8, Ordering::SeqCst},
    },
    task::{Context, Waker},
    thread,
    time::{Duration, Instant},
};

use atomic_waker::AtomicWaker;
use signal_hook::{
    consts::{SIGINT, SIGTERM},
    flag,
    low_level::signal_name,
};

use self::ear::{Ear, Shut};
use crate::{error::SupervisorError, incarnation::guard, text::Rounded};

/// The signals that ask a program to stop.
const SIGNALS: [i32; 2] = [SIGINT, SIGTERM];

/// The signal that came as the second one to a run, and so aborted it.
static FORCED: AtomicI32 = AtomicI32::new(NONE);
const NONE: i32 = 0;

static LISTENERS: Mutex<Listeners> = Mutex::new(Listeners { count: 0, has_default: None });

struct Listeners {
    count: usize,
    /// Whether a signal has its default effect. Shared with the handlers.
    has_default: Option<Arc<AtomicBool>>,
}

/// The signals to one run.
#[derive(Debug)]
pub(crate) struct Signals {
    heard: Arc<Heard>,
    /// How many of them the run has been told.
    told: u8,
    shut: Shut,
}

/// A request that a signal makes to a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    Stop(Received),
    StopNow(Received),
}

/// A signal, as a run learns of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    name: &'static str,
    /// How long ago it came. If the executor was blocked meanwhile, that explains the delay.
    ago: Duration,
}

/// A run that learns of a signal within this time learns of it at once.
const AT_ONCE: Duration = Duration::from_millis(100);

#[derive(Debug)]
struct Heard {
    count: AtomicU8,
    /// The first two.
    signals: [AtomicI32; 2],
    /// When they came.
    at: [OnceLock<Instant>; 2],
    waker: AtomicWaker,
    is_listening: AtomicBool,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot install signal handlers")]
struct CannotInstall(#[source] io::Error);

impl Signals {
    /// Starts listening. From now on the signals no longer end the program by themselves.
    pub(crate) fn listen() -> Result<Self, SupervisorError> {
        Self::try_listen().map_err(|error| SupervisorError::executor(CannotInstall(error)))
    }

    fn try_listen() -> io::Result<Self> {
        let heard = Heard::begin()?;
        FORCED.store(NONE, SeqCst);
        // On an error, dropping this corrects the count.
        let listening = Stops(heard.clone());
        let (ear, shut) = Ear::open(SIGNALS)?;
        let signals = Self { heard, told: 0, shut };
        thread::Builder::new()
            .name("supervision-signals".into())
            .spawn(move || ear.listen(|signal| listening.hear(signal)))?;
        Ok(signals)
    }

    /// Returns the next request, each once. If there is none, registers the task to be woken by the next.
    pub(crate) fn poll(&mut self, cx: &Context<'_>) -> Option<Asked> {
        self.heard.waker.register(cx.waker());
        if self.told >= self.heard.count.load(SeqCst) {
            return None;
        }
        self.told += 1;
        let received = |nth: usize| Received {
            name: name(self.heard.signals[nth].load(SeqCst)),
            ago: self.heard.at[nth].get().map_or(Duration::ZERO, Instant::elapsed),
        };
        Some(if self.told == 1 { Asked::Stop(received(0)) } else { Asked::StopNow(received(1)) })
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        if self.ago < AT_ONCE { Ok(()) } else { write!(f, " (received {} ago)", Rounded(self.ago)) }
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.heard.end();
        self.shut.shut();
    }
}

/// Installs handlers that apply the default effect while the returned flag is true.
fn install() -> io::Result<Arc<AtomicBool>> {
    let has_default = Arc::new(AtomicBool::new(true));
    for signal in SIGNALS {
        flag::register_conditional_default(signal, has_default.clone())?;
    }
    Ok(has_default)
}

/// Returns the name of the second signal that aborted a run, if one did, and the exit code of a program that it ends: 128 + its
/// number.
pub(crate) fn forced() -> Option<(&'static str, u8)> {
    let signal = Some(FORCED.load(SeqCst)).filter(|signal| *signal != NONE)?;
    // The two signals have small numbers on each system.
    Some((name(signal), u8::try_from(128 + signal).unwrap_or(u8::MAX)))
}

fn name(signal: i32) -> &'static str {
    signal_name(signal).unwrap_or("a signal")
}

impl Heard {
    fn begin() -> io::Result<Arc<Self>> {
        let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        let has_default = match listeners.has_default.take() {
            Some(has_default) => has_default,
            None => install()?,
        };
        has_default.store(false, SeqCst);
        listeners.has_default = Some(has_default);
        listeners.count += 1;
        Ok(Arc::new(Self {
            count: AtomicU8::new(0),
            signals: [const { AtomicI32::new(NONE) }; 2],
            at: [const { OnceLock::new() }; 2],
            waker: AtomicWaker::new(),
            is_listening: AtomicBool::new(true),
        }))
    }

    /// Ends the listening of a run: it has received every request that it can act on, or it has ended.
    fn end(&self) {
        if !self.is_listening.swap(false, SeqCst) {
            return;
        }
        let mut listeners = LISTENERS.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.count -= 1;
        if let (0, Some(has_default)) = (listeners.count, &listeners.has_default) {
            has_default.store(true, SeqCst);
        }
    }
}

/// The side of the thread.
struct Stops(Arc<Heard>);

impl Stops {
    /// Handles a signal. Returns whether to go on listening.
    fn hear(&self, signal: i32) -> bool {
        let Self(heard) = self;
        if !heard.is_listening.load(SeqCst) {
            return false;
        }
        let is_first = heard.count.load(SeqCst) == 0;
        if !is_first {
            FORCED.store(signal, SeqCst);
            heard.end();
        }
        // Which one and when, before that there is one.
        let nth = usize::from(!is_first);
        heard.signals[nth].store(signal, SeqCst);
        let _ = heard.at[nth].set(Instant::now());
        heard.count.fetch_add(1, SeqCst);
        // Wakers are user code.
        let _ = guard(|| heard.waker.take().map(Waker::wake));
        is_first
    }
}

impl Drop for Stops {
    fn drop(&mut self) {
        self.0.end();
    }
}
