use std::time::Duration;

use fastrand::Rng;
use supervisor_core::dotted;

/// A fault in a simulation: for which processes, when, and what goes wrong.
///
/// Processes are matched by their dotted names, which are cleaned as theirs are. `root.api.*` is all that is below
/// `root.api`.
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
    /// For this long, or for good.
    Stall(Option<Duration>),
    /// For this long, or for good.
    Block(Option<Duration>),
    Refuse,
    DelayWakes(Duration),
}

/// Counted from when the process is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) enum When {
    /// Before its first poll.
    Start,
    Ready(Duration),
    /// Within this time; the seed decides when.
    SomeTime(Duration),
}

impl Fault {
    /// Makes the process panic as soon as it is ready: its future is dropped where it waits, destructors run, and the
    /// exit is a panic.
    pub fn panic(target: impl Into<String>) -> Self {
        Self::new(target, What::Panic("a simulated panic".into()), When::Ready(Duration::ZERO))
    }

    /// Makes the process end with an error as soon as it is ready.
    pub fn fail(target: impl Into<String>) -> Self {
        Self::new(target, What::Fail("a simulated error".into()), When::Ready(Duration::ZERO))
    }

    /// Makes the process end with an error before its set-up has run. A closure, which is ready as soon as it is
    /// spawned, fails at once.
    pub fn fail_start(target: impl Into<String>) -> Self {
        Self::new(target, What::Fail("a simulated error".into()), When::Start)
    }

    /// Loses the process as soon as it is ready: it is dropped, as by an executor that ends under it.
    pub fn lose(target: impl Into<String>) -> Self {
        Self::new(target, What::Lose, When::Ready(Duration::ZERO))
    }

    /// Makes the executor refuse to run the process.
    pub fn refuse(target: impl Into<String>) -> Self {
        Self::new(target, What::Refuse, When::Start)
    }

    /// Makes the process not yield any more, as soon as it is ready: nothing reaches it, not even an abort. For good,
    /// or [for a while](Self::lasting). It holds up nothing but itself; [`block`](Self::block) holds up its thread,
    /// too.
    pub fn stall(target: impl Into<String>) -> Self {
        Self::new(target, What::Stall(None), When::Ready(Duration::ZERO))
    }

    /// Makes a poll of the process block its thread, as soon as the process is ready. Nothing reaches the process, not
    /// even an abort, and the thread polls nothing else. It lasts for good, or [for a while](Self::lasting).
    ///
    /// With [`after`](Self::after), the simulation wakes the process for that poll, some time after it was ready. On an
    /// executor with [one driver](crate::Threads::with_one_driver) the driver wakes it, as for a socket. So if nothing
    /// else is ready then, no timer elapses while the poll blocks. On an executor with
    /// [unlimited](crate::Threads::unlimited) threads, a block is a [`stall`](Self::stall).
    pub fn block(target: impl Into<String>) -> Self {
        Self::new(target, What::Block(None), When::Ready(Duration::ZERO))
    }

    /// Delays every wake of the process by up to this much: the seed decides by how much.
    pub fn delay_wakes(target: impl Into<String>, up_to: Duration) -> Self {
        Self::new(target, What::DelayWakes(up_to), When::Start)
    }

    /// Restricts the fault to the `n`th process of that name, counted from 1. By default it strikes all of them.
    pub fn nth(mut self, n: u32) -> Self {
        self.nth = Some(n);
        self
    }

    /// Restricts the fault to one in `n` of the processes: the seed decides which.
    pub fn one_in(mut self, n: u32) -> Self {
        self.one_in = n.max(1);
        self
    }

    /// Delays the fault by this time after the process was ready. By default it strikes at once.
    pub fn after(mut self, delay: Duration) -> Self {
        self.when = When::Ready(delay);
        self
    }

    /// Delays the fault to some moment within this time after the process was ready: the seed decides when.
    pub fn within(mut self, time: Duration) -> Self {
        self.when = When::SomeTime(time);
        self
    }

    /// Restricts the fault to processes that are spawned after this time of the simulation.
    pub fn from(mut self, time: Duration) -> Self {
        self.from = time;
        self
    }

    /// Restricts the fault to processes that are spawned before this time of the simulation.
    pub fn until(mut self, time: Duration) -> Self {
        self.until = Some(time);
        self
    }

    /// Ends a stall or a block after this time. Has no effect on other faults.
    pub fn lasting(mut self, time: Duration) -> Self {
        if let What::Stall(lasting) | What::Block(lasting) = &mut self.what {
            *lasting = Some(time);
        }
        self
    }

    /// Sets the message of a panic or an error.
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

    /// Returns whether the fault strikes this process, spawned now.
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

    /// Returns whether the fault cannot strike a process that exists already.
    pub(crate) fn is_for_starts(&self) -> bool {
        matches!((&self.what, self.when), (What::Refuse, _) | (What::Panic(_) | What::Fail(_), When::Start))
    }

    /// Returns whether the fault happens at one moment.
    pub(crate) fn is_blow(&self) -> bool {
        !matches!(self.what, What::Refuse | What::DelayWakes(_))
    }
}
