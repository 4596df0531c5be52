//! Finds polls that do not end, while they last (B2). It runs on a thread of its own, so it works even if the executor
//! has no free thread left.

use std::{
    fmt, io,
    sync::{
        Arc,
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    thread,
    time::{Duration, Instant},
};

use crate::{
    incarnation::{Polled, ThreadSlot, Watching, guard, slots},
    node::{Scope, Subject},
    observe::EventKind,
};

/// Watches the polls of all processes in the program. A poll that lasts longer than `longest` is reported while it
/// still lasts, as [`EventKind::Blocked`] with the dotted name of the process, in the log and to subscribers.
///
/// A future has to return from its polls quickly: code that blocks in one (a lock, a computation, a blocking call)
/// keeps the thread from all other tasks, and nothing can end it. This names the process. It works on every executor,
/// even with a single thread on which nothing else runs.
///
/// It also limits the damage: the blocked thread may be the one that waits for the executor's timers and sockets, for
/// all its threads. So the executor is nudged, once for each poll that is found
/// ([`Spawner::nudge`](crate::Spawner::nudge)), and another thread of it takes over, if it has one.
///
/// The watch lasts until the returned value is dropped. By default there is no watch, and no cost. During a watch, each
/// poll takes an uncontended lock and counts two references, some twenty nanoseconds. A poll is found when it has
/// lasted between one and one and a half times `longest`; half a second is a good start. A poll that never ends is
/// reported once.
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// let _watch = supervision::watch_polls(std::time::Duration::from_millis(500))?;
/// // and run trees
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// If the thread cannot be started.
pub fn watch_polls(longest: Duration) -> io::Result<PollWatch> {
    let (alive, gone) = mpsc::channel();
    let watching = Watching::begin();
    thread::Builder::new().name("supervision-polls".into()).spawn(move || watch(longest, &gone))?;
    Ok(PollWatch { _alive: alive, _watching: watching })
}

/// A watch on polls: see [`watch_polls`]. Dropping it ends the watch.
#[must_use = "the watch is over when this is dropped"]
pub struct PollWatch {
    _alive: Sender<()>,
    _watching: Watching,
}

/// A thread that was seen in a poll.
struct Sighting {
    slot: Arc<ThreadSlot>,
    number: u64,
    first: Instant,
    is_told: bool,
}

fn watch(longest: Duration, gone: &Receiver<()>) {
    // Often enough to be in time, without using much CPU.
    let pause = (longest / 2).max(Duration::from_millis(1));
    let mut sightings: Vec<Sighting> = Vec::new();
    while let Err(RecvTimeoutError::Timeout) = gone.recv_timeout(pause) {
        let now = Instant::now();
        let mut again = Vec::new();
        for slot in slots() {
            // No clock is read in polls. So the time of a poll counts from when it was first seen here.
            let Some(number) = slot.occupied() else { continue };
            let known =
                sightings.iter().find(|sighting| Arc::ptr_eq(&sighting.slot, &slot) && sighting.number == number);
            let (first, mut is_told) = known.map_or((now, false), |sighting| (sighting.first, sighting.is_told));
            // Once for each poll: a poll that never ends would fill the log.
            if !is_told && now - first >= longest {
                emit(&slot, number, now - first);
                is_told = true;
            }
            again.push(Sighting { slot, number, first, is_told });
        }
        sightings = again;
    }
}

fn emit(slot: &ThreadSlot, number: u64, lasted: Duration) {
    // The process cannot end during the look, so nothing of it is dropped here.
    let found = slot.look(number, |Polled { id, control, parent }| {
        let (scope, path) = (Scope::above(parent)?, parent.path_of(control.name()));
        let subject = Subject { path, id: (!scope.is_outside()).then(|| control.id()), process: Some(*id) };
        Some((subject, scope, Scope::executor(parent)?))
    });
    let Some(Some((subject, scope, executor))) = found else { return };
    // P9: executors, the log and wakers are foreign code. The nudge comes first, because tasks that wait for the thread
    // have waited long enough.
    let _ = guard(move || executor.nudge());
    let _ = guard(|| {
        scope.emit(EventKind::Blocked { lasted }, None, None, || subject);
    });
}

impl fmt::Debug for PollWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PollWatch").finish_non_exhaustive()
    }
}
