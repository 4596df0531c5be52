use std::time::Duration;

use fastrand::Rng;
use supervisor_core::dotted;

/// Something that goes wrong in a simulation: for which processes, when, and what.
///
/// Processes are named by their dotted names, which are cleaned as theirs are. `root.api.*` is all that is below `root.api`.
///
/// ```
/// use std::time::Duration;
/// use supervision::sim::Fault;
///
/// // The third process of the collector panics 10 ms after it was ready.
/// let _ = Fault::panic("root.telemetry.collector").nth(3).after(Duration::from_millis(10));
/// // For half a minute, no start of the pool succeeds.
/// let _ = Fault::fail_start("root.pool").until(Duration::from_secs(30));
/// // The parser never yields again.
/// let _ = Fault::stall("root.parser");
/// // The first poll of the indexer after a second blocks its thread for a minute.
/// let _ = Fault::block("root.indexer").nth(1).after(Duration::from_secs(1)).lasting(Duration::from_secs(60));
/// // Each listener in ten is lost with its executor, at some time in its first hour.
/// let _ = Fault::lose("root.api.*").one_in(10).within(Duration::from_secs(3600));
/// ```
#[must_use = "a fault does nothing until a simulation has it: pass it to `Sim::fault`"]
#[derive(Clone, Debug)]
pub struct Fault {
    target: String,
    nth: Option<u32>,
    one_in: u32,
    from: Duration,
    until: Option<Duration>,
    pub(crate) what: What,
    pub(crate) when: When,
}

#[derive(Clone, Debug)]
pub(crate) enum What {
    Panic(String),
    Fail(String),
    Lose,
    /// For so long, or for good.
    Stall(Option<Duration>),
    /// For so long, or for good.
    Block(Option<Duration>),
    Refuse,
    DelayWakes(Duration),
}

/// Counted from when the process is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// Before it ran for the first time.
    Start,
    Ready(Duration),
    /// Within so long: the seed says when.
    SomeTime(Duration),
}

impl Fault {
    /// The process panics, as soon as it is ready: its future is dropped where it waits, destructors run, and the exit is a
    /// panic.
    pub fn panic(target: impl Into<String>) -> Self {
        Self::new(target, What::Panic("a simulated panic".into()), When::Ready(Duration::ZERO))
    }

    /// The process ends with an error, as soon as it is ready.
    pub fn fail(target: impl Into<String>) -> Self {
        Self::new(target, What::Fail("a simulated error".into()), When::Ready(Duration::ZERO))
    }

    /// The process ends with an error before its set-up has run. A closure, which is ready as soon as it is spawned, just fails
    /// at once.
    pub fn fail_start(target: impl Into<String>) -> Self {
        Self::new(target, What::Fail("a simulated error".into()), When::Start)
    }

    /// The process is dropped, as by an executor that dies under it, as soon as it is ready.
    pub fn lose(target: impl Into<String>) -> Self {
        Self::new(target, What::Lose, When::Ready(Duration::ZERO))
    }

    /// The executor refuses to run the process.
    pub fn refuse(target: impl Into<String>) -> Self {
        Self::new(target, What::Refuse, When::Start)
    }

    /// The process does not yield any more, as soon as it is ready: nothing reaches it, an abort neither. For good, or
    /// [for a while](Self::lasting). It holds up nothing but itself; [`block`](Self::block) holds up its thread, too.
    pub fn stall(target: impl Into<String>) -> Self {
        Self::new(target, What::Stall(None), When::Ready(Duration::ZERO))
    }

    /// A poll of the process blocks the thread that polls it, as soon as it is ready. Nothing reaches the process, an abort
    /// neither, and the thread polls nothing else. For good, or [for a while](Self::lasting).
    ///
    /// [Some time after](Self::after) the process was ready, something wakes it for that poll. On an executor with
    /// [one driver](crate::Threads::with_one_driver) that is the driver, as for a socket. So if nothing else is ready then,
    /// timers are not heard while the poll blocks. On an executor with [unlimited](crate::Threads::unlimited) threads, a block
    /// is a [`stall`](Self::stall).
    pub fn block(target: impl Into<String>) -> Self {
        Self::new(target, What::Block(None), When::Ready(Duration::ZERO))
    }

    /// Whatever wakes the process reaches it late, by up to this much: the seed says by how much.
    pub fn delay_wakes(target: impl Into<String>, up_to: Duration) -> Self {
        Self::new(target, What::DelayWakes(up_to), When::Start)
    }

    /// Only the `n`th process of that name, counted from 1. By default all of them.
    pub fn nth(mut self, n: u32) -> Self {
        self.nth = Some(n);
        self
    }

    /// Only one in `n` of them: the seed says which.
    pub fn one_in(mut self, n: u32) -> Self {
        self.one_in = n.max(1);
        self
    }

    /// So long after the process was ready, instead of at once.
    pub fn after(mut self, delay: Duration) -> Self {
        self.when = When::Ready(delay);
        self
    }

    /// At some time within so long after the process was ready: the seed says when.
    pub fn within(mut self, time: Duration) -> Self {
        self.when = When::SomeTime(time);
        self
    }

    /// Only processes that are spawned after so much time of the simulation.
    pub fn from(mut self, time: Duration) -> Self {
        self.from = time;
        self
    }

    /// Only processes that are spawned before so much time of the simulation has passed.
    pub fn until(mut self, time: Duration) -> Self {
        self.until = Some(time);
        self
    }

    /// A stall or a block ends after so long. Of no meaning for anything else.
    pub fn lasting(mut self, time: Duration) -> Self {
        if let What::Stall(lasting) | What::Block(lasting) = &mut self.what {
            *lasting = Some(time);
        }
        self
    }

    /// Says this, where it panics or fails.
    pub fn saying(mut self, text: impl Into<String>) -> Self {
        if let What::Panic(message) | What::Fail(message) = &mut self.what {
            *message = text.into();
        }
        self
    }

    fn new(target: impl Into<String>, what: What, when: When) -> Self {
        let target = target.into();
        let target = match target.strip_suffix(".*") {
            Some(above) => dotted(above) + ".*",
            None => dotted(&target),
        };
        Self { target, nth: None, one_in: 1, from: Duration::ZERO, until: None, what, when }
    }

    /// Whether it is meant for this process, spawned now.
    pub(crate) fn strikes(&self, name: &str, incarnation: u32, now: Duration, rng: &mut Rng) -> bool {
        let is_named = match self.target.strip_suffix(".*") {
            Some(above) => name.strip_prefix(above).is_some_and(|rest| rest.starts_with('.')),
            None => name == self.target,
        };
        is_named
            && self.nth.is_none_or(|nth| nth == incarnation)
            && now >= self.from
            && self.until.is_none_or(|until| now < until)
            && (self.one_in == 1 || rng.u32(..self.one_in) == 0)
    }

    /// Whether it means nothing to a process that is there already.
    pub(crate) fn is_for_starts(&self) -> bool {
        matches!((&self.what, self.when), (What::Refuse, _) | (What::Panic(_) | What::Fail(_), When::Start))
    }

    /// Whether it happens at one moment.
    pub(crate) fn is_blow(&self) -> bool {
        !matches!(self.what, What::Refuse | What::DelayWakes(_))
    }
}
